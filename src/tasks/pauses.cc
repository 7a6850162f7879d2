// SPDX-License-Identifier: Apache-2.0
#include "tasks/pauses.h"

#include <soci/soci.h>

#include "tasks/outcome_store.h"
#include "tasks/task_row.h"

namespace wherry::tasks {
namespace {

using endpoints::Pausable;
using endpoints::PauseRule;

constexpr int kNotedAtOnce = 1000;  // tasks in one transaction

Event paused_event(TimePoint now, std::string_view code, const std::string& message) {
  return {now, std::string(code), "paused", message, false};
}
Event unpaused_event(TimePoint now) { return {now, "UNPAUSED", "goes on", "", false}; }

Result<bool> is_any_held(Database& database) {
  return database.read([](soci::session& sql) -> Result<bool> {
    int found = 0;
    sql << "select exists(select 1 from task where is_held = 1 and state = 'ACTIVE')",
        soci::into(found);
    return found != 0;
  });
}

}  // namespace

Result<std::vector<Pauses::Group>> Pauses::groups() {
  return parts_.database.read([](soci::session& sql) -> Result<std::vector<Group>> {
    Group row;
    std::string type;
    int held = 0;
    soci::statement statement =
        (sql.prepare << "select distinct type, owner, source_endpoint, target_endpoint, is_held"
                        " from task where state = 'ACTIVE'",
         soci::into(type), soci::into(row.owner), soci::into(row.source), soci::into(row.target),
         soci::into(held));
    std::vector<Group> found;
    statement.execute();
    while (statement.fetch()) {
      row.type = type == to_string(TaskType::kTransfer) ? TaskType::kTransfer : TaskType::kDelete;
      row.is_held = held != 0;
      found.push_back(row);
    }
    return found;
  });
}

Result<std::vector<PauseRule>> Pauses::holding(const Group& group,
                                               const std::vector<PauseRule>& rules) {
  std::vector<PauseRule> found;
  const auto look = [&](const EndpointId& id, Pausable what) -> Result<void> {
    const auto endpoint = parts_.endpoints.get(id);
    if (!endpoint && endpoint.error().code == Code::kNotFound) return {};  // it fails by itself
    if (!endpoint) return endpoint.error();
    for (PauseRule& rule : endpoints::holding(rules, {*endpoint, group.owner, what}))
      found.push_back(std::move(rule));
    return {};
  };
  if (group.type == TaskType::kDelete) {
    TRY(look(group.source, Pausable::kDelete));
    return found;
  }
  TRY(look(group.source, Pausable::kRead));
  TRY(look(group.target, Pausable::kWrite));
  return found;
}

Result<void> Pauses::refresh() {
  TRY_ASSIGN(const std::vector<PauseRule> rules, parts_.rules.in_force());
  if (rules.empty()) {
    TRY_ASSIGN(const bool is_any, is_any_held(parts_.database));
    if (!is_any) return {};
  }
  TRY_ASSIGN(const std::vector<Group> all, groups());
  for (const Group& group : all) {
    TRY_ASSIGN(const auto found, holding(group, rules));
    if (found.empty() != group.is_held) continue;
    TRY(note(group, found.empty() ? std::nullopt : std::optional(found.front().message)));
  }
  return {};
}

// Without a message: held no longer.
Result<void> Pauses::note(const Group& group, const std::optional<std::string>& message) {
  const TimePoint now = parts_.clock.now();
  const std::string type(to_string(group.type));
  const std::string text = message.value_or("");
  const int is_held = message ? 1 : 0;
  const Event event = message ? paused_event(now, "PAUSED", text) : unpaused_event(now);
  for (std::size_t noted = kNotedAtOnce; noted == kNotedAtOnce;) {
    TRY(parts_.database.write([&](soci::session& sql) -> Result<void> {
      std::vector<TaskKey> keys;
      TaskKey key = 0;
      soci::statement statement =
          (sql.prepare << "select number from task where state = 'ACTIVE' and is_held <> :held"
                          " and type = :type and owner = :owner and source_endpoint = :source"
                          " and target_endpoint = :target limit "
                       << kNotedAtOnce,
           soci::use(is_held), soci::use(type), soci::use(group.owner), soci::use(group.source),
           soci::use(group.target), soci::into(key));
      statement.execute();
      while (statement.fetch()) keys.push_back(key);
      for (const TaskKey each : keys) {
        sql << "update task set is_held = :held, hold_message = :message where number = :number",
            soci::use(is_held), soci::use(text), soci::use(each);
        insert_events(sql, each, {&event, 1});
      }
      noted = keys.size();
      return {};
    }));
  }
  return {};
}

Result<std::vector<PauseRule>> Pauses::rules_of(const Task& task) {
  TRY_ASSIGN(const std::vector<PauseRule> rules, parts_.rules.in_force());
  return holding(
      {task.type, task.owner, task.source_endpoint, task.target_endpoint, task.is_paused}, rules);
}

Result<void> Pauses::pause(const TaskId& id, const std::string& message) {
  const Event event = paused_event(parts_.clock.now(), "PAUSED_BY_ADMIN", message);
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TaskKey key = 0;
    sql << "select number from task where id = :id and state = 'ACTIVE'", soci::use(id),
        soci::into(key);
    if (!sql.got_data()) return make_error(Code::kConflict, "task {} is not active", id);
    sql << "update task set is_held_by_admin = 1, admin_message = :message where number = :number",
        soci::use(message), soci::use(key);
    insert_events(sql, key, {&event, 1});
    return {};
  });
}

Result<void> Pauses::resume(const TaskId& id) {
  const Event event = unpaused_event(parts_.clock.now());
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TaskKey key = 0;
    int is_held = 0;
    sql << "select number, is_held_by_admin from task where id = :id and state = 'ACTIVE'",
        soci::use(id), soci::into(key), soci::into(is_held);
    if (!sql.got_data()) return make_error(Code::kConflict, "task {} is not active", id);
    if (is_held == 0) return {};
    sql << "update task set is_held_by_admin = 0, admin_message = '' where number = :number",
        soci::use(key);
    insert_events(sql, key, {&event, 1});
    return {};
  });
}

}  // namespace wherry::tasks
