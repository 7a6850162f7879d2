// SPDX-License-Identifier: Apache-2.0
// Sessions on the state database (SOCI; SQLite in WAL mode with synchronous=FULL). SOCI's
// exceptions end here and become Errors; nobody else catches them.
//
//   TRY(database.write([&](soci::session& sql) -> Result<void> {
//     sql << "update task set label = :label where id = :id", soci::use(label), soci::use(id);
//     return {};
//   }), "rename task {}", id);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace soci {
class session;
}

namespace wherry {

// One step from one schema version to the next. `version` counts from 1 within `module`; a released
// step is never changed.
struct Migration {
  std::string_view module;
  int version;
  std::string_view sql;  // statements that end in ';'
};

// Safe for concurrent calls; several processes may open one file. Writes of one process queue for
// one session. Reads share a few others, which are opened when somebody would have to wait for that
// one, so that a long read delays no write.
//
// What a failed call means: kUnavailable, try later (another process writes for longer than the
// time-out, or the disk fails); kConflict, a constraint refused the rows; kCorrupt, the file is
// damaged or no database; kNoSpace; kDenied; kBug, the statement itself is wrong.
class Database {
 public:
  struct Options {
    std::string path = {};         // of the SQLite file; ":memory:" for tests (then one session)
    std::size_t sessions = 4;      // for reading
    int busy_timeout_ms = 30'000;  // how long a call waits for another process's write
    // For the simulation of crashes: asked at "begin" and "commit" of each write, before the step
    // is made, and at "committed". An error ends the call with that error, as if the process had
    // died there: nothing is stored at the first two, everything at the third. May be empty.
    std::function<Result<void>(std::string_view point)> fault = {};
  };
  // Makes the file, for its owner only (mode 0600), if it is missing; its directory must exist.
  static Result<std::unique_ptr<Database>> open(const Options& options);
  virtual ~Database() = default;

  virtual const std::string& path() const = 0;  // as it was opened

  // Another number than before once anything has been committed, by this process or another one
  // (of an in-memory database: once anything has been written). Takes microseconds. What is read
  // after it was asked is at least as new as it says.
  virtual Result<std::int64_t> version() = 0;
  // The same where a look at memory tells it: nothing has been committed since version() answered.
  // For threads that must not wait.
  virtual std::optional<std::int64_t> version_at_once() = 0;

  // Brings the schema of each module named in `migrations` to its last version, in one write
  // transaction: all steps are made, or none. Within a module the steps stand in order from 1.
  // kUnsupported, and nothing is changed, if the file was written by a newer Wherry.
  virtual Result<void> migrate(std::span<const Migration> migrations) = 0;

  // Runs `body` in a read transaction (one consistent snapshot), or in a write transaction that is
  // committed, durably, when `body` succeeds and rolled back when it fails. `body` runs once, in
  // the calling thread; a body that calls the same Database again is a bug (CHECKed). A read that
  // changes rows fails.
  template <class Body>
  auto read(Body&& body) {
    return run(Mode::kRead, std::forward<Body>(body));
  }
  template <class Body>
  auto write(Body&& body) {
    return run(Mode::kWrite, std::forward<Body>(body));
  }

 protected:
  enum class Mode { kRead, kWrite };
  virtual Result<void> transact(Mode mode,
                                const std::function<Result<void>(soci::session&)>& body) = 0;

 private:
  template <class Body>
  auto run(Mode mode, Body&& body) {
    using R = std::invoke_result_t<Body, soci::session&>;
    if constexpr (std::is_same_v<R, Result<void>>) {
      return transact(mode, body);
    } else {
      std::optional<typename R::value_type> value;
      auto done = transact(mode, [&](soci::session& sql) -> Result<void> {
        auto result = body(sql);
        if (!result) return std::move(result).error();
        value = std::move(result).value();
        return {};
      });
      return done ? R(std::move(*value)) : R(std::move(done).error());
    }
  }
};

}  // namespace wherry
