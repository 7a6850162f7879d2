// SPDX-License-Identifier: Apache-2.0
// Tasks, events and files as rows that filters look at, and filters of tasks as the store takes
// them.
#include <algorithm>

#include "api/documents.h"
#include "api/filter.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry::api {
namespace {

using tasks::TaskState;
using tasks::TaskType;

constexpr Field kTaskFields[] = {{"task_id", FieldKind::kId},
                                 {"status", FieldKind::kText},
                                 {"type", FieldKind::kText},
                                 {"label", FieldKind::kText},
                                 {"request_time", FieldKind::kTime},
                                 {"completion_time", FieldKind::kTime},
                                 {"source_endpoint_id", FieldKind::kId},
                                 {"destination_endpoint_id", FieldKind::kId}};

constexpr TaskState kStates[] = {TaskState::kActive, TaskState::kInactive, TaskState::kSucceeded,
                                 TaskState::kFailed};
constexpr TaskType kTypes[] = {TaskType::kTransfer, TaskType::kDelete};

FieldValue text_or_none(std::string_view text) {
  if (text.empty()) return {};
  return std::string(text);
}

FieldValue task_value(const tasks::Task& task, std::string_view field) {
  if (field == "task_id") return task.id;
  if (field == "status") return std::string(to_string(task.state));
  if (field == "type") return std::string(task_type_name(task.type));
  if (field == "label") return text_or_none(task.label);
  if (field == "request_time") return task.requested;
  if (field == "completion_time" && task.completed) return *task.completed;
  if (field == "source_endpoint_id") return text_or_none(task.source_endpoint);
  if (field == "destination_endpoint_id") return text_or_none(task.target_endpoint);
  return {};
}

FieldValue event_value(const tasks::Event& event, std::string_view field) {
  if (field == "code") return event.code;
  if (field == "is_error") return event.is_error;
  if (field == "time") return event.time;
  return {};
}

FieldValue file_value(const tasks::FileInfo& file, std::string_view field) {
  if (field == "name") return escape_bytes(file.name);
  if (field == "type") return std::string(file_type_name(file));
  if (field == "size") return file.attributes.size;
  if (field == "last_modified") return file.attributes.mtime;
  if (field == "user") return text_or_none(file.user);
  if (field == "group") return text_or_none(file.group);
  if (field == "permissions") return permissions_text(file.attributes.mode);
  return {};
}

// The values, in words, that a clause lets pass.
template <class T, class Name>
std::vector<T> passing(const Clause& clause, std::span<const T> all, const Name& name) {
  std::vector<T> passed;
  for (const T value : all) {
    const Row row = [&](std::string_view) { return FieldValue(std::string(name(value))); };
    if (matches({clause}, row)) passed.push_back(value);
  }
  return passed;
}

// A word that names nothing is a mistake of whoever asks, not a list without rows.
template <class T, class Name>
Result<void> check_words(const Clause& clause, std::span<const T> all, const Name& name) {
  std::string known;
  for (const T value : all) known += fmt::format("{}{}", known.empty() ? "" : ", ", name(value));
  for (const TextTest& test : std::get<std::vector<TextTest>>(clause.test)) {
    const bool is_known = std::any_of(all.begin(), all.end(),
                                      [&](const T value) { return name(value) == test.text; });
    if (test.kind == TextTest::Kind::kGlob || is_known) continue;
    return make_error(Code::kInvalid, "filter: {} '{}' is none of {}", clause.field.name,
                      escape_bytes(test.text), known);
  }
  return {};
}

// Whether the clause went into `out` as a whole. An empty list would mean "any", so a clause that
// nothing passes stays behind.
template <class T, class Name>
Result<bool> take_words(const Clause& clause, std::span<const T> all, const Name& name,
                        std::vector<T>& out) {
  TRY(check_words(clause, all, name));
  if (!out.empty()) return false;
  out = passing(clause, all, name);
  return !out.empty();
}

bool take_ids(const Clause& clause, std::vector<tasks::TaskId>& ids) {
  const auto& tests = std::get<std::vector<TextTest>>(clause.test);
  const bool is_list = std::all_of(tests.begin(), tests.end(), [](const TextTest& test) {
    return test.kind == TextTest::Kind::kExact && !test.is_negative;
  });
  if (!is_list || !ids.empty()) return false;
  for (const TextTest& test : tests) ids.push_back(test.text);
  return true;
}

bool take_range(const Clause& clause, std::optional<TimePoint>& after,
                std::optional<TimePoint>& before) {
  const auto& range = std::get<Range<TimePoint>>(clause.test);
  if (after || before || (!range.from && !range.to)) return false;
  after = range.from;
  before = range.to;
  return true;
}

Result<bool> take(const Clause& clause, tasks::TaskFilter& filter) {
  const std::string_view field = clause.field.name;
  if (field == "task_id") return take_ids(clause, filter.ids);
  if (field == "status") {
    return take_words(
        clause, std::span<const TaskState>(kStates),
        [](TaskState state) { return to_string(state); }, filter.states);
  }
  if (field == "type")
    return take_words(clause, std::span<const TaskType>(kTypes), task_type_name, filter.types);
  if (field == "request_time")
    return take_range(clause, filter.requested_after, filter.requested_before);
  if (field == "completion_time")
    return take_range(clause, filter.completed_after, filter.completed_before);
  // The store's label pattern is fnmatch's, which knows more special characters than the contract.
  return false;
}

// Clauses in the making.
class FilterText {
 public:
  void add(std::string_view field, const std::string& values) {
    if (!text_.empty()) text_ += '/';
    text_ += fmt::format("{}:{}", field, values);
  }
  template <class T, class Name>
  void add_words(std::string_view field, const std::vector<T>& values, const Name& name) {
    std::string words;
    for (const T& value : values)
      words += fmt::format("{}{}", words.empty() ? "" : ",", name(value));
    if (!words.empty()) add(field, words);
  }
  void add_range(std::string_view field, const std::optional<TimePoint>& from,
                 const std::optional<TimePoint>& to) {
    if (!from && !to) return;
    add(field, fmt::format("{},{}", from ? format_time(*from) : "", to ? format_time(*to) : ""));
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::span<const Field> task_fields() { return kTaskFields; }

Row row_of(const tasks::Task& task) {
  return [&task](std::string_view field) { return task_value(task, field); };
}
Row row_of(const tasks::Event& event) {
  return [&event](std::string_view field) { return event_value(event, field); };
}
Row row_of(const tasks::FileInfo& file) {
  return [&file](std::string_view field) { return file_value(file, field); };
}

Result<TaskSelection> select_tasks(const Filter& filter) {
  TaskSelection selection;
  for (const Clause& clause : filter) {
    TRY_ASSIGN(const bool is_taken, take(clause, selection.stored));
    if (!is_taken) selection.rest.push_back(clause);
  }
  return selection;
}

Result<std::vector<tasks::TaskOrder>> task_order(std::span<const OrderKey> order) {
  using tasks::TaskColumn;
  struct Column {
    std::string_view field;
    TaskColumn column;
  };
  static constexpr Column kColumns[] = {{"task_id", TaskColumn::kId},
                                        {"status", TaskColumn::kState},
                                        {"type", TaskColumn::kType},
                                        {"label", TaskColumn::kLabel},
                                        {"request_time", TaskColumn::kRequested},
                                        {"completion_time", TaskColumn::kCompleted}};
  std::vector<tasks::TaskOrder> keys;
  for (const OrderKey& key : order) {
    const auto* const found = std::find_if(std::begin(kColumns), std::end(kColumns),
                                           [&](const Column& c) { return c.field == key.field; });
    if (found == std::end(kColumns))
      return make_error(Code::kInvalid, "orderby: tasks cannot be ordered by {}", key.field);
    keys.push_back({found->column, key.is_descending});
  }
  return keys;
}

Result<std::string> task_filter_text(const tasks::TaskFilter& filter) {
  FilterText text;
  text.add_words("task_id", filter.ids, [](const tasks::TaskId& id) { return id; });
  text.add_words("status", filter.states, [](TaskState state) { return to_string(state); });
  text.add_words("type", filter.types, task_type_name);
  if (filter.label_glob.find_first_of("/,[\\") != std::string::npos) {
    return make_error(Code::kUnsupported,
                      "a service cannot look for the label '{}': use * and ?, without any of"
                      " / , [ and \\",
                      escape_bytes(filter.label_glob));
  }
  if (!filter.label_glob.empty()) text.add("label", '~' + filter.label_glob);
  text.add_range("request_time", filter.requested_after, filter.requested_before);
  text.add_range("completion_time", filter.completed_after, filter.completed_before);
  return std::move(text).text();
}

}  // namespace wherry::api
