// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <charconv>

#include "base/check.h"
#include "base/units.h"

namespace wherry::cli {

int exit_code_of(const Error& error) {
  if (error.code == Code::kInvalid) return kExitUsage;
  return error.code == Code::kLoginNeeded ? kExitLogin : kExitFailed;
}

Result<Duration> parse_seconds(std::string_view text) {
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789.") == text.npos;
  return parse_duration(is_number ? std::string(text) + "s" : std::string(text));
}

const std::vector<std::string>& Arguments::all(std::string_view name) const {
  static const std::vector<std::string> none;
  if (const auto found = options_.find(name); found != options_.end()) return found->second;
  if (const auto found = positionals_.find(name); found != positionals_.end()) return found->second;
  return none;
}

const std::string& Arguments::text(std::string_view name) const {
  static const std::string none;
  const auto& values = all(name);
  return values.empty() ? none : values.back();
}

std::optional<std::string> Arguments::optional_text(std::string_view name) const {
  const auto& values = all(name);
  if (values.empty()) return std::nullopt;
  return values.back();
}

// The values were checked when they were parsed (parse.cc), so that value() cannot fail here.
std::optional<std::int64_t> Arguments::integer(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(value->data(), value->data() + value->size(), number);
  CHECK(parsed.ec == std::errc());
  return number;
}

std::optional<ByteCount> Arguments::bytes(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  return parse_bytes(*value).value();
}

std::optional<Duration> Arguments::duration(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  return parse_duration(*value).value();
}

std::optional<Duration> Arguments::seconds(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  return parse_seconds(*value).value();
}

std::optional<TimePoint> Arguments::time(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  return parse_time(*value).value();
}

std::optional<double> Arguments::percent(std::string_view option) const {
  const auto value = optional_text(option);
  if (!value) return std::nullopt;
  return parse_percent(*value).value();
}

void Arguments::add_option(std::string_view name, std::string value) {
  in_order_.emplace_back(name, value);
  options_[std::string(name)].push_back(std::move(value));
}

void Arguments::add_positional(std::string_view name, std::string value) {
  positionals_[std::string(name)].push_back(std::move(value));
}

Context::Context(Parts parts) : parts_(std::move(parts)), output_(parts_.format, parts_.out) {}
Context::~Context() = default;

void Context::prefer_setting(const std::string& name, const std::string& value) {
  CHECK(!settings_);
  preferred_[name] = value;
}

void Context::set_setting(const std::string& name, const std::string& value) {
  CHECK(!settings_);
  parts_.overrides[name] = value;
}

Result<const Options*> Context::settings() {
  if (settings_) return &*settings_;
  TRY_ASSIGN(Options loaded, app::load_settings(parts_.environment, parts_.overrides));
  auto overrides = parts_.overrides;
  for (const Options::Shown& shown : loaded.all()) {
    const auto preferred = preferred_.find(shown.name);
    if (preferred != preferred_.end() && shown.origin == "default") overrides.insert(*preferred);
  }
  if (overrides.size() > parts_.overrides.size()) {
    TRY_ASSIGN(loaded, app::load_settings(parts_.environment, overrides));
  }
  settings_ = std::move(loaded);
  return &*settings_;
}

Result<app::Wherry*> Context::wherry(tasks::Execution execution) {
  if (!wherry_) {
    TRY_ASSIGN(const Options* loaded, settings());
    TRY(app::open_log_of(*loaded));
    TRY_ASSIGN(wherry_,
               app::Wherry::open({*loaded, app::state_directory(*loaded, parts_.environment),
                                  execution, parts_.environment}));
  }
  return wherry_.get();
}

Result<bool> Context::is_elsewhere() {
  TRY_ASSIGN(const Options* loaded, settings());
  return !app::Wherry::is_embedded(loaded->text("service"));
}

Result<app::Wherry*> Context::here(std::string_view what) {
  TRY_ASSIGN(const bool elsewhere, is_elsewhere());
  if (!elsewhere) return wherry();
  return make_error(Code::kUnsupported,
                    "{} of another service are made and changed there; those of this state"
                    " directory with --service local",
                    what);
}

Result<app::RemoteService*> Context::remote() {
  TRY_ASSIGN(const Options* loaded, settings());
  const std::string& name = loaded->text("service");
  if (app::Wherry::is_embedded(name)) {
    return make_error(Code::kInvalid,
                      "this is about a service on another machine: name it with --service globus,"
                      " --service https://HOST, or WHERRY_SERVICE");
  }
  TRY_ASSIGN(app::Wherry * opened, wherry());
  return opened->remote(name);
}

Result<tasks::TransferService*> Context::service() {
  TRY_ASSIGN(const bool elsewhere, is_elsewhere());
  if (elsewhere) {
    TRY_ASSIGN(app::RemoteService * there, remote());
    return &there->service();
  }
  TRY_ASSIGN(app::Wherry * opened, wherry());
  return static_cast<tasks::TransferService*>(&opened->service());
}

}  // namespace wherry::cli
