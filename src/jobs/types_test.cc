// SPDX-License-Identifier: Apache-2.0
#include "jobs/types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/path.h"

namespace wherry::jobs {
namespace {

TEST(RemotePaths, AliasAndPathAreDividedByTheFirstColon) {
  const RemotePath place = parse_remote_path("lab:/data/run 4/in.dat").value();
  EXPECT_EQ(place.location_alias, "lab");
  EXPECT_EQ(place.path, "/data/run 4/in.dat");
}

// B10
TEST(Defects, B10ColonsInPathsAreKept) {
  const RemotePath place = parse_remote_path("lab:/2024-01-01T10:20:30/a:b").value();
  EXPECT_EQ(place.location_alias, "lab");
  EXPECT_EQ(place.path, "/2024-01-01T10:20:30/a:b");
}

// B12
TEST(Defects, B12PathsMayBeAsLongAsTheFileSystemTakesThem) {
  std::string path;
  while (path.size() < 3900) path += "/a component of fair length";
  EXPECT_EQ(parse_remote_path("lab:" + path).value().path, path);
}

// B20
TEST(Defects, B20ThePathOfAnItemIsKeptByteForByte) {
  for (const std::string path : {"/data/", "/data//twice", "/latin-\xe9.txt", "/", "/line\nend"})
    EXPECT_EQ(parse_remote_path("lab:" + path).value().path, path);
}

TEST(RemotePaths, WhatIsNoPlaceIsRefusedAndSaysWhy) {
  struct {
    std::string text;
    std::string_view why;
  } const cases[] = {
      {"", "ALIAS:/PATH"},
      {"/data/in.dat", "ALIAS:/PATH"},
      {":/data", "at no location"},
      {"lab:", "does not begin with '/'"},
      {"lab:data/in", "does not begin with '/'"},
      {"lab:~/in", "does not begin with '/'"},
      {"lab:/data/../../etc/passwd", ".."},
      {std::string("lab:/a\0b", 8), "NUL"},
      {"lab:/" + std::string(kMaxNameBytes + 1, 'x'), "lab"},
  };
  for (const auto& bad : cases) {
    const auto parsed = parse_remote_path(bad.text);
    ASSERT_FALSE(parsed) << bad.text;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_THAT(parsed.error().message, testing::HasSubstr(bad.why));
  }
}

TEST(RemotePaths, APlaceWithoutAnAliasIsRefusedHoweverItCame) {
  EXPECT_FALSE(check_remote_path({"", "/data"}));
  EXPECT_FALSE(check_remote_path({"lab", "data"}));
  EXPECT_TRUE(check_remote_path({"lab", "/data"}));
}

TEST(Words, DirectionsAndModesReadBack) {
  for (const Direction direction : {Direction::kIn, Direction::kOut})
    EXPECT_EQ(parse_direction(to_string(direction)).value(), direction);
  for (const JobMode mode : {JobMode::kSerial, JobMode::kMpi})
    EXPECT_EQ(parse_job_mode(to_string(mode)).value(), mode);
  EXPECT_THAT(parse_direction("up").error().message, testing::HasSubstr("in and out"));
  EXPECT_THAT(parse_job_mode("omp").error().message, testing::HasSubstr("serial and mpi"));
}

}  // namespace
}  // namespace wherry::jobs
