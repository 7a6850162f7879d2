// SPDX-License-Identifier: Apache-2.0
#include "flow/coalescer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

RelPath path(const std::string& text) { return RelPath::parse(text).value(); }

Coalescer::Key between(const std::string& source, const std::string& target) {
  return {source, target, {}};
}

std::vector<std::vector<std::uint64_t>> numbers(const std::vector<Coalescer::Batch>& batches) {
  std::vector<std::vector<std::uint64_t>> all;
  for (const auto& batch : batches) all.push_back(batch.transfers);
  return all;
}

TEST(Coalescer, JoinsWhatComesWithinTheWindowOfTheFirst) {
  Coalescer coalescer({.window = 50ms});
  EXPECT_EQ(coalescer.next(), std::nullopt);
  coalescer.add(1, between("a", "b"), path("1"), 100ms);
  coalescer.add(2, between("a", "b"), path("2"), 140ms);
  EXPECT_EQ(coalescer.next(), Duration(150ms));
  EXPECT_THAT(coalescer.take(149ms), IsEmpty());
  EXPECT_THAT(numbers(coalescer.take(150ms)), ElementsAre(ElementsAre(1u, 2u)));
  coalescer.add(3, between("a", "b"), path("3"), 151ms);
  EXPECT_EQ(coalescer.next(), Duration(201ms));
}

TEST(Coalescer, KeepsOtherEndpointsDirectionsAndOptionsApart) {
  Coalescer coalescer({.window = 50ms});
  auto checked = between("a", "b");
  checked.options.sync_level = engine::SyncLevel::kChecksum;
  coalescer.add(1, between("a", "b"), path("1"), 0ms);
  coalescer.add(2, between("b", "a"), path("2"), 1ms);
  coalescer.add(3, checked, path("3"), 2ms);
  coalescer.add(4, between("a", "b"), path("4"), 3ms);
  const auto batches = coalescer.take(1s);
  EXPECT_THAT(numbers(batches), ElementsAre(ElementsAre(1u, 4u), ElementsAre(2u), ElementsAre(3u)));
  EXPECT_EQ(batches.back().key, checked);
}

TEST(Coalescer, ClosesABatchThatIsFullWithoutWaiting) {
  Coalescer coalescer({.window = 50ms, .max_items = 2});
  coalescer.add(1, between("a", "b"), path("1"), 0ms);
  coalescer.add(2, between("a", "b"), path("2"), 1ms);
  coalescer.add(3, between("a", "b"), path("3"), 2ms);
  EXPECT_THAT(numbers(coalescer.take(2ms)), ElementsAre(ElementsAre(1u, 2u)));
  EXPECT_THAT(numbers(coalescer.take(52ms)), ElementsAre(ElementsAre(3u)));
}

TEST(Coalescer, NeverPutsTwoIntoOneTaskWhoseTargetsOverlap) {
  Coalescer coalescer({.window = 50ms});
  coalescer.add(1, between("a", "b"), path("x/y"), 0ms);
  coalescer.add(2, between("a", "b"), path("x/y"), 0ms);    // the same
  coalescer.add(3, between("a", "b"), path("x"), 0ms);      // around both
  coalescer.add(4, between("a", "b"), path("x/y/z"), 0ms);  // within all of them
  coalescer.add(5, between("a", "b"), path("x/y.z"), 0ms);  // beside the first
  EXPECT_THAT(numbers(coalescer.take(1s)),
              ElementsAre(ElementsAre(1u, 5u), ElementsAre(2u), ElementsAre(3u), ElementsAre(4u)));
}

TEST(Coalescer, ForgetsWhatIsRemovedAndItsTarget) {
  Coalescer coalescer({.window = 50ms});
  coalescer.add(1, between("a", "b"), path("1"), 0ms);
  coalescer.add(2, between("a", "b"), path("2"), 0ms);
  EXPECT_TRUE(coalescer.remove(1));
  EXPECT_FALSE(coalescer.remove(1));
  coalescer.add(3, between("a", "b"), path("1"), 10ms);
  EXPECT_THAT(numbers(coalescer.take(50ms)), ElementsAre(ElementsAre(2u, 3u)));
  EXPECT_FALSE(coalescer.remove(2)) << "it was taken";
  coalescer.add(4, between("a", "b"), path("4"), 60ms);
  EXPECT_TRUE(coalescer.remove(4));
  EXPECT_EQ(coalescer.next(), std::nullopt);
}

}  // namespace
}  // namespace wherry::flow
