// SPDX-License-Identifier: Apache-2.0
#include "server/query_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/path.h"
#include "base/units.h"

namespace wherry::server {

std::vector<std::string> QueryReader::values(std::string_view name) {
  known_.push_back(name);
  std::vector<std::string> found;
  for (const auto& [key, value] : query_)
    if (key == name) found.push_back(value);
  has_any_ = has_any_ || !found.empty();
  return found;
}

void QueryReader::once(std::string_view name) {
  const auto is_it = [name](const auto& pair) { return pair.first == name; };
  if (std::count_if(query_.begin(), query_.end(), is_it) > 1) fail(name, "is given twice");
}

void QueryReader::fail(std::string_view name, std::string_view why) {
  if (!error_) error_ = make_error(Code::kInvalid, "{}: {}", name, why);
}

void QueryReader::numbers(std::string_view name, std::vector<std::int64_t>& out) {
  for (const std::string& text : values(name)) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
      return fail(name, fmt::format("'{}' is no whole number", escape_bytes(text)));
    out.push_back(number);
  }
}

void QueryReader::texts(std::string_view name, std::vector<std::string>& out) {
  for (std::string& text : values(name)) {
    if (text.empty()) return fail(name, "is empty");
    out.push_back(std::move(text));
  }
}

void QueryReader::tags(std::string_view name, jobs::TextMap& out) {
  for (const std::string& text : values(name)) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos || colon == 0)
      return fail(name, fmt::format("'{}' is not KEY:VALUE", escape_bytes(text)));
    const auto [place, is_new] = out.emplace(text.substr(0, colon), text.substr(colon + 1));
    if (!is_new && place->second != std::string_view(text).substr(colon + 1))
      return fail(name, fmt::format("'{}' cannot have two values", escape_bytes(place->first)));
  }
}

void QueryReader::text(std::string_view name, std::string& out) {
  std::vector<std::string> all;
  texts(name, all);
  if (!all.empty()) out = std::move(all.back());
  once(name);
}

void QueryReader::number(std::string_view name, std::optional<std::int64_t>& out) {
  std::vector<std::int64_t> all;
  numbers(name, all);
  if (!all.empty()) out = all.back();
  once(name);
}

void QueryReader::flag(std::string_view name, std::optional<bool>& out) {
  word(name, out, parse_switch);
}

void QueryReader::time(std::string_view name, std::optional<TimePoint>& out) {
  word(name, out, parse_time);
}

void QueryReader::page(std::size_t& limit, std::size_t& offset) {
  std::optional<std::int64_t> wanted, skipped;
  number("limit", wanted);
  number("offset", skipped);
  if (wanted.value_or(0) < 0) return fail("limit", "must be 0 or more");
  if (skipped.value_or(0) < 0) return fail("offset", "must be 0 or more");
  if (wanted) limit = std::min(static_cast<std::size_t>(*wanted), jobs::kMaxPage);
  if (skipped) offset = static_cast<std::size_t>(*skipped);
}

Result<void> QueryReader::finish() const {
  if (error_) return *error_;
  for (const auto& [key, value] : query_) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      return make_error(Code::kInvalid, "{}: is not known here: {}", escape_bytes(key),
                        fmt::join(known_, ", "));
    }
  }
  return {};
}

}  // namespace wherry::server
