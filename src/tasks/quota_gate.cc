// SPDX-License-Identifier: Apache-2.0
#include "tasks/quota_gate.h"

#include <algorithm>

#include "base/units.h"
#include "tasks/task_row.h"

namespace wherry::tasks {
namespace {

// A booking is a transaction; small files share one. Of a small quota no more than a hundredth is
// held that way.
constexpr ByteCount kMostAhead = 256ULL << 20;
constexpr ByteCount kShareAhead = 100;
// Others give back what they did not move, so the answer may come earlier than was said.
constexpr Duration kLongestPause = std::chrono::minutes(10);

// Only who runs a task asks for it. One whose process died asks again when somebody runs it.
bool is_run(soci::session& sql, const TaskId& id) {
  TaskQuery query(sql, "where t.id = :owner", id);
  const TaskRow* row = query.next();
  if (row == nullptr) return false;
  const auto task = to_task(*row);
  return task && task->state == TaskState::kActive && task->holder;
}

}  // namespace

Result<endpoints::QuotaLedger::Decision> QuotaGate::book(ByteCount bytes) {
  if (admitted_ + bytes <= booked_) {
    admitted_ += bytes;
    return endpoints::QuotaLedger::Decision{true, {}};
  }
  const ByteCount missing = admitted_ + bytes - booked_;
  const ByteCount ahead = std::min(kMostAhead, parts_.endpoint.daily_quota / kShareAhead);
  for (const ByteCount wanted : {missing + ahead, missing}) {
    TRY_ASSIGN(const auto decision, parts_.ledger.book(parts_.endpoint, {wanted, parts_.requested,
                                                                         parts_.task, is_run}));
    if (!decision.granted && wanted > missing) continue;
    if (!decision.granted) return decision;
    booked_ += wanted;
    admitted_ += bytes;
    return decision;
  }
  CHECK(false && "the last answer was returned");
  return endpoints::QuotaLedger::Decision{};
}

Result<void> QuotaGate::wait_until(TimePoint next, ByteCount bytes, std::stop_token stop) {
  if (parts_.fail_at_once) {
    return make_error(Code::kNoSpace,
                      "the daily quota of {} of endpoint '{}' has no room for {} more before {}",
                      format_bytes(parts_.endpoint.daily_quota), parts_.endpoint.display_name,
                      format_bytes(bytes), format_time(next));
  }
  const TimePoint now = parts_.clock.now();
  if (now >= parts_.deadline) {
    return make_error(Code::kTimeout,
                      "the deadline passed while the daily quota of endpoint '{}' was used up",
                      parts_.endpoint.display_name);
  }
  const Duration pause =
      std::min({std::max(next - now, Duration(1)), kLongestPause, parts_.deadline - now});
  if (parts_.clock.sleep(pause, stop)) return {};
  return make_error(Code::kCancelled, "stopped while waiting for the daily quota of endpoint '{}'",
                    parts_.endpoint.display_name);
}

Result<void> QuotaGate::admit(ByteCount bytes, std::stop_token stop) {
  std::optional<TimePoint> told;
  for (;;) {
    endpoints::QuotaLedger::Decision decision;
    {
      const std::lock_guard lock(mutex_);
      TRY_ASSIGN(decision, book(bytes), "ask the daily quota of endpoint '{}'",
                 parts_.endpoint.display_name);
    }
    if (decision.granted) {
      if (told) parts_.on_wait(std::nullopt);
      return {};
    }
    if (!parts_.fail_at_once && (!told || decision.next_try > *told + kLongestPause)) {
      told = decision.next_try;
      parts_.on_wait(told);
    }
    TRY(wait_until(decision.next_try, bytes, stop));
  }
}

Result<void> QuotaGate::close(ByteCount moved) {
  const std::lock_guard lock(mutex_);
  if (booked_ > moved) TRY(parts_.ledger.release(parts_.endpoint, booked_ - moved));
  booked_ = admitted_ = 0;
  return parts_.ledger.forget(parts_.task);
}

}  // namespace wherry::tasks
