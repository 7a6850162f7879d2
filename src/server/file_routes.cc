// SPDX-License-Identifier: Apache-2.0
// Operations on the files of an endpoint.
#include <algorithm>
#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "api/requests.h"
#include "server/transfer_routes.h"
#include "tasks/file_operations.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using api::Situation;
using endpoints::Endpoint;
using endpoints::Pausable;
using tasks::FileInfo;

constexpr std::uint64_t kMostFiles = 100'000;

// The path that the query names; the default directory if it names none.
Result<RelPath> path_of(const Call& call, const Endpoint& endpoint) {
  if (call.request.query_value("local_user") != nullptr &&
      !call.request.query_value("local_user")->empty()) {
    return make_error(Code::kInvalid,
                      "local_user cannot be chosen: this service has one; leave it out");
  }
  return api::read_path(query_text(call, "path", "~/"), endpoint.default_directory);
}

// As far as the caller may use it: no symlink leads out of what a rule grants.
Result<tasks::OpenEndpoint> open(const TransferParts& parts, const Call& call,
                                 const Endpoint& endpoint) {
  return tasks::open_endpoint(parts.permissions, principal_of(*call.caller), endpoint);
}

// What makes no sense is the client's fault, not the endpoint's.
Response bad_request(const Call& call, const Error& error) {
  return refusal(call, error, Situation::kGeneral);
}

struct Look {
  bool with_hidden = true;
  std::vector<api::Filter> filters;  // one of them must hold
  std::vector<api::OrderKey> order;
  Window window;
};

Result<Look> look_of(const Call& call) {
  Look look;
  TRY_ASSIGN(look.with_hidden, query_flag(call, "show_hidden", true));
  for (const auto& [name, value] : call.request.query) {
    if (name != "filter" || value.empty()) continue;
    TRY_ASSIGN(api::Filter filter, api::parse_filter(value, api::file_fields()));
    look.filters.push_back(std::move(filter));
  }
  TRY_ASSIGN(look.order, api::parse_order(query_text(call, "orderby", "name"), api::file_fields()));
  TRY_ASSIGN(look.window, window_of(call, kMostFiles, kMostFiles));
  return look;
}

void choose(std::vector<FileInfo>& files, const Look& look) {
  std::erase_if(files, [&look](const FileInfo& file) {
    return (!look.with_hidden && file.name.starts_with('.')) ||
           !api::matches_any(look.filters, api::row_of(file));
  });
  std::stable_sort(files.begin(), files.end(), [&look](const FileInfo& a, const FileInfo& b) {
    return api::comes_before(look.order, api::row_of(a), api::row_of(b));
  });
}

Result<Response> list_directory(const TransferParts& parts, const Call& call,
                                const Endpoint& endpoint) {
  if (auto held = refused_by_pause(parts, call, endpoint, Pausable::kList)) return *held;
  const auto path = path_of(call, endpoint);
  if (!path) return bad_request(call, path.error());
  const auto look = look_of(call);
  if (!look) return bad_request(call, look.error());
  TRY_ASSIGN(const tasks::OpenEndpoint opened, open(parts, call, endpoint));
  TRY_ASSIGN(std::vector<FileInfo> files, tasks::list_files(opened, *path));
  choose(files, *look);
  const std::uint64_t total = files.size();
  files = cut(std::move(files), look->window);
  return json_answer(api::file_list_document({endpoint.id, *path, opened.storage->traits().symlinks,
                                              total, std::span<const FileInfo>(files)}));
}

Result<Response> stat(const TransferParts& parts, const Call& call, const Endpoint& endpoint) {
  const auto path = path_of(call, endpoint);
  if (!path) return bad_request(call, path.error());
  TRY_ASSIGN(const tasks::OpenEndpoint opened, open(parts, call, endpoint));
  TRY_ASSIGN(const FileInfo file, tasks::stat_file(opened, *path));
  return json_answer(api::file_document(file));
}

Result<Response> make_directory(const TransferParts& parts, const Call& call,
                                const Endpoint& endpoint) {
  if (auto held = refused_by_pause(parts, call, endpoint, Pausable::kMakeDirectory)) return *held;
  const auto body = body_of(call);
  if (!body) return bad_request(call, body.error());
  const auto path = api::read_make_directory(*body, endpoint.default_directory);
  if (!path) return bad_request(call, path.error());
  TRY_ASSIGN(const tasks::OpenEndpoint opened, open(parts, call, endpoint));
  TRY(tasks::make_directory(opened, *path));
  return result_answer(call, "DirectoryCreated", "The directory was created successfully",
                       "mkdir_result", 202);
}

Result<Response> rename_file(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  if (auto held = refused_by_pause(parts, call, endpoint, Pausable::kRename)) return *held;
  const auto body = body_of(call);
  if (!body) return bad_request(call, body.error());
  const auto request = api::read_rename(*body, endpoint.default_directory);
  if (!request) return bad_request(call, request.error());
  TRY_ASSIGN(const tasks::OpenEndpoint opened, open(parts, call, endpoint));
  TRY(tasks::rename_file(opened, request->from, request->to));
  return result_answer(call, "FileRenamed", "File or directory renamed successfully");
}

Result<Response> make_symlink(const TransferParts& parts, const Call& call,
                              const Endpoint& endpoint) {
  if (auto held = refused_by_pause(parts, call, endpoint, Pausable::kSymlink)) return *held;
  const auto body = body_of(call);
  if (!body) return bad_request(call, body.error());
  const auto request = api::read_symlink(*body, endpoint.default_directory);
  if (!request) return bad_request(call, request.error());
  TRY_ASSIGN(const tasks::OpenEndpoint opened, open(parts, call, endpoint));
  TRY(tasks::make_symlink(opened, request->path, request->target));
  return result_answer(call, "SymlinkCreated", "The symlink was created successfully",
                       "symlink_result", 202);
}

}  // namespace

std::vector<Route> file_routes(const TransferParts& parts) {
  const auto operation = [&parts](Method method, std::string_view pattern, std::string_view doc,
                                  Situation situation, auto function) {
    return endpoint_route(
        parts, {method, pattern, doc, situation, Work::kStorage},
        [parts, function](const Call& call, const Endpoint& endpoint) -> Result<Response> {
          if (auto no = refused_without_consent(parts, call, {&endpoint, 1})) return *std::move(no);
          return function(parts, call, endpoint);
        });
  };
  return {
      operation(Method::kGet, "/v0.10/operation/endpoint/{endpoint_id}/ls",
                "The files of a directory.", Situation::kList, list_directory),
      operation(Method::kGet, "/v0.10/operation/endpoint/{endpoint_id}/stat", "One file.",
                Situation::kStat, stat),
      operation(Method::kPost, "/v0.10/operation/endpoint/{endpoint_id}/mkdir",
                "Makes a directory.", Situation::kMakeDirectory, make_directory),
      operation(Method::kPost, "/v0.10/operation/endpoint/{endpoint_id}/rename",
                "Renames a file or directory.", Situation::kRename, rename_file),
      operation(Method::kPost, "/v0.10/operation/endpoint/{endpoint_id}/symlink",
                "Makes a symlink.", Situation::kMakeSymlink, make_symlink),
  };
}

}  // namespace wherry::server
