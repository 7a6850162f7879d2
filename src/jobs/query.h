// SPDX-License-Identifier: Apache-2.0
// What the stores of this module share: conditions that are put together, rows that are read, times
// and errors. For their .cc files alone.
#pragma once

#include <soci/soci.h>

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jobs/types.h"

namespace wherry::jobs {

// A time that has not come is 0.
inline long long to_stored(TimePoint time) { return time.time_since_epoch().count(); }
inline TimePoint from_stored(long long time) { return TimePoint(Duration(time)); }
inline long long to_stored(const std::optional<TimePoint>& time) {
  return time ? to_stored(*time) : 0;
}
inline std::optional<TimePoint> optional_time(long long time) {
  return time != 0 ? std::optional(from_stored(time)) : std::nullopt;
}
inline std::optional<std::int64_t> optional_id(long long id) {
  return id != 0 ? std::optional<std::int64_t>(id) : std::nullopt;
}

Error no_such_job(JobId id);
Error no_such_item(ItemId id);
// kInvalid for more than kMaxBulk changes.
Result<void> refuse_too_many(std::size_t changes);

// The conditions of a `where`. Text of users is bound, never written into the statement.
class Conditions {
 public:
  // `condition` holds no text of users.
  void add(std::string_view condition);
  // `condition` compares with one text, for which ":text" stands.
  void add(std::string_view condition, std::string_view text);
  // An empty list of numbers, or of words of a fixed set, lets everything pass.
  void among(std::string_view column, std::span<const std::int64_t> numbers);
  template <class State>
  void in_states(std::string_view column, const std::vector<State>& states) {
    if (!states.empty()) add(fmt::format("{} {}", column, list_of(states)));
  }
  template <class State>
  void not_in_states(std::string_view column, const std::vector<State>& states) {
    for (const State state : states) add(fmt::format("{} <> '{}'", column, to_string(state)));
  }
  // `words` is not empty.
  void among_texts(std::string_view column, const std::vector<std::string>& words);
  // All must be among the tags of the job whose number is `job_column`.
  void tagged(std::string_view job_column, const TextMap& tags);

  // " where …", or nothing.
  const std::string& where() const { return text_; }
  // Binds one more text, and answers what stands for it in the statement.
  std::string bind_text(std::string_view text);
  // Binds the texts; this outlives the statement.
  void bind(soci::statement& statement) const;

 private:
  template <class State>
  static std::string list_of(const std::vector<State>& states) {
    if (states.size() == 1) return fmt::format("= '{}'", to_string(states.front()));
    std::string list;
    for (const State state : states)
      list += fmt::format("{}'{}'", list.empty() ? "in (" : ", ", to_string(state));
    return list + ")";
  }
  std::string bound(std::string_view condition, std::string_view text);

  std::string text_;
  std::deque<std::string> bound_;  // keeps its addresses
};

// Runs a query and reads its rows; Row::define() tells which variable takes which column.
template <class Row>
class RowQuery {
 public:
  RowQuery(soci::session& sql, const std::string& text, const Conditions& conditions = {})
      : conditions_(conditions), statement_(sql) {
    conditions_.bind(statement_);
    row_.define(statement_);
    statement_.alloc();
    statement_.prepare(text);
    statement_.define_and_bind();
    statement_.execute();
  }
  RowQuery(const RowQuery&) = delete;
  RowQuery& operator=(const RowQuery&) = delete;

  // The next row, valid until the next call; null after the last.
  const Row* next() { return statement_.fetch() ? &row_ : nullptr; }

 private:
  const Conditions conditions_;
  Row row_;
  soci::statement statement_;
};

struct NumberRow {
  long long number = 0;
  void define(soci::statement& statement) { statement.exchange(soci::into(number)); }
};
std::vector<std::int64_t> select_numbers(soci::session& sql, const std::string& text,
                                         const Conditions& conditions = {});
// The one number that a query answers.
std::int64_t select_number(soci::session& sql, const std::string& text,
                           const Conditions& conditions = {});
// Of the row that was inserted last.
std::int64_t inserted_id(soci::session& sql);

std::string limit_text(std::size_t limit, std::size_t offset);

// How the rows of a page are found. A few are gathered by the index that narrows most, and sorted;
// where many fit, they are soon found by walking through all in the order that is asked for.
enum class Search { kGather, kWalk };
inline Search search_for(std::uint64_t count) {
  constexpr std::uint64_t kMostGathered = 20'000;
  return count > kMostGathered ? Search::kWalk : Search::kGather;
}
// What stands before the columns of an order: what is gathered is not to be found by it.
inline std::string order_prefix(Search search, std::string_view row) {
  return fmt::format("{}{}.", search == Search::kGather ? "+" : "", row);
}

// A query for a page of (id, state) of `groups`, queries of such rows each of which an index
// answers in the order of id. The database merges them: no row is read that is not on the page or
// before it, however large the table is.
std::string page_of_groups(const std::vector<std::string>& groups, std::string_view order,
                           std::size_t limit, std::size_t offset);
inline constexpr std::size_t kMostGroups = 100;

inline std::string_view direction_of(Sorting sorting) {
  return sorting == Sorting::kDescending ? " desc" : "";
}

}  // namespace wherry::jobs
