// SPDX-License-Identifier: Apache-2.0
// Documents of the Transfer API that the service writes. Each has every key of the contract; those
// that Wherry has nothing to say about have the constants of docs/api/compatibility.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::api {

// "2021-09-02T18:04:47+00:00", but with a blank in documents of files.
std::string file_time_text(TimePoint time);

// ---- what a task document says beside the task itself

struct TaskView {
  // Null if the endpoint is not known (any more).
  const endpoints::Endpoint* source = nullptr;
  const endpoints::Endpoint* target = nullptr;
};
boost::json::object task_document(const tasks::Task& task, const TaskView& view);

std::string_view task_type_name(tasks::TaskType type);  // "TRANSFER", "DELETE"
// The number of the contract; null where every file is copied.
boost::json::value sync_level_number(engine::SyncLevel level);
boost::json::object filter_rule_document(const engine::FilterRule& rule);

boost::json::object event_document(const tasks::Event& event);
boost::json::object successful_transfer_document(const tasks::SuccessfulTransfer& row);
boost::json::object skipped_error_document(const tasks::ItemError& row);

// ---- lists

struct OffsetPage {
  std::uint64_t limit = 0;
  std::uint64_t offset = 0;
  std::uint64_t total = 0;
};
// `type`: "task_list", "event_list". An empty page never claims a larger total, which would make
// clients ask for ever.
boost::json::object offset_list(std::string_view type, boost::json::array data, OffsetPage page);
// `type`: "successful_transfers", "skipped_errors".
boost::json::object marker_list(std::string_view type, boost::json::array data,
                                std::uint64_t marker, std::optional<std::uint64_t> next);
// `type`: "bookmark_list", "access_list", …: all at once.
boost::json::object whole_list(std::string_view type, boost::json::array data);

// ---- files

// "file", "dir", "invalid_symlink", "other".
std::string_view file_type_name(const tasks::FileInfo& file);
std::string permissions_text(std::uint32_t mode);  // "0644"
boost::json::object file_document(const tasks::FileInfo& file);

struct Listing {
  endpoints::EndpointId endpoint;
  RelPath path;
  bool symlinks_supported = true;
  std::uint64_t total = 0;                 // before limit and offset
  std::span<const tasks::FileInfo> files;  // of this page
};
boost::json::object file_list_document(const Listing& listing);

// ---- endpoints

struct EndpointView {
  std::string owner_string;        // "ada@example.org"
  std::vector<std::string> roles;  // of the caller: "administrator", …
  bool is_public = true;
  bool is_shareable = false;
  bool has_access_rules = false;  // the endpoint is a share
  bool in_use = false;
  // Of a guest collection.
  struct Host {
    endpoints::EndpointId id;
    std::string display_name;
    std::string path;
  };
  std::optional<Host> host;
};
// "GCP_mapped_collection", or "GCP_guest_collection" for a share.
std::string_view entity_type(const endpoints::Endpoint& endpoint);
boost::json::object endpoint_document(const endpoints::Endpoint& endpoint,
                                      const EndpointView& view);
boost::json::object endpoint_list_document(boost::json::array data, std::uint64_t limit,
                                           std::uint64_t offset, bool has_next_page);
// "u_<owner>", the service's short name of an identity; "wherry" for what belongs to nobody.
std::string service_username(std::string_view owner);
std::string canonical_name(const endpoints::Endpoint& endpoint);

// ---- results

struct RequestContext {
  std::string_view request_id;
  std::string_view resource;  // the path of the request
};
// `type`: "result", "mkdir_result", "symlink_result", ….
boost::json::object result_document(std::string_view type, std::string_view code,
                                    std::string_view message, const RequestContext& request);
boost::json::object submission_id_document(const tasks::SubmissionId& id);
// transfer_result or delete_result.
boost::json::object submitted_document(tasks::TaskType type, const tasks::Submitted& submitted,
                                       const tasks::SubmissionId& id,
                                       const RequestContext& request);
boost::json::object endpoint_created_document(const endpoints::EndpointId& id,
                                              std::string_view message,
                                              const RequestContext& request);

}  // namespace wherry::api
