// SPDX-License-Identifier: Apache-2.0
// The small languages of query strings: which rows (`filter`), in which order (`orderby`), with
// which members (`fields`).
//
//   filter  = clause {"/" clause}             all must hold; empty: every row
//   clause  = field ":" value {"," value}
//   text    : x or =x exact, ~x* glob (* and ?), !x or !=x not, !~x* not glob; one of the positive
//             values must hold, and all of the negative ones
//   number, time : "from,to", where either may be empty; a single value stands for from and to
//   switch  : 1 or 0, true or false
//   orderby = field [" " ("asc" | "desc")] {"," ...}
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "tasks/types.h"

namespace wherry::api {

enum class FieldKind {
  kText,
  kId,  // text without regard to case
  kNumber,
  kTime,
  kSwitch,
};
struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::kText;
};

// What the fields of a listing are. For other lists, write such a table beside the route.
std::span<const Field> task_fields();
std::span<const Field> event_fields();
std::span<const Field> file_fields();

struct TextTest {
  enum class Kind { kExact, kGlob } kind = Kind::kExact;
  bool is_negative = false;
  std::string text;
};
template <class T>
struct Range {
  std::optional<T> from;  // both inclusive
  std::optional<T> to;
};
using Test = std::variant<std::vector<TextTest>, Range<std::uint64_t>, Range<TimePoint>, bool>;
struct Clause {
  Field field;
  Test test;
};
using Filter = std::vector<Clause>;

// kInvalid says which clause is wrong and what is possible, also for an unknown field. A time is
// known to the second, so `to` reaches to the end of its second.
Result<Filter> parse_filter(std::string_view text, std::span<const Field> fields);

// One row: the value of a field; monostate where it has none (null), which no positive test meets.
using FieldValue = std::variant<std::monostate, std::string, std::uint64_t, TimePoint, bool>;
using Row = std::function<FieldValue(std::string_view field)>;
bool matches(const Filter& filter, const Row& row);
// Repeated `filter` parameters: one of them must hold; none at all lets every row pass.
bool matches_any(std::span<const Filter> filters, const Row& row);

struct OrderKey {
  std::string field;
  bool is_descending = false;
};
Result<std::vector<OrderKey>> parse_order(std::string_view text, std::span<const Field> fields);
// Whether `a` comes before `b`; a row without a value comes first.
bool comes_before(std::span<const OrderKey> order, const Row& a, const Row& b);

// "task_id,status": names, as they are; empty: all.
std::vector<std::string> parse_field_names(std::string_view text);
// Leaves the members that are named, and DATA_TYPE.
void keep_fields(boost::json::object& document, std::span<const std::string> names);

// ---- rows of the lists; what they view must outlive them

Row row_of(const tasks::Task& task);
Row row_of(const tasks::Event& event);
Row row_of(const tasks::FileInfo& file);

// A filter of tasks as far as the store can apply it, and the clauses that are left: those rows
// must be matched afterwards, before limit and offset. `owner`, `limit` and `offset` are the
// caller's.
struct TaskSelection {
  tasks::TaskFilter stored;
  Filter rest;
};
Result<TaskSelection> select_tasks(const Filter& filter);

// An order of the fields that the store can order by; kInvalid for another one.
Result<std::vector<tasks::TaskOrder>> task_order(std::span<const OrderKey> order);

// The same filter as a client sends it: without owner, limit and offset. kUnsupported for a label
// pattern with characters that mean something else on the wire: '/', ',', '[' and the backslash.
Result<std::string> task_filter_text(const tasks::TaskFilter& filter);

}  // namespace wherry::api
