// SPDX-License-Identifier: Apache-2.0
#include "app/settings.h"

#include <cstdlib>

#include "base/file.h"

namespace wherry::app {
namespace {

constexpr std::string_view kExecutors = "executors";
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMiB = 1 << 20;

const OptionDeclaration kDeclarations[] = {
    {.name = "log.file",
     .kind = OptionKind::kPath,
     .default_text = "",
     .doc = "File that the log is appended to; empty means standard error."},
    {.name = "log.level",
     .kind = OptionKind::kChoice,
     .default_text = "warning",
     .doc = "The least serious messages that are logged.",
     .choices = {"debug", "info", "warning", "error", "off"}},
    {.name = "serve.active_deletes",
     .kind = OptionKind::kInteger,
     .default_text = "3",
     .doc = "How many deletions of one user of the service run at once; 0: no bound.",
     .minimum = 0,
     .maximum = 64},
    {.name = "serve.active_transfers",
     .kind = OptionKind::kInteger,
     .default_text = "3",
     .doc = "How many transfers of one user of the service run at once; 0: no bound.",
     .minimum = 0,
     .maximum = 64},
    {.name = "serve.certificate",
     .kind = OptionKind::kPath,
     .default_text = "",
     .doc = "File of the certificate of `wherry serve` with its chain (PEM); needs serve.key."},
    {.name = "serve.endpoint_directory",
     .kind = OptionKind::kPath,
     .default_text = "",
     .doc = "Where clients of `wherry serve` may make endpoints of their own, each a new directory"
            " there; empty: they may not."},
    {.name = "serve.key",
     .kind = OptionKind::kPath,
     .default_text = "",
     .doc = "File of the key of that certificate (PEM)."},
    {.name = "serve.listen",
     .kind = OptionKind::kText,
     .default_text = "127.0.0.1:8085",
     .doc = "Address and port of `wherry serve`; 0.0.0.0:443 or [::]:443 for all of this host."},
    {.name = "serve.logins_per_second",
     .kind = OptionKind::kInteger,
     .default_text = "10",
     .doc = "How many passwords and secrets one address may have checked; 0: no bound. Four times"
            " as many may come at once after a rest.",
     .minimum = 0,
     .maximum = 100'000},
    {.name = "serve.metrics",
     .kind = OptionKind::kChoice,
     .default_text = "this-host",
     .doc = "Who may read /metrics of `wherry serve`.",
     .choices = {"this-host", "all", "off"}},
    {.name = "serve.pending_tasks",
     .kind = OptionKind::kInteger,
     .default_text = "100",
     .doc = "How many tasks of one user of the service may wait or run; 0: no bound.",
     .minimum = 0,
     .maximum = 1'000'000},
    {.name = "serve.requests_per_second",
     .kind = OptionKind::kInteger,
     .default_text = "100",
     .doc = "How many requests one user of the service may send; 0: no bound. Four times as many"
            " may come at once after a rest.",
     .minimum = 0,
     .maximum = 1'000'000},
    {.name = "serve.site_directory",
     .kind = OptionKind::kPath,
     .default_text = "",
     .doc =
         "Below which clients of `wherry serve` may make sites of their own, and so have commands"
         " run as the user who starts these; empty: they may not."},
    {.name = "serve.tls",
     .kind = OptionKind::kSwitch,
     .default_text = "false",
     .doc = "Speak TLS, with a certificate that `wherry serve` makes and signs itself unless"
            " serve.certificate names one."},
    {.name = "serve.url",
     .kind = OptionKind::kText,
     .default_text = "",
     .doc = "Where clients reach `wherry serve`, if not where it listens; a certificate that is"
            " made is for its host."},
    {.name = "login.client_id",
     .kind = OptionKind::kText,
     .default_text = "",
     .doc = "Id of the native app by which `wherry login` is known to Globus; another Wherry needs"
            " none."},
    {.name = "service",
     .kind = OptionKind::kText,
     .default_text = "local",
     .doc = "Where endpoints and tasks are: local (this state directory), globus, or the address of"
            " another Wherry."},
    {.name = "state.dir",
     .kind = OptionKind::kText,
     .default_text = "",
     .doc = "Directory of the database, the catalogs and the logs of detached tasks; empty means"
            " wherry in $XDG_STATE_HOME (~/.local/state)."},
    {.name = "sync.passes",
     .kind = OptionKind::kInteger,
     .default_text = "2",
     .doc = "How many passes `wherry sync watch` makes at once.",
     .minimum = 1,
     .maximum = 64},
    {.name = "sync.threads",
     .kind = OptionKind::kInteger,
     .default_text = "2",
     .doc = "How many threads look at the source of a sync; more pay on slow or networked disks.",
     .minimum = 1,
     .maximum = 64},
    {.name = "tasks.active",
     .kind = OptionKind::kInteger,
     .default_text = "4",
     .doc = "How many tasks one process runs at once.",
     .minimum = 1,
     .maximum = 64},
    {.name = "tasks.active_per_endpoint",
     .kind = OptionKind::kInteger,
     .default_text = "2",
     .doc = "How many of them may read from or write to the same endpoint.",
     .minimum = 1,
     .maximum = 64},
    {.name = "tasks.history",
     .kind = OptionKind::kDuration,
     .default_text = "30d",
     .doc = "How long ended tasks are kept for `task list`; 0 keeps them for ever.",
     .minimum = 0,
     .maximum = 36500 * kDay},
    {.name = "transfer.group_age",
     .kind = OptionKind::kDuration,
     .default_text = "500ms",
     .doc = "The longest that a copied file waits for others to be made durable together.",
     .minimum = kSecond / 1000,
     .maximum = 60 * kSecond},
    {.name = "transfer.group_bytes",
     .kind = OptionKind::kBytes,
     .default_text = "128MiB",
     .doc = "How many bytes of copied files are made durable together at most.",
     .minimum = kMiB,
     .maximum = kMiB << 16},
    {.name = "transfer.group_files",
     .kind = OptionKind::kInteger,
     .default_text = "2048",
     .doc = "How many copied files are made durable together at most.",
     .minimum = 1,
     .maximum = 100'000},
    {.name = "transfer.range_bytes",
     .kind = OptionKind::kBytes,
     .default_text = "64MiB",
     .doc = "Files above this size are copied in ranges of it, so that a broken transfer goes on"
            " from the last verified one.",
     .minimum = kMiB,
     .maximum = kMiB << 16},
    {.name = "transfer.workers",
     .kind = OptionKind::kInteger,
     .default_text = "0",
     .doc = "How many files one task copies at once; 0 chooses by the storages and the machine.",
     .minimum = 0,
     .maximum = 64},
};

// The XDG base directory `variable`, or its place below the home directory.
std::string xdg_directory(const Environment& environment, std::string_view variable,
                          std::string_view below_home) {
  const auto value = environment(variable);
  if (value && value->starts_with('/')) return *value;
  return home_directory() + "/" + std::string(below_home);
}

}  // namespace

Environment process_environment() {
  return [](std::string_view variable) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(variable).c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::span<const OptionDeclaration> setting_declarations() { return kDeclarations; }

std::string settings_file(const Environment& environment) {
  const auto named = environment("WHERRY_SETTINGS");
  if (named && !named->empty()) return *named;
  return xdg_directory(environment, "XDG_CONFIG_HOME", ".config") + "/wherry/settings.yml";
}

Result<Options> load_settings(const Environment& environment,
                              const std::map<std::string, std::string, std::less<>>& overrides) {
  TRY_ASSIGN(Options settings, Options::load(kDeclarations, {.file = settings_file(environment),
                                                             .environment = environment,
                                                             .overrides = overrides,
                                                             .sections = {kExecutors}}));
  TRY(executor_settings(settings));
  return settings;
}

Result<flow::ExecutorMap> executor_settings(const Options& settings) {
  auto executors = flow::parse_executors(settings.section(kExecutors));
  if (!executors) return settings.in_file(executors.error());
  return executors;
}

std::string state_directory(const Options& settings, const Environment& environment) {
  const std::string& chosen = settings.text("state.dir");
  if (!chosen.empty()) return chosen;
  return xdg_directory(environment, "XDG_STATE_HOME", ".local/state") + "/wherry";
}

}  // namespace wherry::app
