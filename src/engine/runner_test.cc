// SPDX-License-Identifier: Apache-2.0
#include "engine/runner.h"

#include <gtest/gtest.h>

#include "base/scratch_directory.h"
#include "engine/test_support.h"

namespace wherry::engine {
namespace {

using storage::open_memory;
using storage::open_posix;
using storage::Storage;
using Done = Outcome::Result;

TEST(Runner, CopiesOneFileVerifiedAndDurable) {
  const auto source = open_memory();
  const auto target = open_memory();
  put_file(*source, "a/data", "twelve bytes", 0640);
  TestRun run;
  const RunReport report = run.transfer(*source, *target, {item("a/data", "b/c/data")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_FALSE(report.error);
  storage::lose_power(*target);
  EXPECT_EQ(tree_of(*target),
            (std::map<std::string, std::string>{
                {"b", "d 755"}, {"b/c", "d 755"}, {"b/c/data", "f 640 twelve bytes"}}));
  const Outcome& outcome = run.observer.of(0, "");
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_EQ(outcome.bytes, 12u);
  EXPECT_EQ(outcome.attempts, 1);
  EXPECT_EQ(run.progress->files_done, 1u);
  EXPECT_EQ(run.progress->bytes_done, 12u);
  EXPECT_TRUE(run.progress->plan_complete);
}

// Both kinds of storage, in all pairs: what comes out is what went in.
TEST(Runner, TreeEqualsItsSourceForRandomTrees) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    const ScratchDirectory from;
    const ScratchDirectory to;
    const auto source = seed % 2 == 0 ? open_memory() : open_posix(from.path()).value();
    const auto target = seed % 4 < 2 ? open_memory() : open_posix(to.path()).value();
    put_random_tree(*source, "tree", seed);
    TestRun run;
    run.options.symlinks = SymlinkPolicy::kKeep;
    run.limits.range_bytes = 1 << 20;
    const RunReport report = run.transfer(*source, *target, {item("tree", "copy")});
    EXPECT_EQ(report.end, RunEnd::kCompleted) << "seed " << seed;
    EXPECT_EQ(report.failed, 0u) << "seed " << seed;
    if (seed % 4 < 2) storage::lose_power(*target);
    EXPECT_EQ(tree_of(*source, "tree"), tree_of(*target, "copy")) << "seed " << seed;
    EXPECT_EQ(run.observer.outcomes.size(),
              run.progress->files_found + run.progress->directories + run.progress->symlinks);
  }
}

}  // namespace
}  // namespace wherry::engine
