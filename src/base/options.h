// SPDX-License-Identifier: Apache-2.0
// Settings, each declared once: name, kind, default, bounds and a sentence. The settings file, the
// WHERRY_* variables, the command line's flags, `wherry config show` and docs/reference/options.md
// all come from the declarations.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry {

enum class OptionKind {
  kText,
  kInteger,
  kBytes,     // "64MiB", "750GB", "4096"
  kDuration,  // "10s", "15m", "1.5h", "2d"; "0" is zero
  kChoice,    // one of `choices`
  kSwitch,    // true/false, yes/no, on/off, 1/0
  kPercent,   // "50%"
};

struct OptionDeclaration {
  std::string_view
      name;  // dotted, lower case: "transfer.workers"; its variable is WHERRY_TRANSFER_WORKERS
  OptionKind kind;
  std::string_view default_text;
  std::string_view doc;  // one sentence, with the unit
  std::vector<std::string_view> choices = {};
  std::int64_t minimum = 0;  // for kInteger, kBytes, kDuration (in ns), kPercent
  std::int64_t maximum = INT64_MAX;
};

// Values of all declared options, with where each comes from. Immutable once loaded.
class Options {
 public:
  // Reads the file (it may be absent), then variables, then `overrides` ("name" -> text, from
  // flags); the later wins. Errors name file and line, or the variable or flag, the key, what is
  // wrong, and, for an unknown key, the nearest declared one.
  struct Sources {
    std::string file;
    std::function<std::optional<std::string>(std::string_view variable)> environment;
    std::map<std::string, std::string, std::less<>> overrides;
  };
  static Result<Options> load(std::span<const OptionDeclaration> declarations,
                              const Sources& sources);

  // `name` must be declared with the fitting kind (CHECKed).
  const std::string& text(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  ByteCount bytes(std::string_view name) const;
  Duration duration(std::string_view name) const;
  bool is_on(std::string_view name) const;
  double percent(std::string_view name) const;

  struct Shown {
    std::string name;
    std::string value;
    std::string origin;  // "default", "file /home/x/.config/wherry/settings.yml, line 3",
                         // "WHERRY_…", "--flag"
    std::string doc;
  };
  std::vector<Shown> all() const;

 private:
  struct Value {
    OptionDeclaration declaration;
    std::string text;
    std::int64_t number = 0;
    std::string origin;
  };
  const Value& find(std::string_view name, OptionKind kind) const;
  std::map<std::string, Value, std::less<>> values_;
};

// The readers behind the kinds, for flags that are no settings. Each error says what is accepted.
Result<ByteCount> parse_bytes(std::string_view text);
Result<Duration> parse_duration(std::string_view text);
Result<bool> parse_switch(std::string_view text);
Result<double> parse_percent(std::string_view text);
// "2030-01-01", "2030-01-01 12:00:00", "2030-01-01T12:00:00Z", "...+02:00"; without a zone, UTC.
Result<TimePoint> parse_time(std::string_view text);
// "2018-10-15T11:06:03+00:00"
std::string format_time(TimePoint time);
// "1.5 GiB", "820 B"; "2h 5m", "0.4 s": for people.
std::string format_bytes(ByteCount bytes);
std::string format_duration(Duration duration);

// The candidate closest to `text` by edit distance, if it is close enough to be a likely slip.
std::optional<std::string> nearest(std::string_view text, std::span<const std::string> candidates);

}  // namespace wherry
