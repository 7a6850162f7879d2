// SPDX-License-Identifier: Apache-2.0
#include "api/pause_documents.h"

#include <boost/json.hpp>

#include "api/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using endpoints::Pausable;
using endpoints::PauseRule;
using endpoints::PauseRuleChange;

constexpr std::size_t kMaxMessage = 1024;

struct PausableName {
  Pausable what;
  std::string_view member;
};
constexpr PausableName kPausableNames[] = {
    {Pausable::kList, "pause_ls"},
    {Pausable::kMakeDirectory, "pause_mkdir"},
    {Pausable::kSymlink, "pause_symlink"},
    {Pausable::kRename, "pause_rename"},
    {Pausable::kDelete, "pause_task_delete"},
    {Pausable::kWrite, "pause_task_transfer_write"},
    {Pausable::kRead, "pause_task_transfer_read"},
};

json::object common_document(std::string_view type, const PauseRule& rule,
                             const PauseRuleView& view) {
  json::object document{
      {"DATA_TYPE", json::string_view(type.data(), type.size())},
      {"id", rule.id},
      {"message", json_text(rule.message)},
      {"start_time", rule.start ? json::value(format_time(*rule.start)) : json::value()},
      {"endpoint_id", rule.endpoint},
      {"endpoint_display_name", json_text(view.endpoint_display_name)},
      {"created_by_host_manager", view.is_of_host}};
  for (const PausableName& name : kPausableNames)
    document[json::string_view(name.member.data(), name.member.size())] =
        rule.holds_back(name.what);
  return document;
}

Result<void> get_holds(const Members& members, PauseRuleChange& change) {
  for (const PausableName& name : kPausableNames) {
    const auto bit = static_cast<std::size_t>(name.what);
    bool holds = false;
    TRY(members.get(name.member, holds));
    change.known.set(bit, members.has(name.member));
    change.holds.set(bit, holds);
  }
  return {};
}

}  // namespace

json::object pause_rule_document(const PauseRule& rule, const PauseRuleView& view) {
  json::object document = common_document("pause_rule", rule, view);
  document["identity_id"] = text_or_null(rule.identity);
  document["modified_by_id"] = text_or_null(rule.modified_by);
  document["editable"] = view.is_editable;
  return document;
}

json::object limited_pause_rule_document(const PauseRule& rule, const PauseRuleView& view) {
  return common_document("pause_rule_limited", rule, view);
}

json::object pause_info_document(const tasks::Task& task, json::array rules) {
  // Somebody who paused the one task did so for the whole of it.
  const bool by_person = task.is_paused && !task.admin_message.empty();
  const json::value message = by_person ? text_or_null(task.admin_message) : json::value();
  return {{"DATA_TYPE", "pause_info_limited"},     {"pause_rules", std::move(rules)},
          {"source_pause_message", message},       {"destination_pause_message", nullptr},
          {"source_pause_message_share", nullptr}, {"destination_pause_message_share", nullptr}};
}

Result<PauseRule> read_pause_rule(const json::object& document) {
  const Members members(document);
  PauseRule rule{.id = {}, .endpoint = {}, .message = {}};
  TRY(members.require("endpoint_id", rule.endpoint));
  TRY(members.require("message", rule.message));
  TRY(members.get("identity_id", rule.identity));
  TRY(members.get("start_time", rule.start));
  rule.endpoint = lower_case(rule.endpoint);
  rule.identity = lower_case(rule.identity);
  PauseRuleChange flags;
  TRY(get_holds(members, flags));
  rule.holds = flags.holds;
  return rule;
}

Result<PauseRuleChange> read_pause_rule_change(const json::object& document) {
  const Members members(document);
  PauseRuleChange change;
  TRY(members.get("message", change.message));
  if (document.contains("start_time")) {
    change.start.emplace();
    TRY(members.get("start_time", *change.start));
  }
  TRY(get_holds(members, change));
  return change;
}

Result<AdminRequest> read_admin_request(const json::object& document) {
  const Members members(document);
  AdminRequest request;
  TRY(members.get("message", request.message));
  if (request.message.size() > kMaxMessage || escape_bytes(request.message) != request.message)
    return members.error("message",
                         fmt::format("must be plain text of up to {} bytes", kMaxMessage));
  TRY_ASSIGN(const json::array* list, members.array("task_id_list"));
  if (list == nullptr || list->empty() || list->size() > kMaxAdminTasks) {
    return members.error("task_id_list",
                         fmt::format("must be an array of 1 to {} task ids", kMaxAdminTasks));
  }
  for (const json::value& id : *list) {
    if (!id.is_string()) return members.error("task_id_list", "must hold strings");
    request.tasks.push_back(lower_case(std::string(id.get_string())));
  }
  return request;
}

}  // namespace wherry::api
