// SPDX-License-Identifier: Apache-2.0
// Timers against files of tests/data/api, which were written from the contract.
#include "api/timer_documents.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/golden.h"
#include "api/json.h"
#include "base/units.h"
#include "tasks/types.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::seconds;

const TimePoint kNow = parse_time("2021-09-02T18:04:47Z").value();

json::object sent(const json::object& document) { return parse_object(to_text(document)).value(); }

Timer nightly() {
  Timer timer;
  timer.id = "11111111-0000-4000-8000-000000000004";
  timer.owner = "ada";
  timer.name = "nightly";
  timer.schedule = {.start = kNow, .interval = hours(24), .end_runs = 5};
  timer.body = R"({"DATA_TYPE":"transfer","DATA":[]})";
  timer.status = TimerStatus::kLoaded;
  timer.submitted = kNow - seconds(7);
  timer.last_ran = kNow;
  timer.next_run = kNow + hours(24);
  timer.runs = 2;
  timer.errors = 1;
  timer.results = {{.number = 2,
                    .submission_id = "22222222-0000-4000-8000-000000000005",
                    .started = kNow,
                    .ended = kNow + seconds(1),
                    .task_id = "33333333-0000-4000-8000-000000000006",
                    .error = {}},
                   {.number = 1,
                    .submission_id = "22222222-0000-4000-8000-000000000007",
                    .started = kNow - hours(24),
                    .ended = kNow - hours(24),
                    .task_id = {},
                    .error = "no such endpoint"}};
  return timer;
}

TEST(TimerDocuments, ATimerHasEveryKeyOfTheContract) {
  EXPECT_EQ(sent(timer_document(nightly(), kNow)), golden("timer"));
}

TEST(TimerDocuments, AJobHasEveryKeyOfTheContract) {
  EXPECT_EQ(sent(timer_job_document(nightly(), kNow, 10)), golden("timer_job"));
}

TEST(TimerDocuments, APausedTimerSaysWhyAndHasNoNextRun) {
  Timer timer = nightly();
  timer.status = TimerStatus::kInactive;
  timer.inactive_cause = "user";
  const json::object document = timer_document(timer, kNow);
  EXPECT_EQ(document.at("status").as_string(), "inactive");
  EXPECT_EQ(document.at("inactive_reason").at("cause").as_string(), "user");
  EXPECT_EQ(document.at("activity").at("code").as_string(), "paused");
  EXPECT_TRUE(document.at("next_run").is_null());
}

TEST(TimerDocuments, ActivityTellsARunFromOneThatIsTriedAgain) {
  Timer timer = nightly();
  timer.attempt = Timer::Attempt{.submission_id = "s", .started = kNow - seconds(9)};
  EXPECT_EQ(timer_document(timer, kNow).at("activity").at("duration_seconds").as_int64(), 9);
  timer.attempt->failures = 1;
  EXPECT_EQ(timer_document(timer, kNow).at("activity").at("code").as_string(), "retrying");
}

TEST(TimerDocuments, ASubmissionIsTheBodyWithAnIdAndTheNumberOfTheRun) {
  const json::object document = timer_submission(nightly(), "id").value();
  EXPECT_EQ(document.at("submission_id").as_string(), "id");
  EXPECT_EQ(document.at("label").as_string(), "nightly, run 3");
}

TEST(TimerDocuments, ALongNameIsCutAtACharacterSoThatTheLabelFits) {
  Timer timer = nightly();
  timer.name.clear();
  for (std::size_t i = 0; i < tasks::kMaxLabelCharacters; ++i) timer.name += "ä";
  const json::object document = timer_submission(timer, "id").value();
  const std::string label(document.at("label").as_string());
  const std::string end = ", run 3";
  EXPECT_TRUE(label.ends_with("ä" + end));
  EXPECT_EQ(label.size(), 2 * (tasks::kMaxLabelCharacters - end.size()) + end.size());
}

// ---- reading

TimerCreation read(const std::string& text) {
  TimerPlace place;
  return read_timer(parse_object(text).value(), kNow, place).value();
}

// Where and what is wrong: "timer.schedule.type must be …".
std::string error_of(const std::string& text) {
  TimerPlace place;
  const auto creation = read_timer(parse_object(text).value(), kNow, place);
  if (creation) return "";
  EXPECT_EQ(creation.error().code, Code::kInvalid);
  return fmt::format("{}: {}", fmt::join(place, "."), creation.error().message);
}

std::string with_schedule(const std::string& schedule) {
  return R"({"timer": {"schedule": )" + schedule + R"(, "body": {}}})";
}

TEST(TimerRequests, WhatSaysNotWhenRunsNow) {
  const TimerCreation creation = read(with_schedule(R"({"type": "once"})"));
  EXPECT_EQ(creation.schedule, (TimerSchedule{.start = kNow}));
  EXPECT_EQ(creation.name, "timer");
}

TEST(TimerRequests, ARecurringScheduleEndsByRunsOrByTime) {
  TimerSchedule expected{.start = kNow + hours(1), .interval = seconds(60), .end_runs = 5};
  EXPECT_EQ(read(with_schedule(R"({"type": "recurring", "interval_seconds": 60,
      "start": "2021-09-02T19:04:47+00:00", "end": {"condition": "iterations", "count": 5}})"))
                .schedule,
            expected);
  expected.end_runs.reset();
  expected.end_time = kNow + hours(2);
  EXPECT_EQ(read(with_schedule(R"({"type": "recurring", "interval_seconds": 60,
      "start": "2021-09-02T19:04:47Z", "end": {"condition": "time",
      "datetime": "2021-09-02T20:04:47Z"}})"))
                .schedule,
            expected);
}

TEST(TimerRequests, TheOtherNamesOfTheDocumentationAreUnderstood) {
  const TimerSchedule schedule = read(with_schedule(R"({"type": "recurring", "interval": 60,
          "end": {"condition": "iterations", "iterations": 2}})"))
                                     .schedule;
  EXPECT_EQ(schedule.interval, seconds(60));
  EXPECT_EQ(schedule.end_runs, 2u);
}

TEST(TimerRequests, TheSubmissionIdOfABodyIsLeftOut) {
  const TimerCreation creation = read(R"({"timer": {"schedule": {"type": "once"},
      "body": {"submission_id": "x", "skip_activation_check": true, "label": "l"}}})");
  EXPECT_EQ(creation.body, R"({"label":"l"})");
}

TEST(TimerRequests, ErrorsNameTheMember) {
  const struct {
    std::string text;
    std::string place;
  } cases[] = {
      {"{}", "timer: timer is missing"},
      {R"({"timer": {"timer_type": "flow"}})", "timer.timer_type: "},
      {R"({"timer": {"name": ""}})", "timer.name: name is empty"},
      {R"({"timer": {"name": "a\nb"}})", "timer.name: name has control characters"},
      {R"({"timer": {"schedule": 5}})", "timer.schedule: schedule must be an object"},
      {with_schedule(R"({"type": "weekly"})"), "timer.schedule.type: "},
      {with_schedule(R"({"type": "once", "datetime": "soon"})"), "timer.schedule.datetime: "},
      {with_schedule(R"({"type": "once", "datetime": "2023-01-01"})"), "timer.schedule.datetime: "},
      {with_schedule(R"({"type": "recurring", "interval_seconds": 59})"),
       "timer.schedule.interval_seconds: "},
      {with_schedule(R"({"type": "recurring", "interval_seconds": 31536001})"),
       "timer.schedule.interval_seconds: "},
      {with_schedule(R"({"type": "recurring", "interval_seconds": 60, "end": {}})"),
       "timer.schedule.end.condition: condition is missing"},
      {with_schedule(R"({"type": "recurring", "interval_seconds": 60,
           "end": {"condition": "iterations", "count": 0}})"),
       "timer.schedule.end.count: "},
      {with_schedule(R"({"type": "recurring", "interval_seconds": 60,
           "end": {"condition": "time", "datetime": "2020-01-01"}})"),
       "timer.schedule.end.datetime: "},
      {R"({"timer": {"schedule": {"type": "once"}}})", "timer.body: body is missing"},
  };
  for (const auto& [text, place] : cases) {
    const std::string error = error_of(text);
    EXPECT_TRUE(error.starts_with(place)) << text << " gives '" << error << "'";
  }
}

TEST(TimerRequests, AJobOfTheOlderShapeIsRead) {
  TimerPlace place;
  const auto creation = read_timer_job(parse_object(R"({
      "callback_url": "https://actions.automate.globus.org/transfer/transfer/run",
      "callback_body": {"body": {"source_endpoint_id": "a", "destination_endpoint_id": "b",
                                 "transfer_items": []}},
      "name": "old", "start": "2021-09-03", "interval": 3600, "stop_after_n": 7})")
                                           .value(),
                                       kNow, place)
                            .value();
  EXPECT_EQ(creation.name, "old");
  EXPECT_EQ(creation.schedule.interval, hours(1));
  EXPECT_EQ(creation.schedule.end_runs, 7u);
  const json::object body = parse_object(creation.body).value();
  EXPECT_EQ(body.at("source_endpoint").as_string(), "a");
  EXPECT_TRUE(body.at("DATA").is_array());
}

TEST(TimerRequests, AJobThatCallsAnotherServiceIsRefused) {
  TimerPlace place;
  const auto creation = read_timer_job(
      parse_object(R"({"callback_url": "https://example.org/run", "callback_body": {"body": {}}})")
          .value(),
      kNow, place);
  ASSERT_FALSE(creation);
  EXPECT_EQ(place, TimerPlace{"callback_url"});
}

TEST(TimerErrors, BothKindsHaveTheirOwnDocument) {
  EXPECT_EQ(to_text(timer_error_document(404, "NotFound", "no timer")),
            R"({"error":{"code":"NotFound","detail":"no timer","status":404}})");
  EXPECT_EQ(
      to_text(timer_invalid_document({"timer", "body"}, "body is missing")),
      R"({"detail":[{"loc":["body","timer","body"],"msg":"body is missing","type":"value_error.missing"}]})");
}

}  // namespace
}  // namespace wherry::api
