// SPDX-License-Identifier: Apache-2.0
#include "tasks/claim.h"

#include <soci/soci.h>

#include <atomic>
#include <mutex>
#include <set>

#include "base/log.h"
#include "base/units.h"

namespace wherry::tasks {
namespace {

// Which claims this process holds, by serial number. Its pid alone does not tell: a claim whose
// release failed, because the disk was full, say, is left in the database under our own name.
class HeldHere {
 public:
  long long add() {
    const std::lock_guard lock(mutex_);
    held_.insert(++last_);
    return last_;
  }
  void remove(long long serial) {
    const std::lock_guard lock(mutex_);
    held_.erase(serial);
  }
  bool contains(long long serial) {
    const std::lock_guard lock(mutex_);
    return held_.count(serial) != 0;
  }

 private:
  std::mutex mutex_;
  std::set<long long> held_;
  long long last_ = 0;
};

HeldHere& held_here() {
  static HeldHere held;
  return held;
}

std::optional<Holder> find_claim(soci::session& sql, const std::string& kind,
                                 const std::string& id) {
  Holder holder;
  long long pid = 0, start_time = 0, since = 0;
  sql << "select pid, host, boot_id, start_time, since, serial from claim"
         " where kind = :kind and id = :id",
      soci::use(kind), soci::use(id), soci::into(pid), soci::into(holder.process.host),
      soci::into(holder.process.boot_id), soci::into(start_time), soci::into(since),
      soci::into(holder.serial);
  if (!sql.got_data()) return std::nullopt;
  holder.process.pid = static_cast<pid_t>(pid);
  holder.process.start_time = static_cast<std::uint64_t>(start_time);
  holder.since = TimePoint(Duration(since));
  return holder;
}

bool is_of_this_host(const Holder& holder) { return holder.process.host == this_process().host; }

Error held_error(std::string_view kind, std::string_view id, const Holder& holder) {
  const std::string here = holder.process == this_process() ? "this " : "";
  std::string text = fmt::format("{} '{}' is being run by {}{}; wait until it is done", kind, id,
                                 here, describe(holder));
  // That of a site passes on by itself (jobs/site_process.h).
  if (!is_of_this_host(holder) && kind != "site") {
    // Of a sync `resume` means something else, and a flow is named by its file.
    text += ", or, if that process is gone for good, ";
    text += kind == "flow" ? "`wherry flow run FILE --resume --force`"
                           : fmt::format("`wherry {} {} --force {}`", kind,
                                         kind == "sync" ? "run" : "resume", id);
  }
  return Error{Code::kConflict, Retry::kLater, std::move(text)};
}

void replace(soci::session& sql, const std::string& kind, const std::string& id,
             const Holder& holder) {
  const auto pid = static_cast<long long>(holder.process.pid);
  const auto start_time = static_cast<long long>(holder.process.start_time);
  const long long since = holder.since.time_since_epoch().count();
  sql << "insert or replace into claim (kind, id, pid, host, boot_id, start_time, since, serial)"
         " values (:kind, :id, :pid, :host, :boot, :start, :since, :serial)",
      soci::use(kind), soci::use(id), soci::use(pid), soci::use(holder.process.host),
      soci::use(holder.process.boot_id), soci::use(start_time), soci::use(since),
      soci::use(holder.serial);
}

}  // namespace

bool is_live(const Holder& holder) {
  if (holder.process == this_process()) return held_here().contains(holder.serial);
  return liveness(holder.process) != Liveness::kDead;
}

std::string describe(const Holder& holder) {
  return fmt::format("process {} on {} since {}", holder.process.pid, holder.process.host,
                     format_time(holder.since));
}

struct Claim::State {
  Database& database;
  std::string kind;
  std::string id;
  ProcessIdentity process;
  long long serial;

  // From here on the row, should it stay, binds nobody.
  ~State() { held_here().remove(serial); }
};

Claim::Claim(std::unique_ptr<State> state) : state_(std::move(state)) {}
Claim::Claim(Claim&&) noexcept = default;

Claim& Claim::operator=(Claim&& other) noexcept {
  Claim taken(std::move(other));
  std::swap(state_, taken.state_);
  return *this;
}

Claim::~Claim() {
  if (!state_) return;
  if (const auto released = release({}); !released)
    log_warning("give up the claim on {} '{}': {}", state_->kind, state_->id,
                released.error().message);
}

Result<void> Claim::release(const Also& also) {
  CHECK(state_ != nullptr);
  const State& state = *state_;
  TRY(state.database.write([&](soci::session& sql) -> Result<void> {
    const auto pid = static_cast<long long>(state.process.pid);
    sql << "delete from claim where kind = :kind and id = :id and serial = :serial and pid = :pid"
           " and boot_id = :boot",
        soci::use(state.kind), soci::use(state.id), soci::use(state.serial), soci::use(pid),
        soci::use(state.process.boot_id);
    return also ? also(sql) : Result<void>();
  }));
  state_.reset();
  return {};
}

Result<Claim> Claims::acquire(std::string_view kind, std::string_view id, const Claim::Also& also) {
  auto state = std::unique_ptr<Claim::State>(new Claim::State{
      database_, std::string(kind), std::string(id), this_process(), held_here().add()});
  const Holder mine{state->process, clock_.now(), state->serial};
  TRY(database_.write([&](soci::session& sql) -> Result<void> {
    const auto holder = find_claim(sql, state->kind, state->id);
    if (holder && is_live(*holder)) return held_error(kind, id, *holder);
    replace(sql, state->kind, state->id, mine);
    return also ? also(sql) : Result<void>();
  }));
  return Claim(std::move(state));
}

Result<void> Claims::take_from_other_host(std::string_view kind, std::string_view id) {
  const std::string of_kind(kind), name(id);
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto holder = find_claim(sql, of_kind, name);
    if (!holder || !is_live(*holder)) return {};
    if (is_of_this_host(*holder)) return held_error(kind, id, *holder);
    log_warning("the claim on {} '{}' is taken from {}", kind, id, describe(*holder));
    sql << "delete from claim where kind = :kind and id = :id", soci::use(of_kind), soci::use(name);
    return {};
  });
}

Result<std::optional<Holder>> Claims::holder(std::string_view kind, std::string_view id) {
  const auto read = [&](soci::session& sql) -> Result<std::optional<Holder>> {
    return find_claim(sql, std::string(kind), std::string(id));
  };
  TRY_ASSIGN(std::optional<Holder> holder, database_.read(read));
  if (holder && !is_live(*holder)) holder.reset();
  return holder;
}

}  // namespace wherry::tasks
