// SPDX-License-Identifier: Apache-2.0
// Submissions; requests of files and endpoints are in file_requests.cc.
#include "api/requests.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/documents.h"
#include "api/json.h"
#include "api/paths.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using engine::FilterRule;
using engine::TransferItem;

// The paths of one side of a request.
class PathReader {
 public:
  PathReader(const endpoints::EndpointId& endpoint, const DefaultDirectory& default_directory)
      : endpoint_(endpoint), ask_(default_directory) {}

  Result<RelPath> read(const Members& item, std::string_view name) {
    std::string text;
    TRY(item.require(name, text));
    if (text.empty()) return item.error(name, "is empty; write / for the root");
    if (is_below_default_directory(text) && !default_directory_) {
      TRY_ASSIGN(default_directory_, ask_(endpoint_));
    }
    auto path = read_path(text, default_directory_.value_or(""));
    if (!path) return item.error(name, "is no path: " + path.error().message);
    return path;
  }

 private:
  const endpoints::EndpointId& endpoint_;
  const DefaultDirectory& ask_;
  std::optional<std::string> default_directory_;
};

// Ids are compared without regard to case.
Result<void> get_id(const Members& members, std::string_view name, std::string& id) {
  TRY(members.require(name, id));
  for (char& c : id) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return {};
}

Result<void> check_type(const Members& members, std::string_view expected) {
  std::string type(expected);
  TRY(members.get("DATA_TYPE", type));
  if (type == expected) return {};
  return members.error("DATA_TYPE", fmt::format("must be \"{}\" here", expected));
}

// Transfers run with the rights of the service: to take another user's name for granted would be a
// lie.
Result<void> refuse_local_user(const Members& members, std::string_view name) {
  if (!members.has(name)) return {};
  return members.error(name, "cannot be chosen: this service has one local user; leave it out");
}

template <class Request>
Result<void> get_common(const Members& members, Request& request) {
  TRY(get_id(members, "submission_id", request.submission_id));
  TRY(members.get("label", request.label));
  return members.get("deadline", request.deadline);
}

Result<const json::array*> items_of(const Members& members) {
  TRY_ASSIGN(const json::array* data, members.array("DATA"));
  if (data == nullptr) return members.error("DATA", "is missing: it must be an array of items");
  if (data->size() > tasks::kMaxItems) {
    return members.error("DATA", fmt::format("has {} items, at most {} are allowed", data->size(),
                                             tasks::kMaxItems));
  }
  return data;
}

Result<void> get_sync_level(const Members& members, engine::SyncLevel& level) {
  constexpr std::uint64_t kHighest = 3;
  std::optional<std::uint64_t> number;
  if (!members.get("sync_level", number) || number.value_or(0) > kHighest)
    return members.error("sync_level", "must be 0, 1, 2, 3 or null");
  if (number) {
    level = static_cast<engine::SyncLevel>(*number +
                                           static_cast<std::uint64_t>(engine::SyncLevel::kMissing));
  }
  return {};
}

Result<FilterRule> read_filter_rule(const json::object& object, std::size_t number) {
  const Members members(object, fmt::format("filter rule {}", number + 1));
  TRY(check_type(members, "filter_rule"));
  FilterRule rule;
  std::string method;
  TRY(members.require("method", method));
  if (method != "include" && method != "exclude")
    return members.error("method", "must be \"include\" or \"exclude\"");
  rule.method = method == "include" ? FilterRule::Method::kInclude : FilterRule::Method::kExclude;
  std::string name;
  TRY(members.require("name", name));
  rule.pattern = decode_bytes(name);
  std::string type;
  TRY(members.get("type", type));
  if (!type.empty() && type != "file" && type != "dir")
    return members.error("type", "must be \"file\", \"dir\" or null");
  if (type == "file") rule.applies = FilterRule::Applies::kFiles;
  if (type == "dir") rule.applies = FilterRule::Applies::kDirectories;
  return rule;
}

Result<void> get_filters(const Members& members, std::vector<FilterRule>& rules) {
  TRY_ASSIGN(const json::array* array, members.array("filter_rules"));
  if (array == nullptr) return {};
  for (std::size_t i = 0; i < array->size(); ++i) {
    TRY_ASSIGN(const json::object* object, object_at(*array, i, "filter_rules"));
    TRY_ASSIGN(FilterRule rule, read_filter_rule(*object, i));
    rules.push_back(std::move(rule));
  }
  return {};
}

Result<engine::TransferOptions> read_options(const Members& members) {
  engine::TransferOptions options;
  TRY(get_sync_level(members, options.sync_level));
  bool verify = false;  // the contract's default
  TRY(members.get("verify_checksum", verify));
  options.verify = verify ? engine::Verify::kChecksum : engine::Verify::kSize;
  TRY(members.get("preserve_timestamp", options.preserve_mtime));
  TRY(members.get("delete_destination_extra", options.delete_extra));
  TRY(members.get("skip_source_errors", options.skip_source_errors));
  TRY(members.get("fail_on_quota_errors", options.fail_on_quota_errors));
  std::string symlinks(to_string(options.symlinks));
  TRY(members.get("recursive_symlinks", symlinks));
  const auto policy = engine::parse_symlink_policy(symlinks);
  if (!policy)
    return members.error("recursive_symlinks", R"(must be "ignore", "keep", "copy" or null)");
  options.symlinks = *policy;
  TRY(get_filters(members, options.filters));
  return options;
}

Result<void> get_checksum(const Members& members, std::optional<engine::ExternalChecksum>& out) {
  engine::ExternalChecksum checksum;
  if (!members.has("external_checksum")) return {};
  TRY(members.get("external_checksum", checksum.digest));
  std::string algorithm(to_string(checksum.algorithm));
  TRY(members.get("checksum_algorithm", algorithm));
  const auto parsed = parse_hash_algorithm(algorithm);
  if (!parsed) return members.error("checksum_algorithm", "is unknown: " + parsed.error().message);
  checksum.algorithm = *parsed;
  out = std::move(checksum);
  return {};
}

Result<TransferItem> read_transfer_item(const Members& members, PathReader& source,
                                        PathReader& target) {
  TransferItem item;
  std::string type = "transfer_item";
  TRY(members.get("DATA_TYPE", type));
  if (type != "transfer_item" && type != "transfer_symlink_item")
    return members.error("DATA_TYPE", R"(must be "transfer_item" or "transfer_symlink_item")");
  TRY_ASSIGN(item.source, source.read(members, "source_path"));
  TRY_ASSIGN(item.target, target.read(members, "destination_path"));
  if (type == "transfer_symlink_item") {
    item.kind = TransferItem::Kind::kSymlink;
    return item;
  }
  std::optional<bool> recursive;
  TRY(members.get("recursive", recursive));
  if (recursive)
    item.recursion = *recursive ? TransferItem::Recursion::kYes : TransferItem::Recursion::kNo;
  TRY(get_checksum(members, item.checksum));
  return item;
}

json::object item_document(const TransferItem& item) {
  const bool is_link = item.kind == TransferItem::Kind::kSymlink;
  json::object document{{"DATA_TYPE", is_link ? "transfer_symlink_item" : "transfer_item"},
                        {"source_path", path_text(item.source)},
                        {"destination_path", path_text(item.target)}};
  if (!is_link && item.recursion != TransferItem::Recursion::kDetect)
    document["recursive"] = item.recursion == TransferItem::Recursion::kYes;
  if (item.checksum) {
    document["external_checksum"] = item.checksum->digest;
    document["checksum_algorithm"] = to_string(item.checksum->algorithm);
  }
  return document;
}

template <class Request>
void add_common(json::object& document, const Request& request) {
  document["submission_id"] = request.submission_id;
  if (!request.label.empty()) document["label"] = json_text(request.label);
  if (request.deadline) document["deadline"] = format_time(*request.deadline);
}

}  // namespace

Result<tasks::TransferRequest> read_transfer(const json::object& document,
                                             const DefaultDirectory& default_directory) {
  const Members members(document);
  TRY(check_type(members, "transfer"));
  tasks::TransferRequest request;
  TRY(get_common(members, request));
  TRY(get_id(members, "source_endpoint", request.source_endpoint));
  TRY(get_id(members, "destination_endpoint", request.target_endpoint));
  TRY(refuse_local_user(members, "source_local_user"));
  TRY(refuse_local_user(members, "destination_local_user"));
  TRY_ASSIGN(request.options, read_options(members));
  TRY_ASSIGN(const json::array* data, items_of(members));
  PathReader source(request.source_endpoint, default_directory);
  PathReader target(request.target_endpoint, default_directory);
  request.items.reserve(data->size());
  for (std::size_t i = 0; i < data->size(); ++i) {
    TRY_ASSIGN(const json::object* object, object_at(*data, i, "DATA"));
    const Members item(*object, fmt::format("item {}", i + 1));
    TRY_ASSIGN(TransferItem read, read_transfer_item(item, source, target));
    request.items.push_back(std::move(read));
  }
  return request;
}

Result<tasks::DeleteRequest> read_delete(const json::object& document,
                                         const DefaultDirectory& default_directory) {
  const Members members(document);
  TRY(check_type(members, "delete"));
  tasks::DeleteRequest request;
  TRY(get_common(members, request));
  TRY(get_id(members, "endpoint", request.endpoint));
  TRY(refuse_local_user(members, "local_user"));
  TRY(members.get("recursive", request.options.recursive));
  TRY(members.get("ignore_missing", request.options.ignore_missing));
  TRY(members.get("interpret_globs", request.options.interpret_globs));
  TRY_ASSIGN(const json::array* data, items_of(members));
  PathReader paths(request.endpoint, default_directory);
  for (std::size_t i = 0; i < data->size(); ++i) {
    TRY_ASSIGN(const json::object* object, object_at(*data, i, "DATA"));
    const Members item(*object, fmt::format("item {}", i + 1));
    TRY(check_type(item, "delete_item"));
    TRY_ASSIGN(RelPath path, paths.read(item, "path"));
    // "~" alone is the whole default directory: nobody means that.
    const auto named = read_path(std::string_view(object->at("path").as_string()), "");
    if (path.is_root() || (named && named->is_root()))
      return item.error("path", "would delete everything there; name what is to be deleted");
    request.items.push_back({std::move(path)});
  }
  return request;
}

json::object transfer_document(const tasks::TransferRequest& request) {
  const engine::TransferOptions& options = request.options;
  json::object document{{"DATA_TYPE", "transfer"},
                        {"source_endpoint", request.source_endpoint},
                        {"destination_endpoint", request.target_endpoint},
                        {"sync_level", sync_level_number(options.sync_level)},
                        {"verify_checksum", options.verify == engine::Verify::kChecksum},
                        {"preserve_timestamp", options.preserve_mtime},
                        {"delete_destination_extra", options.delete_extra},
                        {"skip_source_errors", options.skip_source_errors},
                        {"fail_on_quota_errors", options.fail_on_quota_errors},
                        {"recursive_symlinks", to_string(options.symlinks)}};
  add_common(document, request);
  if (!options.filters.empty()) {
    json::array rules;
    for (const FilterRule& rule : options.filters) rules.push_back(filter_rule_document(rule));
    document["filter_rules"] = std::move(rules);
  }
  json::array items;
  items.reserve(request.items.size());
  for (const TransferItem& item : request.items) items.push_back(item_document(item));
  document["DATA"] = std::move(items);
  return document;
}

json::object delete_document(const tasks::DeleteRequest& request) {
  json::object document{{"DATA_TYPE", "delete"},
                        {"endpoint", request.endpoint},
                        {"recursive", request.options.recursive},
                        {"ignore_missing", request.options.ignore_missing},
                        {"interpret_globs", request.options.interpret_globs}};
  add_common(document, request);
  json::array items;
  for (const engine::DeleteItem& item : request.items)
    items.push_back(json::object{{"DATA_TYPE", "delete_item"}, {"path", path_text(item.path)}});
  document["DATA"] = std::move(items);
  return document;
}

Result<tasks::TaskChange> read_task_change(const json::object& document) {
  const Members members(document);
  TRY(check_type(members, "task"));
  tasks::TaskChange change;
  TRY(members.get("label", change.label));
  TRY(members.get("deadline", change.deadline));
  return change;
}

json::object task_change_document(const tasks::TaskChange& change) {
  json::object document{{"DATA_TYPE", "task"}};
  if (change.label) document["label"] = json_text(*change.label);
  if (change.deadline) document["deadline"] = format_time(*change.deadline);
  return document;
}

}  // namespace wherry::api
