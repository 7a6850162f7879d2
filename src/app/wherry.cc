// SPDX-License-Identifier: Apache-2.0
#include "app/wherry.h"

#include <pthread.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/random.h"
#include "endpoints/bookmarks.h"
#include "flow/store.h"
#include "jobs/site_store.h"
#include "server/admin_cancels.h"
#include "server/site_users.h"
#include "server/timers.h"

namespace wherry::app {
namespace {

std::string user_name() {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  if (::getpwuid_r(::geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr)
    return found->pw_name;
  return fmt::format("uid{}", ::geteuid());
}

// While it lives, this thread takes no signals, nor do the threads that are started meanwhile,
// ever: ctrl-C is for the thread that waits for it (cli/interrupt.h), and would end the process if
// another one could take it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

std::vector<Migration> all_migrations() {
  std::vector<Migration> all;
  for (const auto migrations :
       {endpoints::endpoint_migrations(), endpoints::bookmark_migrations(),
        tasks::task_migrations(), sync::sync_migrations(), flow::flow_migrations(),
        server::identity_migrations(), server::timer_migrations(),
        server::admin_cancel_migrations(), jobs::job_migrations(), server::site_user_migrations()})
    all.insert(all.end(), migrations.begin(), migrations.end());
  return all;
}

tasks::LocalServiceOptions service_options(const Options& settings) {
  tasks::LocalServiceOptions options;
  options.active_tasks = static_cast<std::size_t>(settings.integer("tasks.active"));
  options.active_tasks_per_endpoint =
      static_cast<std::size_t>(settings.integer("tasks.active_per_endpoint"));
  const auto count = [&settings](std::string_view name) {
    return static_cast<std::size_t>(settings.integer(name));
  };
  options.active_transfers_per_identity = count("serve.active_transfers");
  options.active_deletes_per_identity = count("serve.active_deletes");
  options.pending_per_identity = count("serve.pending_tasks");
  options.history = settings.duration("tasks.history");
  options.limits.workers = static_cast<std::size_t>(settings.integer("transfer.workers"));
  options.limits.group_age = settings.duration("transfer.group_age");
  options.limits.group_bytes = settings.bytes("transfer.group_bytes");
  options.limits.group_files = static_cast<std::size_t>(settings.integer("transfer.group_files"));
  options.limits.range_bytes = settings.bytes("transfer.range_bytes");
  return options;
}

}  // namespace

struct Wherry::Parts {
  Options settings;
  std::string directory;
  std::string owner;
  std::unique_ptr<Database> database;
  std::unique_ptr<endpoints::Endpoints> endpoints;
  std::unique_ptr<endpoints::Permissions> permissions;
  std::mutex mutex;  // for the parts that are made at first use
  tasks::Execution execution = tasks::Execution::kOnlyNamed;
  Environment environment;
  std::unique_ptr<tasks::LocalService> service;
  std::map<std::string, std::unique_ptr<RemoteService>> remotes;
  std::unique_ptr<sync::SyncService> syncs;
  std::unique_ptr<server::Identities> identities;
  std::unique_ptr<jobs::Stores> jobs;
  std::unique_ptr<flow::Executors> executors;
};

Result<void> open_log_of(const Options& settings) {
  const std::string& level = settings.text("log.level");
  const std::string& file = settings.text("log.file");
  if (level == "warning" && file.empty()) return {};
  TRY_ASSIGN(const LogLevel parsed, parse_log_level(level));
  return open_log({.level = parsed, .file = file});
}

Wherry::Wherry(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Wherry::~Wherry() = default;

Result<std::unique_ptr<Wherry>> Wherry::open(Opening opening) {
  const std::string& directory = opening.directory;
  const std::string shown = escape_bytes(directory);
  if (!directory.starts_with('/')) {
    return make_error(Code::kInvalid,
                      "the state directory '{}' is relative; give state.dir (WHERRY_STATE_DIR) an"
                      " absolute path",
                      shown);
  }
  TRY(make_directories(directory, 0700), "make the state directory '{}'", shown);
  TRY_ASSIGN(flow::ExecutorMap executors, executor_settings(opening.settings));
  auto parts = std::make_unique<Parts>();
  parts->executors = std::make_unique<flow::Executors>(
      system_clock(), flow::Executors::Options{std::move(executors), directory});
  parts->owner = user_name();
  parts->execution = opening.execution;
  parts->environment = std::move(opening.environment);
  TRY_ASSIGN(parts->database, Database::open({.path = directory + "/wherry.db"}),
             "open the database '{}/wherry.db'", shown);
  TRY(parts->database->migrate(all_migrations()), "open the database '{}/wherry.db'", shown);
  parts->endpoints =
      std::make_unique<endpoints::Endpoints>(*parts->database, system_clock(), system_random());
  parts->permissions = std::make_unique<endpoints::Permissions>(*parts->database, *parts->endpoints,
                                                                system_clock(), system_random());
  parts->jobs = std::make_unique<jobs::Stores>(*parts->database, system_clock());
  parts->settings = std::move(opening.settings);
  parts->directory = std::move(opening.directory);
  return std::unique_ptr<Wherry>(new Wherry(std::move(parts)));
}

const Options& Wherry::settings() const { return parts_->settings; }
const std::string& Wherry::directory() const { return parts_->directory; }
const std::string& Wherry::owner() const { return parts_->owner; }
Database& Wherry::database() { return *parts_->database; }
endpoints::Endpoints& Wherry::endpoints() { return *parts_->endpoints; }
endpoints::Permissions& Wherry::permissions() { return *parts_->permissions; }
jobs::Stores& Wherry::jobs() { return *parts_->jobs; }
flow::Executors& Wherry::executors() { return *parts_->executors; }

tasks::LocalService& Wherry::service() {
  const std::lock_guard lock(parts_->mutex);
  if (!parts_->service) {
    const SignalsBlocked blocked;
    parts_->service = tasks::LocalService::create(
        {*parts_->database, *parts_->endpoints, system_clock(), system_random()},
        service_options(parts_->settings), parts_->execution);
  }
  return *parts_->service;
}

server::Identities& Wherry::identities() {
  const std::lock_guard lock(parts_->mutex);
  if (!parts_->identities) {
    parts_->identities = std::make_unique<server::Identities>(
        server::Identities::Parts{*parts_->database, system_clock(), system_random()});
  }
  return *parts_->identities;
}

Result<RemoteService*> Wherry::remote(const std::string& name) {
  const std::lock_guard lock(parts_->mutex);
  std::unique_ptr<RemoteService>& remote = parts_->remotes[name];
  if (!remote) {
    TRY_ASSIGN(remote,
               RemoteService::open(name, parts_->directory, parts_->settings, parts_->environment));
  }
  return remote.get();
}

bool Wherry::is_embedded(std::string_view name) { return name == "local"; }

Result<tasks::TransferService*> Wherry::service_of(const std::string& name) {
  if (is_embedded(name)) return static_cast<tasks::TransferService*>(&service());
  TRY_ASSIGN(RemoteService * remote, this->remote(name));
  return &remote->service();
}

Result<sync::SyncService*> Wherry::syncs() {
  tasks::LocalService& service = this->service();
  const std::lock_guard lock(parts_->mutex);
  if (!parts_->syncs) {
    const std::string catalogs = parts_->directory + "/catalogs";
    TRY(make_directories(catalogs, 0700));
    parts_->syncs = std::make_unique<sync::SyncService>(
        sync::SyncService::Parts{service,
                                 *parts_->database,
                                 system_clock(),
                                 catalogs,
                                 parts_->owner,
                                 {},
                                 [this](const std::string& name) { return service_of(name); }});
  }
  return parts_->syncs.get();
}

}  // namespace wherry::app
