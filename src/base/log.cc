// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "base/path.h"

namespace wherry {
namespace {

struct NamedLevel {
  LogLevel level;
  std::string_view name;     // in settings
  std::string_view in_line;  // in the log
  spdlog::level::level_enum spdlog_level;
};

constexpr NamedLevel kLevels[] = {
    {LogLevel::kDebug, "debug", "DEBUG", spdlog::level::debug},
    {LogLevel::kInfo, "info", "INFO", spdlog::level::info},
    {LogLevel::kWarning, "warning", "WARNING", spdlog::level::warn},
    {LogLevel::kError, "error", "ERROR", spdlog::level::err},
    {LogLevel::kOff, "off", "OFF", spdlog::level::off},
};

const NamedLevel& row_of(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink, LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("wherry", std::move(sink));
  logger->set_level(row_of(level).spdlog_level);
  // "2018-09-26 10:45:01,864: INFO: text" in local time. The level is part of the text: spdlog's
  // own names are lower case.
  logger->set_pattern("%Y-%m-%d %H:%M:%S,%e: %v", spdlog::pattern_time_type::local);
  logger->flush_on(spdlog::level::trace);  // the last line before a crash is the one that matters
  return logger;
}

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> current =
      make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), LogLevel::kWarning);
  return current;
}

// A message stays on one line whatever it quotes. Backslashes are left alone: names in messages
// were escaped where the message was made.
std::string one_line(std::string_view message) {
  std::string text;
  text.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      text += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

Result<void> open_log(const LogOptions& options) {
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    logger() = make_logger(std::move(sink), options.level);
    return {};
  } catch (const spdlog::spdlog_ex& problem) {
    return make_error(Code::kDenied, "open log file '{}': {}; choose another with log.file",
                      escape_bytes(options.file), problem.what());
  }
}

Result<LogLevel> parse_log_level(std::string_view name) {
  for (const NamedLevel& known : kLevels) {
    if (known.name == name) return known.level;
  }
  return make_error(Code::kInvalid,
                    "'{}' is no log level; use one of debug, info, warning, error, off", name);
}

bool log_enabled(LogLevel level) { return logger()->should_log(row_of(level).spdlog_level); }

void log_line(LogLevel level, std::string_view message) {
  const NamedLevel& row = row_of(level);
  logger()->log(row.spdlog_level,
                spdlog::string_view_t(fmt::format("{}: {}", row.in_line, one_line(message))));
}

}  // namespace wherry
