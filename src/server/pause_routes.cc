// SPDX-License-Identifier: Apache-2.0
// Pause rules, for those who make them and those whom they hold back.
#include <boost/json.hpp>

#include "api/pause_documents.h"
#include "server/manager_tools.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;
using endpoints::EndpointId;
using endpoints::Pausable;
using endpoints::PauseRule;
using endpoints::Role;
using tasks::Task;

std::string name_of(const TransferParts& parts, const EndpointId& id) {
  const auto endpoint = parts.endpoints.get(id);
  return endpoint ? endpoint->display_name : std::string();
}

json::object document_of(const TransferParts& parts, const PauseRule& rule) {
  return api::pause_rule_document(rule, {name_of(parts, rule.endpoint), true, false});
}

// ---- for those who are held back

Result<Response> effective_rules(const TransferParts& parts, const Call& call,
                                 const Endpoint& endpoint) {
  TRY_ASSIGN(const auto rules, parts.service.pause_rules().in_force());
  json::array data;
  for (const PauseRule& rule : rules) {
    bool holds = false;
    for (std::size_t what = 0; what < endpoints::kPausables; ++what) {
      const endpoints::PausableAction action{endpoint, call.caller->identity,
                                             static_cast<Pausable>(what)};
      holds = holds || !endpoints::holding({&rule, 1}, action).empty();
    }
    if (!holds) continue;
    data.push_back(api::limited_pause_rule_document(
        rule, {name_of(parts, rule.endpoint), false, rule.endpoint != endpoint.id}));
  }
  return json_answer(api::whole_list("pause_rule_limited_list", std::move(data)));
}

// ---- for those who look after an endpoint

// kNotFound unless the caller may manage tasks on the endpoint of the rule.
Result<PauseRule> managed_rule(const TransferParts& parts, const Call& call) {
  const std::string& id = call.parameter("rule_id");
  TRY_ASSIGN(const PauseRule rule, parts.service.pause_rules().get(id));
  const auto endpoint = parts.endpoints.get(rule.endpoint);
  if (!endpoint) return endpoint.error();
  TRY_ASSIGN(const bool manages,
             looks_after(parts, *call.caller, *endpoint, Role::Kind::kActivityManager));
  if (!manages) return make_error(Code::kNotFound, "no pause rule '{}'", rule.id);
  return rule;
}

Result<Response> create_rule(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(PauseRule rule, api::read_pause_rule(body));
  const auto endpoint = visible_endpoint(parts, *call.caller, rule.endpoint);
  if (!endpoint) return refusal(call, endpoint.error(), api::Situation::kEndpoint);
  TRY_ASSIGN(const bool manages,
             looks_after(parts, *call.caller, *endpoint, Role::Kind::kActivityManager));
  if (!manages) {
    return make_error(Code::kDenied, "you do not manage the activity on endpoint '{}'",
                      endpoint->display_name);
  }
  rule.modified_by = call.caller->identity;
  TRY_ASSIGN(const PauseRule made, parts.service.pause_rules().create(std::move(rule)));
  return json_answer(document_of(parts, made), 201);
}

Result<Response> list_rules(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const auto managed, looked_after(parts, *call.caller, Role::Kind::kActivityManager));
  const std::string wanted = query_text(call, "filter_endpoint");
  std::vector<EndpointId> ids;
  for (const Endpoint& endpoint : managed) {
    if (wanted.empty() || endpoint.id == wanted) ids.push_back(endpoint.id);
  }
  TRY_ASSIGN(const auto rules, parts.service.pause_rules().of(ids));
  json::array data;
  for (const PauseRule& rule : rules) data.push_back(document_of(parts, rule));
  return json_answer(api::whole_list("pause_rule_list", std::move(data)));
}

Result<Response> show_rule(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const PauseRule rule, managed_rule(parts, call));
  return json_answer(document_of(parts, rule));
}

Result<Response> change_rule(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const PauseRule rule, managed_rule(parts, call));
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(endpoints::PauseRuleChange wanted, api::read_pause_rule_change(body));
  wanted.modified_by = call.caller->identity;
  TRY(parts.service.pause_rules().update(rule.id, wanted));
  return result_answer(call, "Updated", "Pause rule updated successfully");
}

Result<Response> remove_rule(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const PauseRule rule, managed_rule(parts, call));
  TRY(parts.service.pause_rules().remove(rule.id));
  return result_answer(call, "Deleted", "Pause rule deleted successfully");
}

}  // namespace

Result<Response> pause_info_answer(const TransferParts& parts, const Call&, const Task& task) {
  TRY_ASSIGN(const auto rules, parts.service.pause_rules_of(task));
  json::array documents;
  for (const PauseRule& rule : rules) {
    documents.push_back(
        api::limited_pause_rule_document(rule, {name_of(parts, rule.endpoint), false, false}));
  }
  return json_answer(api::pause_info_document(task, std::move(documents)));
}

std::optional<Response> refused_by_pause(const TransferParts& parts, const Call& call,
                                         const Endpoint& endpoint, Pausable what) {
  const auto checked = parts.service.pause_rules().check({endpoint, call.caller->identity, what});
  if (checked) return std::nullopt;
  const bool is_held = checked.error().code == Code::kConflict;
  return refusal(call, checked.error(),
                 is_held ? api::Situation::kPaused : api::Situation::kGeneral);
}

std::vector<Route> pause_routes(const TransferParts& parts) {
  const auto bound = [&parts](auto function) {
    return [parts, function](const Call& call) { return function(parts, call); };
  };
  return {
      endpoint_route(parts,
                     {Method::kGet, "/v0.10/endpoint/{endpoint_id}/my_effective_pause_rule_list",
                      "What is paused on it for the caller."},
                     [parts](const Call& call, const Endpoint& endpoint) {
                       return effective_rules(parts, call, endpoint);
                     }),
      task_route(parts, {Method::kGet, "/v0.10/task/{task_id}/pause_info", "What holds it back."},
                 [parts](const Call& call, const Task& task) {
                   return pause_info_answer(parts, call, task);
                 }),
      transfer_route({Method::kGet, "/v0.10/endpoint_manager/pause_rule_list",
                      "Pause rules of endpoints that the caller looks after."},
                     bound(list_rules)),
      transfer_route({Method::kPost, "/v0.10/endpoint_manager/pause_rule", "Makes a pause rule."},
                     bound(create_rule)),
      transfer_route(
          {Method::kGet, "/v0.10/endpoint_manager/pause_rule/{rule_id}", "One pause rule."},
          bound(show_rule)),
      transfer_route({Method::kPut, "/v0.10/endpoint_manager/pause_rule/{rule_id}", "Changes it."},
                     bound(change_rule)),
      transfer_route({Method::kDelete, "/v0.10/endpoint_manager/pause_rule/{rule_id}",
                      "Removes it; what it held back goes on."},
                     bound(remove_rule)),
  };
}

}  // namespace wherry::server
