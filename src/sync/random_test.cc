// SPDX-License-Identifier: Apache-2.0
// Random histories: a tree is changed at random, passes run, are cut off at random and run again,
// and single files fail. Whatever happened, when it is over the target is what the source is, and a
// further pass has nothing to do. WHERRY_SEED=n replays one history.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "sync/test_fixture.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHistories = 40;

class RandomTest : public SyncFixture, public testing::WithParamInterface<std::uint64_t> {
 protected:
  std::uint64_t pick(std::uint64_t bound) { return random_.below(bound); }
  bool chance(std::uint64_t percent) { return pick(100) < percent; }

  void choose_definition() {
    definition_.deletions = chance(50) ? Deletions::kPropagate : Deletions::kArchive;
    definition_.max_delete = 100;
    definition_.symlinks =
        chance(50) ? engine::SymlinkPolicy::kKeep : engine::SymlinkPolicy::kIgnore;
    definition_.renames = chance(80);
    definition_.batch_size = 1 + pick(5);
    service_.is_remote = chance(20);
    // An archive is made by renaming.
    service_.can_rename = definition_.deletions == Deletions::kArchive || chance(80);
  }

  // A few names, so that they meet again and again as different things.
  std::string path() {
    std::string text;
    for (std::uint64_t depth = 1 + pick(3); depth > 0; --depth) {
      if (!text.empty()) text += '/';
      text += static_cast<char>('a' + pick(4));
    }
    return text;
  }
  // Whether everything above is a directory or missing.
  bool has_room(const std::string& path) const {
    for (fs::path above = fs::path(path).parent_path(); !above.empty();
         above = above.parent_path()) {
      std::error_code problem;
      const auto status = fs::symlink_status(at_source(above.string()), problem);
      if (fs::exists(status) && !fs::is_directory(status)) return false;
    }
    return true;
  }

  void change() {
    const std::string one = path();
    const std::string two = path();
    if (!has_room(one)) return;
    const auto status = fs::symlink_status(at_source(one));
    const std::uint64_t kind = pick(10);
    if (kind < 4) {
      if (fs::is_directory(status) || fs::is_symlink(status)) return;
      write(one, std::string(pick(4), static_cast<char>('0' + pick(10))));
    } else if (kind == 4) {
      if (!fs::exists(status)) make_directory(one);
    } else if (kind == 5) {
      remove(one);
    } else if (kind == 6) {
      if (definition_.symlinks != engine::SymlinkPolicy::kKeep || fs::exists(status)) return;
      fs::create_directories(fs::path(at_source(one)).parent_path());
      link(one, two);
    } else {
      const bool inside = (two + "/").starts_with(one + "/") || (one + "/").starts_with(two + "/");
      if (!fs::exists(status) || inside || !has_room(two)) return;
      if (fs::is_symlink(at_source(two)) || fs::exists(at_source(two))) remove(two);
      rename(one, two);
    }
  }

  void cut_off_at(std::uint64_t n) {
    fault_ = [n](std::string_view point) mutable -> Result<void> {
      if (n-- > 0) return {};
      return make_error(Code::kUnavailable, "cut off at '{}'", point);
    };
  }

  SeededRandom random_{GetParam() * 7919 + 1};
};

TEST_P(RandomTest, TheTargetBecomesTheSource) {
  choose_definition();
  PassOptions anything;
  anything.allow_deletions = true;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    for (std::uint64_t n = pick(12); n > 0; --n) change();
    if (chance(20)) service_.failing_targets = {path(), path()};
    if (chance(10)) service_.before_task = [&] { change(); };
    if (chance(50)) cut_off_at(pick(12));
    (void)try_run(anything);
    fault_ = nullptr;
    service_.failing_targets.clear();
    service_.before_task = nullptr;
    if (chance(50)) continue;  // changes meet an unfinished pass
    PassOptions everything = anything;
    everything.full = true;  // without waiting for a back-off
    std::string problems;
    for (int pass = 0; pass < 3; ++pass) {
      problems.clear();
      for (const Problem& problem : run(everything).problems)
        problems += fmt::format("\n  {}: {}", problem.path, problem.message);
    }
    expect_mirrored();
    expect_nothing_due();
    if (fs::exists(scratch_.file("mirror.catalog"))) {
      EXPECT_TRUE(catalog()->check());
    }
    if (testing::Test::HasFailure())
      FAIL() << "WHERRY_SEED=" << GetParam() << " replays this" << problems;
  }
}

std::vector<std::uint64_t> seeds() {
  if (const char* seed = std::getenv("WHERRY_SEED"); seed != nullptr)
    return {std::strtoull(seed, nullptr, 10)};
  const char* count = std::getenv("WHERRY_SEEDS");
  std::vector<std::uint64_t> all(count != nullptr ? std::strtoull(count, nullptr, 10) : kHistories);
  for (std::uint64_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTest, testing::ValuesIn(seeds()));

}  // namespace
}  // namespace wherry::sync
