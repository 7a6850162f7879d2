// SPDX-License-Identifier: Apache-2.0
#include "sync/cron.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"

namespace wherry::sync {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr std::array<int, 12> kLongestMonth = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

struct Field {
  std::string_view name;
  int minimum;
  int maximum;
  std::span<const std::string_view> names;  // of the values from `minimum` on
};
constexpr Field kFields[] = {
    {"minute", 0, 59, {}},
    {"hour", 0, 23, {}},
    {"day of month", 1, 31, {}},
    {"month", 1, 12, kMonths},
    {"day of week", 0, 7, kWeekdays},  // 7 is Sunday, too
};

struct Alias {
  std::string_view name;
  std::string_view line;
};
constexpr Alias kAliases[] = {
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
};

std::optional<int> parse_value(const Field& field, std::string_view text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size()) {
    if (value < field.minimum || value > field.maximum) return std::nullopt;
    return value;
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto place = std::find(field.names.begin(), field.names.end(), lower);
  if (place == field.names.end()) return std::nullopt;
  return field.minimum + static_cast<int>(place - field.names.begin());
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

// One element of a list: "*", "5", "1-5", each with an optional "/step". False if malformed.
template <class Bits>
bool add_element(const Field& field, std::string_view text, Bits& bits) {
  int step = 1;
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (problem != std::errc() || end != digits.data() + digits.size() || step < 1) return false;
    text = text.substr(0, slash);
  }
  int first = field.minimum;
  int last = field.maximum;
  if (text != "*") {
    const std::size_t dash = text.find('-');
    const auto from = parse_value(field, text.substr(0, dash));
    const auto to =
        dash == std::string_view::npos
            ? (slash == std::string_view::npos ? from : std::optional<int>(field.maximum))
            : parse_value(field, text.substr(dash + 1));
    if (!from || !to || *from > *to) return false;
    first = *from;
    last = *to;
  }
  for (int value = first; value <= last; value += step)
    bits.set(static_cast<std::size_t>(value) % bits.size());
  return true;
}

template <class Bits>
Result<void> parse_field(const Field& field, std::string_view text, Bits& bits) {
  for (const std::string_view element : split(text, ',')) {
    if (!add_element(field, element, bits)) {
      return make_error(Code::kInvalid,
                        "cron: {} '{}': use *, a number from {} to {}{}, a range 1-5, a list 1,3 "
                        "or a step */15",
                        field.name, text, field.minimum, field.maximum,
                        field.names.empty() ? "" : " or its name");
    }
  }
  return {};
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view line) {
  for (const Alias& alias : kAliases) {
    if (line == alias.name) line = alias.line;
  }
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() != 5) {
    return make_error(Code::kInvalid,
                      "cron: '{}' has {} fields, five are needed: minute, hour, day of month, "
                      "month, day of week",
                      line, words.size());
  }
  CronSchedule schedule;
  TRY(parse_field(kFields[0], words[0], schedule.minutes_));
  TRY(parse_field(kFields[1], words[1], schedule.hours_));
  TRY(parse_field(kFields[2], words[2], schedule.days_));
  TRY(parse_field(kFields[3], words[3], schedule.months_));
  TRY(parse_field(kFields[4], words[4], schedule.weekdays_));
  schedule.any_day_ = words[2].starts_with('*');
  schedule.any_weekday_ = words[4].starts_with('*');
  if (!schedule.ever_fires()) {
    return make_error(Code::kInvalid, "cron: '{}' never fires: no month of it has such a day",
                      line);
  }
  return schedule;
}

// crontab(5): if both day fields are restricted, one that fits is enough.
bool CronSchedule::fits_day(int month, int day_of_month, int day_of_week) const {
  if (!months_.test(static_cast<std::size_t>(month))) return false;
  const bool day = days_.test(static_cast<std::size_t>(day_of_month));
  const bool weekday = weekdays_.test(static_cast<std::size_t>(day_of_week));
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

bool CronSchedule::ever_fires() const {
  if (!any_day_ && !any_weekday_) return true;  // a weekday comes in every month
  for (int month = 1; month <= 12; ++month) {
    if (!months_.test(static_cast<std::size_t>(month))) continue;
    for (int day = 1; day <= kLongestMonth[static_cast<std::size_t>(month) - 1]; ++day) {
      if (days_.test(static_cast<std::size_t>(day))) return true;
    }
  }
  return false;
}

TimePoint CronSchedule::next_after(TimePoint time) const {
  const std::time_t after =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm today{};
  ::localtime_r(&after, &today);
  // 29 February can be eight years away, and "*/2" of both day fields longer: a day of the month
  // and of the week together come round within 40 years.
  constexpr int kDays = 366 * 41;
  for (int d = 0; d < kDays; ++d) {
    std::tm noon{};
    noon.tm_year = today.tm_year;
    noon.tm_mon = today.tm_mon;
    noon.tm_mday = today.tm_mday + d;
    noon.tm_hour = 12;  // exists on every day
    noon.tm_isdst = -1;
    std::mktime(&noon);
    if (!fits_day(noon.tm_mon + 1, noon.tm_mday, noon.tm_wday)) continue;
    for (std::size_t hour = 0; hour < 24; ++hour) {
      if (!hours_.test(hour)) continue;
      for (std::size_t minute = 0; minute < 60; ++minute) {
        if (!minutes_.test(minute)) continue;
        std::tm moment = noon;
        moment.tm_hour = static_cast<int>(hour);
        moment.tm_min = static_cast<int>(minute);
        moment.tm_sec = 0;
        moment.tm_isdst = -1;
        const std::time_t candidate = std::mktime(&moment);
        if (candidate > after) return TimePoint(std::chrono::seconds(candidate));
      }
    }
  }
  CHECK(false && "a schedule that parse() has accepted fires");
  return TimePoint::max();
}

}  // namespace wherry::sync
