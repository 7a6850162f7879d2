// SPDX-License-Identifier: Apache-2.0
#include "endpoints/pause_rules.h"

#include <soci/soci.h>

#include <algorithm>

#include "base/path.h"

namespace wherry::endpoints {
namespace {

constexpr std::size_t kMaxMessage = 1024;

long long stored(const std::optional<TimePoint>& time) {
  return time ? time->time_since_epoch().count() : 0;
}

Result<void> check_message(const std::string& message) {
  if (message.size() > kMaxMessage)
    return make_error(Code::kInvalid, "message is longer than {} bytes", kMaxMessage);
  std::string without_backslashes = message;
  std::replace(without_backslashes.begin(), without_backslashes.end(), '\\', '/');
  if (escape_bytes(without_backslashes) != without_backslashes)
    return make_error(Code::kInvalid, "message has control characters or is not UTF-8");
  return {};
}

// `condition` takes :key.
std::vector<PauseRule> load(soci::session& sql, std::string_view condition,
                            const std::string& key) {
  PauseRule row;
  long long start = 0, holds = 0;
  soci::statement statement =
      (sql.prepare << "select id, endpoint, message, identity, start, holds, modified_by"
                      " from pause_rule where "
                   << condition << " order by number",
       soci::use(key, "key"), soci::into(row.id), soci::into(row.endpoint), soci::into(row.message),
       soci::into(row.identity), soci::into(start), soci::into(holds), soci::into(row.modified_by));
  std::vector<PauseRule> found;
  statement.execute();
  while (statement.fetch()) {
    row.start = start == 0 ? std::nullopt : std::optional(TimePoint(Duration(start)));
    row.holds = static_cast<unsigned long long>(holds);
    found.push_back(row);
  }
  return found;
}

Result<PauseRule> load_one(soci::session& sql, std::string_view id) {
  std::vector<PauseRule> found = load(sql, "id = lower(:key)", std::string(id));
  if (found.empty()) return make_error(Code::kNotFound, "no pause rule '{}'", escape_bytes(id));
  return std::move(found.front());
}

void store(soci::session& sql, const PauseRule& rule) {
  const long long start = stored(rule.start);
  const auto holds = static_cast<long long>(rule.holds.to_ullong());
  sql << "insert into pause_rule (id, endpoint, message, identity, start, holds, modified_by)"
         " values (:id, :endpoint, :message, :identity, :start, :holds, :by)"
         " on conflict (id) do update set message = excluded.message, start = excluded.start,"
         " holds = excluded.holds, modified_by = excluded.modified_by",
      soci::use(rule.id), soci::use(rule.endpoint), soci::use(rule.message),
      soci::use(rule.identity), soci::use(start), soci::use(holds), soci::use(rule.modified_by);
}

}  // namespace

std::vector<PauseRule> holding(std::span<const PauseRule> rules, const PausableAction& action) {
  std::vector<PauseRule> found;
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(found), [&](const PauseRule& rule) {
    const bool is_there =
        rule.endpoint == action.endpoint.id || rule.endpoint == action.endpoint.host_endpoint;
    const bool is_for = rule.identity.empty() || rule.identity == action.identity;
    return is_there && is_for && rule.holds_back(action.what);
  });
  return found;
}

Result<PauseRule> PauseRules::create(PauseRule rule) {
  TRY(check_message(rule.message));
  rule.id = new_uuid(parts_.random);
  return parts_.database.write([&](soci::session& sql) -> Result<PauseRule> {
    if (load(sql, "endpoint = :key", rule.endpoint).size() >= kMaxPauseRules) {
      return make_error(Code::kConflict, "the endpoint has {} pause rules, and no more are allowed",
                        kMaxPauseRules);
    }
    store(sql, rule);
    return rule;
  });
}

Result<PauseRule> PauseRules::get(std::string_view id) {
  return parts_.database.read([&](soci::session& sql) { return load_one(sql, id); });
}

Result<PauseRule> PauseRules::update(std::string_view id, const PauseRuleChange& change) {
  if (change.message) TRY(check_message(*change.message));
  return parts_.database.write([&](soci::session& sql) -> Result<PauseRule> {
    TRY_ASSIGN(PauseRule rule, load_one(sql, id));
    if (change.message) rule.message = *change.message;
    if (change.start) rule.start = *change.start;
    rule.holds = (rule.holds & ~change.known) | (change.holds & change.known);
    rule.modified_by = change.modified_by;
    store(sql, rule);
    return rule;
  });
}

Result<void> PauseRules::remove(std::string_view id) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const PauseRule rule, load_one(sql, id));
    sql << "delete from pause_rule where id = :id", soci::use(rule.id);
    return {};
  });
}

Result<std::vector<PauseRule>> PauseRules::of(std::span<const EndpointId> endpoints) {
  return parts_.database.read([&](soci::session& sql) -> Result<std::vector<PauseRule>> {
    std::vector<PauseRule> all;
    for (const EndpointId& endpoint : endpoints) {
      for (PauseRule& rule : load(sql, "endpoint = :key", endpoint)) all.push_back(std::move(rule));
    }
    return all;
  });
}

Result<std::vector<PauseRule>> PauseRules::in_force() {
  const std::string now = std::to_string(stored(parts_.clock.now()));
  return parts_.database.read([&](soci::session& sql) -> Result<std::vector<PauseRule>> {
    return load(sql, "start <= cast(:key as integer)", now);
  });
}

Result<void> PauseRules::check(const PausableAction& action) {
  TRY_ASSIGN(const auto rules, in_force());
  const auto found = holding(rules, action);
  if (found.empty()) return {};
  return make_error(Code::kConflict, "this is paused on the endpoint for now: {}",
                    found.front().message);
}

}  // namespace wherry::endpoints
