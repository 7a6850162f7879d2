// SPDX-License-Identifier: Apache-2.0
#include "base/database.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <typeinfo>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "base/thread_annotations.h"

namespace wherry {
namespace {

constexpr std::string_view kInMemory = ":memory:";
// The write-ahead log is cut back to this size after a checkpoint, so that one large write does not
// occupy the disk for ever.
constexpr std::string_view kWalSizeLimit = "67108864";

struct SqliteMeaning {
  Code code;
  Retry retry;
  std::string_view advice;
};

// The one place that turns SQLite's result codes (its page "Result and Error Codes") into ours.
SqliteMeaning meaning_of_sqlite(int sqlite_result) {
  switch (sqlite_result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::kUnavailable, Retry::kLater,
              "; another process is writing, try again when it is done"};
    case SQLITE_CONSTRAINT:
      return {Code::kConflict, Retry::kNever, ""};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::kCorrupt, Retry::kNever,
              "; keep the file for examination and restore it from a backup, or move it away to "
              "start anew"};
    case SQLITE_FULL:
      return {Code::kNoSpace, Retry::kAfterUser, "; free space on its disk"};
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return {Code::kDenied, Retry::kAfterUser,
              "; the file and its directory must be writable by this user"};
    case SQLITE_TOOBIG:
      return {Code::kInvalid, Retry::kNever, ""};
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
      return {Code::kUnavailable, Retry::kLater, ""};
    default:
      return {Code::kBug, Retry::kNever, ""};
  }
}

Error sqlite_error(int sqlite_result, std::string_view message, const std::string& path) {
  const SqliteMeaning meaning = meaning_of_sqlite(sqlite_result);
  return Error{meaning.code, meaning.retry,
               fmt::format("database '{}': {}{}", escape_bytes(path), message, meaning.advice)};
}

// Runs `call`, which uses SOCI, and turns what it throws into an Error.
template <class Call>
Result<void> guarded(const std::string& path, Call&& call) {
  try {
    return call();
  } catch (const soci::sqlite3_soci_error& problem) {
    return sqlite_error(problem.result(), problem.what(), path);
  } catch (const soci::soci_error& problem) {
    // SOCI's own complaints: a NULL without an indicator, a missing bind value.
    return sqlite_error(SQLITE_MISUSE, problem.what(), path);
  } catch (const std::bad_cast&) {
    return sqlite_error(SQLITE_MISMATCH, "a column was read as another type than it has", path);
  }
}

sqlite_api::sqlite3* handle_of(soci::session& sql) {
  return static_cast<soci::sqlite3_session_backend*>(sql.get_backend())->conn_;
}

// For statements without values, several at once if need be: SOCI runs only the first.
Result<void> run_script(soci::session& sql, const std::string& script, const std::string& path) {
  char* message = nullptr;
  const int result =
      sqlite_api::sqlite3_exec(handle_of(sql), script.c_str(), nullptr, nullptr, &message);
  if (result == SQLITE_OK) return {};
  Error error = sqlite_error(result, message != nullptr ? message : "out of memory", path);
  sqlite_api::sqlite3_free(message);
  return error;
}

// SOCI's connection string is the bare file name, or, as soon as it holds an equals sign, pairs of
// key="value" in which a quote cannot be written.
Result<std::string> connection_string(const std::string& path) {
  if (path.find('=') == std::string::npos) return path;
  if (path.find('"') != std::string::npos) {
    return make_error(Code::kUnsupported,
                      "database '{}': a path that holds both '=' and '\"' cannot be opened; choose "
                      "another state directory",
                      escape_bytes(path));
  }
  return fmt::format("dbname=\"{}\"", path);
}

// Makes the file for its owner only; SQLite gives its -wal and -shm files the same mode. mknod and
// not open, because closing a descriptor of a file drops every lock that this process holds on it,
// those of another Database included.
Result<void> make_private_file(const std::string& path) {
  if (::mknod(path.c_str(), S_IFREG | S_IRUSR | S_IWUSR, 0) == 0 || errno == EEXIST) return {};
  const int error_number = errno;
  if (error_number == ENOENT) {
    return make_error(Code::kNotFound, "database '{}': its directory does not exist",
                      escape_bytes(path));
  }
  return errno_error(error_number, fmt::format("make database '{}'", escape_bytes(path)));
}

Result<std::string> journal_mode(soci::session& sql, std::string_view statement,
                                 const std::string& path) {
  std::string mode;
  TRY(guarded(path, [&]() -> Result<void> {
    sql << std::string(statement), soci::into(mode);
    return {};
  }));
  return mode;
}

// Switching a new file to WAL needs it alone, and SQLite does not wait for that: two processes that
// open a new file at once would fail without these tries.
Result<void> enter_wal_mode(soci::session& sql, const Database::Options& options) {
  constexpr auto kPause = std::chrono::milliseconds(5);
  const auto deadline =
      system_clock().monotonic() + std::chrono::milliseconds(options.busy_timeout_ms);
  for (;;) {
    auto mode = journal_mode(sql, "pragma journal_mode", options.path);
    if (mode && mode.value() != "wal")
      mode = journal_mode(sql, "pragma journal_mode = wal", options.path);
    if (mode && mode.value() == "wal") return {};
    if (mode) {
      return make_error(Code::kUnsupported,
                        "database '{}': its file system does not support write-ahead logging; put "
                        "the state directory on a local disk",
                        escape_bytes(options.path));
    }
    if (mode.error().code != Code::kUnavailable || system_clock().monotonic() >= deadline)
      return std::move(mode).error();
    system_clock().sleep(kPause, std::stop_token());
  }
}

Result<std::unique_ptr<soci::session>> open_session(const Database::Options& options) {
  auto sql = std::make_unique<soci::session>();
  TRY_ASSIGN(const std::string target, connection_string(options.path));
  TRY(guarded(options.path, [&]() -> Result<void> {
    sql->open(soci::sqlite3, target);
    return {};
  }));
  const bool in_memory = options.path == kInMemory;
  TRY(run_script(*sql, fmt::format("pragma busy_timeout = {}", options.busy_timeout_ms),
                 options.path));
  if (!in_memory) TRY(enter_wal_mode(*sql, options));
  TRY(run_script(*sql,
                 fmt::format("pragma synchronous = full; pragma foreign_keys = on;"
                             "pragma journal_size_limit = {}",
                             kWalSizeLimit),
                 options.path));
  return sql;
}

// The header of SQLite's index of the write-ahead log: a counter, sizes, salts and checksums, in
// memory that all processes share. Every commit has changed it when it is over
// (sqlite.org/walformat.html, "The WAL-Index Header").
using LogHeader = std::array<std::uint32_t, 12>;

LogHeader read_header(const volatile void* shared) {
  const auto* words = static_cast<const volatile std::uint32_t*>(shared);
  LogHeader header;
  for (std::uint32_t& word : header) word = __atomic_load_n(words++, __ATOMIC_ACQUIRE);
  return header;
}

// Where the header is mapped for as long as the session is open; null if that cannot be told. A
// session that has read has it mapped already.
const volatile void* mapped_header(soci::session& sql) {
  constexpr int kIndexPage = 32768;  // SQLite maps the index in pages of this size
  sqlite_api::sqlite3_file* file = nullptr;
  sqlite_api::sqlite3_file_control(handle_of(sql), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2) return nullptr;
  volatile void* page = nullptr;
  const int result = file->pMethods->xShmMap(file, 0, kIndexPage, 0, &page);
  return result == SQLITE_OK ? page : nullptr;
}

// Tells whether anything was committed: SQLite's "pragma data_version" of a session that writes
// nothing itself. Not by SOCI, whose statements hold their snapshot until they are run again.
class CommitWatch {
 public:
  static Result<std::unique_ptr<CommitWatch>> open(const Database::Options& options) {
    TRY_ASSIGN(auto sql, open_session(options));
    auto watch = std::unique_ptr<CommitWatch>(new CommitWatch(std::move(sql)));
    const int result = sqlite_api::sqlite3_prepare_v2(
        handle_of(*watch->sql_), "pragma data_version", -1, &watch->statement_, nullptr);
    if (result != SQLITE_OK) return watch->failure(result, options.path);
    TRY(watch->ask(options.path));
    watch->header_ = mapped_header(*watch->sql_);
    return watch;
  }
  CommitWatch(const CommitWatch&) = delete;
  CommitWatch& operator=(const CommitWatch&) = delete;
  ~CommitWatch() { sqlite_api::sqlite3_finalize(statement_); }

  Result<std::int64_t> version(const std::string& path) {
    if (const auto unchanged = version_at_once()) return *unchanged;
    const std::lock_guard lock(asking_);
    // Before the version: what is committed in between is told the next time.
    std::optional<LogHeader> header;
    if (header_ != nullptr) header = read_header(header_);
    TRY_ASSIGN(const std::int64_t version, ask(path));
    const std::lock_guard keeping(keeping_);
    kept_header_ = header;
    kept_version_ = version;
    return version;
  }

  std::optional<std::int64_t> version_at_once() {
    if (header_ == nullptr) return std::nullopt;
    const LogHeader header = read_header(header_);
    const std::lock_guard lock(keeping_);
    return kept_header_ == header ? std::optional(kept_version_) : std::nullopt;
  }

 private:
  explicit CommitWatch(std::unique_ptr<soci::session> sql) : sql_(std::move(sql)) {}
  Result<std::int64_t> ask(const std::string& path) {
    const int result = sqlite_api::sqlite3_step(statement_);
    const std::int64_t version = sqlite_api::sqlite3_column_int64(statement_, 0);
    sqlite_api::sqlite3_reset(statement_);
    if (result != SQLITE_ROW) return failure(result, path);
    return version;
  }
  Error failure(int result, const std::string& path) {
    return sqlite_error(result, sqlite_api::sqlite3_errmsg(handle_of(*sql_)), path);
  }

  const std::unique_ptr<soci::session> sql_;
  sqlite_api::sqlite3_stmt* statement_ = nullptr;  // used under asking_
  const volatile void* header_ = nullptr;
  std::mutex asking_;   // may be held for long, when the disk is slow
  std::mutex keeping_;  // never is
  std::optional<LogHeader> kept_header_ GUARDED_BY(keeping_);
  std::int64_t kept_version_ GUARDED_BY(keeping_) = 0;
};

// The Database whose transaction this thread is in.
thread_local const Database* current_database = nullptr;

class InTransaction {
 public:
  explicit InTransaction(const Database* database)
      : previous_(std::exchange(current_database, database)) {
    CHECK(previous_ !=
          database);  // a body must not call its own Database: it would wait for itself
  }
  InTransaction(const InTransaction&) = delete;
  InTransaction& operator=(const InTransaction&) = delete;
  ~InTransaction() { current_database = previous_; }

 private:
  const Database* previous_;
};

using SchemaVersions = std::map<std::string, int, std::less<>>;

// The last version of each module in `migrations`.
SchemaVersions known_versions(std::span<const Migration> migrations) {
  SchemaVersions versions;
  for (const Migration& step : migrations) {
    int& last = versions[std::string(step.module)];
    CHECK(step.version == last + 1);
    last = step.version;
  }
  return versions;
}

SchemaVersions stored_versions(soci::session& sql) {
  SchemaVersions versions;
  int tables = 0;
  sql << "select count(*) from sqlite_master where type = 'table' and name = 'schema_version'",
      soci::into(tables);
  if (tables == 0) return versions;
  const soci::rowset<soci::row> rows =
      (sql.prepare << "select module, version from schema_version");
  for (const soci::row& row : rows) versions[row.get<std::string>(0)] = row.get<int>(1);
  return versions;
}

int version_of(const SchemaVersions& versions, std::string_view module) {
  const auto found = versions.find(module);
  return found == versions.end() ? 0 : found->second;
}

Result<void> refuse_newer(const SchemaVersions& stored, const SchemaVersions& known,
                          const std::string& path) {
  for (const auto& [module, last] : known) {
    const int version = version_of(stored, module);
    if (version <= last) continue;
    return make_error(Code::kUnsupported,
                      "database '{}' was written by a newer Wherry: its schema of '{}' is version "
                      "{}, this program knows versions up to {}; upgrade this program, or give it "
                      "another state directory",
                      escape_bytes(path), module, version, last);
  }
  return {};
}

// What opening a session takes, about: SQLite parses the schema of all modules.
constexpr auto kOpeningTime = std::chrono::milliseconds(1);

class SqliteDatabase : public Database {
 public:
  explicit SqliteDatabase(const Options& options)
      : options_(options), name_(options.path.substr(options.path.rfind('/') + 1)) {}

  Result<void> open_sessions() {
    CHECK(options_.sessions > 0);
    TRY_ASSIGN(writer_, open_session(options_));
    return {};
  }

  Result<void> migrate(std::span<const Migration> migrations) override;

  const std::string& path() const override { return options_.path; }
  Result<std::int64_t> version() override {
    if (options_.path == kInMemory) return writes_.load();
    if (CommitWatch* const watch = watch_.load()) return watch->version(name_);
    const std::lock_guard lock(opening_watch_);
    if (!opened_watch_) {
      TRY_ASSIGN(opened_watch_, CommitWatch::open(options_));
      watch_ = opened_watch_.get();
    }
    return opened_watch_->version(name_);
  }
  std::optional<std::int64_t> version_at_once() override {
    if (options_.path == kInMemory) return writes_.load();
    CommitWatch* const watch = watch_.load();
    return watch != nullptr ? watch->version_at_once() : std::nullopt;
  }

 protected:
  Result<void> transact(Mode mode,
                        const std::function<Result<void>(soci::session&)>& body) override {
    const InTransaction in_transaction(this);
    if (mode == Mode::kWrite) {
      take_writer();
      auto done = write_with(body);
      ++writes_;
      give_back(writer_.get());
      return done;
    }
    TRY_ASSIGN(soci::session* const reader, borrow_reader());
    auto done = read_with(*reader, body);
    give_back(reader);
    return done;
  }

 private:
  using Body = std::function<Result<void>(soci::session&)>;

  Result<void> fault(std::string_view point) {
    return options_.fault ? options_.fault(point) : Result<void>();
  }

  // "immediate" takes the write lock at once: a transaction that began as a reader could find its
  // snapshot out of date when it first writes, and would have to be repeated.
  Result<void> write_with(const Body& body) {
    TRY(fault("begin"));
    TRY(run_script(*writer_, "pragma query_only = off; begin immediate", name_));
    auto done = guarded(name_, [&] { return body(*writer_); });
    if (done) done = fault("commit");
    if (done) done = run_script(*writer_, "commit", name_);
    if (!done) {
      roll_back(*writer_);
      return done;
    }
    return fault("committed");
  }

  Result<void> read_with(soci::session& sql, const Body& body) {
    TRY(run_script(sql, "pragma query_only = on; begin", name_));
    auto done = guarded(name_, [&] { return body(sql); });
    roll_back(sql);  // a read has nothing to commit
    return done;
  }

  // After some errors (disk full, for one) SQLite has ended the transaction itself and complains
  // here; either way none is open afterwards.
  void roll_back(soci::session& sql) {
    const auto done = run_script(sql, "rollback", name_);
    CHECK(done || sqlite_api::sqlite3_get_autocommit(handle_of(sql)) != 0);
  }

  // Sessions are opened when they are first needed: each parses the whole schema, and a short
  // command seldom needs a second one. One that comes back while another would be opened is as soon
  // there and costs nothing. Until there is a session for reading, reads use the one for writing.

  void take_writer() {
    std::unique_lock lock(sessions_mutex_);
    const auto is_back = [this] { return writer_use_ == WriterUse::kNone; };
    if (!writer_returned_.wait_for(lock, kOpeningTime, is_back) &&
        writer_use_ == WriterUse::kReading && options_.path != kInMemory) {
      // If none can be opened, the read will end some time.
      if (auto opened = open_session(options_)) {
        readers_.push_back(std::exchange(writer_, std::move(opened).value()));
        writer_use_ = WriterUse::kNone;
      }
    }
    writer_returned_.wait(lock, is_back);
    writer_use_ = WriterUse::kWriting;
  }

  Result<soci::session*> borrow_reader() {
    std::unique_lock lock(sessions_mutex_);
    if (readers_.empty()) {
      const auto is_back = [this] { return writer_use_ == WriterUse::kNone; };
      writer_returned_.wait_for(lock, kOpeningTime, is_back);
      if (options_.path == kInMemory) writer_returned_.wait(lock, is_back);
      if (is_back()) {
        writer_use_ = WriterUse::kReading;
        return writer_.get();
      }
    }
    const auto is_back = [this] { return !idle_readers_.empty(); };
    const auto may_open = [this] { return readers_.size() < options_.sessions; };
    if (!readers_.empty()) reader_returned_.wait_for(lock, kOpeningTime, is_back);
    reader_returned_.wait(lock, [&] { return is_back() || may_open(); });
    if (!is_back()) {
      auto opened = open_session(options_);
      if (!opened) {
        return Error{opened.error().code, opened.error().retry,
                     fmt::format("database '{}': no more sessions can be opened", name_)};
      }
      idle_readers_.push_back(opened->get());
      readers_.push_back(std::move(opened).value());
    }
    soci::session* reader = idle_readers_.back();
    idle_readers_.pop_back();
    return reader;
  }

  void give_back(soci::session* session) {
    const std::lock_guard lock(sessions_mutex_);
    if (session == writer_.get()) {
      writer_use_ = WriterUse::kNone;
      writer_returned_.notify_one();
    } else {
      idle_readers_.push_back(session);
      reader_returned_.notify_one();
    }
  }

  Result<void> apply(soci::session& sql, const Migration& step) {
    TRY(run_script(sql, std::string(step.sql), options_.path), "schema of '{}', step to version {}",
        step.module, step.version);
    const std::string module(step.module);
    sql << "insert into schema_version (module, version) values (:module, :version) "
           "on conflict (module) do update set version = excluded.version",
        soci::use(module, "module"), soci::use(step.version, "version");
    return {};
  }

  const Options options_;
  const std::string name_;  // of the file: its place is told when it cannot be opened, not later,
                            // to clients from elsewhere
  std::mutex opening_watch_;
  std::unique_ptr<CommitWatch> opened_watch_ GUARDED_BY(opening_watch_);
  std::atomic<CommitWatch*> watch_ = nullptr;  // opened_watch_, from the first version() on
  std::atomic<std::int64_t> writes_ = 0;
  std::mutex sessions_mutex_;
  std::condition_variable writer_returned_;
  std::condition_variable reader_returned_;
  // Who takes it has it for a whole transaction, so that writers queue here and not in SQLite.
  std::unique_ptr<soci::session> writer_ GUARDED_BY(sessions_mutex_);
  enum class WriterUse { kNone, kReading, kWriting };
  WriterUse writer_use_ GUARDED_BY(sessions_mutex_) = WriterUse::kNone;
  std::vector<std::unique_ptr<soci::session>> readers_ GUARDED_BY(sessions_mutex_);
  std::vector<soci::session*> idle_readers_ GUARDED_BY(sessions_mutex_);
};

Result<void> SqliteDatabase::migrate(std::span<const Migration> migrations) {
  const SchemaVersions known = known_versions(migrations);
  TRY_ASSIGN(const SchemaVersions before, read([](soci::session& sql) -> Result<SchemaVersions> {
               return stored_versions(sql);
             }));
  TRY(refuse_newer(before, known, options_.path));
  // The usual case takes no write lock: a long write elsewhere delays nobody's start.
  const bool is_current = std::all_of(known.begin(), known.end(), [&](const auto& entry) {
    return version_of(before, entry.first) == entry.second;
  });
  if (is_current) return {};
  return write([&](soci::session& sql) -> Result<void> {
    sql << "create table if not exists schema_version "
           "(module text primary key, version integer not null)";
    // Asked again under the lock: another process may have migrated meanwhile.
    const SchemaVersions stored = stored_versions(sql);
    TRY(refuse_newer(stored, known, options_.path));
    for (const Migration& step : migrations) {
      if (step.version > version_of(stored, step.module)) TRY(apply(sql, step));
    }
    return {};
  });
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const Options& options) {
  if (options.path != kInMemory) TRY(make_private_file(options.path));
  auto database = std::make_unique<SqliteDatabase>(options);
  TRY(database->open_sessions());
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace wherry
