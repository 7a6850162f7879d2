// SPDX-License-Identifier: Apache-2.0
#include "catalog/format.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/random.h"

namespace wherry::catalog {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::vector<std::uint64_t> decoded(std::string_view bytes, std::size_t count,
                                   const std::vector<std::uint64_t>& reference = {}) {
  ByteCursor cursor(bytes);
  std::vector<std::uint64_t> values(count);
  decode_column(
      cursor, count, [&](std::size_t i) { return reference[i]; },
      [&](std::size_t i, std::uint64_t value) { values[i] = value; });
  EXPECT_FALSE(cursor.failed());
  EXPECT_EQ(cursor.remaining(), 0u);
  return values;
}

TEST(Varint, RoundTripsAtEveryWidth) {
  for (unsigned bits = 0; bits <= 64; ++bits) {
    const std::uint64_t value = bits == 0 ? 0 : kMax >> (64 - bits);
    std::string bytes;
    append_varint(bytes, value);
    EXPECT_EQ(bytes.size(), varint_size(value));
    ByteCursor cursor(bytes);
    EXPECT_EQ(cursor.varint(), value);
    EXPECT_FALSE(cursor.failed());
  }
}

TEST(Varint, FailsOnCutOffAndOversizedNumbers) {
  for (const std::string& bytes : {std::string(), std::string(1, '\x80'),
                                   std::string(9, '\xff') + '\x02', std::string(11, '\x80')}) {
    ByteCursor cursor(bytes);
    EXPECT_EQ(cursor.varint(), 0u);
    EXPECT_TRUE(cursor.failed());
    EXPECT_EQ(cursor.remaining(), 0u);
  }
}

TEST(Zigzag, KeepsSmallNumbersOfEitherSignSmall) {
  EXPECT_EQ(zigzag(0), 0u);
  EXPECT_EQ(zigzag(kMax), 1u);  // -1
  EXPECT_EQ(zigzag(1), 2u);
  for (const std::uint64_t value : {std::uint64_t{0}, kMax, kMax / 2, kMax / 2 + 1})
    EXPECT_EQ(unzigzag(zigzag(value)), value);
}

TEST(Column, OneRunOfEqualValuesTakesAFewBytes) {
  std::string bytes;
  append_column(bytes, std::vector<std::uint64_t>(4096, 0644));
  EXPECT_LE(bytes.size(), 5u);
  EXPECT_EQ(decoded(bytes, 4096), std::vector<std::uint64_t>(4096, 0644));
}

TEST(Column, ASequenceTakesAFewBytes) {
  std::vector<std::uint64_t> inodes;
  for (std::uint64_t i = 0; i < 4096; ++i) inodes.push_back(81234567 + i);
  std::string bytes;
  append_column(bytes, inodes);
  EXPECT_LE(bytes.size(), 10u);
  EXPECT_EQ(decoded(bytes, inodes.size()), inodes);
}

TEST(Column, EqualToItsReferenceTakesAFewBytes) {
  SeededRandom random(1);
  std::vector<std::uint64_t> times;
  for (int i = 0; i < 1000; ++i) times.push_back(random.next());
  std::string bytes;
  append_column(bytes, times, times);
  EXPECT_LE(bytes.size(), 4u);
  EXPECT_EQ(decoded(bytes, times.size(), times), times);
}

TEST(Column, RoundTripsWhateverTheValues) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    std::vector<std::uint64_t> values;
    std::vector<std::uint64_t> reference;
    const std::uint64_t shift = random.below(64);
    for (std::uint64_t count = random.below(50); count > 0; --count) {
      values.push_back(random.below(3) == 0 && !values.empty() ? values.back()
                                                               : random.next() >> shift);
      reference.push_back(random.below(2) == 0 ? values.back() : random.next());
    }
    std::string bytes;
    append_column(bytes, values, reference);
    EXPECT_EQ(decoded(bytes, values.size(), reference), values) << "seed " << seed;
  }
}

TEST(Column, FailsOnAnUnknownTagAndOnRunsThatAreTooLong) {
  for (const std::string& bytes : {std::string("\x03\x00", 2), std::string("\x20\x00", 2),
                                   std::string("\x10\x04\x00", 3), std::string("\x10", 1)}) {
    ByteCursor cursor(bytes);
    std::size_t highest = 0;
    decode_column(cursor, 4, [&](std::size_t i, std::uint64_t) { highest = i; });
    EXPECT_TRUE(cursor.failed());
    EXPECT_LT(highest, 4u);
  }
}

}  // namespace
}  // namespace wherry::catalog
