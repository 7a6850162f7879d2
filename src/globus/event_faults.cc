// SPDX-License-Identifier: Apache-2.0
#include "globus/event_faults.h"

#include <boost/json.hpp>
#include <set>

#include "api/json.h"
#include "api/paths.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;

std::string path_in(const json::object& object) {
  std::string path;
  if (!api::Members(object).get("path", path)) return {};
  return api::decode_bytes(path);
}

std::string path_of(const tasks::Event& event) {
  const auto details = api::parse_object(event.details);
  if (!details) return {};
  const auto context = api::Members(*details).array("context");
  if (context && *context != nullptr) {
    for (const json::value& each : **context) {
      if (const json::object* object = each.if_object()) {
        if (std::string path = path_in(*object); !path.empty()) return path;
      }
    }
  }
  return path_in(*details);
}

}  // namespace

std::vector<tasks::ItemError> faults_in(std::span<const tasks::Event> events) {
  std::vector<tasks::ItemError> faults;
  std::set<std::string> seen;
  for (const tasks::Event& event : events) {
    if (!event.is_error) continue;
    const std::string path = path_of(event);
    if (path.empty() || !seen.insert(path).second) continue;
    tasks::ItemError fault;
    fault.item = UINT64_MAX;
    fault.source_path = fault.target_path = path;
    fault.code = event.code;
    fault.details = event.description.empty() ? event.code : event.description;
    fault.time = event.time;
    faults.push_back(std::move(fault));
  }
  return faults;
}

}  // namespace wherry::globus
