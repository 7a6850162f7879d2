// SPDX-License-Identifier: Apache-2.0
#include "api/access_documents.h"

#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using endpoints::Access;
using endpoints::AccessRule;
using endpoints::Role;

std::string_view permissions_of(Access access) { return access == Access::kReadWrite ? "rw" : "r"; }

Result<void> get_permissions(const Members& members, std::optional<Access>& access) {
  std::optional<std::string> text;
  TRY(members.get("permissions", text));
  if (!text) return {};
  if (*text != "r" && *text != "rw") return members.error("permissions", "must be 'r' or 'rw'");
  access = *text == "rw" ? Access::kReadWrite : Access::kRead;
  return {};
}

// One of the words that `parse` knows.
template <class Word>
Result<Word> require_word(const Members& members, std::string_view name,
                          std::optional<Word> (*parse)(std::string_view), std::string_view words) {
  std::string text;
  TRY(members.require(name, text));
  const auto word = parse(text);
  if (!word) return members.error(name, words);
  return *word;
}

}  // namespace

json::object access_document(const AccessRule& rule) {
  json::object document{{"DATA_TYPE", "access"},
                        {"id", rule.id},
                        {"principal_type", to_string(rule.whom)},
                        {"principal", rule.principal},
                        {"path", directory_text(rule.path)},
                        {"permissions", permissions_of(rule.access)},
                        {"create_time", format_time(rule.created)},
                        {"expiration_date", nullptr},
                        {"role_id", nullptr},
                        {"role_type", nullptr}};
  if (rule.expires) document["expiration_date"] = format_time(*rule.expires);
  return document;
}

json::object access_created_document(const std::string& id, const RequestContext& request) {
  json::object document = result_document("access_create_result", "Created",
                                          "Access rule created successfully.", request);
  document["access_id"] = id;
  return document;
}

Result<AccessRule> read_access(const json::object& document) {
  const Members members(document);
  AccessRule rule;
  TRY(members.get("id", rule.id));
  TRY_ASSIGN(rule.whom,
             require_word(members, "principal_type", endpoints::parse_rule_whom,
                          "must be identity, group, all_authenticated_users or anonymous"));
  TRY(members.get("principal", rule.principal));
  std::string path;
  TRY(members.require("path", path));
  TRY_ASSIGN(rule.path, read_path(path, {}), "path");
  std::optional<Access> access;
  TRY(get_permissions(members, access));
  if (!access) return members.error("permissions", "is missing");
  rule.access = *access;
  TRY(members.get("create_time", rule.created));
  TRY(members.get("expiration_date", rule.expires));
  return rule;
}

Result<endpoints::AccessRuleChange> read_access_change(const json::object& document) {
  const Members members(document);
  endpoints::AccessRuleChange change;
  TRY(get_permissions(members, change.access));
  if (document.contains("expiration_date"))
    TRY(members.get("expiration_date", change.expires.emplace()));
  return change;
}

json::object role_document(const Role& role) {
  return {{"DATA_TYPE", "role"},
          {"id", role.id},
          {"principal_type", to_string(role.whom)},
          {"principal", role.principal},
          {"role", to_string(role.kind)}};
}

Result<Role> read_role(const json::object& document) {
  const Members members(document);
  Role role;
  TRY(members.get("id", role.id));
  TRY_ASSIGN(role.whom, require_word(members, "principal_type", endpoints::parse_role_whom,
                                     "must be identity or group"));
  TRY(members.require("principal", role.principal));
  TRY_ASSIGN(role.kind, require_word(members, "role", endpoints::parse_role_kind,
                                     "must be administrator, access_manager, activity_manager or "
                                     "activity_monitor"));
  return role;
}

}  // namespace wherry::api
