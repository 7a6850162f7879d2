// SPDX-License-Identifier: Apache-2.0
#include "tasks/outcome_store.h"

#include <soci/soci.h>

#include <algorithm>

#include "base/path.h"
#include "tasks/local_service.h"

namespace wherry::tasks {
namespace {

using engine::OperationKind;
using engine::Outcome;

constexpr std::size_t kRowsAtOnce = 1000;
constexpr long long kRecoveredAtOnce = 50'000;

// Of the column `kind` of `success`: only what is listed as moved, or must not be made twice.
enum SuccessKind : int { kFile = 0, kSymlink = 1 };

// Rows of the tables, column by column, as SOCI takes them.
struct SuccessColumns {
  std::vector<long long> task, sequence, item;
  std::vector<int> kind;
  std::vector<std::string> below;
  std::vector<long long> size;
  std::vector<std::string> checksum;

  void add(TaskKey key, long long number, const Outcome& outcome) {
    task.push_back(key);
    sequence.push_back(number);
    item.push_back(static_cast<long long>(outcome.item));
    kind.push_back(outcome.kind == OperationKind::kCopyFile ? kFile : kSymlink);
    below.push_back(outcome.below.text());
    size.push_back(static_cast<long long>(outcome.bytes));
    checksum.push_back(outcome.checksum);
  }

  void insert(soci::session& sql) {
    if (task.empty()) return;
    sql << "insert into success (task, sequence, item, kind, below, size, checksum)"
           " values (:task, :sequence, :item, :kind, :below, :size, :checksum)",
        soci::use(task), soci::use(sequence), soci::use(item), soci::use(kind), soci::use(below),
        soci::use(size), soci::use(checksum);
    *this = SuccessColumns();
  }
};

struct ErrorColumns {
  std::vector<long long> task, sequence, item;
  std::vector<std::string> source, target, code, details;
  std::vector<long long> time;
  std::vector<int> is_directory, skipped;

  void add(TaskKey key, long long number, const Outcome& outcome, TimePoint now) {
    CHECK(outcome.error.has_value());
    task.push_back(key);
    sequence.push_back(number);
    item.push_back(static_cast<long long>(outcome.item));
    source.push_back(outcome.source.text());
    target.push_back(outcome.target.text());
    code.emplace_back(error_code(*outcome.error));
    details.push_back(outcome.error->message);
    time.push_back(to_stored(now));
    is_directory.push_back(outcome.kind == OperationKind::kMakeDirectory ? 1 : 0);
    skipped.push_back(outcome.result == Outcome::Result::kSkippedError ? 1 : 0);
  }

  void insert(soci::session& sql) {
    if (task.empty()) return;
    sql << "insert into item_error (task, sequence, item, source, target, code, details, time,"
           " is_directory, skipped) values (:task, :sequence, :item, :source, :target, :code,"
           " :details, :time, :directory, :skipped)",
        soci::use(task), soci::use(sequence), soci::use(item), soci::use(source), soci::use(target),
        soci::use(code), soci::use(details), soci::use(time), soci::use(is_directory),
        soci::use(skipped);
    *this = ErrorColumns();
  }
};

bool is_listed_success(const Outcome& outcome) {
  return outcome.result == Outcome::Result::kDone &&
         (outcome.kind == OperationKind::kCopyFile || outcome.kind == OperationKind::kMakeSymlink);
}

bool is_error(const Outcome& outcome) {
  return outcome.result == Outcome::Result::kFailed ||
         outcome.result == Outcome::Result::kSkippedError;
}

struct Sequences {
  long long successes = 0, errors = 0;
};

void insert_outcomes(soci::session& sql, TaskKey task, std::span<const Outcome> outcomes,
                     TimePoint now) {
  Sequences next;
  sql << "select successes, errors from task where number = :number", soci::use(task),
      soci::into(next.successes), soci::into(next.errors);
  SuccessColumns successes;
  ErrorColumns errors;
  for (const Outcome& outcome : outcomes) {
    if (is_listed_success(outcome)) successes.add(task, next.successes++, outcome);
    if (is_error(outcome)) errors.add(task, next.errors++, outcome, now);
    if (successes.task.size() == kRowsAtOnce) successes.insert(sql);
    if (errors.task.size() == kRowsAtOnce) errors.insert(sql);
  }
  successes.insert(sql);
  errors.insert(sql);
  sql << "update task set successes = :successes, errors = :errors where number = :number",
      soci::use(next.successes), soci::use(next.errors), soci::use(task);
}

void note_first_failure(soci::session& sql, TaskKey task, std::span<const Outcome> outcomes) {
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(), [](const Outcome& outcome) {
    return outcome.result == Outcome::Result::kFailed;
  });
  if (failed == outcomes.end()) return;
  const std::string code(error_code(*failed->error));
  sql << "update task set error_code = :code, error_description = :description"
         " where number = :number and error_code = ''",
      soci::use(code), soci::use(failed->error->message), soci::use(task);
}

void insert_faults(soci::session& sql, TaskKey task, std::span<const Event> faults) {
  if (faults.empty()) return;
  long long recorded = 0;
  sql << "select fault_events from task where number = :number", soci::use(task),
      soci::into(recorded);
  const auto most = static_cast<long long>(kMaxFaultEvents);
  const auto room = static_cast<std::size_t>(std::max(most - recorded, 0LL));
  faults = faults.first(std::min(faults.size(), room));
  recorded += static_cast<long long>(faults.size());
  insert_events(sql, task, faults);
  sql << "update task set fault_events = :count where number = :number", soci::use(recorded),
      soci::use(task);
}

std::string absolute(const std::string& base, const std::string& below) {
  std::string path = "/" + base;
  if (!base.empty() && !below.empty()) path += '/';
  return path + below;
}

// Pages ask for one row more than they give, to know whether another follows.
template <class Row>
void close_page(Page<Row>& page, std::uint64_t last_marker) {
  if (page.rows.size() <= kOutcomePageRows) return;
  page.rows.pop_back();
  page.next = last_marker;
}

}  // namespace

void insert_events(soci::session& sql, TaskKey task, std::span<const Event> events) {
  long long sequence = 0;
  sql << "select events from task where number = :number", soci::use(task), soci::into(sequence);
  for (const Event& event : events) {
    const long long time = to_stored(event.time);
    const int is_error = event.is_error ? 1 : 0;
    sql << "insert into event (task, sequence, time, code, description, details, is_error)"
           " values (:task, :sequence, :time, :code, :description, :details, :error)",
        soci::use(task), soci::use(sequence), soci::use(time), soci::use(event.code),
        soci::use(event.description), soci::use(event.details), soci::use(is_error);
    ++sequence;
  }
  sql << "update task set events = :events where number = :number", soci::use(sequence),
      soci::use(task);
}

Result<void> OutcomeStore::record(TaskKey task, const Batch& batch, const Tally& tally) {
  const TimePoint now = clock_.now();
  return database_.write([&](soci::session& sql) -> Result<void> {
    insert_outcomes(sql, task, batch.outcomes, now);
    note_first_failure(sql, task, batch.outcomes);
    insert_faults(sql, task, batch.faults);
    write_tally(sql, task, tally);
    return {};
  });
}

Result<void> OutcomeStore::add_event(TaskKey task, const Event& event) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    insert_events(sql, task, {&event, 1});
    return {};
  });
}

// Recovery ----------------------------------------------------------------------------------------

Result<void> OutcomeStore::begin_recovery(TaskKey task) {
  long long next = 0, end = 0;
  TRY(database_.read([&](soci::session& sql) -> Result<void> {
    sql << "select successes from task where number = :number", soci::use(task), soci::into(end);
    return {};
  }));
  for (; next < end; next += kRecoveredAtOnce) {
    TRY(database_.write([&](soci::session& sql) -> Result<void> {
      const long long until = next + kRecoveredAtOnce;
      sql << "insert or ignore into recovered (task, item, below) select task, item, below"
             " from success where task = :task and sequence >= :next and sequence < :until",
          soci::use(task), soci::use(next), soci::use(until);
      return {};
    }),
        "index what is done");
  }
  return {};
}

Result<bool> OutcomeStore::is_done(TaskKey task, std::uint64_t item, const RelPath& below) {
  return database_.read([&](soci::session& sql) -> Result<bool> {
    const auto ordinal = static_cast<long long>(item);
    int count = 0;
    sql << "select count(*) from recovered where task = :task and item = :item and below = :below",
        soci::use(task), soci::use(ordinal), soci::use(below.text()), soci::into(count);
    return count != 0;
  });
}

Result<void> OutcomeStore::end_recovery(TaskKey task) {
  for (bool more = true; more;) {
    TRY(database_.write([&](soci::session& sql) -> Result<void> {
      soci::statement statement =
          (sql.prepare << "delete from recovered where (task, item, below) in (select task, item,"
                          " below from recovered where task = :task limit :limit)",
           soci::use(task), soci::use(kRecoveredAtOnce));
      statement.execute(true);
      more = statement.get_affected_rows() == kRecoveredAtOnce;
      return {};
    }));
  }
  return {};
}

// Reading -----------------------------------------------------------------------------------------

Result<Page<SuccessfulTransfer>> OutcomeStore::successes(TaskKey task, std::uint64_t marker) {
  using Rows = Page<SuccessfulTransfer>;
  return database_.read([&](soci::session& sql) -> Result<Rows> {
    Rows page;
    long long sequence = 0, item = 0, size = 0;
    std::string source, target, below, checksum;
    const auto first = static_cast<long long>(marker);
    const auto limit = static_cast<long long>(kOutcomePageRows + 1);
    soci::statement statement =
        (sql.prepare << "select s.sequence, s.item, s.below, s.size, s.checksum, i.source, i.target"
                        " from success s join item i on i.task = s.task and i.ordinal = s.item"
                        " where s.task = :task and s.sequence >= :first and s.kind = 0"
                        " order by s.sequence limit :limit",
         soci::use(task), soci::use(first), soci::use(limit), soci::into(sequence),
         soci::into(item), soci::into(below), soci::into(size), soci::into(checksum),
         soci::into(source), soci::into(target));
    statement.execute();
    while (statement.fetch()) {
      page.rows.push_back({static_cast<std::uint64_t>(item), absolute(source, below),
                           absolute(target, below), static_cast<ByteCount>(size), checksum});
    }
    close_page(page, static_cast<std::uint64_t>(sequence));
    return page;
  });
}

Result<Page<ItemError>> OutcomeStore::errors(TaskKey task, std::uint64_t marker) {
  return database_.read([&](soci::session& sql) -> Result<Page<ItemError>> {
    Page<ItemError> page;
    long long sequence = 0, item = 0, time = 0;
    int is_directory = 0, skipped = 0;
    ItemError error;
    const auto first = static_cast<long long>(marker);
    const auto limit = static_cast<long long>(kOutcomePageRows + 1);
    soci::statement statement =
        (sql.prepare << "select sequence, item, '/' || source, '/' || target, code, details, time,"
                        " is_directory, skipped from item_error where task = :task"
                        " and sequence >= :first order by sequence limit :limit",
         soci::use(task), soci::use(first), soci::use(limit), soci::into(sequence),
         soci::into(item), soci::into(error.source_path), soci::into(error.target_path),
         soci::into(error.code), soci::into(error.details), soci::into(time),
         soci::into(is_directory), soci::into(skipped));
    statement.execute();
    while (statement.fetch()) {
      error.item = static_cast<std::uint64_t>(item);
      error.time = from_stored(time);
      error.is_directory = is_directory != 0;
      error.skipped = skipped != 0;
      page.rows.push_back(error);
    }
    close_page(page, static_cast<std::uint64_t>(sequence));
    return page;
  });
}

Result<std::vector<Event>> OutcomeStore::events(TaskKey task, std::size_t limit,
                                                std::size_t offset) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<Event>> {
    std::vector<Event> events;
    Event event;
    long long time = 0;
    int is_error = 0;
    const auto most = static_cast<long long>(std::min<std::size_t>(limit, INT64_MAX));
    const auto skip = static_cast<long long>(std::min<std::size_t>(offset, INT64_MAX));
    soci::statement statement =
        (sql.prepare << "select time, code, description, details, is_error from event"
                        " where task = :task order by sequence desc limit :limit offset :offset",
         soci::use(task), soci::use(most), soci::use(skip), soci::into(time),
         soci::into(event.code), soci::into(event.description), soci::into(event.details),
         soci::into(is_error));
    statement.execute();
    while (statement.fetch()) {
      event.time = from_stored(time);
      event.is_error = is_error != 0;
      events.push_back(event);
    }
    return events;
  });
}

}  // namespace wherry::tasks
