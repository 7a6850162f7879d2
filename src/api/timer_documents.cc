// SPDX-License-Identifier: Apache-2.0
#include "api/timer_documents.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "api/json.h"
#include "base/path.h"
#include "base/units.h"
#include "tasks/types.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr std::array<std::string_view, 4> kStatusNames = {"new", "loaded", "inactive", "ended"};
// By this address clients tell a timer of transfers from others.
constexpr std::string_view kCallbackUrl =
    "https://actions.automate.globus.org/transfer/transfer/run";
constexpr std::string_view kCallbackPath = "/transfer/transfer/run";
constexpr std::string_view kDefaultName = "timer";
constexpr std::size_t kMaxName = 256;                   // bytes
constexpr std::size_t kMaxBody = std::size_t{1} << 20;  // bytes of JSON
constexpr Duration kMinInterval = std::chrono::minutes(1);
constexpr Duration kYear = std::chrono::hours(24 * 365);

// Members of one object of a request, with where that object stands.
class PartReader {
 public:
  PartReader(const json::object& object, TimerPlace at, TimerPlace& place)
      : members_(object), at_(std::move(at)), place_(place) {}

  bool has(std::string_view name) const { return members_.has(name); }
  template <class T>
  Result<void> get(std::string_view name, T& out) const {
    return noted(name, members_.get(name, out));
  }
  template <class T>
  Result<void> require(std::string_view name, T& out) const {
    return noted(name, members_.require(name, out));
  }
  Result<const json::object*> require_object(std::string_view name) const {
    if (!has(name)) return error(name, "is missing");
    auto object = members_.object(name);
    if (!object) note(name);
    return object;
  }
  PartReader part(const json::object& object, std::string_view name) const {
    return {object, below(name), place_};
  }
  Error error(std::string_view name, std::string_view what) const {
    note(name);
    return members_.error(name, what);
  }

 private:
  TimerPlace below(std::string_view name) const {
    TimerPlace place = at_;
    place.emplace_back(name);
    return place;
  }
  void note(std::string_view name) const { place_ = below(name); }
  Result<void> noted(std::string_view name, Result<void> result) const {
    if (!result) note(name);
    return result;
  }

  const Members members_;
  const TimerPlace at_;
  TimerPlace& place_;
};

Result<void> get_start(const PartReader& reader, std::string_view name, TimePoint now,
                       TimePoint& start) {
  start = now;
  TRY(reader.get(name, start));
  start = std::chrono::floor<seconds>(start);
  if (start <= now + kYear) return {};
  return reader.error(name, "is more than a year ahead");
}

Result<void> get_interval(const PartReader& reader, std::string_view name, Duration& interval) {
  constexpr auto kLongest = static_cast<std::uint64_t>(kYear / seconds(1));
  constexpr auto kShortest = static_cast<std::uint64_t>(kMinInterval / seconds(1));
  std::uint64_t count = 0;
  TRY(reader.require(name, count));
  if (count < kShortest || count > kLongest)
    return reader.error(name, fmt::format("must be {} to {} seconds", kShortest, kLongest));
  interval = seconds(count);
  return {};
}

Result<void> get_end_runs(const PartReader& reader, std::string_view name,
                          TimerSchedule& schedule) {
  TRY(reader.get(name, schedule.end_runs));
  if (schedule.end_runs.value_or(1) >= 1) return {};
  return reader.error(name, "must be 1 or more");
}

Result<void> get_end_time(const PartReader& reader, std::string_view name,
                          TimerSchedule& schedule) {
  TRY(reader.get(name, schedule.end_time));
  if (schedule.end_time.value_or(TimePoint::max()) >= schedule.start) return {};
  return reader.error(name, "is before the first run");
}

// The documentation of the SDK calls some members by other names than the SDK.
std::string_view name_of(const PartReader& reader, std::string_view name, std::string_view alias) {
  return !reader.has(name) && reader.has(alias) ? alias : name;
}

Result<void> get_end(const PartReader& reader, TimerSchedule& schedule) {
  if (!reader.has("end")) return {};
  TRY_ASSIGN(const json::object* object, reader.require_object("end"));
  const PartReader end = reader.part(*object, "end");
  std::string condition;
  TRY(end.require("condition", condition));
  if (condition == "iterations") {
    const std::string_view count = name_of(end, "count", "iterations");
    if (!end.has(count)) return end.error(count, "is missing");
    return get_end_runs(end, count, schedule);
  }
  if (condition != "time") return end.error("condition", R"(must be "iterations" or "time")");
  if (!end.has("datetime")) return end.error("datetime", "is missing");
  return get_end_time(end, "datetime", schedule);
}

Result<TimerSchedule> read_schedule(const PartReader& timer, TimePoint now) {
  TRY_ASSIGN(const json::object* object, timer.require_object("schedule"));
  const PartReader reader = timer.part(*object, "schedule");
  TimerSchedule schedule;
  std::string type;
  TRY(reader.require("type", type));
  if (type == "once") {
    TRY(get_start(reader, "datetime", now, schedule.start));
    return schedule;
  }
  if (type != "recurring") return reader.error("type", R"(must be "once" or "recurring")");
  TRY(get_start(reader, "start", now, schedule.start));
  TRY(get_interval(reader, name_of(reader, "interval_seconds", "interval"), schedule.interval));
  TRY(get_end(reader, schedule));
  return schedule;
}

Result<void> get_name(const PartReader& reader, std::string& name) {
  TRY(reader.get("name", name));
  if (name.empty()) return reader.error("name", "is empty");
  if (name.size() > kMaxName)
    return reader.error("name", fmt::format("is longer than {} bytes", kMaxName));
  // It becomes a label: what a label may not hold is told now, not at each run.
  std::string without_backslashes = name;
  std::replace(without_backslashes.begin(), without_backslashes.end(), '\\', '/');
  if (escape_bytes(without_backslashes) != without_backslashes)
    return reader.error("name", "has control characters");
  return {};
}

// Actions of the flows service say the same in other words.
void rename_member(json::object& object, std::string_view from, std::string_view to) {
  const auto found = object.find(json_view(from));
  if (found == object.end() || object.contains(json_view(to))) return;
  json::value value = std::move(found->value());
  object.erase(found);
  object[json_view(to)] = std::move(value);
}

Result<std::string> read_body(const PartReader& reader) {
  TRY_ASSIGN(const json::object* given, reader.require_object("body"));
  json::object body = *given;
  body.erase("submission_id");
  body.erase("skip_activation_check");
  rename_member(body, "source_endpoint_id", "source_endpoint");
  rename_member(body, "destination_endpoint_id", "destination_endpoint");
  rename_member(body, "transfer_items", "DATA");
  std::string text = to_text(body);
  if (text.size() > kMaxBody) {
    return reader.error("body", fmt::format("has {} bytes, at most {} are allowed: name directories"
                                            " instead of files",
                                            text.size(), kMaxBody));
  }
  return text;
}

Result<void> check_callback(const PartReader& reader) {
  std::string url;
  TRY(reader.require("callback_url", url));
  if (url.starts_with("https://") && url.ends_with(kCallbackPath)) return {};
  return reader.error("callback_url",
                      fmt::format("must be {}: timers here run transfers", kCallbackUrl));
}

// ---- writing

json::object schedule_document(const TimerSchedule& schedule) {
  if (!schedule.is_recurring())
    return {{"type", "once"}, {"datetime", format_time(schedule.start)}};
  json::value end = nullptr;
  if (schedule.end_runs)
    end = json::object{{"condition", "iterations"}, {"count", *schedule.end_runs}};
  else if (schedule.end_time)
    end = json::object{{"condition", "time"}, {"datetime", format_time(*schedule.end_time)}};
  return {{"type", "recurring"},
          {"interval_seconds", schedule.interval / seconds(1)},
          {"start", format_time(schedule.start)},
          {"end", std::move(end)}};
}

json::value activity_document(const Timer& timer, TimePoint now) {
  if (timer.status == TimerStatus::kEnded) return nullptr;
  if (timer.status == TimerStatus::kInactive)
    return json::object{{"code", "paused"}, {"reason", timer.inactive_cause}};
  if (!timer.attempt)
    return json::object{{"code", "awaiting_next_run"}, {"next_run", time_or_null(timer.next_run)}};
  const std::string start = format_time(timer.attempt->started);
  if (timer.attempt->failures > 0)
    return json::object{{"code", "retrying"}, {"start_timestamp", start}};
  const Duration duration = std::max(now - timer.attempt->started, Duration(0));
  return json::object{{"code", "run_in_progress"},
                      {"start_timestamp", start},
                      {"duration_seconds", duration / seconds(1)}};
}

json::value inactive_reason(const Timer& timer) {
  if (timer.status != TimerStatus::kInactive) return nullptr;
  return json::object{{"cause", timer.inactive_cause}, {"detail", nullptr}};
}

json::object run_document(const TimerRun& run) {
  const bool failed = run.task_id.empty();
  json::value data = nullptr, errors = nullptr;
  if (failed)
    errors = json::array{json_text(run.error)};
  else
    data = json::object{{"task_id", run.task_id}, {"submission_id", run.submission_id}};
  return {{"ran_at", format_time(run.started)},
          {"status", failed ? 400 : 202},
          {"run_status", failed ? "failed" : "success"},
          {"data", std::move(data)},
          {"errors", std::move(errors)},
          {"start_timestamp", format_time(run.started)},
          {"end_timestamp", format_time(run.ended)}};
}

// Stored by us, so that it can be read.
json::value body_value(const Timer& timer) {
  auto parsed = parse_object(timer.body);
  return parsed ? json::value(std::move(parsed).value()) : json::value(nullptr);
}

// What both shapes have.
json::object common_document(const Timer& timer, TimePoint now) {
  const bool is_active = timer.status == TimerStatus::kNew || timer.status == TimerStatus::kLoaded;
  return {{"job_id", timer.id},
          {"name", json_text(timer.name)},
          {"timer_type", "transfer"},
          {"schedule", schedule_document(timer.schedule)},
          {"status", json_view(to_string(timer.status))},
          {"submitted_at", format_time(timer.submitted)},
          {"last_ran_at", time_or_null(timer.last_ran)},
          {"next_run", is_active ? time_or_null(timer.next_run) : json::value(nullptr)},
          {"inactive_reason", inactive_reason(timer)},
          {"activity", activity_document(timer, now)}};
}

// At most as long as a label may be, with the number of the run whole.
std::string label_of(const Timer& timer) {
  const std::string end = fmt::format(", run {}", timer.runs + 1);
  const auto begins_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  };
  std::size_t left = tasks::kMaxLabelCharacters - end.size();
  std::size_t bytes = 0;
  for (; bytes < timer.name.size(); ++bytes) {
    if (begins_character(timer.name[bytes]) && left-- == 0) break;
  }
  return timer.name.substr(0, bytes) + end;
}

}  // namespace

std::string_view to_string(TimerStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

std::optional<TimerStatus> parse_timer_status(std::string_view text) {
  const auto found = std::find(kStatusNames.begin(), kStatusNames.end(), text);
  if (found == kStatusNames.end()) return std::nullopt;
  return static_cast<TimerStatus>(found - kStatusNames.begin());
}

Result<TimerCreation> read_timer(const json::object& document, TimePoint now, TimerPlace& place) {
  const PartReader whole(document, {}, place);
  TRY_ASSIGN(const json::object* object, whole.require_object("timer"));
  const PartReader reader = whole.part(*object, "timer");
  std::string type = "transfer";
  TRY(reader.get("timer_type", type));
  if (type != "transfer")
    return reader.error("timer_type", "must be \"transfer\": this service runs no flows");
  TimerCreation creation{.name = std::string(kDefaultName), .schedule = {}, .body = {}};
  TRY(get_name(reader, creation.name));
  TRY_ASSIGN(creation.schedule, read_schedule(reader, now));
  TRY_ASSIGN(creation.body, read_body(reader));
  return creation;
}

Result<TimerCreation> read_timer_job(const json::object& document, TimePoint now,
                                     TimerPlace& place) {
  const PartReader reader(document, {}, place);
  TRY(check_callback(reader));
  TimerCreation creation{.name = std::string(kDefaultName), .schedule = {}, .body = {}};
  TRY(get_name(reader, creation.name));
  TRY(get_start(reader, "start", now, creation.schedule.start));
  if (reader.has("interval")) TRY(get_interval(reader, "interval", creation.schedule.interval));
  TRY(get_end_time(reader, "stop_after", creation.schedule));
  TRY(get_end_runs(reader, "stop_after_n", creation.schedule));
  TRY_ASSIGN(const json::object* callback, reader.require_object("callback_body"));
  TRY_ASSIGN(creation.body, read_body(reader.part(*callback, "callback_body")));
  return creation;
}

Result<std::string> read_timer_change(const json::object& document, TimerPlace& place) {
  const PartReader reader(document, {}, place);
  for (const auto& member : document) {
    const std::string_view name(member.key().data(), member.key().size());
    if (name != "name" && !member.value().is_null())
      return reader.error(name, "cannot be changed; create another timer");
  }
  std::string name;
  TRY(reader.require("name", name));
  TRY(get_name(reader, name));
  return name;
}

Result<json::object> timer_submission(const Timer& timer, const std::string& submission_id) {
  TRY_ASSIGN(json::object document, parse_object(timer.body));
  document["submission_id"] = submission_id;
  document["label"] = label_of(timer);
  return document;
}

json::object timer_document(const Timer& timer, TimePoint now) {
  json::object document = common_document(timer, now);
  document["body"] = body_value(timer);
  document["number_of_runs"] = timer.runs;
  document["number_of_errors"] = timer.errors;
  return document;
}

json::object timer_job_document(const Timer& timer, TimePoint now, std::size_t results) {
  json::object document = common_document(timer, now);
  document["start"] = format_time(timer.schedule.start);
  document["interval"] = timer.schedule.is_recurring()
                             ? json::value(timer.schedule.interval / seconds(1))
                             : json::value(nullptr);
  document["stop_after"] =
      json::object{{"date", time_or_null(timer.schedule.end_time)},
                   {"n_runs", timer.schedule.end_runs ? json::value(*timer.schedule.end_runs)
                                                      : json::value(nullptr)}};
  document["n_runs"] = timer.runs;
  document["n_errors"] = timer.errors;
  document["callback_url"] = json_view(kCallbackUrl);
  document["callback_body"] = json::object{{"body", body_value(timer)}};
  document["scope"] = nullptr;
  json::array runs;
  for (const TimerRun& run : timer.results) {
    if (runs.size() < results) runs.push_back(run_document(run));
  }
  document["results"] = json::object{{"data", std::move(runs)}, {"page_next", nullptr}};
  return document;
}

json::object timer_error_document(unsigned status, std::string_view code, std::string_view detail) {
  return {
      {"error",
       json::object{{"code", json_view(code)}, {"detail", json_text(detail)}, {"status", status}}}};
}

json::object timer_invalid_document(const TimerPlace& place, std::string_view message) {
  json::array location{"body"};
  for (const std::string& name : place) location.push_back(json::string(name));
  const bool is_missing = message.ends_with("is missing");
  return {{"detail", json::array{json::object{
                         {"loc", std::move(location)},
                         {"msg", json_text(message)},
                         {"type", is_missing ? "value_error.missing" : "value_error"}}}}};
}

}  // namespace wherry::api
