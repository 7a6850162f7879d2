// SPDX-License-Identifier: Apache-2.0
#include "tasks/task_row.h"

#include <soci/soci.h>

#include <array>
#include <charconv>
#include <vector>

#include "base/path.h"

namespace wherry::tasks {
namespace {

constexpr std::string_view kSelect =
    "select t.number, t.id, t.type, t.state, t.owner, t.submission_id, t.label, t.source_endpoint,"
    " t.target_endpoint, t.options, t.requested, t.deadline, t.completed, t.item_count, t.files,"
    " t.directories, t.symlinks, t.files_transferred, t.files_skipped, t.skipped_errors,"
    " t.files_failed, t.removed, t.bytes, t.bytes_transferred, t.bytes_checksummed, t.faults,"
    " t.runs, t.worked, t.nice_status, t.nice_status_details, t.error_code, t.error_description,"
    " t.cut_short, t.cancel_requested, t.current_file, t.is_held, t.is_held_by_admin,"
    " t.hold_message, t.admin_message, t.canceled_by_admin, coalesce(c.pid, 0),"
    " coalesce(c.start_time, 0), coalesce(c.since, 0), coalesce(c.serial, 0), coalesce(c.host, "
    "''), coalesce(c.boot_id, '')"
    " from task t left join claim c on c.kind = 'task' and c.id = t.id ";

template <class Enum>
int number_of(Enum value) {
  return static_cast<int>(value);
}

// Small numbers in a line, parted by blanks.
template <std::size_t kCount>
Result<std::array<int, kCount>> parse_numbers(std::string_view text) {
  std::array<int, kCount> numbers{};
  for (int& number : numbers) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc())
      return make_error(Code::kCorrupt, "the options '{}' of a task cannot be read", text);
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  }
  return numbers;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Result<engine::FilterRule> decode_filter(std::string_view line) {
  TRY_ASSIGN(const auto numbers, parse_numbers<2>(line));
  engine::FilterRule rule;
  rule.method = static_cast<engine::FilterRule::Method>(numbers[0]);
  rule.applies = static_cast<engine::FilterRule::Applies>(numbers[1]);
  const std::size_t pattern = line.find(' ', line.find(' ') + 1);
  if (pattern == std::string_view::npos)
    return make_error(Code::kCorrupt, "the filter '{}' of a task has no pattern", line);
  TRY_ASSIGN(rule.pattern, unescape_bytes(line.substr(pattern + 1)));
  return rule;
}

Counts counts_of(const TaskRow& row) {
  const auto count = [](long long stored) { return static_cast<std::uint64_t>(stored); };
  Counts counts;
  counts.files = count(row.files);
  counts.directories = count(row.directories);
  counts.symlinks = count(row.symlinks);
  counts.files_transferred = count(row.files_transferred);
  counts.files_skipped = count(row.files_skipped);
  counts.skipped_errors = count(row.skipped_errors);
  counts.files_failed = count(row.files_failed);
  counts.removed = count(row.removed);
  counts.bytes = count(row.bytes);
  counts.bytes_transferred = count(row.bytes_transferred);
  counts.bytes_checksummed = count(row.bytes_checksummed);
  counts.faults = count(row.faults);
  return counts;
}

Holder holder_of(const TaskRow& row) {
  Holder holder;
  holder.process.pid = static_cast<pid_t>(row.pid);
  holder.process.host = row.host;
  holder.process.boot_id = row.boot_id;
  holder.process.start_time = static_cast<std::uint64_t>(row.start_time);
  holder.since = from_stored(row.since);
  holder.serial = row.serial;
  return holder;
}

}  // namespace

struct TaskQuery::State {
  explicit State(soci::session& sql) : statement(sql) {}
  std::string owner;
  TaskRow row;
  soci::statement statement;
};

TaskQuery::TaskQuery(soci::session& sql, const std::string& rest, const std::string& owner)
    : state_(std::make_unique<State>(sql)) {
  TaskRow& row = state_->row;
  soci::statement& statement = state_->statement;
  state_->owner = owner;
  if (rest.find(":owner") != std::string::npos) statement.exchange(soci::use(state_->owner));
  for (long long* field : {&row.number}) statement.exchange(soci::into(*field));
  for (std::string* field : {&row.id, &row.type, &row.state, &row.owner, &row.submission_id,
                             &row.label, &row.source_endpoint, &row.target_endpoint, &row.options})
    statement.exchange(soci::into(*field));
  for (long long* field :
       {&row.requested, &row.deadline, &row.completed, &row.item_count, &row.files,
        &row.directories, &row.symlinks, &row.files_transferred, &row.files_skipped,
        &row.skipped_errors, &row.files_failed, &row.removed, &row.bytes, &row.bytes_transferred,
        &row.bytes_checksummed, &row.faults, &row.runs, &row.worked})
    statement.exchange(soci::into(*field));
  for (std::string* field :
       {&row.nice_status, &row.nice_status_details, &row.error_code, &row.error_description})
    statement.exchange(soci::into(*field));
  for (int* field : {&row.cut_short, &row.cancel_requested}) statement.exchange(soci::into(*field));
  statement.exchange(soci::into(row.current_file));
  for (int* field : {&row.is_held, &row.is_held_by_admin}) statement.exchange(soci::into(*field));
  for (std::string* field : {&row.hold_message, &row.admin_message, &row.canceled_by_admin})
    statement.exchange(soci::into(*field));
  for (long long* field : {&row.pid, &row.start_time, &row.since, &row.serial})
    statement.exchange(soci::into(*field));
  for (std::string* field : {&row.host, &row.boot_id}) statement.exchange(soci::into(*field));
  statement.alloc();
  statement.prepare(std::string(kSelect) + rest);
  statement.define_and_bind();
  statement.execute();
}

TaskQuery::~TaskQuery() = default;

const TaskRow* TaskQuery::next() { return state_->statement.fetch() ? &state_->row : nullptr; }

std::string_view to_string(TaskType type) {
  return type == TaskType::kTransfer ? "TRANSFER" : "DELETE";
}

std::string_view to_string(AdminSide side) {
  constexpr std::string_view kNames[] = {"", "SOURCE", "DESTINATION", "BOTH"};
  return kNames[static_cast<std::size_t>(side)];
}

// One line of numbers, then one for each filter. The enumerators' values are stored: new ones go to
// the end of their enum.
std::string encode_options(const engine::TransferOptions& options) {
  std::string text =
      fmt::format("{} {} {} {} {:d} {:d} {:d} {:d} {:d}\n", number_of(options.sync_level),
                  number_of(options.verify), number_of(options.durability),
                  number_of(options.symlinks), options.preserve_mtime, options.preserve_mode,
                  options.delete_extra, options.skip_source_errors, options.fail_on_quota_errors);
  for (const engine::FilterRule& rule : options.filters) {
    text += fmt::format("{} {} {}\n", number_of(rule.method), number_of(rule.applies),
                        escape_bytes(rule.pattern));
  }
  return text;
}

std::string encode_options(const engine::DeleteOptions& options) {
  return fmt::format("{:d} {:d} {:d}\n", options.recursive, options.ignore_missing,
                     options.interpret_globs);
}

Result<engine::TransferOptions> decode_transfer_options(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  TRY_ASSIGN(const auto numbers, parse_numbers<9>(lines.empty() ? text : lines[0]));
  engine::TransferOptions options;
  options.sync_level = static_cast<engine::SyncLevel>(numbers[0]);
  options.verify = static_cast<engine::Verify>(numbers[1]);
  options.durability = static_cast<engine::Durability>(numbers[2]);
  options.symlinks = static_cast<engine::SymlinkPolicy>(numbers[3]);
  options.preserve_mtime = numbers[4] != 0;
  options.preserve_mode = numbers[5] != 0;
  options.delete_extra = numbers[6] != 0;
  options.skip_source_errors = numbers[7] != 0;
  options.fail_on_quota_errors = numbers[8] != 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    TRY_ASSIGN(engine::FilterRule rule, decode_filter(lines[i]));
    options.filters.push_back(std::move(rule));
  }
  return options;
}

Result<engine::DeleteOptions> decode_delete_options(std::string_view text) {
  TRY_ASSIGN(const auto numbers, parse_numbers<3>(text));
  return engine::DeleteOptions{numbers[0] != 0, numbers[1] != 0, numbers[2] != 0};
}

TaskRow to_row(const Task& task) {
  TaskRow row;
  row.id = task.id;
  row.type = to_string(task.type);
  row.state = to_string(task.state);
  row.owner = task.owner;
  row.submission_id = task.submission_id;
  row.label = task.label;
  row.source_endpoint = task.source_endpoint;
  row.target_endpoint = task.target_endpoint;
  row.options = task.type == TaskType::kTransfer ? encode_options(task.transfer_options)
                                                 : encode_options(task.delete_options);
  row.requested = to_stored(task.requested);
  row.deadline = to_stored(task.deadline);
  row.item_count = static_cast<long long>(task.item_count);
  row.nice_status = task.nice_status;
  return row;
}

Result<Task> to_task(const TaskRow& row) {
  Task task;
  task.id = row.id;
  task.type = row.type == to_string(TaskType::kTransfer) ? TaskType::kTransfer : TaskType::kDelete;
  TRY_ASSIGN(task.state, parse_task_state(row.state));
  task.owner = row.owner;
  task.submission_id = row.submission_id;
  task.label = row.label;
  task.source_endpoint = row.source_endpoint;
  task.target_endpoint = row.target_endpoint;
  if (task.type == TaskType::kTransfer) {
    TRY_ASSIGN(task.transfer_options, decode_transfer_options(row.options), "task {}", row.id);
  } else {
    TRY_ASSIGN(task.delete_options, decode_delete_options(row.options), "task {}", row.id);
  }
  task.requested = from_stored(row.requested);
  task.deadline = from_stored(row.deadline);
  if (row.completed != 0) task.completed = from_stored(row.completed);
  task.item_count = static_cast<std::uint64_t>(row.item_count);
  task.counts = counts_of(row);
  if (row.worked > 0)
    task.bytes_per_second =
        static_cast<double>(row.bytes_transferred) * 1e9 / static_cast<double>(row.worked);
  task.cancel_requested = row.cancel_requested != 0;
  if (!row.error_code.empty() && task.state == TaskState::kFailed)
    task.fatal_error = TaskError{row.error_code, row.error_description};
  task.cut_short = row.cut_short != 0;
  task.admin_message = row.admin_message;
  for (const AdminSide side : {AdminSide::kSource, AdminSide::kTarget, AdminSide::kBoth})
    if (row.canceled_by_admin == to_string(side)) task.canceled_by_admin = side;
  if (row.pid != 0) {
    const Holder holder = holder_of(row);
    if (is_live(holder)) task.holder = holder.process;
  }
  if (is_final(task.state)) return task;
  task.nice_status = row.nice_status;
  task.nice_status_details = row.nice_status_details;
  if (task.state != TaskState::kActive) return task;
  if (task.holder) {
    task.current_file = row.current_file;
  } else {  // whoever ran it has died: it waits for the next
    task.nice_status = "Queued";
    task.nice_status_details.clear();
  }
  task.is_paused = row.is_held != 0 || row.is_held_by_admin != 0;
  if (task.is_paused) {
    task.nice_status = "PAUSED";
    task.nice_status_details = row.is_held != 0 ? row.hold_message : row.admin_message;
  }
  return task;
}

}  // namespace wherry::tasks
