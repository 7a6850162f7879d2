// SPDX-License-Identifier: Apache-2.0
// The cryptography of the identity provider: random tokens, password hashes, digests, comparisons
// that take the same time whatever they compare.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::server {

// 256 random bits of OpenSSL's generator as 43 letters, digits, '-' and '_'.
std::string random_secret();

// What a hash costs: 128 * n * r bytes of memory, and time in proportion to n * r * p.
struct SecretCost {
  std::uint64_t n = 1U << 15;  // a power of two
  std::uint32_t r = 8;
  std::uint32_t p = 1;
};

// "scrypt$n$r$p$salt$key": everything that checking needs stands in the text.
std::string hash_secret(std::string_view secret, const SecretCost& cost);
// Whether `secret` is what was hashed; false for a text that is no hash.
bool secret_matches(std::string_view secret, std::string_view hash);

// SHA-256 in lower-case hex: under it a random token is stored. (Tokens are too long to be guessed,
// so that nothing slower is needed.)
std::string token_digest(std::string_view token);
// base64url(sha256(verifier)) without padding: the challenge of PKCE's method S256 (RFC 7636).
std::string pkce_challenge(std::string_view verifier);

bool equal_in_constant_time(std::string_view a, std::string_view b);

// RFC 4648, section 5, without padding.
std::string base64url(std::string_view bytes);
// RFC 4648, section 4, with or without padding (HTTP Basic); kInvalid for other characters.
Result<std::string> decode_base64(std::string_view text);

}  // namespace wherry::server
