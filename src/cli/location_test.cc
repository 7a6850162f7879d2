// SPDX-License-Identifier: Apache-2.0
#include "cli/location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scratch_directory.h"

namespace wherry::cli {
namespace {

using ::testing::HasSubstr;

TEST(ParseLocation, SplitsAtTheFirstColonBeforeAnySlash) {
  EXPECT_EQ(parse_location("lab:/a:b")->endpoint, "lab");
  EXPECT_EQ(parse_location("lab:/a:b")->path, "/a:b");
  EXPECT_EQ(parse_location("lab:")->endpoint, "lab");
  EXPECT_EQ(parse_location("lab:")->path, "");
  EXPECT_FALSE(parse_location("./lab:x")->endpoint);
  EXPECT_FALSE(parse_location("/data/lab:x")->endpoint);
  EXPECT_FALSE(parse_location("lab")->endpoint);
}

TEST(ParseLocation, RefusesNothingAndAnEndpointWithoutName) {
  EXPECT_EQ(parse_location("").error().code, Code::kInvalid);
  EXPECT_EQ(parse_location(":/a").error().code, Code::kInvalid);
}

TEST(ParseLocation, SeesTheSlashAtTheEnd) {
  EXPECT_TRUE(parse_location("lab:/a/")->ends_in_slash);
  EXPECT_FALSE(parse_location("lab:/a")->ends_in_slash);
}

class ResolvePlace : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(database_->migrate(endpoints::endpoint_migrations()));
    endpoints::NewEndpoint request;
    request.display_name = "lab";
    request.location = scratch_.path();
    request.owner = "me";
    lab_ = endpoints_.create(request).value();
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Database> database_ = Database::open({.path = ":memory:"}).value();
  FakeClock clock_;
  SeededRandom random_{1};
  endpoints::Endpoints endpoints_{*database_, clock_, random_};
  endpoints::Endpoint lab_;
};

TEST_F(ResolvePlace, FindsEndpointsByNameAndById) {
  for (const std::string& name : {std::string("lab"), lab_.id}) {
    const auto place = resolve_place(endpoints_, name + ":/run42/a");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->endpoint.id, lab_.id);
    EXPECT_EQ(place->path.text(), "run42/a");
    EXPECT_EQ(place->shown(), "lab:/run42/a");
  }
}

TEST_F(ResolvePlace, APlainPathIsOnTheLocalEndpoint) {
  const auto place = resolve_place(endpoints_, "/tmp/a");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->endpoint.id, endpoints::kLocalId);
  EXPECT_EQ(place->shown(), "/tmp/a");
}

TEST_F(ResolvePlace, RefusesARelativePathWithAdvice) {
  const auto place = resolve_place(endpoints_, "lab:run42");
  EXPECT_EQ(place.error().code, Code::kInvalid);
  EXPECT_THAT(place.error().message, HasSubstr("write 'lab:/run42'"));
}

TEST_F(ResolvePlace, ARelativePathCountsFromTheDefaultDirectory) {
  endpoints::EndpointChange change;
  change.default_directory = "/runs";
  ASSERT_TRUE(endpoints_.update(lab_.id, change));
  EXPECT_EQ(resolve_place(endpoints_, "lab:42/a")->path.text(), "runs/42/a");
  EXPECT_EQ(resolve_place(endpoints_, "lab:")->path.text(), "runs");
  EXPECT_EQ(resolve_place(endpoints_, "lab:/42")->path.text(), "42");
}

TEST_F(ResolvePlace, RefusesAPathThatLeavesTheRoot) {
  EXPECT_EQ(resolve_place(endpoints_, "lab:/../etc").error().code, Code::kInvalid);
}

TEST_F(ResolvePlace, AnUnknownEndpointIsNamedWithTheNearest) {
  const auto place = resolve_place(endpoints_, "lba:/a");
  EXPECT_THAT(place.error().message, HasSubstr("lab"));
}

TEST(AbsoluteLocalPath, FollowsParentStepsAsTheKernelDoes) {
  const ScratchDirectory scratch;
  ASSERT_EQ(::mkdir(scratch.file("real").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(scratch.file("real/deep").c_str(), 0700), 0);
  ASSERT_EQ(::symlink("real/deep", scratch.file("link").c_str()), 0);
  EXPECT_EQ(absolute_local_path(scratch.file("link/../a")).value(), scratch.file("real/a"));
  // A link at the end is what is meant, not what it points to.
  EXPECT_EQ(absolute_local_path(scratch.file("real/../link")).value(), scratch.file("link"));
}

TEST(ResolvePathElsewhere, ATildeIsTheDefaultDirectory) {
  endpoints::Endpoint cluster;
  cluster.display_name = "cluster";
  cluster.default_directory = "/home/ada/";
  const auto resolved = [&](std::string_view path) {
    return resolve_path_elsewhere(cluster, path).value().text();
  };
  EXPECT_EQ(resolved("/~/data"), "home/ada/data");
  EXPECT_EQ(resolved("~/data"), "home/ada/data");
  EXPECT_EQ(resolved("~"), "home/ada");
  EXPECT_EQ(resolved(""), "home/ada");
  EXPECT_EQ(resolved("data"), "home/ada/data");
  EXPECT_EQ(resolved("/~ada"), "~ada");
  EXPECT_EQ(resolved("/"), "");
  cluster.default_directory.clear();
  EXPECT_EQ(resolve_path_elsewhere(cluster, "~/data").error().code, Code::kInvalid);
  EXPECT_EQ(resolved(""), "");
}

TEST(AbsoluteLocalPath, CountsFromTheWorkingDirectory) {
  char directory[4096];
  ASSERT_NE(::getcwd(directory, sizeof directory), nullptr);
  EXPECT_EQ(absolute_local_path("a/b").value(), std::string(directory) + "/a/b");
}

}  // namespace
}  // namespace wherry::cli
