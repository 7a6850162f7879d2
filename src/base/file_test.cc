// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "base/scratch_directory.h"
#include "base/worker_pool.h"

namespace wherry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.path()))
      found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

  ScratchDirectory scratch_;
  std::string path_ = scratch_.file("state");
};

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const std::string bytes("a\0b\xff", 4);
  durable_write_file(path_, bytes, 0600).value();
  EXPECT_EQ(read_file(path_, 100).value(), bytes);
  durable_write_file(path_, "shorter", 0600).value();
  EXPECT_EQ(read_file(path_, 100).value(), "shorter");
  EXPECT_THAT(names(), ElementsAre("state"));
}

TEST_F(FileTest, AReplacedFileHasTheModeThatWasAskedFor) {
  durable_write_file(path_, "open", 0644).value();
  durable_write_file(path_, "secret", 0600).value();
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(FileTest, AFailedReplacementLeavesNoTemporary) {
  std::filesystem::create_directories(path_ + "/in the way");
  const auto written = durable_write_file(path_, "bytes", 0600);
  EXPECT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("write '" + path_ + "'"));
  EXPECT_THAT(names(), ElementsAre("state"));
}

TEST_F(FileTest, AMissingDirectoryIsNotFound) {
  const auto written = durable_write_file(scratch_.file("none/state"), "bytes", 0600);
  EXPECT_EQ(written.error().code, Code::kNotFound);
}

TEST_F(FileTest, WritersOfOneFileDoNotDisturbEachOther) {
  std::atomic<int> failures = 0;
  {
    WorkerPool pool({.threads = 4});
    for (char c = 'a'; c <= 'z'; ++c) {
      pool.submit([&, c] {
        if (!durable_write_file(path_, std::string(10'000, c), 0600)) ++failures;
      });
    }
  }
  EXPECT_EQ(failures, 0);
  const std::string bytes = read_file(path_, 1'000'000).value();
  EXPECT_EQ(bytes, std::string(10'000, bytes[0]));
  EXPECT_THAT(names(), ElementsAre("state"));
}

TEST_F(FileTest, AFileAboveTheLimitIsRefusedAndOneAtTheLimitIsNot) {
  durable_write_file(path_, std::string(100'000, 'x'), 0600).value();
  EXPECT_EQ(read_file(path_, 100'000).value().size(), 100'000u);
  const auto read = read_file(path_, 99'999);
  EXPECT_EQ(read.error().code, Code::kInvalid);
  EXPECT_THAT(read.error().message, HasSubstr("larger than the 99999 bytes"));
}

TEST_F(FileTest, ADirectoryIsNoFile) {
  EXPECT_EQ(read_file(scratch_.path(), 100).error().code, Code::kInvalid);
}

TEST_F(FileTest, RenamingReplacesTheTarget) {
  durable_write_file(path_, "old", 0600).value();
  durable_write_file(scratch_.file("new"), "new", 0600).value();
  durable_rename(scratch_.file("new"), path_).value();
  EXPECT_EQ(read_file(path_, 100).value(), "new");
  EXPECT_THAT(names(), ElementsAre("state"));
  EXPECT_EQ(durable_rename(scratch_.file("gone"), path_).error().code, Code::kNotFound);
}

TEST_F(FileTest, MissingAncestorsAreMade) {
  const std::string deep = scratch_.file("a/b/c");
  make_directories(deep, 0700).value();
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  make_directories(deep, 0700).value();
  make_directories(scratch_.file("d/e/"), 0700).value();
  EXPECT_TRUE(std::filesystem::is_directory(scratch_.file("d/e")));
}

TEST_F(FileTest, AFileInTheWayOfADirectoryIsNamed) {
  durable_write_file(path_, "", 0600).value();
  EXPECT_EQ(make_directories(path_, 0700).error().code, Code::kAlreadyExists);
  const auto below = make_directories(path_ + "/a", 0700);
  EXPECT_EQ(below.error().code, Code::kInvalid);
  EXPECT_THAT(below.error().message, HasSubstr(path_ + "/a"));
}

TEST_F(FileTest, BytesAreWrittenAndReadAtTheirOffset) {
  const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd);
  write_fully(fd.get(), std::string_view("world"), 6).value();
  write_fully(fd.get(), std::string_view("hello "), 0).value();
  std::string buffer(20, '?');
  EXPECT_EQ(read_fully(fd.get(), std::span(buffer).first(20), 0).value(), 11u);
  EXPECT_EQ(buffer.substr(0, 11), "hello world");
  EXPECT_EQ(read_fully(fd.get(), buffer, 11).value(), 0u);
}

TEST_F(FileTest, WritingToADescriptorThatCannotSaysWhere) {
  durable_write_file(path_, "x", 0600).value();
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  const auto written = write_fully(fd.get(), std::string_view("y"), 5);
  EXPECT_THAT(written.error().message, HasSubstr("write at byte 5"));
}

TEST_F(FileTest, AMappedFileShowsTheBytesAndMoves) {
  durable_write_file(path_, "mapped", 0600).value();
  auto mapped = MappedFile::open(path_).value();
  MappedFile moved = std::move(mapped);
  EXPECT_EQ(moved.bytes(), "mapped");
  durable_write_file(path_, "", 0600).value();
  EXPECT_EQ(moved.bytes(), "mapped") << "the replaced file stays mapped";
  moved = MappedFile::open(path_).value();
  EXPECT_EQ(moved.bytes(), "");
}

TEST_F(FileTest, ADescriptorIsClosedOnceByItsOwner) {
  UniqueFd first(::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int number = first.get();
  {
    const UniqueFd second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_GE(::fcntl(number, F_GETFD), 0);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(ErrnoError, SaysWhatAndWhyAndClassifies) {
  const Error missing = errno_error(ENOENT, "open 'x'");
  EXPECT_EQ(missing,
            (Error{Code::kNotFound, Retry::kNever, "open 'x': no such file or directory"}));
  EXPECT_EQ(errno_error(ENOSPC, "w").code, Code::kNoSpace);
  EXPECT_EQ(errno_error(EFBIG, "w").code, Code::kUnsupported);
  EXPECT_EQ(errno_error(EDQUOT, "w").retry, Retry::kAfterUser);
  EXPECT_EQ(errno_error(EACCES, "w").code, Code::kDenied);
  EXPECT_EQ(errno_error(EIO, "w").retry, Retry::kLater);
  EXPECT_EQ(errno_error(ESTALE, "w").code, Code::kUnavailable);
  EXPECT_EQ(errno_error(EBADF, "w").code, Code::kBug);
}

TEST(HomeDirectory, IsAnAbsolutePath) { EXPECT_TRUE(home_directory().starts_with('/')); }

}  // namespace
}  // namespace wherry
