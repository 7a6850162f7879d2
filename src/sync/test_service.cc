// SPDX-License-Identifier: Apache-2.0
#include "sync/test_service.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;

TimePoint to_time(const timespec& time) {
  return TimePoint(Duration(std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec));
}

tasks::FileInfo info_of(const std::string& path, const struct stat& status) {
  tasks::FileInfo info;
  info.name = path.substr(path.rfind('/') + 1);
  storage::Attributes& attributes = info.attributes;
  attributes.type = S_ISREG(status.st_mode)   ? storage::EntryType::kFile
                    : S_ISDIR(status.st_mode) ? storage::EntryType::kDirectory
                    : S_ISLNK(status.st_mode) ? storage::EntryType::kSymlink
                                              : storage::EntryType::kOther;
  attributes.mode = status.st_mode & 07777u;
  attributes.size = static_cast<ByteCount>(status.st_size);
  attributes.mtime = to_time(status.st_mtim);
  attributes.ctime = to_time(status.st_ctim);
  attributes.inode = status.st_ino;
  return info;
}

Result<tasks::FileInfo> look_at(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return errno_error(errno, path);
  tasks::FileInfo info = info_of(path, status);
  if (!S_ISLNK(status.st_mode)) return info;
  std::error_code ignored;
  const std::string target = fs::read_symlink(path, ignored).string();
  if (::stat(path.c_str(), &status) == 0) info = info_of(path, status);
  info.is_link = true;
  info.link_is_broken = info.attributes.type == storage::EntryType::kSymlink;
  info.link_target = target;
  return info;
}

}  // namespace

void TestService::add_endpoint(const std::string& id, const std::string& directory) {
  directories_[id] = directory;
}

void TestService::forget() {
  copied.clear();
  deleted.clear();
  renamed.clear();
  made.clear();
  transfers.clear();
  deletes.clear();
  duplicates = 0;
}

Result<std::string> TestService::host_path(const tasks::EndpointId& endpoint,
                                           const RelPath& path) const {
  const auto found = directories_.find(endpoint);
  if (found == directories_.end()) return make_error(Code::kNotFound, "no endpoint '{}'", endpoint);
  return path.is_root() ? found->second : found->second + "/" + path.text();
}

Result<tasks::SubmissionId> TestService::new_submission_id() {
  const std::lock_guard lock(mutex_);
  return new_uuid(random_);
}

Result<tasks::Submitted> TestService::accept(Work work) {
  const tasks::TaskId id = new_uuid(random_);
  work.task.id = id;
  by_submission_[work.task.submission_id] = id;
  tasks_[id] = std::move(work);
  return tasks::Submitted{id, tasks::Submitted::Kind::kAccepted};
}

Result<tasks::Submitted> TestService::submit(const tasks::TransferRequest& request) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_submission_.find(request.submission_id);
      known != by_submission_.end()) {
    ++duplicates;
    return tasks::Submitted{known->second, tasks::Submitted::Kind::kDuplicate};
  }
  transfers.push_back(request);
  Work work;
  work.task.type = tasks::TaskType::kTransfer;
  work.task.submission_id = request.submission_id;
  work.task.label = request.label;
  work.task.source_endpoint = request.source_endpoint;
  work.task.target_endpoint = request.target_endpoint;
  work.task.transfer_options = request.options;
  work.transfers = request.items;
  return accept(std::move(work));
}

Result<tasks::Submitted> TestService::submit(const tasks::DeleteRequest& request) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_submission_.find(request.submission_id);
      known != by_submission_.end()) {
    ++duplicates;
    return tasks::Submitted{known->second, tasks::Submitted::Kind::kDuplicate};
  }
  deletes.push_back(request);
  Work work;
  work.task.type = tasks::TaskType::kDelete;
  work.task.submission_id = request.submission_id;
  work.task.source_endpoint = request.endpoint;
  work.deletes = request.items;
  return accept(std::move(work));
}

void TestService::fail(Work& work, std::uint64_t ordinal, const std::string& code, bool skipped) {
  tasks::ItemError error;
  error.item = ordinal;
  if (ordinal < work.transfers.size()) {
    error.source_path = "/" + work.transfers[ordinal].source.text();
    error.target_path = "/" + work.transfers[ordinal].target.text();
  } else {
    error.target_path = "/" + work.deletes[ordinal].path.text();
  }
  error.code = code;
  error.details = "made to fail";
  error.skipped = skipped;
  work.errors.push_back(error);
  if (skipped) return;
  work.task.state = tasks::TaskState::kFailed;
  work.task.fatal_error = tasks::TaskError{code, "made to fail"};
}

void TestService::copy(Work& work, std::uint64_t ordinal) {
  const engine::TransferItem& item = work.transfers[ordinal];
  const std::string from = host_path(work.task.source_endpoint, item.source).value();
  const std::string to = host_path(work.task.target_endpoint, item.target).value();
  if (stuck_targets.contains(item.target.text())) {
    // As services tell it: a path, and not of which side.
    if (!work.is_stuck) {
      fail(work, ordinal, "PERMISSION_DENIED", false);
      work.errors.back().source_path = work.errors.back().target_path;
    }
    work.is_stuck = true;
    return;
  }
  if (failing_targets.contains(item.target.text()))
    return fail(work, ordinal, "PERMISSION_DENIED", false);
  std::error_code problem;
  if (failing_sources.contains(item.source.text()) ||
      !fs::exists(fs::symlink_status(from, problem)))
    return fail(work, ordinal, "FILE_NOT_FOUND", true);
  fs::create_directories(fs::path(to).parent_path(), problem);
  if (item.kind == engine::TransferItem::Kind::kSymlink) {
    fs::remove(to, problem);
    fs::copy_symlink(from, to, problem);
    if (!problem) copied.push_back(item.source.text());
    return problem ? fail(work, ordinal, "ENDPOINT_ERROR", false) : void();
  }
  const auto bytes = read_file(from, UINT64_MAX);
  if (!bytes) return fail(work, ordinal, "PERMISSION_DENIED", true);
  if (work.task.transfer_options.sync_level == engine::SyncLevel::kChecksum) {
    const auto there = read_file(to, UINT64_MAX);
    if (!fs::is_symlink(to) && there && *there == *bytes) return;
  }
  struct stat status;
  ::stat(from.c_str(), &status);
  if (fs::is_symlink(to)) fs::remove(to, problem);  // replaced, not followed
  std::ofstream file(to, std::ios::binary | std::ios::trunc);
  file << *bytes;
  file.close();
  if (!file) return fail(work, ordinal, "ENDPOINT_ERROR", false);
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  ::utimensat(AT_FDCWD, to.c_str(), times, 0);
  copied.push_back(item.source.text());
  tasks::SuccessfulTransfer row;
  row.item = ordinal;
  row.source_path = "/" + item.source.text();
  row.target_path = "/" + item.target.text();
  row.size = bytes->size();
  work.done.push_back(row);
}

void TestService::run(Work& work) {
  if (work.ran) return;
  work.ran = true;
  if (before_task) before_task();
  work.task.state = tasks::TaskState::kSucceeded;
  if (fail_tasks) {
    work.task.state = tasks::TaskState::kFailed;
    work.task.fatal_error = tasks::TaskError{"ENDPOINT_ERROR", "the endpoint is away"};
    work.task.cut_short = true;
    return;
  }
  for (std::uint64_t i = 0; i < work.transfers.size(); ++i) copy(work, i);
  for (std::uint64_t i = 0; i < work.deletes.size(); ++i) {
    const RelPath& path = work.deletes[i].path;
    const std::string at = host_path(work.task.source_endpoint, path).value();
    std::error_code problem;
    if (failing_deletes.contains(path.text())) {
      if (fs::is_directory(fs::symlink_status(at)))
        fs::remove_all(fs::directory_iterator(at)->path(), problem);
      fail(work, i, "PERMISSION_DENIED", false);
      continue;
    }
    fs::remove_all(at, problem);
    deleted.push_back(path.text());
  }
  if (!work.is_stuck) return;
  work.task.state = tasks::TaskState::kActive;
  work.task.nice_status = "PERMISSION_DENIED";
}

Result<tasks::Task> TestService::task(const tasks::TaskId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return make_error(Code::kNotFound, "no task {}", id);
  return found->second.task;
}

Result<std::vector<tasks::Task>> TestService::tasks(const tasks::TaskFilter& /*filter*/) {
  std::vector<tasks::Task> all;
  for (const auto& [id, work] : tasks_) all.push_back(work.task);
  return all;
}

Result<void> TestService::cancel(const tasks::TaskId& id) {
  const std::lock_guard lock(mutex_);
  Work& work = tasks_.at(id);
  work.is_stuck = false;
  work.task.state = tasks::TaskState::kFailed;
  work.task.fatal_error = tasks::TaskError{"CANCELED", "it was cancelled"};
  work.task.cut_short = true;
  return {};
}
Result<void> TestService::resume(const tasks::TaskId& /*id*/) {
  return make_error(Code::kUnsupported, "not in tests");
}
Result<void> TestService::update(const tasks::TaskId& /*id*/, const tasks::TaskChange& /*change*/) {
  return make_error(Code::kUnsupported, "not in tests");
}
Result<std::vector<tasks::Event>> TestService::events(const tasks::TaskId& id,
                                                      std::size_t /*limit*/,
                                                      std::size_t /*offset*/) {
  const std::lock_guard lock(mutex_);
  if (!tasks_.at(id).is_stuck) return std::vector<tasks::Event>();
  return std::vector<tasks::Event>{{TimePoint(), "PERMISSION_DENIED", "denied", "", true}};
}

// Pages of three rows, so that paging is always exercised.
template <class Row>
tasks::Page<Row> page_of(const std::vector<Row>& rows, std::uint64_t marker) {
  tasks::Page<Row> page;
  const std::size_t end = std::min<std::size_t>(rows.size(), marker + 3);
  for (std::size_t i = marker; i < end; ++i) page.rows.push_back(rows[i]);
  if (end < rows.size()) page.next = end;
  return page;
}

template <class Row>
tasks::Page<Row> TestService::without_items(tasks::Page<Row> page) const {
  for (Row& row : page.rows) {
    if (!tells_items) row.item = UINT64_MAX;
  }
  return page;
}

Result<tasks::Page<tasks::SuccessfulTransfer>> TestService::successful_transfers(
    const tasks::TaskId& id, std::uint64_t marker) {
  const std::lock_guard lock(mutex_);
  return without_items(page_of(tasks_.at(id).done, marker));
}
Result<tasks::Page<tasks::ItemError>> TestService::item_errors(const tasks::TaskId& id,
                                                               std::uint64_t marker) {
  const std::lock_guard lock(mutex_);
  return without_items(page_of(tasks_.at(id).errors, marker));
}

Result<tasks::Task> TestService::wait(const tasks::TaskId& id, Duration /*timeout*/,
                                      std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  if (stop.stop_requested()) return make_error(Code::kCancelled, "stopped");
  Work& work = tasks_.at(id);
  run(work);
  if (work.is_stuck) return make_error(Code::kTimeout, "task {} is still ACTIVE", id);
  return work.task;
}

Result<endpoints::Endpoint> TestService::endpoint(std::string_view name_or_id) {
  const auto found = directories_.find(std::string(name_or_id));
  if (found == directories_.end())
    return make_error(Code::kNotFound, "no endpoint '{}'", name_or_id);
  endpoints::Endpoint endpoint;
  endpoint.id = endpoint.display_name = found->first;
  endpoint.storage_url = "posix://" + found->second;
  return endpoint;
}

Result<std::vector<endpoints::Endpoint>> TestService::search_endpoints(std::string_view /*text*/,
                                                                       std::size_t /*limit*/,
                                                                       std::size_t /*offset*/) {
  return std::vector<endpoints::Endpoint>();
}

Result<std::vector<tasks::FileInfo>> TestService::list(const tasks::EndpointId& endpoint,
                                                       const RelPath& path) {
  if (before_list) TRY(before_list(path));
  TRY_ASSIGN(const std::string directory, host_path(endpoint, path));
  std::vector<tasks::FileInfo> found;
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return errno_error(errno, directory);
  while (const dirent* entry = ::readdir(opened)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (auto info = look_at(directory + "/" + name)) found.push_back(std::move(info).value());
  }
  ::closedir(opened);
  return found;
}

Result<tasks::FileInfo> TestService::stat(const tasks::EndpointId& endpoint, const RelPath& path) {
  TRY_ASSIGN(const std::string place, host_path(endpoint, path));
  return look_at(place);
}

Result<void> TestService::make_directory(const tasks::EndpointId& endpoint, const RelPath& path) {
  const std::lock_guard lock(mutex_);
  if (refused_directories.contains(path.text()))
    return Error{Code::kUnavailable, Retry::kNever, "ExternalError.MkdirFailed"};
  TRY_ASSIGN(const std::string place, host_path(endpoint, path));
  if (denies_existing && fs::exists(place)) return errno_error(EACCES, place);
  const int problem = ::mkdir(place.c_str(), 0755) != 0 ? errno : 0;
  if (failing_flushes.contains(path.text())) return errno_error(EACCES, place);
  if (problem != 0) return errno_error(problem, place);
  made.push_back(path.text());
  return {};
}

Result<void> TestService::rename(const tasks::EndpointId& endpoint, const RelPath& from,
                                 const RelPath& to) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const std::string old_place, host_path(endpoint, from));
  TRY_ASSIGN(const std::string new_place, host_path(endpoint, to));
  if (!can_rename) return make_error(Code::kUnsupported, "this endpoint cannot rename");
  std::error_code problem;
  if (fs::exists(fs::symlink_status(new_place, problem)))
    return make_error(Code::kAlreadyExists, "'{}' exists", new_place);
  fs::rename(old_place, new_place, problem);
  if (problem) return errno_error(problem.value(), old_place);
  renamed.push_back(from.text() + " -> " + to.text());
  return {};
}

Result<void> TestService::make_symlink(const tasks::EndpointId& endpoint, const RelPath& path,
                                       std::string_view target) {
  TRY_ASSIGN(const std::string place, host_path(endpoint, path));
  if (::symlink(std::string(target).c_str(), place.c_str()) != 0) return errno_error(errno, place);
  return {};
}

Result<std::optional<std::string>> TestService::host_directory(const tasks::EndpointId& endpoint) {
  if (is_remote) return std::optional<std::string>();
  TRY_ASSIGN(const std::string directory, host_path(endpoint, RelPath()));
  return std::optional<std::string>(directory);
}

}  // namespace wherry::sync
