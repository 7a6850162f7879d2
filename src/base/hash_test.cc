// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace wherry {
namespace {

using testing::HasSubstr;

struct Vector {
  HashAlgorithm algorithm;
  std::string input;
  std::string digest;
};

std::string ascending(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string random_bytes(std::size_t count) {
  SeededRandom random(7);
  std::string bytes;
  while (bytes.size() < count) bytes += static_cast<char>(random.next());
  return bytes;
}

constexpr HashAlgorithm kAll[] = {HashAlgorithm::kXxh3_128, HashAlgorithm::kMd5,
                                  HashAlgorithm::kSha1,     HashAlgorithm::kSha256,
                                  HashAlgorithm::kSha512,   HashAlgorithm::kCrc32c,
                                  HashAlgorithm::kAdler32};

TEST(Hash, MatchesThePublishedVectors) {
  const Vector vectors[] = {
      // RFC 1321, appendix A.5
      {HashAlgorithm::kMd5, "", "d41d8cd98f00b204e9800998ecf8427e"},
      {HashAlgorithm::kMd5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
      {HashAlgorithm::kMd5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      // FIPS 180-4 examples
      {HashAlgorithm::kSha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {HashAlgorithm::kSha256, "abc",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {HashAlgorithm::kSha512, "abc",
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
      // RFC 3720, appendix B.4 (there in the byte order of the wire)
      {HashAlgorithm::kCrc32c, std::string(32, '\0'), "8a9136aa"},
      {HashAlgorithm::kCrc32c, std::string(32, '\xff'), "62a8ab43"},
      {HashAlgorithm::kCrc32c, ascending(32), "46dd794e"},
      {HashAlgorithm::kCrc32c, "123456789", "e3069283"},
      {HashAlgorithm::kAdler32, "", "00000001"},
      {HashAlgorithm::kAdler32, "Wikipedia", "11e60398"},
      // xxHash's own sanity test: the empty input with seed 0
      {HashAlgorithm::kXxh3_128, "", "99aa06d3014798d86001c324468d497f"},
  };
  for (const Vector& vector : vectors)
    EXPECT_EQ(hash_bytes(vector.algorithm, vector.input), vector.digest)
        << to_string(vector.algorithm) << " of " << vector.input.size() << " bytes";
}

TEST(Hash, DoesNotDependOnHowTheBytesAreCutUp) {
  const std::string bytes = random_bytes(20'000);
  for (const HashAlgorithm algorithm : kAll) {
    for (const std::size_t piece : {1u, 7u, 31u, 33u, 4096u, 5552u}) {
      const auto hasher = make_hasher(algorithm);
      for (std::size_t at = 0; at < bytes.size(); at += piece)
        hasher->update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
      EXPECT_EQ(hasher->finish(), hash_bytes(algorithm, bytes)) << to_string(algorithm) << piece;
    }
  }
}

TEST(Hash, AnEmptyUpdateChangesNothing) {
  for (const HashAlgorithm algorithm : kAll) {
    const auto hasher = make_hasher(algorithm);
    hasher->update({});
    hasher->update(std::string_view("abc"));
    hasher->update({});
    EXPECT_EQ(hasher->finish(), hash_bytes(algorithm, std::string_view("abc")));
  }
}

TEST(Hash, Crc32cIsTheSameWithAndWithoutTheProcessorsInstruction) {
  const std::string bytes = random_bytes(1000);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; size < 70; ++size) {
      const auto part = std::span(bytes).subspan(begin, size);
      EXPECT_EQ(internal::crc32c(5, part), internal::crc32c_portable(5, part));
    }
  }
}

// The definition of RFC 1950, byte by byte, on the input that overflows soonest.
TEST(Hash, Adler32DefersItsModuloWithoutOverflow) {
  const std::string bytes(100'000, '\xff');
  std::uint32_t low = 1;
  std::uint32_t high = 0;
  for (const char byte : bytes) {
    low = (low + static_cast<unsigned char>(byte)) % 65521;
    high = (high + low) % 65521;
  }
  EXPECT_EQ(hash_bytes(HashAlgorithm::kAdler32, bytes), fmt::format("{:08x}", high << 16 | low));
}

TEST(Hash, Checksum64IsXxh3) {
  EXPECT_EQ(checksum64(""), 0x2d06800538d394c2u);
  EXPECT_NE(checksum64("a"), checksum64("b"));
}

TEST(Hash, NamesAreReadInEitherCaseAndWithDashes) {
  for (const HashAlgorithm algorithm : kAll)
    EXPECT_EQ(parse_hash_algorithm(to_string(algorithm)).value(), algorithm);
  EXPECT_EQ(parse_hash_algorithm("sha-256").value(), HashAlgorithm::kSha256);
  EXPECT_EQ(parse_hash_algorithm("Md5").value(), HashAlgorithm::kMd5);
  EXPECT_EQ(parse_hash_algorithm("xxh3128").value(), HashAlgorithm::kXxh3_128);
}

TEST(Hash, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const auto parsed = parse_hash_algorithm("crc32");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Code::kInvalid);
  EXPECT_THAT(parsed.error().message, HasSubstr("'crc32'"));
  EXPECT_THAT(parsed.error().message, HasSubstr("XXH3-128, MD5, SHA1"));
}

}  // namespace
}  // namespace wherry
