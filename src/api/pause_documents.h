// SPDX-License-Identifier: Apache-2.0
// Pause rules, and what holds a task, as documents.
#pragma once

#include <boost/json/fwd.hpp>
#include <span>
#include <string>

#include "base/result.h"
#include "endpoints/pause_rules.h"
#include "tasks/types.h"

namespace wherry::api {

// What a document says beside the rule.
struct PauseRuleView {
  std::string endpoint_display_name;
  bool is_editable = false;  // by who asks
  bool is_of_host = false;   // asked about a guest collection, made for its host
};
// Of /endpoint_manager.
boost::json::object pause_rule_document(const endpoints::PauseRule& rule,
                                        const PauseRuleView& view);
// For those who are held back: without who made it and whom else it is for.
boost::json::object limited_pause_rule_document(const endpoints::PauseRule& rule,
                                                const PauseRuleView& view);
// `rules`: limited documents of what holds the task.
boost::json::object pause_info_document(const tasks::Task& task, boost::json::array rules);

// Of POST /endpoint_manager/pause_rule. kInvalid names the member that is missing or wrong.
Result<endpoints::PauseRule> read_pause_rule(const boost::json::object& document);
// Of PUT: the members that it has are changed; endpoint and identity stay as they are.
Result<endpoints::PauseRuleChange> read_pause_rule_change(const boost::json::object& document);

// {"task_id_list", "message"} of admin_cancel, admin_pause and admin_resume.
struct AdminRequest {
  std::vector<tasks::TaskId> tasks;
  std::string message;
};
inline constexpr std::size_t kMaxAdminTasks = 1000;  // of one request
Result<AdminRequest> read_admin_request(const boost::json::object& document);

}  // namespace wherry::api
