// SPDX-License-Identifier: Apache-2.0
// wherry site start, stop: the process of a site.
#include <signal.h>
#include <sys/wait.h>

#include "app/site.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "base/units.h"
#include "cli/background.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/invocation.h"
#include "cli/site_selector.h"

namespace wherry::cli {
namespace {

using jobs::Site;

constexpr Duration kLookEvery = std::chrono::milliseconds(50);
constexpr Duration kStartPatience = std::chrono::seconds(20);
constexpr Duration kStopPatience = std::chrono::minutes(1);

// Looks until `is_so` answers true or the time is up.
template <class Condition>
Result<bool> wait_until(Duration timeout, const Condition& is_so) {
  Clock& clock = system_clock();
  const Duration deadline = clock.monotonic() + timeout;
  while (true) {
    TRY_ASSIGN(const bool so, is_so());
    if (so || clock.monotonic() >= deadline) return so;
    clock.sleep(kLookEvery, {});
  }
}

std::string log_file(const Site& site) { return site.path + "/log/site.log"; }

Result<int> start_here(Context& context, app::Wherry& wherry, const Site& site) {
  app::SiteRun run;
  run.site = site.id;
  run.launcher_command = shell_command(invocation_of(context, wherry, {"queue", "launch"}));
  run.on_note = [](std::string_view line) { log_info("{}", line); };
  context.err() << fmt::format("wherry: running site '{}' at {}; ctrl-C ends it\n",
                               escape_bytes(site.name), escape_bytes(site.path));
  context.err().flush();
  std::optional<Result<void>> ended;
  run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(app::run_site(wherry, run, std::move(stop)));
  });
  TRY(*std::move(ended), "site '{}'", escape_bytes(site.name));
  return kExitDone;
}

// Answers when the new process has the site, or why it has not.
Result<int> start_detached(Context& context, app::Wherry& wherry, const Site& site) {
  TRY_ASSIGN(const auto before, holder_of(wherry, site.id));
  if (before) {
    return make_error(Code::kConflict, "site '{}' is run already by {}", escape_bytes(site.name),
                      describe(*before));
  }
  TRY(make_directories(site.path + "/log", 0755));
  TRY_ASSIGN(const pid_t pid,
             start_in_background(context, wherry, {"site", "start", std::to_string(site.id)},
                                 log_file(site)));
  bool has_ended = false;
  const auto is_decided = [&]() -> Result<bool> {
    has_ended = ::waitpid(pid, nullptr, WNOHANG) == pid;
    TRY_ASSIGN(const auto holder, holder_of(wherry, site.id));
    return has_ended || (holder && holder->process.pid == pid);
  };
  TRY_ASSIGN(const bool decided, wait_until(kStartPatience, is_decided));
  if (has_ended) {
    return make_error(Code::kUnavailable, "site '{}' ended at once; what it said: {}",
                      escape_bytes(site.name), escape_bytes(log_file(site)));
  }
  if (!decided) {
    return make_error(Code::kTimeout,
                      "process {} has been started, but does not run site '{}' yet; see {}", pid,
                      escape_bytes(site.name), escape_bytes(log_file(site)));
  }
  context.output().message(
      "Started", fmt::format("Site '{}' is run by process {}; its log: {}", escape_bytes(site.name),
                             pid, escape_bytes(log_file(site))));
  return kExitDone;
}

Result<int> start(Context& context, const Arguments& arguments) {
  const bool detach = arguments.has("detach");
  if (!detach) context.prefer_setting("log.level", "info");  // what its log is for
  TRY_ASSIGN(app::Wherry * wherry,
             context.wherry(detach ? tasks::Execution::kOnlyNamed : tasks::Execution::kAll));
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  if (arguments.has("force")) {
    tasks::Claims claims(wherry->database(), system_clock());
    TRY(claims.take_from_other_host("site", std::to_string(site.id)));
  }
  return detach ? start_detached(context, *wherry, site) : start_here(context, *wherry, site);
}

Result<int> stop(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const auto holder, holder_of(*wherry, site.id));
  const std::string name = escape_bytes(site.name);
  if (!holder) {
    context.output().message("NotRunning", fmt::format("No process runs site '{}'", name));
    return kExitDone;
  }
  if (holder->process.host != this_process().host) {
    return make_error(Code::kConflict, "site '{}' is run by {}: stop it there", name,
                      describe(*holder));
  }
  if (::kill(holder->process.pid, SIGTERM) != 0)
    return errno_error(errno, fmt::format("end {}", describe(*holder)));
  const Duration timeout = arguments.seconds("timeout").value_or(kStopPatience);
  const auto is_free = [&]() -> Result<bool> {
    TRY_ASSIGN(const auto now, holder_of(*wherry, site.id));
    return !now || now->process != holder->process || now->serial != holder->serial;
  };
  TRY_ASSIGN(const bool is_stopped, wait_until(timeout, is_free));
  if (!is_stopped) {
    return make_error(Code::kTimeout, "after {}, site '{}' is still run by {}",
                      format_duration(timeout), name, describe(*holder));
  }
  context.output().message("Stopped", fmt::format("Site '{}' is stopped; nothing is lost", name));
  return kExitDone;
}

}  // namespace

std::span<const Command> site_run_commands() {
  static const Command commands[] = {
      {.name = "site start",
       .summary = "Run a site: move the data of its jobs, launch them, finish them.",
       .description =
           "Runs until it is told to stop (ctrl-C, SIGTERM, `wherry site stop`); what is under way"
           " goes on at the next start. A second one waits until the first has ended.",
       .positionals = {site_positional()},
       .options = {{.name = "detach",
                    .help = "Run it in the background; its log is log/site.log of the site."},
                   {.name = "force",
                    .help = "Take the site from a process on another host; only when that process "
                            "is known to be gone for good, because nothing here can see it."}},
       .handler = start,
       .examples = {"wherry site start beamline --detach"}},
      {.name = "site stop",
       .summary = "End the process of a site, in an orderly way.",
       .positionals = {site_positional()},
       .options = {{.name = "timeout",
                    .value = "TIME",
                    .help = "Wait for its end so many seconds, or a time such as 5m (1m).",
                    .kind = ValueKind::kSeconds}},
       .handler = stop},
  };
  return commands;
}

}  // namespace wherry::cli
