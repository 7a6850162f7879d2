// SPDX-License-Identifier: Apache-2.0
#include "cli/schedule_text.h"

#include "base/units.h"

namespace wherry::cli {
namespace {

constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@+,";

bool is_plain(std::string_view word) {
  return !word.empty() && word.find_first_not_of(kPlain) == word.npos;
}

// For systemd: '%' begins a specifier, in a command '$' a variable, and bytes in quotes may be
// escaped (systemd.syntax(7), systemd.exec(5)).
enum class UnitLine { kCommand, kEnvironment };
std::string systemd_word(std::string_view word, UnitLine line) {
  if (is_plain(word)) return std::string(word);
  std::string text = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || (c == '$' && line == UnitLine::kCommand)) {
      text += std::string(2, c);
    } else if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + "\"";
}

// For cron: a shell's quotes, and '%' would end the command.
std::string cron_word(std::string_view word) {
  if (is_plain(word)) return std::string(word);
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else if (c == '%') {
      text += "'\\%'";
    } else {
      text += c;
    }
  }
  return text + "'";
}

}  // namespace

std::string systemd_unit(const SystemdUnit& unit, const Invocation& invocation) {
  std::string command = systemd_word(invocation.program, UnitLine::kCommand);
  for (const std::string& word : invocation.words)
    command += " " + systemd_word(word, UnitLine::kCommand);
  std::string environment;
  for (const auto& [name, value] : invocation.environment)
    environment += "Environment=" + systemd_word(name + "=" + value, UnitLine::kEnvironment) + "\n";
  return fmt::format(
      "# Save as ~/.config/systemd/user/{0}.service, then:\n"
      "#   systemctl --user enable --now {0}\n"
      "#   loginctl enable-linger    (so that it runs while you are not logged in)\n"
      "[Unit]\n"
      "Description={1}\n"
      "\n"
      "[Service]\n"
      "Type={2}\n"
      "ExecStart={3}\n"
      "{4}"
      "Restart=on-failure\n"
      "RestartSec=30\n"
      "\n"
      "[Install]\n"
      "WantedBy=default.target\n",
      unit.name, unit.description, unit.type, command, environment);
}

std::string crontab_line(std::string_view schedule, const Invocation& invocation) {
  std::string line = std::string(schedule) + " ";
  for (const auto& [name, value] : invocation.environment)
    line += name + "=" + cron_word(value) + " ";
  line += cron_word(invocation.program);
  for (const std::string& word : invocation.words) line += " " + cron_word(word);
  return line + "\n";
}

Result<std::string> cron_schedule(Duration every) {
  using std::chrono::hours;
  using std::chrono::minutes;
  const auto count = std::chrono::duration_cast<minutes>(every).count();
  const bool is_whole = minutes(count) == every && count > 0;
  if (is_whole && count < 60 && 60 % count == 0)
    return count == 1 ? std::string("* * * * *") : fmt::format("*/{} * * * *", count);
  const auto in_hours = count / 60;
  if (is_whole && count % 60 == 0 && in_hours < 24 && 24 % in_hours == 0)
    return in_hours == 1 ? std::string("0 * * * *") : fmt::format("0 */{} * * *", in_hours);
  if (is_whole && count == 24 * 60) return std::string("0 0 * * *");
  return make_error(
      Code::kInvalid,
      "cron cannot run something every {}; choose a divisor of an hour or of a day, or"
      " give the sync a --cron schedule",
      format_duration(every));
}

}  // namespace wherry::cli
