// SPDX-License-Identifier: Apache-2.0
#include "jobs/work_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class WorkDirectoryTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& content) {
    fs::create_directories(fs::path(at(path)).parent_path());
    std::ofstream(at(path)) << content;
  }
  std::string at(const std::string& path) const { return scratch_.file(path); }
  std::vector<std::string> found(std::string_view pattern) {
    std::vector<std::string> paths;
    const auto all = find_files(scratch_.path(), pattern).value();
    for (const Found& one : all) paths.push_back(one.path + (one.is_directory ? "/" : ""));
    return paths;
  }
  ScratchDirectory scratch_;
};

TEST_F(WorkDirectoryTest, PatternsMatchByComponentAndLeaveHiddenFilesAlone) {
  for (const char* path : {"a.dat", "b.dat", ".c.dat", "x.txt", "run1/log", "run2/log", "run2/d/e"})
    write(path, "1");
  EXPECT_THAT(found("*.dat"), ElementsAre("a.dat", "b.dat"));
  EXPECT_THAT(found("run?/log"), ElementsAre("run1/log", "run2/log"));
  EXPECT_THAT(found("run*"), ElementsAre("run1/", "run2/"));
  EXPECT_THAT(found("[ab].dat"), ElementsAre("a.dat", "b.dat"));
  EXPECT_THAT(found("x.txt"), ElementsAre("x.txt"));
  EXPECT_THAT(found("missing"), IsEmpty());
  EXPECT_THAT(found("missing/*"), IsEmpty());
  EXPECT_EQ(find_files(scratch_.path(), "../*").error().code, Code::kInvalid);
}

TEST_F(WorkDirectoryTest, ASymlinkToADirectoryIsNotEntered) {
  ScratchDirectory elsewhere;
  std::ofstream(elsewhere.file("precious")) << "1";
  fs::create_directory_symlink(elsewhere.path(), at("link"));
  EXPECT_THAT(found("link/*"), IsEmpty());
  EXPECT_THAT(found("*/precious"), IsEmpty());
  ASSERT_TRUE(remove_path(at("link")));
  EXPECT_TRUE(fs::exists(elsewhere.file("precious")));
}

TEST_F(WorkDirectoryTest, AWorkDirectoryCannotLeaveTheSite) {
  Site site;
  site.path = "/site";
  EXPECT_EQ(host_directory(site, "a/b").value(), "/site/data/a/b");
  EXPECT_EQ(host_directory(site, "../x").error().code, Code::kInvalid);
  EXPECT_EQ(host_directory(site, "a/../../x").error().code, Code::kInvalid);
}

TEST_F(WorkDirectoryTest, APlacedFileReplacesWhatWasThere) {
  write("shared", "new");
  for (const Place place : {Place::kLink, Place::kCopy}) {
    write("job/input", "old");
    ASSERT_TRUE(place_file(at("shared"), at("job/input"), place));
    EXPECT_EQ(read_file(at("job/input"), 100).value(), "new");
    ASSERT_TRUE(place_file(at("shared"), at("job/input"), place)) << "a second time";
    EXPECT_EQ(std::distance(fs::directory_iterator(at("job")), fs::directory_iterator()), 1);
    struct stat status;
    ASSERT_EQ(::stat(at("shared").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, place == Place::kLink ? 2u : 1u);
    fs::remove_all(at("job"));
  }
}

TEST_F(WorkDirectoryTest, SharedInputsThatNobodyHasAnyMoreGoAfterADay) {
  Site site;
  site.path = scratch_.path();
  write("data/.shared/1/input", "1");
  write("data/.shared/2/input", "2");
  ASSERT_TRUE(place_file(at("data/.shared/2/input"), at("data/job/input"), Place::kLink));
  const TimePoint now = system_clock().now();
  ASSERT_TRUE(clean_shared(site, now));
  EXPECT_TRUE(fs::exists(at("data/.shared/1/input")));
  ASSERT_TRUE(clean_shared(site, now + std::chrono::hours(25)));
  EXPECT_FALSE(fs::exists(at("data/.shared/1")));
  EXPECT_TRUE(fs::exists(at("data/.shared/2/input")));
}

}  // namespace
}  // namespace wherry::jobs
