// SPDX-License-Identifier: Apache-2.0
// What the stager does not do for ever, and what becomes of a site that is removed meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/site_removal.h"
#include "jobs/test_site.h"

namespace wherry::jobs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StagerBoundsTest : public SiteFixture {
 protected:
  StagerBoundsTest() {
    settings_.transfers.max_attempts = 3;
    settings_.transfers.retry_delay = 1s;
    start_stager();
  }
  // Steps until nothing is left to do, long enough for every pause.
  template <class Meanwhile>
  void follow_for_long(const Meanwhile& meanwhile) {
    for (int round = 0; round < 30; ++round) {
      step();
      meanwhile();
      clock_.advance(1min);
    }
  }
  Result<void> remove() {
    return remove_site({*service_, *database_, clock_, random_, {}}, site_, settings_);
  }
};

TEST_F(StagerBoundsTest, ATaskThatIsCancelledEachTimeIsSentAsOftenAsAllowed) {
  const auto jobs = create_with_inputs(2);
  follow_for_long([&] {
    for (const tasks::Task& task : service_->all_tasks()) (void)service_->cancel(task.id);
    service_->run_tasks();
  });
  EXPECT_THAT(service_->accepted, SizeIs(3));
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
  const TransferItem item = item_of(jobs[0], "data");
  EXPECT_EQ(item.state, ItemState::kError);
  EXPECT_EQ(item.attempts, 3);
  ASSERT_TRUE(item.error);
  EXPECT_EQ(item.error->code, "CANCELED");
}

TEST_F(StagerBoundsTest, AServiceThatForgetsEveryTaskIsSentItAsOftenAsAllowed) {
  const auto jobs = create_with_inputs(1);
  follow_for_long([&] {
    for (const tasks::Task& task : service_->all_tasks()) service_->forgotten.insert(task.id);
  });
  EXPECT_THAT(service_->accepted, SizeIs(3));
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
}

TEST_F(StagerBoundsTest, ASiteIsNotRemovedWhileATaskCarriesItsData) {
  create_with_inputs(1);
  step();
  const auto refused = stores_->sites.remove(site_.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr(service_->all_tasks().at(0).id));
  EXPECT_THAT(refused.error().message, HasSubstr("wherry site rm --force"));
  ASSERT_TRUE(stores_->sites.get(site_.id));
  settle();
  EXPECT_TRUE(stores_->sites.remove(site_.id)) << "nothing is under way any more";
}

TEST_F(StagerBoundsTest, RemovingASiteWithAllCancelsItsTasks) {
  create_with_inputs(2);
  step();
  const auto removed = remove();
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_THAT(service_->cancelled, SizeIs(1));
  EXPECT_EQ(stores_->sites.get(site_.id).error().code, Code::kNotFound);
}

TEST_F(StagerBoundsTest, ATaskThatMayHaveBeenSentIsFoundAndCancelledToo) {
  create_with_inputs(1);
  fault_ = [](std::string_view point) -> Result<void> {
    if (point == "submitted") return make_error(Code::kCancelled, "died");
    return {};
  };
  start_stager();
  EXPECT_FALSE(stager_->step({}));
  fault_ = {};
  EXPECT_FALSE(stores_->sites.remove(site_.id)) << "the service may have it";
  ASSERT_TRUE(remove());
  EXPECT_THAT(service_->accepted, SizeIs(1)) << "it was not sent a second time";
  EXPECT_THAT(service_->cancelled, SizeIs(1));
}

TEST_F(StagerBoundsTest, ATaskThatCannotBeCancelledKeepsItsSite) {
  create_with_inputs(1);
  step();
  service_->fault = [](std::string_view call, const std::string&) -> Result<void> {
    if (call == "cancel") return make_error(Code::kUnavailable, "the service is away");
    return {};
  };
  const auto kept = remove();
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, Code::kUnavailable);
  EXPECT_THAT(kept.error().message, HasSubstr("the service is away"));
  ASSERT_TRUE(stores_->sites.get(site_.id));
  EXPECT_THAT(stores_->jobs.list({})->rows, IsEmpty());
  service_->fault = {};
  EXPECT_TRUE(remove()) << "later it can be";
  EXPECT_FALSE(stores_->sites.get(site_.id));
}

TEST_F(StagerBoundsTest, TasksOfAServiceThatIsGoneForGoodMayBeLeft) {
  create_with_inputs(1);
  step();
  EXPECT_TRUE(stores_->sites.remove(site_.id, Sites::Tasks::kAreLeft));
  EXPECT_THAT(service_->cancelled, IsEmpty());
}

}  // namespace
}  // namespace wherry::jobs
