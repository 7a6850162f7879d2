// SPDX-License-Identifier: Apache-2.0
// What a command is: its words, its arguments and what runs. Help, the man page,
// docs/reference/cli.md and the completion scripts come from these declarations.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/wherry.h"
#include "base/result.h"
#include "cli/output.h"

namespace wherry::cli {

// Exit codes of globus-cli.
inline constexpr int kExitDone = 0;           // done, or accepted
inline constexpr int kExitFailed = 1;         // the message says what next
inline constexpr int kExitUsage = 2;          // the command line, a file or a setting is wrong
inline constexpr int kExitLogin = 4;          // log in, or consent, first: the message says how
inline constexpr int kExitInterrupted = 130;  // by ctrl-C, in an orderly way

// What a value must look like. Checked before a command runs; completion offers what it can.
enum class ValueKind {
  kText,
  kInteger,
  kBytes,     // 750GB
  kDuration,  // 15m
  kSeconds,   // 15m, or a plain number of seconds
  kTime,      // 2030-01-01T12:00:00
  kPercent,   // 50%
  kChoice,
  kFile,      // of this machine
  kLocation,  // ENDPOINT:/path, or a path of this machine
  kEndpoint,  // name or id
  kSync,      // name
  kTask,      // id
  kSite,      // number, name or part of the path
  kApp,       // name or number
  kJob,       // number
  kFlow,      // number of a run, or name
};

struct OptionSpec {
  std::string_view name;        // without dashes
  char short_name = '\0';       // '\0': none
  std::string_view value = {};  // what stands for the value in help; empty: a switch
  std::string_view help = {};
  ValueKind kind = ValueKind::kText;
  std::vector<std::string_view> choices = {};
  enum class Times { kOnce, kMany } times = Times::kOnce;
  std::string_view other_name = {};  // an alias
};

struct PositionalSpec {
  std::string_view name;
  ValueKind kind = ValueKind::kText;
  std::string_view help = {};
  enum class Count { kOne, kOptional, kOneOrMore, kAny } count = Count::kOne;
  std::vector<std::string_view> choices = {};
};

// 2 for kInvalid (what was asked makes no sense), 4 for kLoginNeeded, 1 for everything else.
int exit_code_of(const Error& error);

// "90" or "1m30s".
Result<Duration> parse_seconds(std::string_view text);

// What was typed, checked against the declaration.
class Arguments {
 public:
  bool has(std::string_view option) const { return options_.find(option) != options_.end(); }
  // The value of an option or positional that is given once; empty text if it was not given.
  const std::string& text(std::string_view name) const;
  std::optional<std::string> optional_text(std::string_view name) const;
  // All values, in order.
  const std::vector<std::string>& all(std::string_view name) const;
  // Of options of the fitting kind; nothing if it was not given.
  std::optional<std::int64_t> integer(std::string_view option) const;
  std::optional<ByteCount> bytes(std::string_view option) const;
  std::optional<Duration> duration(std::string_view option) const;
  std::optional<Duration> seconds(std::string_view option) const;
  std::optional<TimePoint> time(std::string_view option) const;
  std::optional<double> percent(std::string_view option) const;
  // Options with their values in the order in which they were typed, for --include and --exclude.
  const std::vector<std::pair<std::string, std::string>>& in_order() const { return in_order_; }

  void add_option(std::string_view name, std::string value);
  void add_positional(std::string_view name, std::string value);

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::map<std::string, std::vector<std::string>, std::less<>> positionals_;
  std::vector<std::pair<std::string, std::string>> in_order_;
};

// What a command works with. Settings and state are opened when first asked for, so that
// `wherry --version` touches nothing.
class Context {
 public:
  struct Parts {
    app::Environment environment;
    std::map<std::string, std::string, std::less<>> overrides;  // settings given as flags
    Format format = Format::kText;
    std::ostream& out;  // answers
    std::ostream& err;  // progress and complaints
  };
  explicit Context(Parts parts);
  ~Context();

  Output& output() { return output_; }
  std::ostream& err() { return parts_.err; }
  const std::map<std::string, std::string, std::less<>>& overrides() const {
    return parts_.overrides;
  }
  const app::Environment& environment() const { return parts_.environment; }

  // A default of one command: holds unless the user set something. Before settings() is called.
  void prefer_setting(const std::string& name, const std::string& value);
  // An option of one command that is a setting: as if the user had set it for all of this run.
  // Before settings() is called.
  void set_setting(const std::string& name, const std::string& value);
  Result<const Options*> settings();
  // The open state directory. An error says what to do. `execution` counts at the first call.
  Result<app::Wherry*> wherry(tasks::Execution execution = tasks::Execution::kOnlyNamed);
  // The same for what is done at a service itself and not from afar: kUnsupported if another one is
  // named. `what` begins its message: "endpoints".
  Result<app::Wherry*> here(std::string_view what);
  // The service that the setting `service` names, and whether it is on another machine.
  Result<tasks::TransferService*> service();
  Result<bool> is_elsewhere();
  // That service, which must be on another machine: kInvalid otherwise.
  Result<app::RemoteService*> remote();

 private:
  Parts parts_;
  Output output_;
  std::map<std::string, std::string, std::less<>> preferred_;
  std::optional<Options> settings_;
  std::unique_ptr<app::Wherry> wherry_;
};

// Answers the exit code. An Error becomes a message and the exit code exit_code_of().
using Handler = Result<int> (*)(Context&, const Arguments&);

struct Command {
  std::string_view name;     // "task show"
  std::string_view summary;  // one sentence
  std::string_view description = {};
  std::vector<PositionalSpec> positionals = {};
  std::vector<OptionSpec> options = {};
  Handler handler = nullptr;
  std::vector<std::string_view> examples = {};
};

}  // namespace wherry::cli
