// SPDX-License-Identifier: Apache-2.0
#include "tasks/quota_gate.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include "tasks/store.h"
#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using namespace std::chrono_literals;

class QuotaGateTest : public testing::Test {
 protected:
  void SetUp() override {
    drive_.id = "drive";
    drive_.daily_quota = 1000;
    ASSERT_TRUE(admit(young_, 0s, 900));
  }

  // By a gate that is never closed, as that of a process that is killed; it answers at once.
  Result<void> admit(const TaskId& task, Duration age, ByteCount bytes) {
    QuotaGate gate(QuotaGate::Parts{ledger_,
                                    world_.clock,
                                    drive_,
                                    task,
                                    start_ - age,
                                    start_ + std::chrono::hours(1000),
                                    true,
                                    {}});
    return gate.admit(bytes, {});
  }
  // The older task is run, is refused and waits.
  Store::Start begin_to_wait() {
    auto start = store_.start(old_).value();
    EXPECT_EQ(admit(old_, 1h, 200).error().code, Code::kNoSpace);
    return start;
  }
  int rows_of(const TaskId& task) {
    const auto count = [&](soci::session& sql) -> Result<int> {
      int rows = 0;
      sql << "select count(*) from quota_wait where task = :task", soci::use(task),
          soci::into(rows);
      return rows;
    };
    return world_.database->read(count).value();
  }

  TestWorld world_;
  Store store_{*world_.database, world_.clock};
  endpoints::QuotaLedger ledger_{*world_.database, world_.clock};
  endpoints::Endpoint drive_;
  const TimePoint start_ = world_.clock.now();
  const TaskId old_ = world_.submit(world_.transfer("run", "copy"));
  const TaskId young_ = world_.submit(world_.transfer("run", "copy"));
};

TEST_F(QuotaGateTest, AnOlderTaskHoldsOthersBackWhileSomebodyRunsIt) {
  {
    const auto start = begin_to_wait();
    EXPECT_EQ(admit(young_, 0s, 10).error().code, Code::kNoSpace);
  }
  EXPECT_TRUE(admit(young_, 0s, 10));
  EXPECT_EQ(rows_of(old_), 0);
}

TEST_F(QuotaGateTest, ACancelledTaskWaitsNoLonger) {
  { const auto start = begin_to_wait(); }
  ASSERT_EQ(rows_of(old_), 1);
  ASSERT_TRUE(store_.cancel(old_).value());
  EXPECT_EQ(rows_of(old_), 0);
}

TEST_F(QuotaGateTest, AnExpiredTaskWaitsNoLonger) {
  { const auto start = begin_to_wait(); }
  ASSERT_EQ(rows_of(old_), 1);
  world_.clock.advance(std::chrono::hours(30));
  ASSERT_EQ(store_.expire()->size(), 2u);
  EXPECT_EQ(rows_of(old_), 0);
}

TEST_F(QuotaGateTest, ATaskThatEndsWaitsNoLonger) {
  auto start = begin_to_wait();
  Ending ending;
  ending.state = TaskState::kInactive;
  ending.nice_status = "NO_SPACE_LEFT";
  ASSERT_TRUE(store_.end(start, {}, ending));
  EXPECT_EQ(rows_of(old_), 0);
}

}  // namespace
}  // namespace wherry::tasks
