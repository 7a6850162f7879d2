// SPDX-License-Identifier: Apache-2.0
#include "tasks/validate.h"

#include <algorithm>
#include <vector>

#include "base/path.h"
#include "base/random.h"
#include "base/units.h"
#include "endpoints/grants.h"
#include "engine/filter.h"
#include "tasks/overlap.h"
#include "tasks/real_paths.h"

namespace wherry::tasks {
namespace {

constexpr std::size_t kMaxFilters = 1000;

std::size_t digest_characters(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kXxh3_128:
    case HashAlgorithm::kMd5:
      return 32;
    case HashAlgorithm::kSha1:
      return 40;
    case HashAlgorithm::kSha256:
      return 64;
    case HashAlgorithm::kSha512:
      return 128;
    case HashAlgorithm::kCrc32c:
    case HashAlgorithm::kAdler32:
      return 8;
  }
  return 0;
}

Result<void> check_label(const std::string& label) {
  // Escaping changes control characters, bytes that are not UTF-8, and the backslash, which is
  // harmless here.
  std::string without_backslashes = label;
  std::replace(without_backslashes.begin(), without_backslashes.end(), '\\', '/');
  if (escape_bytes(without_backslashes) != without_backslashes) {
    return make_error(Code::kInvalid,
                      "label '{}' holds control characters or bytes that are not UTF-8; use plain"
                      " text",
                      escape_bytes(label));
  }
  const auto characters =
      static_cast<std::size_t>(std::count_if(label.begin(), label.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
      }));
  if (characters > kMaxLabelCharacters) {
    return make_error(Code::kInvalid, "label has {} characters, at most {} are allowed; shorten it",
                      characters, kMaxLabelCharacters);
  }
  return {};
}

Result<void> check_deadline(const std::optional<TimePoint>& deadline, TimePoint now) {
  if (!deadline || *deadline > now) return {};
  return make_error(Code::kInvalid, "deadline {} is in the past; it is {} now",
                    format_time(*deadline), format_time(now));
}

Result<void> check_count(std::size_t items) {
  if (items == 0)
    return make_error(Code::kInvalid, "the request has no items; name at least one path");
  if (items > kMaxItems) {
    return make_error(Code::kInvalid,
                      "the request has {} items, at most {} are allowed; submit them in parts, or"
                      " name directories to be taken recursively",
                      items, kMaxItems);
  }
  return {};
}

template <class Request>
Result<void> check_common(const Request& request, TimePoint now) {
  TRY(validate_submission_id(request.submission_id));
  if (request.owner.empty())
    return make_error(Code::kInvalid, "the request names no owner; say who submits it");
  TRY(check_label(request.label));
  TRY(check_deadline(request.deadline, now));
  return check_count(request.items.size());
}

Result<endpoints::Endpoint> find_endpoint(endpoints::Endpoints& endpoints, const EndpointId& id,
                                          std::string_view role) {
  if (id.empty()) return make_error(Code::kInvalid, "the request names no {} endpoint", role);
  TRY_ASSIGN(endpoints::Endpoint endpoint, endpoints.get(id), "{} endpoint", role);
  return endpoint;
}

Result<void> check_writable(const endpoints::Endpoint& endpoint) {
  if (endpoint.access == endpoints::Access::kReadWrite) return {};
  return make_error(Code::kDenied,
                    "endpoint '{}' is read-only; choose another, or allow writing with `wherry"
                    " endpoint update {} --read-write`",
                    endpoint.display_name, endpoint.display_name);
}

Result<void> check_filters(const std::vector<engine::FilterRule>& filters) {
  if (filters.size() > kMaxFilters) {
    return make_error(Code::kInvalid, "the request has {} filters, at most {} are allowed",
                      filters.size(), kMaxFilters);
  }
  for (const engine::FilterRule& rule : filters) {
    if (rule.pattern.empty())
      return make_error(Code::kInvalid, "a filter has an empty pattern, which matches nothing");
    if (rule.pattern.find('/') == std::string::npos) continue;
    return make_error(Code::kInvalid,
                      "filter '{}' holds a slash; filters are matched with names, not with paths",
                      escape_bytes(rule.pattern));
  }
  return {};
}

Result<void> check_checksum(const engine::ExternalChecksum& checksum) {
  const bool is_hex = std::all_of(checksum.digest.begin(), checksum.digest.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
  if (is_hex && checksum.digest.size() == digest_characters(checksum.algorithm)) return {};
  return make_error(Code::kInvalid, "'{}' is no {} checksum: that is {} hexadecimal digits",
                    escape_bytes(checksum.digest), to_string(checksum.algorithm),
                    digest_characters(checksum.algorithm));
}

Result<void> check_item(const engine::TransferItem& item) {
  using Item = engine::TransferItem;
  const bool recursive = item.recursion == Item::Recursion::kYes;
  if (item.kind == Item::Kind::kSymlink && (recursive || item.checksum)) {
    return make_error(Code::kInvalid,
                      "a symlink is made again as it is: it takes neither --recursive nor a"
                      " checksum");
  }
  if (item.checksum && recursive)
    return make_error(Code::kInvalid,
                      "a checksum is of one file; a recursive item cannot have one");
  return item.checksum ? check_checksum(*item.checksum) : Result<void>();
}

// Nothing if it is not of this host. For an endpoint that is not connected a task of the service
// waits, and its run looks again; a local user is told at once, and where it is.
Result<std::optional<std::string>> root_of(endpoints::Endpoints& endpoints,
                                           const endpoints::Endpoint& endpoint,
                                           const std::string& owner) {
  const auto storage = endpoints.open(endpoint);
  if (storage) return (*storage)->host_directory();
  if (endpoints::is_local_user({owner, {}}))
    return Error(storage.error()).with_context("open endpoint " + endpoints::place_of(endpoint));
  if (storage.error().code == Code::kUnavailable) return std::optional<std::string>();
  return storage.error();
}

// What a service must not delete: the database with the record of the very task, what SQLite keeps
// beside it, and all directories that hold it.
class OwnDatabase {
 public:
  // `root` is that of the endpoint, if it is of this host.
  OwnDatabase(const std::optional<std::string>& root, const std::string& database) {
    if (!root) return;
    const auto real = canonical(database);
    const auto real_root = canonical(*root);
    // A storage follows no symlink out of its root.
    if (!real || !real_root || !below_host_root(*real).is_within(below_host_root(*real_root)))
      return;
    root_ = *real_root;
    for (const char* suffix : {"", "-wal", "-shm"})
      files_.push_back(below_host_root(*real + suffix));
  }

  Result<void> check(const RelPath& path, RealPaths::Last last) {
    if (files_.empty()) return {};
    const RelPath real = real_paths_.of(root_, path, last);
    for (const RelPath& file : files_)
      if (file.is_within(real)) return refused(path, "holds");
    return {};
  }

  // A glob in the last component.
  Result<void> check_glob(const RelPath& path) {
    if (files_.empty()) return {};
    const RelPath directory = real_paths_.of(root_, path.parent(), RealPaths::Last::kFollowed);
    for (const RelPath& file : files_) {
      if (file == directory || !file.is_within(directory)) continue;
      const std::string below = file.relative_to(directory).text();
      const std::string_view name = std::string_view(below).substr(0, below.find('/'));
      if (engine::delete_glob_reaches(path.name(), name))
        return refused(path, "reaches what holds");
    }
    return {};
  }

 private:
  static Error refused(const RelPath& path, std::string_view how) {
    return make_error(Code::kInvalid,
                      "'/{}' {} the state of Wherry itself, with the record of this very task; name"
                      " what else is to be deleted",
                      escape_bytes(path.text()), how);
  }

  std::string root_;            // canonical
  std::vector<RelPath> files_;  // relative to the host's root; none: nothing can reach them
  RealPaths real_paths_;
};

}  // namespace

Result<void> validate_submission_id(const SubmissionId& id) {
  if (is_uuid(id)) return {};
  return make_error(Code::kInvalid,
                    "submission id '{}' is not a UUID; take one from `wherry task "
                    "generate-submission-id`, or give none",
                    escape_bytes(id));
}

Result<void> validate(const TransferRequest& request, endpoints::Endpoints& endpoints,
                      const std::string& own_database, TimePoint now) {
  TRY(check_common(request, now));
  TRY_ASSIGN(const auto source, find_endpoint(endpoints, request.source_endpoint, "source"));
  TRY_ASSIGN(const auto target, find_endpoint(endpoints, request.target_endpoint, "target"));
  TRY(check_writable(target));
  TRY(check_filters(request.options.filters));
  TRY_ASSIGN(const auto source_root, root_of(endpoints, source, request.owner));
  TRY_ASSIGN(const auto target_root, root_of(endpoints, target, request.owner));
  OverlapCheck overlap({request.source_endpoint, request.target_endpoint, source_root, target_root,
                        request.options.delete_extra});
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    TRY(check_item(request.items[i]), "item {} ('/{}')", i + 1,
        escape_bytes(request.items[i].source.text()));
    TRY(overlap.check(request.items[i]));
  }
  if (!request.options.delete_extra) return {};
  OwnDatabase own(target_root, own_database);
  for (const engine::TransferItem& item : request.items)
    TRY(own.check(item.target, RealPaths::Last::kFollowed));
  return {};
}

Result<void> validate(const DeleteRequest& request, endpoints::Endpoints& endpoints,
                      const std::string& own_database, TimePoint now) {
  TRY(check_common(request, now));
  TRY_ASSIGN(const auto endpoint, find_endpoint(endpoints, request.endpoint, "target"));
  TRY(check_writable(endpoint));
  for (const engine::DeleteItem& item : request.items) {
    if (!item.path.is_root() && item.path.text() != "~") continue;
    return make_error(Code::kInvalid,
                      "'{}' would delete everything that endpoint '{}' holds, which is refused;"
                      " name the directories to delete",
                      item.path.is_root() ? "/" : "~", endpoint.display_name);
  }
  // Nothing to be seen of one that is not connected: it is not of this host.
  const auto storage = endpoints.open(endpoint);
  OwnDatabase own(storage ? (*storage)->host_directory() : std::nullopt, own_database);
  for (const engine::DeleteItem& item : request.items) {
    const bool is_glob =
        request.options.interpret_globs && engine::is_delete_glob(item.path.name());
    TRY(is_glob ? own.check_glob(item.path) : own.check(item.path, RealPaths::Last::kAsItIs));
  }
  return {};
}

Result<void> validate(const TaskChange& change, TimePoint now) {
  if (change.label) TRY(check_label(*change.label));
  return check_deadline(change.deadline, now);
}

}  // namespace wherry::tasks
