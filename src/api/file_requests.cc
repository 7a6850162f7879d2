// SPDX-License-Identifier: Apache-2.0
// Requests that make or change files and endpoints.
#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "api/requests.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

Result<RelPath> path_member(const Members& members, std::string_view name,
                            std::string_view default_directory) {
  if (members.has("local_user"))
    return members.error("local_user", "cannot be chosen: this service has one; leave it out");
  std::string text;
  TRY(members.require(name, text));
  if (text.empty()) return members.error(name, "is empty");
  auto path = read_path(text, default_directory);
  if (!path) return members.error(name, "is no path: " + path.error().message);
  return path;
}

// "a, b" or ["a", "b"].
Result<void> get_keywords(const json::object& document, std::vector<std::string>& words) {
  const Members members(document);
  if (!members.has("keywords")) return {};
  const json::array* array = document.at("keywords").if_array();
  if (array == nullptr) {
    std::string text;
    TRY(members.get("keywords", text));
    words = split_keywords(text);
    return {};
  }
  for (const json::value& word : *array) {
    const json::string* text = word.if_string();
    if (text == nullptr) return members.error("keywords", "must hold strings only");
    for (std::string& part : split_keywords(*text)) words.push_back(std::move(part));
  }
  return {};
}

// A text that is null is to be cleared; one that is absent stays.
Result<void> get_change(const json::object& document, std::string_view name,
                        std::optional<std::string>& out) {
  if (!document.contains(name)) return {};
  out.emplace();
  return Members(document).get(name, *out);
}

}  // namespace

std::vector<std::string> split_keywords(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t first = word.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    words.emplace_back(word.substr(first, word.find_last_not_of(' ') - first + 1));
  }
  return words;
}

Result<RelPath> read_make_directory(const json::object& document,
                                    std::string_view default_directory) {
  return path_member(Members(document), "path", default_directory);
}

Result<RenameRequest> read_rename(const json::object& document,
                                  std::string_view default_directory) {
  const Members members(document);
  RenameRequest request;
  TRY_ASSIGN(request.from, path_member(members, "old_path", default_directory));
  TRY_ASSIGN(request.to, path_member(members, "new_path", default_directory));
  return request;
}

Result<SymlinkRequest> read_symlink(const json::object& document,
                                    std::string_view default_directory) {
  const Members members(document);
  SymlinkRequest request;
  TRY_ASSIGN(request.path, path_member(members, "path", default_directory));
  std::string target;
  TRY(members.require("symlink_target", target));
  request.target = decode_bytes(target);
  const bool is_possible = !request.target.empty() && request.target.size() <= kMaxPathBytes &&
                           request.target.find('\0') == std::string::npos;
  if (!is_possible) {
    return members.error("symlink_target",
                         fmt::format("must have 1 to {} bytes, none of them NUL", kMaxPathBytes));
  }
  return request;
}

json::object make_directory_document(const RelPath& path) {
  return {{"DATA_TYPE", "mkdir"}, {"path", path_text(path)}};
}

json::object rename_document(const RenameRequest& request) {
  return {{"DATA_TYPE", "rename"},
          {"old_path", path_text(request.from)},
          {"new_path", path_text(request.to)}};
}

json::object symlink_document(const SymlinkRequest& request) {
  return {{"DATA_TYPE", "symlink"},
          {"path", path_text(request.path)},
          {"symlink_target", escape_bytes(request.target)}};
}

Result<EndpointCreation> read_endpoint_creation(const json::object& document) {
  const Members members(document);
  EndpointCreation creation;
  endpoints::NewEndpoint& endpoint = creation.endpoint;
  TRY(members.require("display_name", endpoint.display_name));
  TRY(members.get("storage_url", endpoint.location));
  TRY(members.get("description", endpoint.description));
  TRY(members.get("organization", endpoint.organization));
  TRY(members.get("default_directory", endpoint.default_directory));
  endpoint.default_directory = decode_bytes(endpoint.default_directory);
  for (const endpoints::EndpointInfoText& each : endpoints::kEndpointInfoTexts)
    TRY(members.get(each.name, endpoint.info.*each.text));
  TRY(get_keywords(document, endpoint.keywords));
  TRY(members.get("requires_data_access", endpoint.requires_data_access));
  TRY(members.get("public", creation.is_public));
  TRY(members.get("host_endpoint", creation.host_endpoint));
  if (!creation.host_endpoint) TRY(members.get("host_endpoint_id", creation.host_endpoint));
  if (creation.host_endpoint) {
    TRY(members.require("host_path", creation.host_path));
    creation.host_path = decode_bytes(creation.host_path);
  }
  return creation;
}

Result<endpoints::EndpointChange> read_endpoint_change(const json::object& document) {
  const Members members(document);
  endpoints::EndpointChange change;
  TRY(members.get("display_name", change.display_name));
  TRY(get_change(document, "description", change.description));
  TRY(get_change(document, "organization", change.organization));
  TRY(get_change(document, "default_directory", change.default_directory));
  if (change.default_directory) change.default_directory = decode_bytes(*change.default_directory);
  for (const endpoints::EndpointInfoText& each : endpoints::kEndpointInfoTexts) {
    std::optional<std::string> text;
    TRY(get_change(document, each.name, text));
    if (text) change.info.push_back({each.text, *std::move(text)});
  }
  TRY(members.get("requires_data_access", change.requires_data_access));
  if (document.contains("keywords")) TRY(get_keywords(document, change.keywords.emplace()));
  TRY(members.get("public", change.is_public));
  return change;
}

}  // namespace wherry::api
