// SPDX-License-Identifier: Apache-2.0
#include "server/secrets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "base/hash.h"

namespace wherry::server {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSaltBytes = 16;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  CHECK(::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1);
  return bytes;
}

std::string scrypt(std::string_view secret, std::string salt, SecretCost cost) {
  const std::unique_ptr<EVP_KDF, decltype(&::EVP_KDF_free)> kdf(
      ::EVP_KDF_fetch(nullptr, "SCRYPT", nullptr), &::EVP_KDF_free);
  CHECK(kdf != nullptr);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&::EVP_KDF_CTX_free)> context(
      ::EVP_KDF_CTX_new(kdf.get()), &::EVP_KDF_CTX_free);
  CHECK(context != nullptr);
  std::string password(secret);
  std::uint64_t memory = 128 * cost.n * cost.r * 2 + (1U << 20);  // OpenSSL's bound, not its use
  const std::array<OSSL_PARAM, 7> parameters = {
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, password.data(),
                                          password.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
      ::OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &cost.n),
      ::OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &cost.r),
      ::OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &cost.p),
      ::OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
      ::OSSL_PARAM_construct_end()};
  std::string key(kKeyBytes, '\0');
  CHECK(::EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(key.data()), key.size(),
                         parameters.data()) == 1);
  ::OPENSSL_cleanse(password.data(), password.size());
  return key;
}

std::string sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size();
}

// Bounds keep a damaged row from asking for all memory.
bool is_sane(const SecretCost& cost) {
  return cost.n >= 2 && cost.n <= (1U << 20) && (cost.n & (cost.n - 1)) == 0 && cost.r >= 1 &&
         cost.r <= 32 && cost.p >= 1 && cost.p <= 16;
}

std::optional<unsigned> value_of(char letter) {
  if (letter == '+') return 62;
  if (letter == '/') return 63;
  const std::size_t found = kAlphabet.find(letter);
  if (found == kAlphabet.npos) return std::nullopt;
  return static_cast<unsigned>(found);
}

}  // namespace

std::string random_secret() { return base64url(random_bytes(32)); }

std::string hash_secret(std::string_view secret, const SecretCost& cost) {
  CHECK(is_sane(cost));
  const std::string salt = random_bytes(kSaltBytes);
  return fmt::format("scrypt${}${}${}${}${}", cost.n, cost.r, cost.p, base64url(salt),
                     base64url(scrypt(secret, salt, cost)));
}

bool secret_matches(std::string_view secret, std::string_view hash) {
  const auto parts = split(hash, '$');
  SecretCost cost;
  if (parts.size() != 6 || parts[0] != "scrypt" || !read_number(parts[1], cost.n) ||
      !read_number(parts[2], cost.r) || !read_number(parts[3], cost.p) || !is_sane(cost))
    return false;
  const auto salt = decode_base64(parts[4]);
  const auto key = decode_base64(parts[5]);
  if (!salt || !key || key->size() != kKeyBytes) return false;
  return equal_in_constant_time(scrypt(secret, *salt, cost), *key);
}

std::string token_digest(std::string_view token) {
  return hash_bytes(HashAlgorithm::kSha256, token);
}

std::string pkce_challenge(std::string_view verifier) { return base64url(sha256(verifier)); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[(bits >> (count - 6)) & 63];
  }
  if (count > 0) text += kAlphabet[(bits << (6 - count)) & 63];
  return text;
}

Result<std::string> decode_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return make_error(Code::kInvalid, "the base64 text is cut off");
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const auto value = value_of(letter);
    if (!value) return make_error(Code::kInvalid, "the text is not base64");
    bits = (bits << 6) | *value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return bytes;
}

}  // namespace wherry::server
