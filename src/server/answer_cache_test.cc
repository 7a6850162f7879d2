// SPDX-License-Identifier: Apache-2.0
#include "server/answer_cache.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include "base/scratch_directory.h"

namespace wherry::server {
namespace {

constexpr Migration kNotes[] = {{"notes", 1, "create table note (text text not null);"}};

Request request(const std::string& path = "/task/1", const std::string& token = "ada") {
  Request request;
  request.path = path;
  request.headers = {{"authorization", "Bearer " + token}};
  return request;
}

class AnswerCacheTest : public testing::Test {
 protected:
  AnswerCacheTest() { database_->migrate(kNotes).value(); }

  void commit() {
    database_
        ->write([](soci::session& sql) -> Result<void> {
          sql << "insert into note (text) values ('a')";
          return {};
        })
        .value();
  }
  void keep(const Request& request, const std::string& body) {
    keep_as_of(version(), request, body);
  }
  void keep_as_of(std::int64_t version, const Request& request, const std::string& body,
                  bool holds = true) {
    Response response;
    response.body = body;
    response.holds_until_commit = holds;
    cache_.keep(request, version, {nullptr, "ada", clock_.now() + std::chrono::hours(1), response});
  }
  std::int64_t version() { return cache_.version().value(); }
  // Empty if nothing is kept.
  std::string found(const Request& request) {
    const auto kept = cache_.find(request);
    return kept ? kept->response.body : std::string();
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Database> database_ = Database::open({.path = scratch_.file("a.db")}).value();
  FakeClock clock_;
  AnswerCache cache_{*database_, clock_, {.answers = 3, .bytes = 100, .answer_bytes = 60}};
};

TEST_F(AnswerCacheTest, AnAnswerIsThereUntilSomethingIsCommitted) {
  EXPECT_EQ(found(request()), "");
  keep(request(), "one");
  EXPECT_EQ(found(request()), "one");
  commit();
  EXPECT_EQ(found(request()), "");
  // Also when the new version is known already.
  version();
  EXPECT_EQ(found(request()), "");
}

TEST_F(AnswerCacheTest, WhatWasLookedAtBeforeACommitIsNotGivenAfterIt) {
  const std::int64_t before = version();
  commit();
  version();
  keep_as_of(before, request(), "old");
  EXPECT_EQ(found(request()), "");
}

TEST_F(AnswerCacheTest, AnAnswerThatDoesNotHoldIsNotKept) {
  keep_as_of(version(), request(), "for now", /*holds=*/false);
  EXPECT_EQ(found(request()), "");
}

TEST_F(AnswerCacheTest, AnotherTokenPathQueryOrMethodIsAnotherRequest) {
  Request asked = request();
  asked.query = {{"a", "1"}, {"b", ""}};
  keep(asked, "one");
  EXPECT_EQ(found(asked), "one");
  std::vector<Request> others(6, asked);
  others[0].headers = {{"authorization", "Bearer bob"}};
  others[1].headers.clear();
  others[2].path = "/task/2";
  others[3].query = {{"b", ""}, {"a", "1"}};
  others[4].query = {{"a", "1b"}, {"", ""}};
  others[5].method = Method::kDelete;
  for (const Request& other : others) EXPECT_EQ(found(other), "") << &other - others.data();
  asked.method = Method::kHead;
  EXPECT_EQ(found(asked), "one");
}

TEST_F(AnswerCacheTest, WithTheTokenEndsTheAnswer) {
  keep(request(), "one");
  clock_.advance(std::chrono::minutes(59));
  EXPECT_EQ(found(request()), "one");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(found(request()), "");
}

TEST_F(AnswerCacheTest, ItHoldsNoMoreThanItsLimits) {
  keep(request("/1"), std::string(61, 'x'));
  EXPECT_EQ(found(request("/1")), "");
  keep(request("/1"), std::string(60, 'x'));
  keep(request("/2"), std::string(40, 'x'));
  EXPECT_NE(found(request("/1")), "");
  keep(request("/3"), "c");
  EXPECT_EQ(found(request("/1")), "");
  EXPECT_EQ(found(request("/3")), "c");
  for (const char* path : {"/4", "/5", "/6"}) keep(request(path), "d");
  EXPECT_EQ(found(request("/3")), "");
  EXPECT_EQ(found(request("/6")), "d");
}

}  // namespace
}  // namespace wherry::server
