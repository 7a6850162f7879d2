// SPDX-License-Identifier: Apache-2.0
// Commands as jobs of Slurm: one loop on one thread submits them and asks what became of all of
// them together. A command passes through it as
//   waiting -> submitted (it has Slurm's id) -> ended in Slurm -> settled.
// How it ended, its script writes to a file in the last thing that it does: Slurm forgets its jobs
// after minutes, and a program that was down for longer still finds the file. The job bears the
// command's key, so that what was submitted just before a crash, or before an answer was lost, is
// found again.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <list>

#include "base/back_off.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/path.h"
#include "base/shell.h"
#include "base/units.h"
#include "flow/command_inbox.h"

namespace wherry::flow {
namespace {

using schedulers::BatchScript;
using schedulers::Scheduler;
using schedulers::SchedulerState;
using std::chrono::minutes;
using std::chrono::seconds;

// Between two looks at all jobs: a twentieth of the time since the latest came, within these.
constexpr Duration kSoonestSlurmLook = seconds(1);
constexpr Duration kLatestSlurmLook = seconds(15);
// Between two looks the queue of commands gets so far; each is a run of sbatch.
constexpr std::size_t kSubmissionsAtOnce = 20;
// While Slurm does not answer: between two attempts, and how long commands wait for it.
constexpr Duration kFirstSlurmPause = seconds(5);
constexpr Duration kLongestSlurmPause = minutes(1);
constexpr Duration kSlurmPatience = minutes(15);
// How long after the end of a job its file may still come: from a node, over the network.
constexpr Duration kEndFileDelay = seconds(20);
constexpr std::size_t kLongestSlurmName = 100;
constexpr Duration kEndFilesKept = std::chrono::hours(24 * 30);

// A key as a file name and a name of a job: `squeue --name` splits at commas.
std::string slurm_name_of(const std::string& key) {
  std::string name;
  for (const char c : key) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (is_plain || (c == '.' && !name.empty())) {
      name += c;
    } else {
      name += fmt::format("+{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() <= kLongestSlurmName) return name;
  return name.substr(0, kLongestSlurmName / 2) + '-' + hash_bytes(HashAlgorithm::kXxh3_128, key);
}

// What a script wrote last.
struct EndFile {
  enum class What { kExitCode, kNoDirectory, kUnreadable } what = What::kUnreadable;
  int exit_code = 0;
};

EndFile parse_end_file(std::string_view text) {
  constexpr std::string_view kExit = "exit ";
  if (text == "directory\n") return {EndFile::What::kNoDirectory, 0};
  if (!text.starts_with(kExit) || !text.ends_with('\n')) return {};
  const std::string_view number = text.substr(kExit.size(), text.size() - kExit.size() - 1);
  EndFile end;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), end.exit_code);
  if (parsed.ec == std::errc() && parsed.ptr == number.data() + number.size())
    end.what = EndFile::What::kExitCode;
  return end;
}

class SlurmExecutor : public Executor {
 public:
  SlurmExecutor(Clock& clock, std::unique_ptr<Scheduler> scheduler,
                const SlurmExecutorOptions& options)
      : clock_(clock),
        scheduler_(std::move(scheduler)),
        options_(options),
        thread_([this] { run(); }) {}
  SlurmExecutor(const SlurmExecutor&) = delete;
  SlurmExecutor& operator=(const SlurmExecutor&) = delete;
  ~SlurmExecutor() override { inbox_->close(); }

  Future<CommandEnd> start(const Command& command, const std::string& key) override {
    return inbox_->add(command, key, WantedCommand::How::kStart);
  }
  Future<CommandEnd> reattach_or_start(const Command& command, const std::string& key) override {
    return inbox_->add(command, key, WantedCommand::How::kReattachOrStart);
  }
  bool outlives_program() const override { return true; }

 private:
  struct Entry {
    WantedCommand wanted;
    std::string id;             // of Slurm; empty: not submitted, as far as is known
    bool may_be_there = false;  // Slurm may have it, or has had it
    enum class Cancel { kNotSent, kSent, kRefused } cancel = Cancel::kNotSent;
    std::optional<Duration> gone_since;  // monotonic: ended in Slurm, its file not there yet
    bool is_settled = false;
  };

  void run();
  void take_in(std::deque<WantedCommand> commands);
  void prepare_directory();
  void remove_old_files() const;
  void submit_waiting();
  void look_for(Entry& entry);
  void submit(Entry& entry);
  void on_failure(Entry& entry, Error error);
  void on_no_answer(const Error& error);
  void on_answer();
  void send_cancels();
  void watch();
  void on_state(Entry& entry, const SchedulerState& state);
  void settle_end(Entry& entry, const EndFile& end, std::string_view info);
  void settle_without_file(Entry& entry, std::string_view info);
  Error cancelled(const Entry& entry) const;
  Error over_time(const Entry& entry) const;
  void settle(Entry& entry, Result<CommandEnd> result);
  void abandon_all();
  std::optional<EndFile> read_end(const Entry& entry) const;
  std::string file_of(const Entry& entry) const {
    return options_.directory + "/" + slurm_name_of(entry.wanted.key) + ".end";
  }
  BatchScript script_of(const Entry& entry) const;
  std::size_t submitted() const {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(),
                      [](const Entry& entry) { return !entry.is_settled && !entry.id.empty(); }));
  }
  Duration interval() const {
    return std::clamp((clock_.monotonic() - latest_came_) / 20, kSoonestSlurmLook,
                      kLatestSlurmLook);
  }
  Duration until_next() const;
  static bool is_to_be_cancelled(const Entry& entry) {
    return !entry.is_settled && !entry.id.empty() && entry.cancel == Entry::Cancel::kNotSent &&
           *entry.wanted.is_cancelled;
  }

  Clock& clock_;
  const std::unique_ptr<Scheduler> scheduler_;
  const SlurmExecutorOptions options_;
  const std::shared_ptr<CommandInbox> inbox_ = std::make_shared<CommandInbox>();
  // Of the loop alone.
  std::list<Entry> entries_;
  Duration latest_came_{0};
  Duration next_look_{0};
  bool has_more_ = false;  // that could be submitted at once
  // While Slurm does not answer what it is given: since when, and when it is asked again.
  std::optional<Duration> away_since_;
  Duration away_until_{0};
  int failures_ = 0;  // one after another
  Result<void> directory_ = make_error(Code::kBug, "not prepared");
  LoopThread thread_;  // last: it uses the others
};

void SlurmExecutor::run() {
  bool is_prepared = false;
  while (true) {
    CommandInbox::Taken taken = inbox_->take();
    if (!is_prepared && !taken.commands.empty()) {
      prepare_directory();
      is_prepared = true;
    }
    take_in(std::move(taken.commands));
    if (taken.is_closed) return abandon_all();
    submit_waiting();
    send_cancels();
    watch();
    std::erase_if(entries_, [](const Entry& entry) { return entry.is_settled; });
    if (entries_.empty()) {
      inbox_->wait(taken.next);
    } else if (!has_more_) {
      clock_.sleep(until_next(), taken.next);
    }
  }
}

void SlurmExecutor::take_in(std::deque<WantedCommand> commands) {
  for (WantedCommand& wanted : commands) {
    if (!directory_) {
      wanted.fail(directory_.error());
      continue;
    }
    Entry& entry = entries_.emplace_back();
    entry.may_be_there = wanted.how == WantedCommand::How::kReattachOrStart;
    entry.wanted = std::move(wanted);
    latest_came_ = clock_.monotonic();
  }
}

void SlurmExecutor::prepare_directory() {
  directory_ = make_directories(options_.directory, 0700);
  if (directory_) remove_old_files();
}

// Those of commands whose end nobody can want any more. Trouble with one does no harm.
void SlurmExecutor::remove_old_files() const {
  DIR* const directory = ::opendir(options_.directory.c_str());
  if (directory == nullptr) return;
  while (const dirent* const entry = ::readdir(directory)) {
    const std::string path = options_.directory + "/" + entry->d_name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    const TimePoint written{seconds(info.st_mtim.tv_sec)};
    if (clock_.now() - written > kEndFilesKept) ::unlink(path.c_str());
  }
  ::closedir(directory);
}

// ---- submitting

void SlurmExecutor::submit_waiting() {
  has_more_ = false;
  std::size_t room = options_.max_jobs - std::min(options_.max_jobs, submitted());
  std::size_t attempts = 0;
  for (Entry& entry : entries_) {
    if (entry.is_settled || !entry.id.empty()) continue;
    // Nothing of it can be in Slurm.
    if (*entry.wanted.is_cancelled && !entry.may_be_there) {
      settle(entry, make_error(Code::kCancelled, "cancelled before it was submitted"));
      continue;
    }
    // What may be there already takes no more room.
    if (clock_.monotonic() < away_until_ || (room == 0 && !entry.may_be_there)) continue;
    if (attempts == kSubmissionsAtOnce) {
      has_more_ = true;
      continue;
    }
    ++attempts;
    if (entry.may_be_there) look_for(entry);
    const bool is_known_not_to_be_there =
        !entry.is_settled && entry.id.empty() && !entry.may_be_there;
    if (is_known_not_to_be_there && room > 0 && !*entry.wanted.is_cancelled) submit(entry);
    if (!entry.id.empty() && room > 0) --room;
  }
}

// Whether its end, or its job, is there; if neither is, it is not there for sure.
void SlurmExecutor::look_for(Entry& entry) {
  if (const auto end = read_end(entry)) return settle_end(entry, *end, {});
  auto found = scheduler_->find(slurm_name_of(entry.wanted.key));
  if (!found) return on_failure(entry, std::move(found).error());
  on_answer();
  entry.may_be_there = found->has_value();
  if (!entry.may_be_there) return;
  entry.id = **found;
  next_look_ = clock_.monotonic();
}

void SlurmExecutor::submit(Entry& entry) {
  // A file of that name could only be of a command that had the same key.
  ::unlink(file_of(entry).c_str());
  auto id = scheduler_->submit(script_of(entry));
  if (!id) {
    // Slurm may have it all the same: then it is looked for before it is submitted again.
    entry.may_be_there = id.error().retry == Retry::kLater;
    return on_failure(entry, std::move(id).error());
  }
  on_answer();
  entry.id = *std::move(id);
  next_look_ = std::min(next_look_, clock_.monotonic() + kSoonestSlurmLook);
}

void SlurmExecutor::on_failure(Entry& entry, Error error) {
  if (error.retry == Retry::kLater) return on_no_answer(error);
  on_answer();
  settle(entry, std::move(error));
}

void SlurmExecutor::on_answer() {
  away_since_.reset();
  failures_ = 0;
}

void SlurmExecutor::on_no_answer(const Error& error) {
  const Duration now = clock_.monotonic();
  if (!away_since_) away_since_ = now;
  away_until_ = now + growing_pause(kFirstSlurmPause, ++failures_, kLongestSlurmPause);
  if (now - *away_since_ < kSlurmPatience) {
    log_info("commands wait for Slurm: {}", error.message);
    return;
  }
  for (Entry& entry : entries_) {
    if (entry.is_settled || !entry.id.empty()) continue;
    Error told = error;
    if (entry.may_be_there)
      told.message += fmt::format("; it may be there as job '{}'", slurm_name_of(entry.wanted.key));
    settle(entry, std::move(told));
  }
}

BatchScript SlurmExecutor::script_of(const Entry& entry) const {
  const Command& command = entry.wanted.command;
  const std::string file = file_of(entry);
  std::string variables;
  for (const auto& [name, value] : command.environment)
    variables += fmt::format("export {}={}\n", name, shell_quote(value));
  BatchScript script = options_.resources;
  script.name = slurm_name_of(entry.wanted.key);
  script.directory = command.directory;
  // Slurm would go to /tmp where the directory is missing, and not mind.
  script.script = fmt::format(
      R"sh(#!/bin/sh
wherry_end() {{
  printf '%s\n' "$1" > {0}.part && mv -f {0}.part {0}
}}
cd {1} || {{ wherry_end directory; exit 1; }}
{2}/bin/sh -c {3}
wherry_code=$?
wherry_end "exit $wherry_code"
exit $wherry_code
)sh",
      shell_quote(file), shell_quote(command.directory), variables,
      shell_quote(script_with(options_.environment, command.script)));
  if (command.walltime) script.walltime = *command.walltime;
  const auto output = [](const std::string& path) {
    return path.empty() ? std::string("/dev/null") : schedulers::without_patterns(path);
  };
  script.output_file = output(command.output_file);
  script.error_file = command.error_file.empty() ? "" : output(command.error_file);
  script.options.try_emplace("open-mode", "append");
  return script;
}

// ---- watching

void SlurmExecutor::send_cancels() {
  for (Entry& entry : entries_) {
    if (clock_.monotonic() < away_until_) return;
    if (!is_to_be_cancelled(entry)) continue;
    const auto sent = scheduler_->cancel(entry.id);
    if (!sent && sent.error().retry == Retry::kLater) {
      on_no_answer(sent.error());
      continue;
    }
    on_answer();
    entry.cancel = sent ? Entry::Cancel::kSent : Entry::Cancel::kRefused;
    if (!sent) {
      log_warning("command '{}' cannot be cancelled: {}", entry.wanted.command.name,
                  sent.error().message);
    }
    next_look_ = clock_.monotonic();
  }
}

void SlurmExecutor::watch() {
  if (clock_.monotonic() < next_look_) return;
  std::vector<std::string> ids;
  for (const Entry& entry : entries_) {
    if (!entry.is_settled && !entry.id.empty()) ids.push_back(entry.id);
  }
  if (ids.empty()) return;
  const auto states = scheduler_->states(ids);
  next_look_ = clock_.monotonic() + interval();
  if (!states) {
    log_info("commands in Slurm cannot be watched for the moment: {}", states.error().message);
    return;
  }
  for (const SchedulerState& state : *states) {
    for (Entry& entry : entries_) {
      if (!entry.is_settled && entry.id == state.scheduler_id) on_state(entry, state);
    }
  }
}

// Whether the file of a job that has ended may be on its way. One that did not run, or was killed,
// has none.
bool may_have_written(const SchedulerState& state) {
  constexpr std::string_view kKilled[] = {"BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL",
                                          "PREEMPTED", "REVOKED",   "TIMEOUT"};
  return std::none_of(std::begin(kKilled), std::end(kKilled),
                      [&](std::string_view word) { return state.info.starts_with(word); });
}

void SlurmExecutor::on_state(Entry& entry, const SchedulerState& state) {
  if (state.phase != SchedulerState::Phase::kEnded) return;
  if (const auto end = read_end(entry)) return settle_end(entry, *end, state.info);
  const Duration now = clock_.monotonic();
  if (!entry.gone_since) entry.gone_since = now;
  if (may_have_written(state) && now - *entry.gone_since < kEndFileDelay) {
    next_look_ = std::min(next_look_, now + kSoonestSlurmLook);
    return;
  }
  settle_without_file(entry, state.info);
}

// `info`: Slurm's word for how the job ended; empty if it was not asked.
void SlurmExecutor::settle_end(Entry& entry, const EndFile& end, std::string_view info) {
  switch (end.what) {
    case EndFile::What::kUnreadable:
      return settle(entry, make_error(Code::kCorrupt, "'{}' does not say how it ended",
                                      escape_bytes(file_of(entry))));
    case EndFile::What::kNoDirectory:
      return settle(entry, make_error(Code::kNotFound,
                                      "go to '{}' on a node: no such directory, or it is closed",
                                      escape_bytes(entry.wanted.command.directory)));
    case EndFile::What::kExitCode:
      break;
  }
  // When it was told to end, its script lived to say with which code its command did.
  if (end.exit_code != 0 && info.starts_with("TIMEOUT")) return settle(entry, over_time(entry));
  if (end.exit_code != 0 && (info.starts_with("CANCELLED") || entry.cancel == Entry::Cancel::kSent))
    return settle(entry, cancelled(entry));
  settle(entry, CommandEnd{end.exit_code});
}

void SlurmExecutor::settle_without_file(Entry& entry, std::string_view info) {
  if (info.starts_with("TIMEOUT") || info.starts_with("DEADLINE"))
    return settle(entry, over_time(entry));
  if (entry.cancel == Entry::Cancel::kSent || info.starts_with("CANCELLED"))
    return settle(entry, cancelled(entry));
  settle(entry, make_error(Code::kUnavailable,
                           "job {} of Slurm ended without telling how its command did: {}",
                           entry.id, info));
}

Error SlurmExecutor::cancelled(const Entry& entry) const {
  if (entry.cancel == Entry::Cancel::kSent)
    return make_error(Code::kCancelled, "cancelled: it was job {} of Slurm", entry.id);
  return make_error(Code::kCancelled, "somebody cancelled it in Slurm, where it was job {}",
                    entry.id);
}

Error SlurmExecutor::over_time(const Entry& entry) const {
  const Duration walltime = entry.wanted.command.walltime.value_or(options_.resources.walltime);
  return make_error(Code::kTimeout, "ended by Slurm, as job {}, when {} was over", entry.id,
                    walltime > Duration(0)
                        ? fmt::format("its walltime of {}", format_duration(walltime))
                        : "the time that its partition gives a job");
}

void SlurmExecutor::settle(Entry& entry, Result<CommandEnd> result) {
  entry.is_settled = true;
  if (result) {
    entry.wanted.promise.set(*result);
  } else {
    entry.wanted.fail(std::move(result).error());
  }
}

std::optional<EndFile> SlurmExecutor::read_end(const Entry& entry) const {
  // To open the directory makes a network file system look what is in it now.
  const UniqueFd fresh(::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto text = read_file(file_of(entry), 100);
  if (!text && text.error().code == Code::kNotFound) return std::nullopt;
  return parse_end_file(text ? *text : "");
}

void SlurmExecutor::abandon_all() {
  for (Entry& entry : entries_) {
    if (entry.is_settled) continue;
    settle(entry,
           make_error(Code::kCancelled, "{}",
                      entry.id.empty() ? "the program ends before it was submitted"
                                       : fmt::format("the program ends; job {} of Slurm goes on "
                                                     "without it",
                                                     entry.id)));
  }
}

Duration SlurmExecutor::until_next() const {
  const Duration now = clock_.monotonic();
  const bool has_room = submitted() < options_.max_jobs;
  Duration next = kLongestSlurmPause;
  for (const Entry& entry : entries_) {
    if (!entry.id.empty()) next = std::min(next, next_look_ - now);
    const bool is_to_be_submitted = entry.id.empty() && (has_room || entry.may_be_there);
    if (is_to_be_submitted || is_to_be_cancelled(entry)) next = std::min(next, away_until_ - now);
  }
  return std::max(next, Duration(0));
}

}  // namespace

std::unique_ptr<Executor> open_slurm_executor(Clock& clock, std::unique_ptr<Scheduler> scheduler,
                                              const SlurmExecutorOptions& options) {
  return std::make_unique<SlurmExecutor>(clock, std::move(scheduler), options);
}

}  // namespace wherry::flow
