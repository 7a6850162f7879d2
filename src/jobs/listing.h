// SPDX-License-Identifier: Apache-2.0
// How jobs, items and events are listed and counted: a page with the number of all rows, and the
// number in each state. For the stores' .cc files alone.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/database.h"
#include "jobs/query.h"

namespace wherry::jobs {

// What counts the rows of a filter. `rows` and `kept` are a table each with the same alias ("job
// j", "job_count j"): where the database keeps the numbers of such rows (migrations.cc), nobody
// counts a million of them.
inline std::string counting(std::string_view rows, std::string_view kept, bool is_kept) {
  return is_kept ? fmt::format("coalesce(sum(count), 0) from {}", kept)
                 : fmt::format("count(*) from {}", rows);
}

// `what` is counting()'s; `select_page(sql, count)` answers the rows.
template <class Row, class SelectPage>
Result<Listing<Row>> list_rows(Database& database, const std::string& what,
                               const Conditions& conditions, const SelectPage& select_page) {
  return database.read([&](soci::session& sql) -> Result<Listing<Row>> {
    Listing<Row> listing;
    listing.count = static_cast<std::uint64_t>(
        select_number(sql, fmt::format("select {}{}", what, conditions.where()), conditions));
    if (listing.count == 0) return listing;
    TRY_ASSIGN(listing.rows, select_page(sql, listing.count));
    return listing;
  });
}

struct StateCountRow {
  void define(soci::statement& statement) {
    statement.exchange(soci::into(state));
    statement.exchange(soci::into(count));
  }
  std::string state;
  long long count = 0;
};

// States that no row is in are left out.
template <class State>
Result<std::map<State, std::uint64_t>> count_states(Database& database, const std::string& what,
                                                    const Conditions& conditions,
                                                    Result<State> (*parse)(std::string_view)) {
  using Counts = std::map<State, std::uint64_t>;
  return database.read([&](soci::session& sql) -> Result<Counts> {
    RowQuery<StateCountRow> query(
        sql, fmt::format("select state, {}{} group by state", what, conditions.where()),
        conditions);
    Counts counts;
    while (const StateCountRow* row = query.next()) {
      TRY_ASSIGN(const State state, parse(row->state));
      if (row->count > 0) counts[state] = static_cast<std::uint64_t>(row->count);
    }
    return counts;
  });
}

}  // namespace wherry::jobs
