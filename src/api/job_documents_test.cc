// SPDX-License-Identifier: Apache-2.0
#include "api/job_documents.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace wherry::api {
namespace {

namespace json = boost::json;

jobs::Job job_of(jobs::JobId id) {
  jobs::Job job;
  job.id = id;
  job.workdir = "run/1";
  job.tags["run"] = "1";
  job.data = R"({"sample": [1, 2]})";
  return job;
}

TEST(JobDocument, DataIsTheObjectThatItsWriterSent) {
  EXPECT_EQ(json::serialize(job_document(job_of(1)).at("data")), R"({"sample":[1,2]})");
  jobs::Job job;
  EXPECT_EQ(json::serialize(job_document(job).at("data")), "{}");
}

// Defect B20: every name can be told and read back.
TEST(JobDocument, B20BytesThatAreNoTextAreEscaped) {
  jobs::Job job = job_of(1);
  job.workdir = "caf\xe9";
  job.tags
      ["sp\xe9"
       "cimen"] = "\xff";
  const std::string text = to_text(job_document(job));
  EXPECT_THAT(text, testing::HasSubstr(R"("workdir":"caf\\xe9")"));
  EXPECT_TRUE(parse_object(text));
}

TEST(JobDocument, WhatAJobHasNotYetIsNull) {
  jobs::Job job;
  const json::object document = job_document(job);
  for (const char* name : {"return_code", "session_id", "batch_job_id"})
    EXPECT_TRUE(document.at(name).is_null()) << name;
  job.return_code = 3;
  EXPECT_EQ(job_document(job).at("return_code").as_int64(), 3);
}

TEST(TransferItemDocument, AnErrorIsToldWhereBalsamTellsIt) {
  jobs::TransferItem item;
  EXPECT_TRUE(transfer_item_document(item).at("transfer_info").as_object().empty());
  item.error = tasks::TaskError{"FILE_NOT_FOUND", "no such file"};
  EXPECT_EQ(transfer_item_document(item).at("transfer_info").at("error").as_string(),
            "no such file");
}

TEST(ListText, IsTheDocumentOfAPage) {
  jobs::Listing<jobs::Job> listing;
  EXPECT_EQ(list_text(listing, job_document), R"({"count":0,"results":[]})");
  listing.count = 9;
  listing.rows = {job_of(3), job_of(4)};
  const json::object page = parse_object(list_text(listing, job_document)).value();
  EXPECT_EQ(page.at("count").as_int64(), 9);
  ASSERT_EQ(page.at("results").as_array().size(), 2u);
  EXPECT_EQ(page.at("results").at(1), json::value(job_document(job_of(4))));
}

TEST(ListText, TheLargestPageIsWhole) {
  jobs::Listing<jobs::Job> listing;
  listing.count = jobs::kMaxPage;
  for (std::size_t i = 0; i < jobs::kMaxPage; ++i)
    listing.rows.push_back(job_of(static_cast<jobs::JobId>(i + 1)));
  const std::string text = list_text(std::move(listing), job_document);
  EXPECT_TRUE(text.ends_with("]}"));
  EXPECT_THAT(text.substr(text.size() - 2000), testing::HasSubstr("\"id\":100000,"));
}

TEST(SiteDocument, SettingsThatCannotBeReadHideNothingElse) {
  jobs::Site site;
  site.name = "theta";
  site.settings = "transfers: [";
  const json::object document = site_document(site);
  EXPECT_EQ(document.at("name").as_string(), "theta");
  EXPECT_TRUE(document.at("transfer_locations").as_object().empty());
}

TEST(BatchJobDocument, TheWordsOfTheSchedulerAreItsMessage) {
  jobs::BatchJob batch_job;
  EXPECT_TRUE(batch_job_document(batch_job).at("scheduler_id").is_null());
  batch_job.status_info = "PENDING (Resources)";
  EXPECT_EQ(batch_job_document(batch_job).at("status_info").at("message").as_string(),
            "PENDING (Resources)");
}

}  // namespace
}  // namespace wherry::api
