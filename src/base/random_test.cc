// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace wherry {
namespace {

TEST(Random, ASeedReplaysItsSequence) {
  SeededRandom first(1);
  SeededRandom again(1);
  SeededRandom other(2);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = first.next();
    EXPECT_EQ(value, again.next());
    differs |= value != other.next();
  }
  EXPECT_TRUE(differs);
}

// The reference implementation's first numbers for the seed 1234567.
TEST(Random, TheSequenceIsSplitmix64) {
  SeededRandom random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
}

TEST(Random, BelowCoversTheRangeAndStaysInIt) {
  SeededRandom random(3);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.below(6));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, TheSystemsNumbersDiffer) { EXPECT_NE(system_random().next(), system_random().next()); }

TEST(Uuid, HasTheFormOfVersionFour) {
  SeededRandom random(4);
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const std::string uuid = new_uuid(random);
    ASSERT_TRUE(is_uuid(uuid)) << uuid;
    ASSERT_EQ(uuid[14], '4') << uuid;
    ASSERT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << uuid;
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1'000u);
}

TEST(Uuid, IsRecognizedInEitherCaseAndNothingElseIs) {
  EXPECT_TRUE(is_uuid("DDB59AEF-6d04-11e5-ba46-22000b92c6ec"));
  for (const char* text :
       {"", "ddb59aef-6d04-11e5-ba46-22000b92c6e", "ddb59aef-6d04-11e5-ba46-22000b92c6ecc",
        "ddb59aef06d04-11e5-ba46-22000b92c6ec", "gdb59aef-6d04-11e5-ba46-22000b92c6ec",
        "ddb59ae--6d04-11e5-ba46-22000b92c6ec"})
    EXPECT_FALSE(is_uuid(text)) << text;
}

}  // namespace
}  // namespace wherry
