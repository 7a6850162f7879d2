// SPDX-License-Identifier: Apache-2.0
// Timers as Globus Timers tells of them, in both of its shapes: the "timer" of /v2/timer and the
// older "job" of everything else.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry::api {

// Enumerators in the order of a timer's life.
enum class TimerStatus {
  kNew,       // nobody has looked at it yet
  kLoaded,    // waits for its next run
  kInactive,  // somebody must act
  kEnded,
};
std::string_view to_string(TimerStatus status);  // "new", "loaded", "inactive", "ended"
std::optional<TimerStatus> parse_timer_status(std::string_view text);

struct TimerSchedule {
  TimePoint start{};     // when the first run is due
  Duration interval{0};  // whole seconds; 0: there is one run
  // What ends it, whichever comes first.
  std::optional<std::uint64_t> end_runs = {};
  std::optional<TimePoint> end_time = {};

  bool is_recurring() const { return interval > Duration(0); }
  friend bool operator==(const TimerSchedule&, const TimerSchedule&) = default;
};

// A run that is over: a transfer was submitted, or could not be.
struct TimerRun {
  std::uint64_t number = 0;  // from 1
  std::string submission_id;
  TimePoint started{};
  TimePoint ended{};
  std::string task_id = {};  // empty: it failed
  std::string error = {};    // of one that failed
  friend bool operator==(const TimerRun&, const TimerRun&) = default;
};

struct Timer {
  std::string id;  // a UUID in lower case
  std::string owner;
  std::string name;
  TimerSchedule schedule;
  std::string body;  // JSON: a transfer document without submission_id
  TimerStatus status = TimerStatus::kNew;
  TimePoint submitted{};
  std::optional<TimePoint> last_ran;
  std::optional<TimePoint> next_run;  // none: it has ended
  std::uint64_t runs = 0;             // that are over
  std::uint64_t errors = 0;           // of these
  std::string inactive_cause;         // "user"; of kInactive
  std::vector<TimerRun> results;      // of the last runs, newest first

  // The run whose transfer is being submitted.
  struct Attempt {
    std::string submission_id;
    TimePoint started{};
    int failures = 0;  // so far; above 0 it waits to try again
    friend bool operator==(const Attempt&, const Attempt&) = default;
  };
  std::optional<Attempt> attempt;
};

// Where a request is wrong: {"timer", "schedule", "interval_seconds"}.
using TimerPlace = std::vector<std::string>;

struct TimerCreation {
  std::string name;
  TimerSchedule schedule;
  std::string body;  // as in Timer
};

// Readers answer kInvalid with what is wrong, and set `place` to where. They check all but the
// body, which is api/requests.h's. What does not say when it begins begins `now`.

// {"timer": {…}} of POST /v2/timer.
Result<TimerCreation> read_timer(const boost::json::object& document, TimePoint now,
                                 TimerPlace& place);
// Of POST /jobs/.
Result<TimerCreation> read_timer_job(const boost::json::object& document, TimePoint now,
                                     TimerPlace& place);
// The new name: the one thing that PATCH changes.
Result<std::string> read_timer_change(const boost::json::object& document, TimerPlace& place);

// What is submitted for a run: the body with a submission id and the label "<name>, run N".
Result<boost::json::object> timer_submission(const Timer& timer, const std::string& submission_id);

boost::json::object timer_document(const Timer& timer, TimePoint now);
boost::json::object timer_job_document(const Timer& timer, TimePoint now, std::size_t results);

// {"error": {"code", "detail", "status"}}
boost::json::object timer_error_document(unsigned status, std::string_view code,
                                         std::string_view detail);
// Of status 422: {"detail": [{"loc", "msg", "type"}]}.
boost::json::object timer_invalid_document(const TimerPlace& place, std::string_view message);

}  // namespace wherry::api
