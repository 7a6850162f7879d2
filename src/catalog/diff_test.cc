// SPDX-License-Identifier: Apache-2.0
#include "catalog/diff.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "catalog/test_tree.h"

namespace wherry::catalog {
namespace {

Entry file(std::string_view name) {
  return {name, {EntryType::kFile, 0644, 100, 5000, 6000, 7}, {}};
}

std::vector<Difference> differences(const std::vector<Entry>& before,
                                    const std::vector<Entry>& now) {
  std::vector<Difference> found;
  diff(before, now, [&](const Difference& difference) { found.push_back(difference); });
  return found;
}

// The only difference between `before` and `now`, which share a name.
Difference only_difference(const Entry& before, const Entry& now) {
  const std::vector<Entry> b{file("a"), before, file("z")};
  const std::vector<Entry> n{file("a"), now, file("z")};
  const auto found = differences(b, n);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? Difference{} : Difference{found[0].change, found[0].fields};
}

TEST(Diff, SaysNothingOfEqualListings) {
  EXPECT_TRUE(differences({}, {}).empty());
  EXPECT_TRUE(differences({file("a"), file("b")}, {file("a"), file("b")}).empty());
}

TEST(Diff, FindsAddedAndRemovedInTheOrderOfNames) {
  const std::vector<Entry> before{file("a"), file("c"), file("d")};
  const std::vector<Entry> now{file("b"), file("c"), file("e"), file("f")};
  std::string seen;
  diff(before, now, [&](const Difference& difference) {
    const bool added = difference.change == Change::kAdded;
    EXPECT_EQ(difference.before == nullptr, added);
    EXPECT_EQ(difference.now != nullptr, added);
    seen += added ? '+' : '-';
    seen += added ? difference.now->name : difference.before->name;
  });
  EXPECT_EQ(seen, "-a+b-d+e+f");
}

TEST(Diff, ComparesNamesAsUnsignedBytes) {
  std::string seen;
  diff(std::vector<Entry>{file("\xff")}, std::vector<Entry>{file("a")},
       [&](const Difference& d) { seen += d.change == Change::kAdded ? '+' : '-'; });
  EXPECT_EQ(seen, "+-");
}

TEST(Diff, AnotherSizeMtimeOrInodeIsAModification) {
  Entry now = file("m");
  now.observation.size = 101;
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kModified);
  EXPECT_EQ(only_difference(file("m"), now).fields, kSizeField);
  now = file("m");
  now.observation.mtime_ns -= 1;  // also backwards: files are restored from archives
  EXPECT_EQ(only_difference(file("m"), now).fields, kMtimeField);
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kModified);
  now = file("m");
  now.observation.inode = 8;
  now.observation.ctime_ns = 9;
  EXPECT_EQ(only_difference(file("m"), now).fields, kInodeField | kCtimeField);
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kModified);
}

TEST(Diff, AnotherCtimeOrModeAloneIsOfAttributesOnly) {
  Entry now = file("m");
  now.observation.ctime_ns += 1;
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kAttributesOnly);
  EXPECT_EQ(only_difference(file("m"), now).fields, kCtimeField);
  now.observation.mode = 0600;
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kAttributesOnly);
  EXPECT_EQ(only_difference(file("m"), now).fields, kCtimeField | kModeField);
}

TEST(Diff, WhatAStorageDoesNotKnowDiffersFromNothing) {
  Entry now = file("m");
  now.observation.ctime_ns = 0;
  now.observation.inode = 0;
  EXPECT_EQ(differing_fields(file("m"), now), 0u);
  EXPECT_EQ(differing_fields(now, file("m")), 0u);
}

TEST(Diff, ATypeChangeOutranksTheRest) {
  Entry now = file("m");
  now.observation.type = EntryType::kDirectory;
  now.observation.size = 4096;
  EXPECT_EQ(only_difference(file("m"), now).change, Change::kTypeChanged);
  EXPECT_EQ(only_difference(now, file("m")).change, Change::kTypeChanged);
}

TEST(Diff, ASymlinkThatPointsElsewhereIsModified) {
  Entry before = file("m");
  before.observation.type = EntryType::kSymlink;
  before.symlink_target = "one";
  Entry now = before;
  now.symlink_target = "two";
  EXPECT_EQ(only_difference(before, now).change, Change::kModified);
  EXPECT_EQ(only_difference(before, now).fields, kTargetField);
}

TEST(Diff, ADirectorysOwnTimesAreNotItsContent) {
  Entry before = file("m");
  before.observation.type = EntryType::kDirectory;
  Entry now = before;
  now.observation.mtime_ns = 1;
  now.observation.ctime_ns = 1;
  now.observation.size = 8192;
  EXPECT_EQ(differing_fields(before, now), 0u);
  now.observation.inode = 99;
  EXPECT_EQ(only_difference(before, now).change, Change::kAttributesOnly);
}

TEST(Diff, AgreesWithMapsOnRandomListings) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    std::map<std::string, std::string> expected;
    TestDirectory before;
    TestDirectory now;
    for (std::uint64_t count = random.below(60); count > 0; --count) {
      const std::string name = random_name(random);
      const OwnedEntry entry{random_observation(random), ""};
      const std::uint64_t where = random.below(3);
      if (where != 0) before.entries[name] = entry;
      if (where != 1) now.entries[name] = entry;
    }
    for (const auto& [name, entry] : before.entries)
      if (now.entries.count(name) == 0) expected[name] = "-";
    for (const auto& [name, entry] : now.entries) {
      const auto found = before.entries.find(name);
      if (found == before.entries.end()) {
        expected[name] = "+";
      } else if (differing_fields({name, found->second.observation, {}},
                                  {name, entry.observation, {}}) != 0) {
        expected[name] = "*";
      }
    }
    std::map<std::string, std::string> seen;
    diff(views(before), views(now), [&](const Difference& d) {
      const Entry& entry = d.now != nullptr ? *d.now : *d.before;
      seen[std::string(entry.name)] = d.before == nullptr ? "+" : d.now == nullptr ? "-" : "*";
    });
    EXPECT_EQ(seen, expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace wherry::catalog
