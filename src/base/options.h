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
#include "base/units.h"  // the readers behind the kinds
#include "base/yaml.h"

namespace wherry {

enum class OptionKind {
  kText,
  kPath,  // of a file or directory of this machine; read by text()
  kInteger,
  kBytes,     // "64MiB", "750GB", "4096"
  kDuration,  // "10s", "15m", "1.5h", "2d"; "0" is zero
  kChoice,    // one of `choices`
  kSwitch,    // true/false, yes/no, on/off, 1/0
  kPercent,   // "50%"
};

struct OptionDeclaration {
  // Dotted, lower case: "transfer.workers". Its variable is WHERRY_TRANSFER_WORKERS.
  std::string_view name;
  OptionKind kind;
  std::string_view default_text;
  std::string_view doc;  // one sentence, with the unit
  std::vector<std::string_view> choices = {};
  std::int64_t minimum = 0;  // for kInteger, kBytes, kDuration (in ns), kPercent (in %)
  std::int64_t maximum = INT64_MAX;
};

// "WHERRY_TRANSFER_WORKERS" of "transfer.workers".
std::string variable_of(std::string_view name);

// Values of all declared options, with where each comes from. Immutable once loaded.
class Options {
 public:
  // Reads the file (YAML: nested maps, dotted keys, or both; it may be absent), then variables,
  // then `overrides` ("name" -> text, from flags); the later wins. Errors name file and line, or
  // the variable or flag, the key, what is wrong, and, for an unknown key, the nearest declared
  // one.
  struct Sources {
    std::string file;
    std::function<std::optional<std::string>(std::string_view variable)> environment;
    std::map<std::string, std::string, std::less<>> overrides;
    // Names at the top of the file that are no settings: whoever owns one reads its map.
    std::vector<std::string_view> sections = {};
  };
  // The declarations' texts outlive the Options.
  static Result<Options> load(std::span<const OptionDeclaration> declarations,
                              const Sources& sources);

  // `name` must be declared with the fitting kind (CHECKed). text() also serves kPath and
  // kChoice.
  const std::string& text(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  ByteCount bytes(std::string_view name) const;
  Duration duration(std::string_view name) const;
  bool is_on(std::string_view name) const;
  double percent(std::string_view name) const;  // 50.0 for "50%"

  // What the file has under that name; null: nothing. Errors in it are told by in_file().
  const YamlNode* section(std::string_view name) const;
  // "settings file 'F', line 7: ..." of an error of a node of it.
  Error in_file(const Error& error) const;

  struct Shown {
    std::string name;
    OptionKind kind = OptionKind::kText;
    std::string value;
    std::string origin;  // "default", "file /home/x/.config/wherry/settings.yml, line 3",
                         // "WHERRY_...", "command line"
    std::string doc;
  };
  // Options, then what the sections hold ("executors.hpc.partition").
  std::vector<Shown> all() const;

 private:
  struct Value {
    OptionDeclaration declaration;
    std::string text;
    std::int64_t number = 0;
    std::string origin;
  };
  class Loader;
  const Value& find(std::string_view name, OptionKind kind) const;
  std::string origin_of(const YamlNode& node) const;
  void show_section(const YamlNode& node, const std::string& name, std::vector<Shown>& shown) const;
  std::map<std::string, Value, std::less<>> values_;
  std::string file_;
  std::map<std::string, YamlNode, std::less<>> sections_;
};

// The candidate closest to `text` by edit distance, if it is close enough to be a likely slip.
std::optional<std::string> nearest(std::string_view text, std::span<const std::string> candidates);

}  // namespace wherry
