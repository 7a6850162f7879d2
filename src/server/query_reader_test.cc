// SPDX-License-Identifier: Apache-2.0
#include "server/query_reader.h"

#include <gmock/gmock.h>

#include "base/units.h"
#include "server/job_queries.h"

namespace wherry::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Request asked(std::vector<std::pair<std::string, std::string>> query) {
  Request request;
  request.query = std::move(query);
  return request;
}
std::string refusal(std::vector<std::pair<std::string, std::string>> query) {
  const auto read = read_job_query(asked(std::move(query)));
  if (read) return "";
  EXPECT_EQ(read.error().code, Code::kInvalid);
  return read.error().message;
}

TEST(JobQuery, SetsAreRepeatedParameters) {
  const auto filter = read_job_query(asked({{"state", "READY"},
                                            {"state", "failed"},
                                            {"id", "7"},
                                            {"id", "9"},
                                            {"state__ne", "RUNNING"}}))
                          .value();
  EXPECT_THAT(filter.states, ElementsAre(jobs::JobState::kReady, jobs::JobState::kFailed));
  EXPECT_THAT(filter.ids, ElementsAre(7, 9));
  EXPECT_THAT(filter.excluded_states, ElementsAre(jobs::JobState::kRunning));
}

TEST(JobQuery, TheFirstColonOfATagSeparates) {
  const auto filter = read_job_query(asked({{"tags", "run:3:a"}, {"tags", "beam:on"}})).value();
  EXPECT_EQ(filter.tags, (jobs::TextMap{{"beam", "on"}, {"run", "3:a"}}));
  EXPECT_THAT(refusal({{"tags", "run"}}), HasSubstr("KEY:VALUE"));
  EXPECT_THAT(refusal({{"tags", "run:3"}, {"tags", "run:4"}}), HasSubstr("two values"));
}

TEST(JobQuery, TimesPagesAndOrderAreRead) {
  const auto filter = read_job_query(asked({{"last_update_after", "2030-01-01T12:00:00Z"},
                                            {"pending_file_cleanup", "false"},
                                            {"ordering", "-last_update"},
                                            {"limit", "5"},
                                            {"offset", "10"}}))
                          .value();
  EXPECT_EQ(filter.updated_after, parse_time("2030-01-01T12:00:00Z").value());
  EXPECT_EQ(filter.pending_file_cleanup, false);
  EXPECT_EQ(filter.order, jobs::JobFilter::Order::kLastUpdate);
  EXPECT_EQ(filter.sorting, jobs::Sorting::kDescending);
  EXPECT_EQ(filter.limit, 5u);
  EXPECT_EQ(filter.offset, 10u);
}

TEST(JobQuery, APageIsNeverLargerThanTheLargest) {
  EXPECT_EQ(read_job_query(asked({{"limit", "100000000"}}))->limit, jobs::kMaxPage);
  EXPECT_EQ(read_job_query(asked({}))->limit, jobs::kMaxPage);
  EXPECT_EQ(read_job_query(asked({{"limit", "0"}}))->limit, 0u);
}

TEST(JobQuery, WhatIsWrongIsNamed) {
  EXPECT_THAT(refusal({{"id", "seven"}}), HasSubstr("id: 'seven'"));
  EXPECT_THAT(refusal({{"id", ""}}), HasSubstr("id: ''"));
  EXPECT_THAT(refusal({{"state", "DONE"}}), HasSubstr("state: "));
  EXPECT_THAT(refusal({{"limit", "-1"}}), HasSubstr("limit: must be 0 or more"));
  EXPECT_THAT(refusal({{"limit", "1"}, {"limit", "2"}}), HasSubstr("limit: is given twice"));
  EXPECT_THAT(refusal({{"ordering", "name"}}), HasSubstr("id, last_update, state, workdir"));
  EXPECT_THAT(refusal({{"workdir__contains", ""}}), HasSubstr("is empty"));
}

// A filter that is misspelt must not let everything pass.
TEST(JobQuery, AParameterThatNobodyReadsIsRefused) {
  EXPECT_THAT(refusal({{"states", "READY"}}), HasSubstr("states: is not known here: id, "));
}

TEST(JobSelection, ChangesOfEverythingMustBeMeant) {
  EXPECT_THAT(read_job_selection(asked({})).error().message, HasSubstr("no filter is given"));
  EXPECT_TRUE(read_job_selection(asked({{"site_id", "1"}})));
  EXPECT_THAT(read_job_selection(asked({{"limit", "1"}})).error().message,
              HasSubstr("is not known here"));
}

}  // namespace
}  // namespace wherry::server
