// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/text.h"

namespace wherry {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t size;     // in bytes or nanoseconds
};

constexpr Unit kByteUnits[] = {
    {"", 1},
    {"b", 1},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
    {"pb", 1'000'000'000'000'000},
    {"kib", 1ULL << 10},
    {"mib", 1ULL << 20},
    {"gib", 1ULL << 30},
    {"tib", 1ULL << 40},
    {"pib", 1ULL << 50},
};

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr Unit kTimeUnits[] = {
    {"w", 7 * 86'400 * kSecond},
    {"d", 86'400 * kSecond},
    {"h", 3'600 * kSecond},
    {"m", 60 * kSecond},
    {"s", kSecond},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Takes what matches off the front of `text`.
template <class Matches>
std::string_view take_while(std::string_view& text, Matches matches) {
  std::size_t count = 0;
  while (count < text.size() && matches(text[count])) ++count;
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(count);
  return taken;
}

void skip_blanks(std::string_view& text) {
  take_while(text, [](char c) { return c == ' '; });
}

// Digits as a number; nothing if there are none or too many.
std::optional<std::uint64_t> whole_number(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value))
      return std::nullopt;
  }
  return value;
}

// One "1.5 GiB" off the front of `text`, in the units' smallest. Whole numbers are exact; the part
// behind the point is less than one unit, which long double holds well enough.
std::optional<std::uint64_t> take_quantity(std::string_view& text, std::span<const Unit> units) {
  const auto whole = whole_number(take_while(text, is_digit));
  if (!whole) return std::nullopt;
  long double fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view digits = take_while(text, is_digit);
    if (digits.empty()) return std::nullopt;
    long double weight = 1;
    for (const char c : digits) fraction += (weight /= 10) * static_cast<long double>(c - '0');
  }
  skip_blanks(text);
  const std::string name = lower_case(take_while(text, is_letter));
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& candidate) { return candidate.name == name; });
  if (unit == units.end()) return std::nullopt;
  // Half of the smallest step keeps 0.3 KB at 300, although 0.3 has no exact binary form.
  const long double part = fraction * static_cast<long double>(unit->size) + 1e-6L;
  std::uint64_t value = 0;
  if (__builtin_mul_overflow(*whole, unit->size, &value) ||
      __builtin_add_overflow(value, static_cast<std::uint64_t>(part), &value))
    return std::nullopt;
  return value;
}

// Exactly `width` digits off the front of `text`.
std::optional<unsigned> take_digits(std::string_view& text, std::size_t width) {
  const std::string_view digits = text.substr(0, width);
  if (digits.size() != width || !std::all_of(digits.begin(), digits.end(), is_digit))
    return std::nullopt;
  text.remove_prefix(width);
  unsigned value = 0;
  for (const char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<Duration> take_hours_and_minutes(std::string_view& text) {
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take_char(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
}

std::optional<Duration> take_time_of_day(std::string_view& text) {
  auto time = take_hours_and_minutes(text);
  if (!time || !take_char(text, ':')) return std::nullopt;
  const auto seconds = take_digits(text, 2);
  if (!seconds || *seconds > 59) return std::nullopt;
  *time += std::chrono::seconds(*seconds);
  if (!take_char(text, '.')) return time;
  const std::string_view digits = take_while(text, is_digit);
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  std::uint64_t nanoseconds = *whole_number(digits);
  for (std::size_t i = digits.size(); i < 9; ++i) nanoseconds *= 10;
  return *time + std::chrono::nanoseconds(nanoseconds);
}

// "Z", "+02:00" or nothing.
std::optional<Duration> take_offset(std::string_view& text) {
  if (text.empty() || take_char(text, 'Z')) return Duration(0);
  const bool is_west = text.starts_with('-');
  if (!take_char(text, '-') && !take_char(text, '+')) return std::nullopt;
  const auto offset = take_hours_and_minutes(text);
  if (!offset) return std::nullopt;
  return is_west ? -*offset : *offset;
}

// "1.5", "64": one decimal, none if it is zero.
std::string short_decimal(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

Result<ByteCount> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  const auto bytes = take_quantity(rest, kByteUnits);
  if (!bytes || !rest.empty()) {
    return make_error(Code::kInvalid,
                      "'{}' is no number of bytes; write one like 4096, 64MiB (1024s), 750GB "
                      "(1000s) or 1.5TiB",
                      text);
  }
  return *bytes;
}

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  const Error error = make_error(
      Code::kInvalid, "'{}' is no duration; write one like 10s, 15m, 1.5h, 2d or 1h30m", text);
  constexpr std::uint64_t kLongest = std::numeric_limits<Duration::rep>::max();
  std::string_view rest = text;
  std::uint64_t total = 0;
  do {
    const auto part = take_quantity(rest, kTimeUnits);
    if (!part || *part > kLongest - total) return error;
    total += *part;
    skip_blanks(rest);
  } while (!rest.empty());
  return Duration(static_cast<Duration::rep>(total));
}

Result<bool> parse_switch(std::string_view text) {
  const std::string lower = lower_case(text);
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (lower == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (lower == no) return false;
  }
  return make_error(Code::kInvalid, "'{}' is neither on nor off; write true or false, yes or no",
                    text);
}

Result<double> parse_percent(std::string_view text) {
  constexpr Unit kMillionths[] = {{"", 1'000'000}};
  std::string_view rest = text;
  const auto millionths = take_quantity(rest, kMillionths);
  if (!millionths || rest != "%" || *millionths > 100'000'000) {
    return make_error(Code::kInvalid, "'{}' is no share; write one from 0% to 100%, like 50%",
                      text);
  }
  return static_cast<double>(*millionths) / 1e6;
}

Result<TimePoint> parse_time(std::string_view text) {
  std::string_view rest = text;
  const auto date = take_date(rest);
  std::optional<Duration> time = Duration(0);
  std::optional<Duration> offset = Duration(0);
  if (date && !rest.empty()) {
    time = take_char(rest, 'T') || take_char(rest, ' ') ? take_time_of_day(rest) : std::nullopt;
    if (time) offset = take_offset(rest);
  }
  if (!date || !time || !offset || !rest.empty()) {
    return make_error(Code::kInvalid,
                      "'{}' is no time; write one like 2030-01-31, '2030-01-31 12:00:00' or "
                      "2030-01-31T12:00:00+02:00 (without a zone: UTC)",
                      text);
  }
  const std::chrono::year_month_day day(*date);
  if (day.year() < std::chrono::year(1678) || day.year() > std::chrono::year(2261)) {
    return make_error(Code::kInvalid, "'{}' is out of range; times from 1678 to 2261 are possible",
                      text);
  }
  return TimePoint(*date) + *time - *offset;
}

std::string format_time(TimePoint time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string format_bytes(ByteCount bytes) {
  constexpr std::string_view kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.95 would be shown as "1024.0".
  while (value >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", short_decimal(value), kNames[unit]);
}

std::string format_duration(Duration duration) {
  if (duration < Duration(0)) {
    const bool has_no_opposite = duration == Duration::min();
    return '-' + format_duration(has_no_opposite ? Duration::max() : -duration);
  }
  const auto nanoseconds = static_cast<double>(duration.count());
  if (duration == Duration(0)) return "0 s";
  if (nanoseconds < 999.5) return fmt::format("{:.0f} ns", nanoseconds);
  if (nanoseconds < 999.5e3) return fmt::format("{:.0f} us", nanoseconds / 1e3);
  if (nanoseconds < 99.5e6) return fmt::format("{:.0f} ms", nanoseconds / 1e6);
  if (nanoseconds < 59.95e9) return short_decimal(nanoseconds / 1e9) + " s";
  // By hand: std::chrono::round overflows near the longest duration.
  constexpr Duration::rep kNanoseconds = 1'000'000'000;
  const Duration::rep seconds = duration.count() / kNanoseconds +
                                (duration.count() % kNanoseconds >= kNanoseconds / 2 ? 1 : 0);
  if (seconds < 3'600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{}h {}m", seconds / 3'600, seconds % 3'600 / 60);
  return fmt::format("{}d {}h", seconds / 86'400, seconds % 86'400 / 3'600);
}

}  // namespace wherry
