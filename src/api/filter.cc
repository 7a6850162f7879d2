// SPDX-License-Identifier: Apache-2.0
#include "api/filter.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/path.h"
#include "base/text.h"
#include "base/units.h"

namespace wherry::api {
namespace {

constexpr std::size_t kMaxFilterBytes = 65'536;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Result<Field> find_field(std::string_view name, std::span<const Field> fields) {
  std::string names;
  for (const Field& field : fields) {
    if (field.name == name) return field;
    names += names.empty() ? "" : ", ";
    names += field.name;
  }
  return make_error(Code::kInvalid, "'{}' is no field here; there are {}", escape_bytes(name),
                    names);
}

TextTest text_test(std::string_view value, FieldKind kind) {
  TextTest test;
  const auto take = [&](char c) {
    if (!value.starts_with(c)) return false;
    value.remove_prefix(1);
    return true;
  };
  test.is_negative = take('!');
  if (take('~')) {
    test.kind = TextTest::Kind::kGlob;
  } else {
    take('=');
  }
  test.text = kind == FieldKind::kId ? lower_case(value) : std::string(value);
  return test;
}

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return make_error(Code::kInvalid, "'{}' is no whole number", escape_bytes(text));
}

template <class T, class Parse>
Result<Range<T>> parse_range(std::string_view text, const Parse& parse) {
  const std::vector<std::string_view> ends = split(text, ',');
  if (ends.size() > 2) {
    return make_error(Code::kInvalid, "'{}' has {} values, a range has two: from,to",
                      escape_bytes(text), ends.size());
  }
  Range<T> range;
  for (const std::size_t i : {std::size_t{0}, ends.size() - 1}) {
    if (trimmed(ends[i]).empty()) continue;
    TRY_ASSIGN(T value, parse(trimmed(ends[i])));
    if (i == 0) range.from = value;
    if (i + 1 == ends.size()) range.to = value;
  }
  return range;
}

Result<Test> parse_test(const Field& field, std::string_view text) {
  switch (field.kind) {
    case FieldKind::kNumber: {
      TRY_ASSIGN(auto range, parse_range<std::uint64_t>(text, parse_number));
      return Test(range);
    }
    case FieldKind::kTime: {
      TRY_ASSIGN(auto range, parse_range<TimePoint>(text, parse_time));
      if (range.to) *range.to += std::chrono::seconds(1) - Duration(1);
      return Test(range);
    }
    case FieldKind::kSwitch: {
      TRY_ASSIGN(const bool value, parse_switch(text));
      return Test(value);
    }
    case FieldKind::kText:
    case FieldKind::kId:
      break;
  }
  std::vector<TextTest> tests;
  for (const std::string_view value : split(text, ','))
    tests.push_back(text_test(value, field.kind));
  return Test(std::move(tests));
}

// Iterative, so that no pattern takes longer than the product of the lengths.
bool matches_glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;  // where the text goes on when the last star takes one byte more
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool holds(const std::vector<TextTest>& tests, const FieldValue& value, FieldKind kind) {
  const std::string* text = std::get_if<std::string>(&value);
  const std::string compared = text == nullptr          ? ""
                               : kind == FieldKind::kId ? lower_case(*text)
                                                        : *text;
  bool has_positive = false;
  bool is_met = false;
  for (const TextTest& test : tests) {
    const bool is_like = test.kind == TextTest::Kind::kGlob ? matches_glob(test.text, compared)
                                                            : test.text == compared;
    if (test.is_negative) {
      if (text != nullptr && is_like) return false;
      continue;
    }
    has_positive = true;
    is_met = is_met || (text != nullptr && is_like);
  }
  return is_met || !has_positive;
}

template <class T>
bool holds(const Range<T>& range, const FieldValue& value, FieldKind /*kind*/) {
  const T* present = std::get_if<T>(&value);
  if (present == nullptr) return !range.from && !range.to;
  return (!range.from || *range.from <= *present) && (!range.to || *present <= *range.to);
}

bool holds(bool wanted, const FieldValue& value, FieldKind /*kind*/) {
  const bool* present = std::get_if<bool>(&value);
  return present != nullptr && *present == wanted;
}

constexpr Field kEventFields[] = {
    {"code", FieldKind::kText}, {"is_error", FieldKind::kSwitch}, {"time", FieldKind::kTime}};
constexpr Field kFileFields[] = {
    {"name", FieldKind::kText},          {"type", FieldKind::kText}, {"size", FieldKind::kNumber},
    {"last_modified", FieldKind::kTime}, {"user", FieldKind::kText}, {"group", FieldKind::kText},
    {"permissions", FieldKind::kText}};

}  // namespace

std::span<const Field> event_fields() { return kEventFields; }
std::span<const Field> file_fields() { return kFileFields; }

Result<Filter> parse_filter(std::string_view text, std::span<const Field> fields) {
  if (text.size() > kMaxFilterBytes) {
    return make_error(Code::kInvalid, "the filter has {} bytes, at most {} are allowed",
                      text.size(), kMaxFilterBytes);
  }
  Filter filter;
  if (trimmed(text).empty()) return filter;
  for (const std::string_view part : split(text, '/')) {
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) {
      return make_error(Code::kInvalid, "filter '{}': write a clause as field:value",
                        escape_bytes(part));
    }
    const std::string_view name = trimmed(part.substr(0, colon));
    TRY_ASSIGN(const Field field, find_field(name, fields), "filter '{}'", escape_bytes(part));
    TRY_ASSIGN(Test test, parse_test(field, part.substr(colon + 1)), "filter '{}'",
               escape_bytes(part));
    filter.push_back({field, std::move(test)});
  }
  return filter;
}

bool matches(const Filter& filter, const Row& row) {
  return std::all_of(filter.begin(), filter.end(), [&](const Clause& clause) {
    const FieldValue value = row(clause.field.name);
    return std::visit([&](const auto& test) { return holds(test, value, clause.field.kind); },
                      clause.test);
  });
}

bool matches_any(std::span<const Filter> filters, const Row& row) {
  return filters.empty() || std::any_of(filters.begin(), filters.end(),
                                        [&](const Filter& filter) { return matches(filter, row); });
}

Result<std::vector<OrderKey>> parse_order(std::string_view text, std::span<const Field> fields) {
  std::vector<OrderKey> order;
  if (trimmed(text).empty()) return order;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view key = trimmed(part);
    const std::size_t blank = std::min(key.find(' '), key.size());
    const std::string direction = lower_case(trimmed(key.substr(blank)));
    if (!direction.empty() && direction != "asc" && direction != "desc") {
      return make_error(Code::kInvalid, "orderby '{}': the direction is ASC or DESC",
                        escape_bytes(key));
    }
    TRY_ASSIGN(const Field field, find_field(key.substr(0, blank), fields), "orderby '{}'",
               escape_bytes(key));
    order.push_back({std::string(field.name), direction == "desc"});
  }
  return order;
}

bool comes_before(std::span<const OrderKey> order, const Row& a, const Row& b) {
  for (const OrderKey& key : order) {
    const FieldValue of_a = a(key.field);
    const FieldValue of_b = b(key.field);
    if (of_a == of_b) continue;
    return (of_a < of_b) != key.is_descending;
  }
  return false;
}

std::vector<std::string> parse_field_names(std::string_view text) {
  std::vector<std::string> names;
  for (const std::string_view name : split(text, ',')) {
    if (!trimmed(name).empty()) names.emplace_back(trimmed(name));
  }
  return names;
}

void keep_fields(boost::json::object& document, std::span<const std::string> names) {
  if (names.empty()) return;
  boost::json::object kept;
  for (const auto& member : document) {
    const std::string_view key = member.key();
    if (key == "DATA_TYPE" || std::find(names.begin(), names.end(), key) != names.end())
      kept[key] = member.value();
  }
  document = std::move(kept);
}

}  // namespace wherry::api
