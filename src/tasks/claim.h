// SPDX-License-Identifier: Apache-2.0
// Claims: which process works on what. Several processes share a state directory; each task, and
// each sync's pass, is run by the one whose claim stands in the database. A claim names a process
// by more than its pid (base/process.h), so that one whose holder died is known at once for what it
// is, and is taken over without waiting for a lease to run out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/database.h"
#include "base/process.h"
#include "base/result.h"

namespace wherry::tasks {

// The right to work on one thing, given up when destroyed. The database outlives it.
class Claim {
 public:
  Claim(Claim&&) noexcept;
  Claim& operator=(Claim&&) noexcept;
  ~Claim();

  // What is done in one transaction with taking or giving up a claim, so that no crash can come
  // between. May be empty.
  using Also = std::function<Result<void>(soci::session&)>;
  // Gives the claim up together with `also`: both happen, or neither; then the claim is still held.
  Result<void> release(const Also& also);

 private:
  friend class Claims;
  struct State;
  explicit Claim(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;  // null after release
};

struct Holder {
  ProcessIdentity process;
  TimePoint since;
  long long serial = 0;  // of the claim within that process
};
// Whether the holder is not known to be dead. One on another host cannot be looked at and counts
// as alive.
bool is_live(const Holder& holder);
std::string describe(const Holder& holder);  // "process 12 on node3 since 2026-10-15T11:06:03Z"

// Safe for concurrent calls. The database is migrated with task_migrations(); it and the clock
// outlive this.
class Claims {
 public:
  Claims(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // Takes the claim on thing `id` of a kind ("task", "sync"). A dead holder's is taken over. What a
  // live process holds, this one included, is kConflict: the message names its pid and since when.
  Result<Claim> acquire(std::string_view kind, std::string_view id, const Claim::Also& also = {});
  // Ends the claim of a process on another host. Nothing here can tell whether it lives: who calls
  // this knows that it does not. kConflict if a live process of this host holds it; nothing happens
  // if nobody does.
  Result<void> take_from_other_host(std::string_view kind, std::string_view id);
  // Who holds it and is not dead.
  Result<std::optional<Holder>> holder(std::string_view kind, std::string_view id);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::tasks
