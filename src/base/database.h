// SPDX-License-Identifier: Apache-2.0
// Sessions on the state database (SOCI; SQLite in WAL mode with synchronous=FULL). SOCI's
// exceptions end here and become Errors; nobody else catches them.
//
//   TRY(database.write([&](soci::session& sql) -> Result<void> {
//     sql << "update task set label = :label where id = :id", soci::use(label), soci::use(id);
//     return {};
//   }), "rename task {}", id);
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

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

// Safe for concurrent calls; several processes may open one file. Each call uses one of a few
// pooled sessions and waits for a free one.
class Database {
 public:
  struct Options {
    std::string path;  // of the SQLite file; ":memory:" for tests (then one session)
    std::size_t sessions = 4;
    int busy_timeout_ms = 30'000;  // how long a call waits for another process's write
  };
  static Result<std::unique_ptr<Database>> open(const Options& options);
  virtual ~Database() = default;

  // Brings the schema of each module named in `migrations` to its last version, under one exclusive
  // lock. kUnsupported if the file was written by a newer Wherry; kCorrupt if it is no database.
  virtual Result<void> migrate(std::span<const Migration> migrations) = 0;

  // Runs `body` in a read transaction (one consistent snapshot), or in a write transaction that is
  // committed, durably, when `body` succeeds and rolled back when it fails.
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
