// SPDX-License-Identifier: Apache-2.0
// Slurm through its commands, whose names, options and output have been stable for a decade; its
// library is neither installed everywhere nor compatible from one release to the next.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/child_process.h"
#include "base/path.h"
#include "schedulers/scheduler.h"

namespace wherry::schedulers {
namespace {

// A controller under load answers late; sbatch itself waits for a minute at most.
constexpr Duration kCommandTimeout = std::chrono::seconds(90);

using Phase = SchedulerState::Phase;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Seconds since 1970, which SLURM_TIME_FORMAT makes of all times; nothing for "N/A" and "Unknown".
std::optional<TimePoint> moment(std::string_view text) {
  const auto seconds = number(text);
  // A Slurm that does not know its end yet says so with a huge number.
  if (!seconds || *seconds <= 0 || *seconds > 7'000'000'000) return std::nullopt;
  return TimePoint(std::chrono::seconds(*seconds));
}

// A word that is not known counts as running: nothing is taken from a launcher that may live.
Phase phase_of(std::string_view word) {
  constexpr std::array<std::string_view, 6> kQueued = {
      "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"};
  constexpr std::array<std::string_view, 10> kEnded = {
      "BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
      "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",  "TIMEOUT"};
  if (std::find(kQueued.begin(), kQueued.end(), word) != kQueued.end()) return Phase::kQueued;
  if (std::find(kEnded.begin(), kEnded.end(), word) != kEnded.end()) return Phase::kEnded;
  return Phase::kRunning;
}

constexpr std::string_view kFormat = "--format=%i|%T|%S|%e|%r";

// One line of squeue in kFormat; nothing if it is none.
std::optional<SchedulerState> parse_line(std::string_view line) {
  const auto fields = split(without_blanks(line), '|');
  if (fields.size() < 5 || !number(fields[0])) return std::nullopt;
  SchedulerState state;
  state.scheduler_id = fields[0];
  state.phase = phase_of(fields[1]);
  state.info = fields[1];
  if (fields[4] != "None" && !fields[4].empty()) state.info += fmt::format(" ({})", fields[4]);
  // Of a queued job it is a guess, as is the end of a running one.
  if (state.phase != Phase::kQueued) state.started = moment(fields[2]);
  if (state.phase == Phase::kEnded) state.ended = moment(fields[3]);
  return state;
}

bool says(const CommandOutput& output, std::initializer_list<std::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [&](std::string_view phrase) {
    return output.errors.find(phrase) != std::string::npos;
  });
}

// What a command of Slurm complained about, in its own words.
Error refusal(std::string_view command, const CommandOutput& output) {
  const std::string words = escape_bytes(without_blanks(output.errors));
  const auto error = [&](Code code) {
    return make_error(code, "{}: {}", command,
                      words.empty() ? fmt::format("exit code {}", output.exit_code) : words);
  };
  if (says(output, {"ontact slurm controller", "imed out", "onnection refused", "ransmitted",
                    "emporarily", "try again", "onnect failure"}))
    return error(Code::kUnavailable);
  if (says(output, {"ermission denied", "nvalid account", "not permitted"}))
    return error(Code::kDenied);
  return error(Code::kInvalid);
}

bool is_option_name(std::string_view name) {
  return !name.empty() && name.front() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
}

// Whole nodes are not insisted on when somebody says which part of them is wanted.
bool asks_for_parts(const BatchScript& script, std::string_view submit_arguments) {
  for (const std::string_view name :
       {"exclusive", "oversubscribe", "ntasks", "ntasks-per-node", "cpus-per-task"}) {
    if (script.options.find(name) != script.options.end()) return true;
    if (submit_arguments.find(fmt::format("--{}", name)) != submit_arguments.npos) return true;
  }
  return false;
}

// The site's own options, a line each.
std::vector<std::string_view> option_lines(std::string_view submit_arguments) {
  std::vector<std::string_view> lines;
  for (const std::string_view line : split(submit_arguments, '\n')) {
    std::string_view option = without_blanks(line);
    if (option.starts_with("#SBATCH")) option = without_blanks(option.substr(7));
    if (!option.empty()) lines.push_back(option);
  }
  return lines;
}

// A line's words as sbatch reads them: with quotes and backslashes, up to a '#'.
std::vector<std::string> words_of_line(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool is_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
      is_word = true;
    } else if (quote != 0 ? c == quote : c == '"' || c == '\'') {
      quote = quote != 0 ? 0 : c;
      is_word = true;
    } else if (quote == 0 && c == '#') {
      break;
    } else if (quote == 0 && std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (is_word) words.push_back(std::exchange(word, {}));
      is_word = false;
    } else {
      word += c;
      is_word = true;
    }
  }
  if (is_word) words.push_back(std::move(word));
  return words;
}

// Also abbreviated, as sbatch takes it.
bool asks_for_array(std::string_view word) {
  if (word.starts_with("-a")) return true;
  if (!word.starts_with("--a")) return false;
  const std::string_view name = word.substr(2, std::min(word.find('='), word.size()) - 2);
  return std::string_view("array").starts_with(name);
}

// The script with the site's own options, which are stronger than what the command line leaves out.
std::string with_arguments(std::string_view script, std::string_view submit_arguments) {
  std::string lines;
  for (const std::string_view option : option_lines(submit_arguments))
    lines += fmt::format("#SBATCH {}\n", option);
  // Behind the first line, which names the interpreter.
  const std::size_t first = std::min(script.find('\n'), script.size() - 1) + 1;
  return fmt::format("{}{}{}", script.substr(0, first), lines, script.substr(first));
}

class Slurm : public Scheduler {
 public:
  explicit Slurm(const SlurmOptions& options) : options_(options) {}

  Result<std::string> submit(const BatchScript& script) override {
    TRY_ASSIGN(std::vector<std::string> words, submission(script));
    TRY_ASSIGN(const CommandOutput output,
               run(std::move(words), with_arguments(script.script, options_.submit_arguments)));
    if (output.exit_code != 0) return refusal("sbatch", output);
    // "NUMBER" or "NUMBER;CLUSTER"
    const std::string_view id = split(without_blanks(output.output), ';').front();
    if (!number(id)) {
      return make_error(Code::kInvalid, "sbatch answered '{}', which is no job number",
                        escape_bytes(output.output));
    }
    return std::string(id);
  }

  Result<std::optional<std::string>> find(std::string_view name) override {
    TRY_ASSIGN(const auto found, list(fmt::format("--name={}", name)));
    if (found.empty()) return std::optional<std::string>();
    return std::optional(found.front().scheduler_id);
  }

  Result<std::vector<SchedulerState>> states(std::span<const std::string> ids) override {
    std::vector<SchedulerState> states;
    if (ids.empty()) return states;
    // Of all jobs of this user: when asked for one that it has forgotten, squeue fails.
    TRY_ASSIGN(const auto known, list({}));
    for (const std::string& id : ids) {
      const auto found = std::find_if(known.begin(), known.end(), [&](const SchedulerState& state) {
        return state.scheduler_id == id;
      });
      states.push_back(found != known.end() ? *found
                                            : SchedulerState{.scheduler_id = id,
                                                             .phase = Phase::kEnded,
                                                             .info = "no longer known to Slurm",
                                                             .started = std::nullopt,
                                                             .ended = std::nullopt});
    }
    return states;
  }

  Result<void> cancel(std::string_view id) override {
    TRY_ASSIGN(const CommandOutput output, run({"scancel", std::string(id)}, {}));
    if (output.exit_code == 0 || says(output, {"nvalid job id", "already complet"})) return {};
    return refusal("scancel", output);
  }

 private:
  Result<std::vector<std::string>> submission(const BatchScript& script) const {
    // The words of the command are stronger than lines of the script, but for what they do not say.
    for (const std::string_view line : option_lines(options_.submit_arguments)) {
      for (const std::string& word : words_of_line(line))
        if (asks_for_array(word)) TRY(check_slurm_option("array"), "submit_arguments");
    }
    std::vector<std::string> words = {"sbatch", "--parsable",
                                      // One allocation is one run: Wherry itself repeats.
                                      "--no-requeue", fmt::format("--job-name={}", script.name),
                                      fmt::format("--chdir={}", script.directory),
                                      fmt::format("--output={}", script.output_file),
                                      fmt::format("--nodes={}", script.num_nodes)};
    if (!script.error_file.empty()) words.push_back("--error=" + script.error_file);
    if (script.walltime > Duration(0)) {
      words.push_back(fmt::format(
          "--time={}", std::chrono::ceil<std::chrono::minutes>(script.walltime).count()));
    }
    if (!script.queue.empty()) words.push_back("--partition=" + script.queue);
    if (!script.project.empty()) words.push_back("--account=" + script.project);
    if (script.nodes == BatchScript::Nodes::kWhole &&
        !asks_for_parts(script, options_.submit_arguments))
      words.emplace_back("--exclusive");
    for (const auto& [option, value] : script.options) {
      TRY(check_slurm_option(option));
      const std::string dashed = (option.size() == 1 ? "-" : "--") + option;
      words.push_back(value.empty()
                          ? dashed
                          : fmt::format("{}{}{}", dashed, option.size() == 1 ? "" : "=", value));
    }
    return words;
  }

  Result<std::vector<SchedulerState>> list(const std::string& filter) const {
    std::vector<std::string> words = {"squeue", "--noheader", "--states=all", "--me",
                                      std::string(kFormat)};
    if (!filter.empty()) words.push_back(filter);
    TRY_ASSIGN(const CommandOutput output, run(std::move(words), {}));
    if (output.exit_code != 0) return refusal("squeue", output);
    std::vector<SchedulerState> states;
    for (const std::string_view line : split(output.output, '\n')) {
      if (auto state = parse_line(line)) states.push_back(*std::move(state));
    }
    return states;
  }

  Result<CommandOutput> run(std::vector<std::string> words, std::string input) const {
    if (!options_.bin_directory.empty())
      words.front() = fmt::format("{}/{}", options_.bin_directory, words.front());
    const ChildCommand command = {.words = std::move(words),
                                  .environment = {{"SLURM_TIME_FORMAT", "%s"}}};
    auto output = run_command(command, {.input = std::move(input), .timeout = kCommandTimeout});
    if (!output && output.error().code == Code::kTimeout) {
      return make_error(Code::kUnavailable, "Slurm does not answer: {}", output.error().message);
    }
    return output;
  }

  SlurmOptions options_;
};

// The least of "4(x2),2": what every node has.
std::size_t least_processors(std::string_view text) {
  std::optional<std::int64_t> least;
  for (const std::string_view part : split(text, ',')) {
    const auto count = number(part.substr(0, part.find('(')));
    if (count && *count > 0) least = least ? std::min(*least, *count) : *count;
  }
  return static_cast<std::size_t>(least.value_or(1));
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<CommandOutput> scontrol(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "scontrol");
  TRY_ASSIGN(CommandOutput output, run_command({.words = std::move(arguments),
                                                .environment = {{"SLURM_TIME_FORMAT", "%s"}}},
                                               {.timeout = kCommandTimeout}));
  if (output.exit_code != 0) return refusal("scontrol", output);
  return output;
}

// Of " KEY=VALUE ", as `scontrol show job --oneliner` has it; empty if it has not.
std::string_view field(std::string_view description, std::string_view key) {
  const std::string begin = fmt::format(" {}=", key);
  const std::size_t at = description.find(begin);
  if (at == description.npos) return {};
  const std::string_view rest = description.substr(at + begin.size());
  return rest.substr(0, rest.find(' '));
}

Result<std::vector<std::string>> names_of(const std::string& nodes) {
  TRY_ASSIGN(const CommandOutput output, scontrol({"show", "hostnames", nodes}));
  std::vector<std::string> names;
  for (const std::string_view name : split(without_blanks(output.output), '\n'))
    names.emplace_back(without_blanks(name));
  return names;
}

}  // namespace

std::string without_patterns(std::string_view path) {
  std::string escaped(path);
  for (std::size_t at = 0; (at = escaped.find('%', at)) != escaped.npos; at += 2)
    escaped.insert(at, 1, '%');
  return escaped;
}

Result<void> check_slurm_option(std::string_view name) {
  if (!is_option_name(name))
    return make_error(Code::kInvalid, "'{}' is no option of sbatch", escape_bytes(name));
  static constexpr struct {
    std::string_view name, letter, why;
  } kOwn[] = {
      {"array", "a", "submit as often as you want allocations"},
      {"job-name", "J", "by the name Wherry finds its allocation again"},
      {"nodes", "N", "say how many nodes with the option for that"},
      {"time", "t", "say how long with the option for that"},
      {"partition", "p", "say which queue with the option for that"},
      {"account", "A", "say which project with the option for that"},
      {"chdir", "D", "Wherry says where it runs"},
      {"output", "o", "Wherry says where its output goes"},
      {"error", "e", "Wherry says where its output goes"},
      {"requeue", "", "Wherry itself repeats what was cut off"},
      {"wait", "W", "Wherry waits for it"},
      {"wrap", "", "Wherry gives the script"},
      {"parsable", "", "Wherry reads the answer"},
      {"test-only", "", "nothing would be submitted"},
  };
  for (const auto& own : kOwn) {
    // Of long names, sbatch takes their beginnings too.
    const bool is_own = name.size() == 1 ? name == own.letter : own.name.starts_with(name);
    if (is_own) {
      return make_error(Code::kInvalid, "'{}' is not left to the options of sbatch: {}", name,
                        own.why);
    }
  }
  return {};
}

std::unique_ptr<Scheduler> open_slurm(const SlurmOptions& options) {
  return std::make_unique<Slurm>(options);
}

Result<Allocation> slurm_allocation() {
  const std::string nodes = variable("SLURM_JOB_NODELIST");
  const std::string id = variable("SLURM_JOB_ID");
  if (nodes.empty() || id.empty()) {
    return make_error(Code::kInvalid,
                      "this process is not in an allocation of Slurm (SLURM_JOB_NODELIST is not"
                      " set); `wherry queue submit` asks for one");
  }
  Allocation allocation;
  TRY_ASSIGN(allocation.nodes, names_of(nodes));
  allocation.processors_per_node = least_processors(variable("SLURM_JOB_CPUS_PER_NODE"));
  // A variable only since Slurm 23.
  allocation.ends = moment(variable("SLURM_JOB_END_TIME"));
  if (!allocation.ends) {
    TRY_ASSIGN(const CommandOutput description, scontrol({"show", "job", "--oneliner", id}));
    allocation.ends = moment(field(description.output, "EndTime"));
  }
  return allocation;
}

Result<Allocation> slurm_allocation(const std::string& id) {
  TRY_ASSIGN(const CommandOutput description, scontrol({"show", "job", "--oneliner", id}));
  const std::string_view state = field(description.output, "JobState");
  if (state != "RUNNING")
    return make_error(Code::kConflict, "job {} of Slurm does not run: it is {}", id, state);
  Allocation allocation;
  TRY_ASSIGN(allocation.nodes, names_of(std::string(field(description.output, "NodeList"))));
  const auto processors = static_cast<std::size_t>(
      std::max<std::int64_t>(number(field(description.output, "NumCPUs")).value_or(1), 1));
  allocation.processors_per_node = std::max<std::size_t>(processors / allocation.nodes.size(), 1);
  allocation.ends = moment(field(description.output, "EndTime"));
  return allocation;
}

}  // namespace wherry::schedulers
