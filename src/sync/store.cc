// SPDX-License-Identifier: Apache-2.0
#include "sync/store.h"

#include <soci/soci.h>

#include <charconv>

#include "base/options.h"

namespace wherry::sync {
namespace {

constexpr Migration kMigrations[] = {
    {"sync", 1,
     "create table sync ("
     "  name text primary key, source_endpoint text not null, source_path text not null,"
     "  target_endpoint text not null, target_path text not null, every_ns integer not null,"
     "  cron text not null, settle_ns integer not null, deletions text not null,"
     "  max_delete real not null, symlinks text not null, filters text not null,"
     "  label_pattern text not null, batch_size integer not null, verify_checksum integer not null,"
     "  preserve_mtime integer not null, renames integer not null,"
     "  trust_directories integer not null, full_every_ns integer not null,"
     "  paused integer not null, created_ns integer not null) without rowid;"
     "create table sync_pass ("
     "  sync text not null references sync (name) on delete cascade, number integer not null,"
     "  label text not null, started_ns integer not null, ended_ns integer not null,"
     "  outcome text not null, message text not null, resumed integer not null,"
     "  is_full integer not null, counts text not null, phases_ns text not null,"
     "  is_prepared integer not null default 0, failed_renames text not null default '',"
     "  primary key (sync, number)) without rowid;"
     "create table sync_submission ("
     "  sync text not null references sync (name) on delete cascade, pass integer not null,"
     "  sequence integer not null, kind integer not null, first integer not null,"
     "  count integer not null, submission_id text not null, task_id text not null,"
     "  primary key (sync, pass, sequence)) without rowid;"
     "create table sync_failure ("
     "  sync text not null references sync (name) on delete cascade, path text not null,"
     "  attempts integer not null, next_try_ns integer not null, message text not null,"
     "  primary key (sync, path)) without rowid;"},
    {"sync", 2,
     "alter table sync add column service text not null default '';"
     "alter table sync add column source_host text not null default '';"},
};

constexpr std::size_t kHistoryRows = 1000;  // kept of each sync

long long stored_ns(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint from_ns(long long ns) { return TimePoint(Duration(ns)); }

// --- Counts as "added=3 modified=1": one column that later versions can extend. ---

struct CountName {
  std::string_view name;
  std::uint64_t Counts::*member;
};
constexpr CountName kCountNames[] = {
    {"directories", &Counts::directories},
    {"files", &Counts::files},
    {"added", &Counts::added},
    {"modified", &Counts::modified},
    {"attributes", &Counts::attributes},
    {"renamed", &Counts::renamed},
    {"removed", &Counts::removed},
    {"directories_made", &Counts::directories_made},
    {"not_quiet", &Counts::not_quiet},
    {"delayed", &Counts::delayed},
    {"links_skipped", &Counts::links_skipped},
    {"specials_skipped", &Counts::specials_skipped},
    {"unreadable", &Counts::unreadable},
    {"failed", &Counts::failed},
    {"bytes", &Counts::bytes},
};

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Calls visit(word) for each word of `text`, split at `separator`.
template <class Visit>
void split(std::string_view text, char separator, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string format_counts(const Counts& counts) {
  std::string text;
  for (const CountName& field : kCountNames)
    text += fmt::format("{}={} ", field.name, counts.*field.member);
  return text;
}

Counts parse_counts(std::string_view text) {
  Counts counts;
  split(text, ' ', [&](std::string_view word) {
    for (const CountName& field : kCountNames) {
      if (word.starts_with(field.name) && word.size() > field.name.size() &&
          word[field.name.size()] == '=')
        counts.*field.member = parse_number(word.substr(field.name.size() + 1));
    }
  });
  return counts;
}

std::string format_phases(const std::array<Duration, kPhases>& phases) {
  std::string text;
  for (const Duration phase : phases) text += fmt::format("{} ", phase.count());
  return text;
}

std::array<Duration, kPhases> parse_phases(std::string_view text) {
  std::array<Duration, kPhases> phases{};
  std::size_t i = 0;
  split(text, ' ', [&](std::string_view word) {
    if (i < kPhases) phases[i++] = Duration(static_cast<std::int64_t>(parse_number(word)));
  });
  return phases;
}

// --- Filters: a line each, "exclude files *.tmp". ---

using engine::FilterRule;

std::string format_filters(const std::vector<FilterRule>& filters) {
  std::string text;
  for (const FilterRule& rule : filters) {
    const bool include = rule.method == FilterRule::Method::kInclude;
    const std::string_view applies = rule.applies == FilterRule::Applies::kAll     ? "all"
                                     : rule.applies == FilterRule::Applies::kFiles ? "files"
                                                                                   : "directories";
    text += fmt::format("{} {} {}\n", include ? "include" : "exclude", applies,
                        escape_bytes(rule.pattern));
  }
  return text;
}

Result<std::vector<FilterRule>> parse_filters(std::string_view text) {
  std::vector<FilterRule> filters;
  Result<void> good;
  split(text, '\n', [&](std::string_view line) {
    FilterRule rule;
    const std::size_t first = line.find(' ');
    const std::size_t second = line.find(' ', first + 1);
    auto pattern = second == std::string_view::npos ? Result<std::string>(std::string())
                                                    : unescape_bytes(line.substr(second + 1));
    if (!pattern) {
      good = std::move(pattern).error();
      return;
    }
    if (line.starts_with("include")) rule.method = FilterRule::Method::kInclude;
    const std::string_view applies = line.substr(first + 1, second - first - 1);
    if (applies == "files") rule.applies = FilterRule::Applies::kFiles;
    if (applies == "directories") rule.applies = FilterRule::Applies::kDirectories;
    rule.pattern = std::move(pattern).value();
    filters.push_back(std::move(rule));
  });
  if (!good) return std::move(good).error();
  return filters;
}

// A definition as the columns of its row; the types are those that SOCI binds.
struct Row {
  std::string name, source_endpoint, source_path, target_endpoint, target_path, cron, deletions;
  std::string symlinks, filters, label_pattern, service, source_host;
  long long every = 0, settle = 0, batch_size = 0, full_every = 0, created = 0;
  double max_delete = 0;
  int verify = 0, mtime = 0, renames = 0, trust = 0, paused = 0;
};

Row to_row(const SyncDefinition& d) {
  Row row;
  row.name = d.name;
  row.source_endpoint = d.source.endpoint;
  row.source_path = escape_bytes(d.source.path.text());
  row.target_endpoint = d.target.endpoint;
  row.target_path = escape_bytes(d.target.path.text());
  row.cron = d.cron;
  row.deletions = to_string(d.deletions);
  row.symlinks = to_string(d.symlinks);
  row.filters = format_filters(d.filters);
  row.label_pattern = d.label_pattern;
  row.service = d.service;
  row.source_host = escape_bytes(d.source.host);
  row.every = d.every.count();
  row.settle = d.settle.count();
  row.batch_size = static_cast<long long>(d.batch_size);
  row.full_every = d.full_every.count();
  row.created = stored_ns(d.created);
  row.max_delete = d.max_delete;
  row.verify = d.verify == engine::Verify::kChecksum ? 1 : 0;
  row.mtime = d.preserve_mtime ? 1 : 0;
  row.renames = d.renames ? 1 : 0;
  row.trust = d.trust_directories ? 1 : 0;
  row.paused = d.paused ? 1 : 0;
  return row;
}

Result<RelPath> parse_path(const std::string& escaped) {
  TRY_ASSIGN(const std::string bytes, unescape_bytes(escaped));
  return RelPath::parse(bytes);
}

Result<SyncDefinition> from_row(const Row& row) {
  SyncDefinition d;
  d.name = row.name;
  d.source.endpoint = row.source_endpoint;
  TRY_ASSIGN(d.source.path, parse_path(row.source_path));
  d.target.endpoint = row.target_endpoint;
  TRY_ASSIGN(d.target.path, parse_path(row.target_path));
  d.service = row.service;
  TRY_ASSIGN(d.source.host, unescape_bytes(row.source_host));
  d.every = Duration(row.every);
  d.cron = row.cron;
  d.settle = Duration(row.settle);
  TRY_ASSIGN(d.deletions, parse_deletions(row.deletions));
  d.max_delete = row.max_delete;
  TRY_ASSIGN(d.symlinks, engine::parse_symlink_policy(row.symlinks));
  TRY_ASSIGN(d.filters, parse_filters(row.filters));
  d.label_pattern = row.label_pattern;
  d.batch_size = static_cast<std::size_t>(row.batch_size);
  d.verify = row.verify != 0 ? engine::Verify::kChecksum : engine::Verify::kSize;
  d.preserve_mtime = row.mtime != 0;
  d.renames = row.renames != 0;
  d.trust_directories = row.trust != 0;
  d.full_every = Duration(row.full_every);
  d.paused = row.paused != 0;
  d.created = from_ns(row.created);
  return d;
}

void use_row(soci::statement& statement, const Row& row) {
  using soci::use;
  statement.exchange(use(row.source_endpoint, "se"));
  statement.exchange(use(row.source_path, "sp"));
  statement.exchange(use(row.target_endpoint, "te"));
  statement.exchange(use(row.target_path, "tp"));
  statement.exchange(use(row.every, "every"));
  statement.exchange(use(row.cron, "cron"));
  statement.exchange(use(row.settle, "settle"));
  statement.exchange(use(row.deletions, "deletions"));
  statement.exchange(use(row.max_delete, "max_delete"));
  statement.exchange(use(row.symlinks, "symlinks"));
  statement.exchange(use(row.filters, "filters"));
  statement.exchange(use(row.label_pattern, "label"));
  statement.exchange(use(row.batch_size, "batch"));
  statement.exchange(use(row.verify, "verify"));
  statement.exchange(use(row.mtime, "mtime"));
  statement.exchange(use(row.renames, "renames"));
  statement.exchange(use(row.trust, "trust"));
  statement.exchange(use(row.full_every, "full_every"));
  statement.exchange(use(row.paused, "paused"));
  statement.exchange(use(row.created, "created"));
  statement.exchange(use(row.service, "service"));
  statement.exchange(use(row.source_host, "source_host"));
  statement.exchange(use(row.name, "name"));
}

// Runs a statement that names every column; returns the number of rows it touched.
long long execute_with_row(soci::session& sql, std::string_view query, const Row& row) {
  soci::statement statement(sql);
  use_row(statement, row);
  statement.alloc();
  statement.prepare(std::string(query));
  statement.define_and_bind();
  statement.execute(true);
  return statement.get_affected_rows();
}

std::vector<Row> select_rows(soci::session& sql) {
  using soci::into;
  std::vector<Row> rows;
  Row row;
  soci::statement statement =
      (sql.prepare
           << "select name, source_endpoint, source_path, target_endpoint, target_path, every_ns,"
              " cron, settle_ns, deletions, max_delete, symlinks, filters, label_pattern,"
              " batch_size, verify_checksum, preserve_mtime, renames, trust_directories,"
              " full_every_ns, paused, created_ns, service, source_host from sync order by name",
       into(row.name), into(row.source_endpoint), into(row.source_path), into(row.target_endpoint),
       into(row.target_path), into(row.every), into(row.cron), into(row.settle),
       into(row.deletions), into(row.max_delete), into(row.symlinks), into(row.filters),
       into(row.label_pattern), into(row.batch_size), into(row.verify), into(row.mtime),
       into(row.renames), into(row.trust), into(row.full_every), into(row.paused),
       into(row.created), into(row.service), into(row.source_host));
  statement.execute();
  while (statement.fetch()) rows.push_back(row);
  return rows;
}

Error no_such_sync(std::string_view name, const std::vector<std::string>& names) {
  const auto close = nearest(name, names);
  return make_error(Code::kNotFound, "there is no sync '{}'{}", escape_bytes(name),
                    close ? fmt::format("; did you mean '{}'?", *close)
                          : std::string("; `wherry sync list` shows those that exist"));
}

PassEnd parse_end(std::string_view text) {
  for (const auto end : {PassEnd::kDone, PassEnd::kIncomplete, PassEnd::kStopped}) {
    if (text == to_string(end)) return end;
  }
  return PassEnd::kFailed;
}

// Reads passes of a sync, newest first.
std::vector<PassRecord> select_passes(soci::session& sql, const std::string& sync,
                                      const std::string& condition, long long limit) {
  using soci::into;
  std::vector<PassRecord> records;
  long long number = 0, started = 0, ended = 0;
  int resumed = 0, full = 0, prepared = 0;
  std::string label, outcome, message, counts, phases, failed_renames;
  soci::statement statement =
      (sql.prepare << "select number, label, started_ns, ended_ns, outcome, message, resumed,"
                      " is_full, counts, phases_ns, is_prepared, failed_renames"
                      " from sync_pass where sync = :sync and " +
                          condition + " order by number desc limit :limit",
       soci::use(sync), soci::use(limit), into(number), into(label), into(started), into(ended),
       into(outcome), into(message), into(resumed), into(full), into(counts), into(phases),
       into(prepared), into(failed_renames));
  statement.execute();
  while (statement.fetch()) {
    PassRecord record;
    record.preparation.is_done = prepared != 0;
    split(failed_renames, ' ', [&](std::string_view word) {
      record.preparation.failed_renames.push_back(parse_number(word));
    });
    record.report.number = static_cast<std::uint64_t>(number);
    record.report.label = label;
    record.report.started = from_ns(started);
    if (ended != 0) record.ended = from_ns(ended);
    record.report.end = parse_end(outcome);
    record.report.message = message;
    record.report.resumed = resumed != 0;
    record.full = full != 0;
    record.report.counts = parse_counts(counts);
    record.report.seconds = parse_phases(phases);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

std::span<const Migration> sync_migrations() { return kMigrations; }

Result<void> Store::add(const SyncDefinition& definition) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    int count = 0;
    sql << "select count(*) from sync where name = :name", soci::use(definition.name),
        soci::into(count);
    if (count != 0)
      return make_error(Code::kAlreadyExists, "there is a sync '{}' already", definition.name);
    execute_with_row(
        sql,
        "insert into sync (source_endpoint, source_path, target_endpoint,"
        " target_path, every_ns, cron, settle_ns, deletions, max_delete, symlinks,"
        " filters, label_pattern, batch_size, verify_checksum, preserve_mtime,"
        " renames, trust_directories, full_every_ns, paused, created_ns, name, service,"
        " source_host) values"
        " (:se, :sp, :te, :tp, :every, :cron, :settle, :deletions, :max_delete,"
        " :symlinks, :filters, :label, :batch, :verify, :mtime, :renames, :trust,"
        " :full_every, :paused, :created, :name, :service, :source_host)",
        to_row(definition));
    return {};
  });
}

Result<void> Store::update(const SyncDefinition& definition) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    const long long rows = execute_with_row(
        sql,
        "update sync set source_endpoint = :se, source_path = :sp, target_endpoint = :te,"
        " target_path = :tp, every_ns = :every, cron = :cron, settle_ns = :settle,"
        " deletions = :deletions, max_delete = :max_delete, symlinks = :symlinks,"
        " filters = :filters, label_pattern = :label, batch_size = :batch,"
        " verify_checksum = :verify, preserve_mtime = :mtime, renames = :renames,"
        " trust_directories = :trust, full_every_ns = :full_every, paused = :paused,"
        " created_ns = :created, service = :service, source_host = :source_host"
        " where name = :name",
        to_row(definition));
    if (rows == 0) return no_such_sync(definition.name, {});
    return {};
  });
}

Result<void> Store::remove(std::string_view name) {
  const std::string key(name);
  return database_.write([&](soci::session& sql) -> Result<void> {
    for (const char* table : {"sync_pass", "sync_submission", "sync_failure"})
      sql << "delete from " << table << " where sync = :name", soci::use(key);
    soci::statement statement =
        (sql.prepare << "delete from sync where name = :name", soci::use(key));
    statement.execute(true);
    if (statement.get_affected_rows() == 0) return no_such_sync(name, {});
    return {};
  });
}

Result<SyncDefinition> Store::get(std::string_view name) {
  TRY_ASSIGN(std::vector<SyncDefinition> all, list());
  std::vector<std::string> names;
  for (SyncDefinition& definition : all) {
    if (definition.name == name) return std::move(definition);
    names.push_back(definition.name);
  }
  return no_such_sync(name, names);
}

Result<std::vector<SyncDefinition>> Store::list() {
  return database_.read([&](soci::session& sql) -> Result<std::vector<SyncDefinition>> {
    std::vector<SyncDefinition> definitions;
    for (const Row& row : select_rows(sql)) {
      TRY_ASSIGN(SyncDefinition definition, from_row(row), "read sync '{}'", row.name);
      definitions.push_back(std::move(definition));
    }
    return definitions;
  });
}

Result<std::uint64_t> Store::begin_pass(std::string_view sync, const PassRecord& record) {
  const std::string key(sync);
  return database_.write([&](soci::session& sql) -> Result<std::uint64_t> {
    const long long started = stored_ns(record.report.started);
    sql << "update sync_pass set ended_ns = :now, outcome = 'failed',"
           " message = 'the process that ran it died before anything was sent'"
           " where sync = :sync and ended_ns = 0",
        soci::use(started), soci::use(key);
    sql << "delete from sync_submission where sync = :sync", soci::use(key);
    long long number = 0;
    sql << "select coalesce(max(number), 0) + 1 from sync_pass where sync = :sync", soci::use(key),
        soci::into(number);
    const std::string label = record.report.label;
    const int full = record.full ? 1 : 0;
    sql << "insert into sync_pass (sync, number, label, started_ns, ended_ns, outcome, message,"
           " resumed, is_full, counts, phases_ns) values (:sync, :number, :label, :started, 0,"
           " 'failed', '', 0, :full, '', '')",
        soci::use(key), soci::use(number), soci::use(label), soci::use(started), soci::use(full);
    const long long oldest = number - static_cast<long long>(kHistoryRows);
    sql << "delete from sync_pass where sync = :sync and number <= :oldest", soci::use(key),
        soci::use(oldest);
    return static_cast<std::uint64_t>(number);
  });
}

Result<void> Store::end_pass(std::string_view sync, const PassRecord& record,
                             std::span<const Failure> failed,
                             std::span<const std::string> recovered) {
  const std::string key(sync);
  return database_.write([&](soci::session& sql) -> Result<void> {
    const PassReport& report = record.report;
    const auto number = static_cast<long long>(report.number);
    const long long ended = stored_ns(record.ended.value_or(report.started));
    const int resumed = report.resumed ? 1 : 0;
    const std::string outcome(to_string(report.end));
    const std::string counts = format_counts(report.counts);
    const std::string phases = format_phases(report.seconds);
    sql << "update sync_pass set ended_ns = :ended, outcome = :outcome, message = :message,"
           " resumed = :resumed, counts = :counts, phases_ns = :phases"
           " where sync = :sync and number = :number",
        soci::use(ended), soci::use(outcome), soci::use(report.message), soci::use(resumed),
        soci::use(counts), soci::use(phases), soci::use(key), soci::use(number);
    sql << "delete from sync_submission where sync = :sync", soci::use(key);
    for (const std::string& path : recovered) {
      const std::string escaped = escape_bytes(path);
      sql << "delete from sync_failure where sync = :sync and path = :path", soci::use(key),
          soci::use(escaped);
    }
    for (const Failure& failure : failed) {
      const std::string escaped = escape_bytes(failure.path);
      const long long next_try = stored_ns(failure.next_try);
      sql << "insert or replace into sync_failure (sync, path, attempts, next_try_ns, message)"
             " values (:sync, :path, :attempts, :next, :message)",
          soci::use(key), soci::use(escaped), soci::use(failure.attempts), soci::use(next_try),
          soci::use(failure.message);
    }
    return {};
  });
}

Result<std::vector<PassRecord>> Store::history(std::string_view sync, std::size_t limit) {
  const std::string key(sync);
  return database_.read([&](soci::session& sql) -> Result<std::vector<PassRecord>> {
    return select_passes(sql, key, "1 = 1", static_cast<long long>(limit));
  });
}

Result<std::optional<PassRecord>> Store::unfinished_pass(std::string_view sync) {
  const std::string key(sync);
  return database_.read([&](soci::session& sql) -> Result<std::optional<PassRecord>> {
    std::vector<PassRecord> found = select_passes(sql, key, "ended_ns = 0", 1);
    if (found.empty()) return std::optional<PassRecord>();
    return std::optional<PassRecord>(std::move(found.front()));
  });
}

Result<std::optional<TimePoint>> Store::last_full_pass(std::string_view sync) {
  const std::string key(sync);
  return database_.read([&](soci::session& sql) -> Result<std::optional<TimePoint>> {
    const auto found = select_passes(
        sql, key, "is_full = 1 and ended_ns <> 0 and outcome in ('done', 'incomplete')", 1);
    if (found.empty()) return std::optional<TimePoint>();
    return std::optional<TimePoint>(found.front().report.started);
  });
}

Result<std::vector<Submission>> Store::submissions(std::string_view sync, std::uint64_t pass) {
  const std::string key(sync);
  return database_.read([&](soci::session& sql) -> Result<std::vector<Submission>> {
    std::vector<Submission> found;
    const auto number = static_cast<long long>(pass);
    long long sequence = 0, first = 0, count = 0;
    int kind = 0;
    std::string submission_id, task_id;
    soci::statement statement =
        (sql.prepare << "select sequence, kind, first, count, submission_id, task_id"
                        " from sync_submission where sync = :sync and pass = :pass"
                        " order by sequence",
         soci::use(key), soci::use(number), soci::into(sequence), soci::into(kind),
         soci::into(first), soci::into(count), soci::into(submission_id), soci::into(task_id));
    statement.execute();
    while (statement.fetch()) {
      found.push_back({static_cast<std::uint64_t>(sequence), static_cast<Submission::Kind>(kind),
                       static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(count),
                       submission_id, task_id});
    }
    return found;
  });
}

Result<void> Store::put_submission(std::string_view sync, std::uint64_t pass,
                                   const Submission& submission) {
  const std::string key(sync);
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto number = static_cast<long long>(pass);
    const auto sequence = static_cast<long long>(submission.sequence);
    const auto first = static_cast<long long>(submission.first);
    const auto count = static_cast<long long>(submission.count);
    const int kind = static_cast<int>(submission.kind);
    sql << "insert or replace into sync_submission (sync, pass, sequence, kind, first, count,"
           " submission_id, task_id) values (:sync, :pass, :sequence, :kind, :first, :count,"
           " :submission, :task)",
        soci::use(key), soci::use(number), soci::use(sequence), soci::use(kind), soci::use(first),
        soci::use(count), soci::use(submission.submission_id), soci::use(submission.task_id);
    return {};
  });
}

Result<void> Store::put_preparation(std::string_view sync, std::uint64_t pass,
                                    const Preparation& preparation) {
  const std::string key(sync);
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto number = static_cast<long long>(pass);
    const int done = preparation.is_done ? 1 : 0;
    std::string failed;
    for (const std::uint64_t index : preparation.failed_renames)
      failed += fmt::format("{} ", index);
    sql << "update sync_pass set is_prepared = :done, failed_renames = :failed"
           " where sync = :sync and number = :number",
        soci::use(done), soci::use(failed), soci::use(key), soci::use(number);
    return {};
  });
}

Result<std::vector<Failure>> Store::failures(std::string_view sync) {
  const std::string key(sync);
  return database_.read([&](soci::session& sql) -> Result<std::vector<Failure>> {
    std::vector<Failure> found;
    std::string path, message;
    int attempts = 0;
    long long next_try = 0;
    soci::statement statement =
        (sql.prepare << "select path, attempts, next_try_ns, message from sync_failure"
                        " where sync = :sync order by path",
         soci::use(key), soci::into(path), soci::into(attempts), soci::into(next_try),
         soci::into(message));
    statement.execute();
    while (statement.fetch()) {
      TRY_ASSIGN(std::string bytes, unescape_bytes(path));
      found.push_back({std::move(bytes), attempts, from_ns(next_try), message});
    }
    return found;
  });
}

}  // namespace wherry::sync
