// SPDX-License-Identifier: Apache-2.0
#include "endpoints/quota.h"

#include <soci/soci.h>

namespace wherry::endpoints {
namespace {

// A byte booked in some hour counts until 25 hours after that hour began: at least 24, at most 25.
constexpr long long kWindowHours = 25;

long long hour_of(TimePoint time) {
  return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}

struct Window {
  long long bytes = 0;
  long long oldest_hour = 0;  // that has bytes; 0 if none
};

Window window_of(soci::session& sql, const EndpointId& endpoint, long long now_hour) {
  Window window;
  const long long first = now_hour - kWindowHours + 1;
  sql << "select coalesce(sum(bytes), 0), coalesce(min(hour), 0) from quota_use"
         " where endpoint = :endpoint and hour >= :first and bytes > 0",
      soci::use(endpoint), soci::use(first), soci::into(window.bytes),
      soci::into(window.oldest_hour);
  return window;
}

bool older_task_waits(soci::session& sql, const EndpointId& endpoint,
                      const QuotaLedger::Request& request) {
  const long long requested = request.task_requested.time_since_epoch().count();
  for (;;) {
    std::string older;
    sql << "select task from quota_wait where endpoint = :endpoint and task <> :task"
           " and (requested < :requested or (requested = :same and task < :tie))"
           " order by requested, task limit 1",
        soci::use(endpoint), soci::use(request.task_id), soci::use(requested), soci::use(requested),
        soci::use(request.task_id), soci::into(older);
    if (!sql.got_data()) return false;
    if (!request.still_waits || request.still_waits(sql, older)) return true;
    forget_waiter(sql, older);  // its process died before it could do so
  }
}

void add_bytes(soci::session& sql, const EndpointId& endpoint, long long hour, long long bytes) {
  sql << "insert into quota_use (endpoint, hour, bytes) values (:endpoint, :hour, :bytes)"
         " on conflict (endpoint, hour) do update set bytes = max(0, bytes) + excluded.bytes",
      soci::use(endpoint), soci::use(hour), soci::use(bytes);
}

// Never adds a row: one below zero would swallow what is booked later in that hour.
void reduce_bytes(soci::session& sql, const EndpointId& endpoint, long long hour, long long bytes) {
  sql << "update quota_use set bytes = max(0, bytes - :bytes)"
         " where endpoint = :endpoint and hour = :hour",
      soci::use(bytes), soci::use(endpoint), soci::use(hour);
}

}  // namespace

void forget_waiter(soci::session& sql, const std::string& task_id) {
  sql << "delete from quota_wait where task = :task", soci::use(task_id);
}

Result<QuotaLedger::Decision> QuotaLedger::book(const Endpoint& endpoint, const Request& request) {
  if (endpoint.daily_quota == 0) return Decision{true, {}};
  const TimePoint now = clock_.now();
  const long long now_hour = hour_of(now);
  const auto bytes = static_cast<long long>(request.bytes);
  return database_.write([&](soci::session& sql) -> Result<Decision> {
    const long long expired = now_hour - kWindowHours;
    sql << "delete from quota_use where endpoint = :endpoint and hour <= :expired",
        soci::use(endpoint.quota_endpoint()), soci::use(expired);
    const Window window = window_of(sql, endpoint.quota_endpoint(), now_hour);
    const bool fits =
        window.bytes == 0 || window.bytes + bytes <= static_cast<long long>(endpoint.daily_quota);
    if (fits && !older_task_waits(sql, endpoint.quota_endpoint(), request)) {
      add_bytes(sql, endpoint.quota_endpoint(), now_hour, bytes);
      sql << "delete from quota_wait where endpoint = :endpoint and task = :task",
          soci::use(endpoint.quota_endpoint()), soci::use(request.task_id);
      return Decision{true, {}};
    }
    const long long requested = request.task_requested.time_since_epoch().count();
    sql << "insert or replace into quota_wait (endpoint, task, requested) values (:endpoint, "
           ":task, :requested)",
        soci::use(endpoint.quota_endpoint()), soci::use(request.task_id), soci::use(requested);
    if (fits)
      return Decision{false, now + std::chrono::minutes(
                                       1)};  // behind an older task, which may start any moment
    return Decision{false, TimePoint(std::chrono::hours(window.oldest_hour + kWindowHours))};
  });
}

Result<void> QuotaLedger::release(const Endpoint& endpoint, ByteCount bytes) {
  if (endpoint.daily_quota == 0 || bytes == 0) return {};
  const long long now_hour = hour_of(clock_.now());
  return database_.write([&](soci::session& sql) -> Result<void> {
    reduce_bytes(sql, endpoint.quota_endpoint(), now_hour, static_cast<long long>(bytes));
    return {};
  });
}

Result<void> QuotaLedger::forget(const std::string& task_id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    forget_waiter(sql, task_id);
    return {};
  });
}

Result<ByteCount> QuotaLedger::used(const Endpoint& endpoint) {
  const long long now_hour = hour_of(clock_.now());
  return database_.read([&](soci::session& sql) -> Result<ByteCount> {
    return static_cast<ByteCount>(window_of(sql, endpoint.quota_endpoint(), now_hour).bytes);
  });
}

}  // namespace wherry::endpoints
