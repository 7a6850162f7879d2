// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/check.h"

namespace wherry {
namespace {

struct NamedAlgorithm {
  HashAlgorithm algorithm;
  std::string_view name;
};

constexpr NamedAlgorithm kAlgorithms[] = {
    {HashAlgorithm::kXxh3_128, "XXH3-128"}, {HashAlgorithm::kMd5, "MD5"},
    {HashAlgorithm::kSha1, "SHA1"},         {HashAlgorithm::kSha256, "SHA256"},
    {HashAlgorithm::kSha512, "SHA512"},     {HashAlgorithm::kCrc32c, "CRC32C"},
    {HashAlgorithm::kAdler32, "ADLER32"},
};

// Upper case without dashes, the form in which names are compared.
std::string folded(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '-') continue;
    text += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return text;
}

std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(bytes.size() * 2, '0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return text;
}

class OpensslHasher : public Hasher {
 public:
  explicit OpensslHasher(const EVP_MD* digest) : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr);
    CHECK(EVP_DigestInit_ex(context_.get(), digest, nullptr) == 1);
  }

  void update(std::span<const char> bytes) override {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }

  std::string finish() override {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
    return to_hex(std::span(digest).first(size));
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// Looked up once per process: a lookup by name costs more than hashing a small file. "-fips" asks
// for MD5 even where the system's default is FIPS-approved digests only: here it guards against
// accidents, and is what the Globus contract names.
const EVP_MD* fetch_digest(const char* name) {
  const EVP_MD* digest = EVP_MD_fetch(nullptr, name, "-fips");
  CHECK(digest != nullptr);
  return digest;
}

class Xxh3Hasher : public Hasher {
 public:
  Xxh3Hasher() : state_(XXH3_createState()) {
    CHECK(state_ != nullptr);
    CHECK(XXH3_128bits_reset(state_.get()) == XXH_OK);
  }

  void update(std::span<const char> bytes) override {
    if (bytes.empty()) return;  // a null pointer is an error to xxHash
    CHECK(XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()) == XXH_OK);
  }

  std::string finish() override {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    return to_hex(canonical.digest);
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// Eight tables: table[k][b] is the CRC of byte b followed by k zero bytes, so that eight bytes are
// folded in per step.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
  constexpr std::uint32_t kCastagnoliReversed = 0x82f63b78u;
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kCastagnoliReversed : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr CrcTables kCrcTables = make_crc_tables();

std::uint64_t load_little_endian(const char* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  value = __builtin_bswap64(value);
#endif
  return value;
}

using Crc32cFunction = std::uint32_t (*)(std::uint32_t, std::span<const char>);

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t crc,
                                                             std::span<const char> bytes) {
  std::uint64_t wide = ~crc;
  while (bytes.size() >= 8) {
    wide = _mm_crc32_u64(wide, load_little_endian(bytes.data()));
    bytes = bytes.subspan(8);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (const char byte : bytes) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(byte));
  return ~narrow;
}
#endif

Crc32cFunction choose_crc32c() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42;
#endif
  return internal::crc32c_portable;
}

class Crc32cHasher : public Hasher {
 public:
  void update(std::span<const char> bytes) override { crc_ = internal::crc32c(crc_, bytes); }
  std::string finish() override { return fmt::format("{:08x}", crc_); }

 private:
  std::uint32_t crc_ = 0;
};

class Adler32Hasher : public Hasher {
 public:
  void update(std::span<const char> bytes) override {
    while (!bytes.empty()) {
      const std::size_t count = std::min(bytes.size(), kBytesBetweenModulo);
      add(bytes.first(count));
      low_ %= kModulus;
      high_ %= kModulus;
      bytes = bytes.subspan(count);
    }
  }

  std::string finish() override { return fmt::format("{:08x}", (high_ << 16) | low_); }

 private:
  static constexpr std::uint32_t kModulus = 65521;
  // The most bytes of 255 after which `high_` still fits 32 bits, rounded down to whole chunks.
  static constexpr std::size_t kChunk = 32;
  static constexpr std::size_t kBytesBetweenModulo = 5552 / kChunk * kChunk;

  // Chunk by chunk instead of byte by byte, so that the compiler can use vector instructions: the
  // sums within a chunk do not depend on the ones before it.
  void add(std::span<const char> bytes) {
    while (bytes.size() >= kChunk) {
      std::uint32_t sum = 0;
      std::uint32_t weighted = 0;
      for (std::size_t i = 0; i < kChunk; ++i) {
        const std::uint32_t byte = static_cast<unsigned char>(bytes[i]);
        sum += byte;
        weighted += byte * static_cast<std::uint32_t>(kChunk - i);
      }
      high_ += static_cast<std::uint32_t>(kChunk) * low_ + weighted;
      low_ += sum;
      bytes = bytes.subspan(kChunk);
    }
    for (const char byte : bytes) {
      low_ += static_cast<unsigned char>(byte);
      high_ += low_;
    }
  }

  std::uint32_t low_ = 1;
  std::uint32_t high_ = 0;
};

}  // namespace

namespace internal {

std::uint32_t crc32c_portable(std::uint32_t crc, std::span<const char> bytes) {
  crc = ~crc;
  while (bytes.size() >= 8) {
    const std::uint64_t word = load_little_endian(bytes.data()) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kCrcTables[7 - i][(word >> (8 * i)) & 255];
    bytes = bytes.subspan(8);
  }
  for (const char byte : bytes)
    crc = (crc >> 8) ^ kCrcTables[0][(crc ^ static_cast<unsigned char>(byte)) & 255];
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, std::span<const char> bytes) {
  static const Crc32cFunction function = choose_crc32c();
  return function(crc, bytes);
}

}  // namespace internal

std::string_view to_string(HashAlgorithm algorithm) {
  for (const NamedAlgorithm& known : kAlgorithms) {
    if (known.algorithm == algorithm) return known.name;
  }
  CHECK(false && "a hash algorithm without a name");
  return {};
}

Result<HashAlgorithm> parse_hash_algorithm(std::string_view name) {
  for (const NamedAlgorithm& known : kAlgorithms) {
    if (folded(known.name) == folded(name)) return known.algorithm;
  }
  std::string names;
  for (const NamedAlgorithm& known : kAlgorithms)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return make_error(Code::kInvalid, "'{}' is no checksum algorithm; use one of {}", name, names);
}

std::unique_ptr<Hasher> make_hasher(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kXxh3_128:
      return std::make_unique<Xxh3Hasher>();
    case HashAlgorithm::kMd5: {
      static const EVP_MD* const digest = fetch_digest("MD5");
      return std::make_unique<OpensslHasher>(digest);
    }
    case HashAlgorithm::kSha1: {
      static const EVP_MD* const digest = fetch_digest("SHA1");
      return std::make_unique<OpensslHasher>(digest);
    }
    case HashAlgorithm::kSha256: {
      static const EVP_MD* const digest = fetch_digest("SHA256");
      return std::make_unique<OpensslHasher>(digest);
    }
    case HashAlgorithm::kSha512: {
      static const EVP_MD* const digest = fetch_digest("SHA512");
      return std::make_unique<OpensslHasher>(digest);
    }
    case HashAlgorithm::kCrc32c:
      return std::make_unique<Crc32cHasher>();
    case HashAlgorithm::kAdler32:
      return std::make_unique<Adler32Hasher>();
  }
  CHECK(false && "a hash algorithm without a hasher");
  return nullptr;
}

std::string hash_bytes(HashAlgorithm algorithm, std::span<const char> bytes) {
  const auto hasher = make_hasher(algorithm);
  hasher->update(bytes);
  return hasher->finish();
}

std::uint64_t checksum64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace wherry
