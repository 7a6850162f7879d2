// SPDX-License-Identifier: Apache-2.0
// Checksums of byte streams. XXH3-128 is what Wherry verifies with; the others are what the Globus
// contract and other tools name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry {

// MD5, SHA-1, SHA-256, SHA-512: OpenSSL. XXH3-128: xxHash, canonical (big-endian) form. CRC-32C:
// Castagnoli polynomial (RFC 3720, appendix B.4). ADLER-32: RFC 1950, section 9.
enum class HashAlgorithm { kXxh3_128, kMd5, kSha1, kSha256, kSha512, kCrc32c, kAdler32 };

// "XXH3-128", "MD5", "SHA1", "SHA256", "SHA512", "CRC32C", "ADLER32".
std::string_view to_string(HashAlgorithm algorithm);
// Takes the names above in either case, and with a dash ("SHA-256"); kInvalid lists the good ones.
Result<HashAlgorithm> parse_hash_algorithm(std::string_view name);

// One checksum in the making. For one thread at a time.
class Hasher {
 public:
  virtual ~Hasher() = default;
  virtual void update(std::span<const char> bytes) = 0;
  // The digest of all bytes so far in lower-case hex. Can be called once.
  virtual std::string finish() = 0;
};

std::unique_ptr<Hasher> make_hasher(HashAlgorithm algorithm);

// The digest of `bytes` in lower-case hex.
std::string hash_bytes(HashAlgorithm algorithm, std::span<const char> bytes);

// The 64-bit XXH3 of `bytes`: the checksum of Wherry's on-disk formats.
std::uint64_t checksum64(std::string_view bytes);

namespace internal {
// The CRC-32C of bytes that follow others whose CRC-32C is `crc` (0 for none): with the processor's
// instruction where there is one, and with tables everywhere.
std::uint32_t crc32c(std::uint32_t crc, std::span<const char> bytes);
std::uint32_t crc32c_portable(std::uint32_t crc, std::span<const char> bytes);
}  // namespace internal

}  // namespace wherry
