// SPDX-License-Identifier: Apache-2.0
// One file at a time, through whole runs: what is under the final name is what counts.
#include "engine/copy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/scratch_directory.h"
#include "engine/test_support.h"
#include "storage/testing/faulty.h"

namespace wherry::engine {
namespace {

using storage::Fault;
using storage::Faults;
using storage::open_memory;
using storage::open_posix;
using storage::Storage;
using Done = Outcome::Result;
using StorageOperation = storage::Operation;

constexpr std::size_t kMiB = 1 << 20;

class CopyFile : public testing::Test {
 protected:
  CopyFile() { run_.limits.retry_attempts = 3; }
  // The one outcome of copying `f`.
  const Outcome& copy(Storage& source, Storage& target) {
    report_ = run_.transfer(source, target, {item("f", "f")});
    return run_.observer.of(0, "");
  }
  const std::unique_ptr<Storage> source_ = open_memory();
  const std::unique_ptr<Storage> target_ = open_memory();
  TestRun run_;
  RunReport report_;
};

// Every call at the target fails in every way, once per run: what is at the target afterwards, also
// after a power cut, is the old content or the new.
class FaultPoints : public testing::TestWithParam<Fault::Kind> {};

TEST_P(FaultPoints, LeaveTheOldContentOrTheNew) {
  const std::string before = random_bytes(3000, 1);
  const std::string after = random_bytes(5000, 2);
  constexpr std::uint64_t kPoints = 12;  // more than a copy has
  std::uint64_t struck = 0;
  for (std::uint64_t point = 1; point <= kPoints; ++point) {
    const auto source = open_memory();
    const auto target = open_memory();
    put_file(*source, "f", after);
    put_file(*target, "f", before);
    TestRun run;
    run.limits.retry_attempts = 1;
    Faults faults;
    faults.at(point, {.kind = GetParam()});
    const auto faulty = make_faulty(*target, faults, run.clock);
    HookedStorage plain(*source);  // cannot be cloned
    run.transfer(plain, *faulty, {item("f", "f")});
    struck += faults.struck() > 0 ? 1 : 0;
    const bool done =
        run.observer.outcomes.contains("0:") && run.observer.of(0, "").result == Done::kDone;
    storage::lose_power(*target);
    const std::string now = content_of(*target, "f");
    EXPECT_TRUE(now == after || (now == before && !done)) << "fault at operation " << point;
  }
  EXPECT_GE(struck, 8u);
  EXPECT_LT(struck, kPoints);
}

INSTANTIATE_TEST_SUITE_P(AllKinds, FaultPoints,
                         testing::Values(Fault::Kind::kFail, Fault::Kind::kFailAfter,
                                         Fault::Kind::kTruncate, Fault::Kind::kFlip,
                                         Fault::Kind::kNoSpace, Fault::Kind::kDie));

TEST_F(CopyFile, EmptyFileIsAFile) {
  put_file(*source_, "f", "");
  EXPECT_EQ(copy(*source_, *target_).result, Done::kDone);
  EXPECT_EQ(content_of(*target_, "f"), "");
}

TEST_F(CopyFile, BytesThatTurnOverOnTheWayAreCaughtAndCopiedAgain) {
  put_file(*source_, "f", random_bytes(5000, 1));
  Faults faults;
  faults.on(StorageOperation::kWrite, {.kind = Fault::Kind::kFlip});
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  HookedStorage source(*source_);  // cannot be cloned
  const Outcome& outcome = copy(source, *faulty);
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_EQ(outcome.attempts, 2);
  EXPECT_EQ(content_of(*target_, "f"), content_of(*source_, "f"));
  EXPECT_EQ(run_.observer.faults.size(), 1u);
}

TEST_F(CopyFile, LargeFileIsVerifiedPartByPart) {
  put_file(*source_, "f", random_bytes((64 << 20) + 5000, 1));
  HookedStorage source(*source_);  // cannot be cloned
  for (const std::uint64_t piece : {0u, 63u, 64u}) {
    const auto target = open_memory();
    TestRun run;
    Faults faults;
    faults.on(StorageOperation::kWrite, {.kind = Fault::Kind::kFlip}, 1, piece);
    const auto faulty = make_faulty(*target, faults, run.clock);
    run.transfer(source, *faulty, {item("f", "f")});
    EXPECT_EQ(run.observer.of(0, "").attempts, 2) << piece;
    EXPECT_TRUE(content_of(*target, "f") == content_of(*source_, "f")) << piece;
  }
}

TEST_F(CopyFile, TargetThatKeepsDamagingBytesIsReported) {
  put_file(*source_, "f", random_bytes(5000, 1));
  Faults faults;
  faults.on(StorageOperation::kWrite, {.kind = Fault::Kind::kFlip}, 100);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  HookedStorage source(*source_);  // cannot be cloned
  const Outcome& outcome = copy(source, *faulty);
  EXPECT_EQ(outcome.result, Done::kFailed);
  EXPECT_EQ(outcome.error->code, Code::kCorrupt);
  EXPECT_EQ(outcome.side, Side::kTarget);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(CopyFile, ChecksumOfTheOutcomeIsThatOfTheContent) {
  put_file(*source_, "f", random_bytes(3 * kMiB + 17, 1));
  HookedStorage hooked(*source_);  // cannot be cloned
  EXPECT_EQ(copy(hooked, *target_).checksum,
            hash_bytes(HashAlgorithm::kXxh3_128, content_of(*source_, "f")));
}

// A source that does not hold still --------------------------------------------------------------

class ChangingSource : public CopyFile {
 protected:
  ChangingSource() { put_file(*posix_, "f", random_bytes(3 * kMiB, 1)); }
  // Once, when that many reads have begun.
  void during_read(int number, std::function<void()> change) {
    hooked_.set_hook(
        [number, change, begun = 0](StorageOperation operation) mutable -> Result<void> {
          if (operation == StorageOperation::kRead && ++begun == number) change();
          return {};
        });
  }
  void write_in_place(const std::string& content) {
    std::ofstream(from_.file("f"), std::ios::binary | std::ios::trunc) << content;
  }
  const ScratchDirectory from_;
  const std::unique_ptr<Storage> posix_ = open_posix(from_.path()).value();
  HookedStorage hooked_{*posix_};
};

TEST_F(ChangingSource, RewrittenInPlaceIsCopiedAgain) {
  const std::string now = random_bytes(3 * kMiB, 2);
  during_read(2, [&] { write_in_place(now); });
  const Outcome& outcome = copy(hooked_, *target_);
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_TRUE(content_of(*target_, "f") == now);
  EXPECT_EQ(outcome.checksum, hash_bytes(HashAlgorithm::kXxh3_128, now));
}

TEST_F(ChangingSource, ReplacedByAnotherFileIsCopiedAgain) {
  during_read(2, [&] { put_file(*posix_, "f", "short"); });
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_EQ(content_of(*target_, "f"), "short");
}

TEST_F(ChangingSource, CutShortInPlaceIsCopiedAgain) {
  during_read(2, [&] { std::filesystem::resize_file(from_.file("f"), 10); });
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_EQ(content_of(*target_, "f"), random_bytes(3 * kMiB, 1).substr(0, 10));
}

TEST_F(ChangingSource, GrownDuringTheCopyIsCopiedAgain) {
  during_read(3, [&] { write_in_place(random_bytes(4 * kMiB, 1)); });
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_TRUE(content_of(*target_, "f") == random_bytes(4 * kMiB, 1));
}

TEST_F(ChangingSource, VanishedDuringTheCopyIsNotFound) {
  during_read(1, [&] { posix_->remove_file(path("f")).value(); });
  EXPECT_EQ(copy(hooked_, *target_).error->code, Code::kNotFound);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(ChangingSource, ThatNeverHoldsStillIsAnErrorAndNothingIsLeft) {
  write_in_place("0");
  int reads = 0;
  hooked_.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kRead) write_in_place(std::to_string(++reads));
    return {};
  });
  const Outcome& outcome = copy(hooked_, *target_);
  EXPECT_EQ(outcome.error->code, Code::kConflict);
  EXPECT_THAT(outcome.error->message, testing::HasSubstr("source changed while it was copied"));
  EXPECT_EQ(outcome.side, Side::kSource);
  EXPECT_EQ(reads, run_.limits.changed_source_attempts);
  EXPECT_TRUE(tree_of(*target_).empty());
}

// Resuming ---------------------------------------------------------------------------------------

class Resume : public CopyFile {
 protected:
  Resume() : hooked_(*source_) {
    run_.limits.range_bytes = 2 * kMiB;
    put_file(*source_, "f", random_bytes(10 * kMiB + 5, 1));
  }
  // Stops the run when that many reads have begun.
  void stop_after(int reads) {
    hooked_.set_hook([this, reads, begun = 0](StorageOperation operation) mutable -> Result<void> {
      if (operation == StorageOperation::kRead && ++begun == reads) run_.stop.request_stop();
      return {};
    });
    EXPECT_EQ(run_.transfer(hooked_, *target_, {item("f", "f")}).end, RunEnd::kStopped);
    EXPECT_TRUE(run_.observer.outcomes.empty());
    hooked_.set_hook({});
    run_.stop = std::stop_source();
    run_.progress = std::make_unique<Progress>();
    run_.recovering = true;
  }
  std::string temporary() { return storage::temporary_name("task", path("f")); }
  HookedStorage hooked_;
};

TEST_F(Resume, MovesOnlyWhatIsMissing) {
  stop_after(6);
  EXPECT_EQ(content_of(*target_, temporary()).size(), 6 * kMiB);
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_EQ(run_.progress->bytes_moved, 4 * kMiB + 5);
  EXPECT_TRUE(content_of(*target_, "f") == content_of(*source_, "f"));
  EXPECT_EQ(tree_of(*target_).size(), 1u);
}

TEST_F(Resume, BytesThatAreNotTheSourcesAnyMoreAreReplaced) {
  stop_after(6);
  put_file(*source_, "f", random_bytes(10 * kMiB + 5, 2));
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_TRUE(content_of(*target_, "f") == content_of(*source_, "f"));
}

TEST_F(Resume, LongerLeftoverIsCut) {
  stop_after(6);
  put_file(*source_, "f", random_bytes(3 * kMiB, 1));
  EXPECT_EQ(copy(hooked_, *target_).result, Done::kDone);
  EXPECT_EQ(run_.progress->bytes_moved, 0u);
  EXPECT_TRUE(content_of(*target_, "f") == random_bytes(3 * kMiB, 1));
}

TEST_F(Resume, SmallFileThatIsStoppedLeavesNothing) {
  run_.limits.range_bytes = 64 * kMiB;
  stop_after(3);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(Resume, TargetThatWasAwayInTheMiddleIsNotWrittenAnew) {
  Faults faults;
  faults.on(StorageOperation::kWrite, {}, 1, 7);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  const Outcome& outcome = copy(hooked_, *faulty);
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_EQ(outcome.attempts, 2);
  EXPECT_EQ(run_.progress->bytes_moved, 10 * kMiB + 5);
}

TEST_F(Resume, DeadlineReachesIntoALargeFile) {
  run_.deadline = run_.clock.now() + std::chrono::minutes(1);
  hooked_.set_hook([this](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kRead) run_.clock.advance(std::chrono::seconds(20));
    return {};
  });
  EXPECT_EQ(run_.transfer(hooked_, *target_, {item("f", "f")}).end, RunEnd::kDeadline);
  EXPECT_EQ(content_of(*target_, temporary()).size(), 3 * kMiB);
}

TEST_F(Resume, FinalFailureLeavesNothing) {
  Faults faults;
  faults.on(StorageOperation::kWrite, {}, 1000, 5);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(copy(hooked_, *faulty).result, Done::kFailed);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(Resume, LeftoverOfAFileThatIsGoneIsRemoved) {
  stop_after(6);
  source_->remove_file(path("f")).value();
  EXPECT_EQ(copy(hooked_, *target_).error->code, Code::kNotFound);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(Resume, HolesOfTheSourceBecomeZerosOverALeftover) {
  const ScratchDirectory from;
  const ScratchDirectory to;
  const auto source = open_posix(from.path()).value();
  const auto target = open_posix(to.path()).value();
  std::ofstream(from.file("f")).close();
  std::filesystem::resize_file(from.file("f"), 8 * kMiB);
  for (const Verify verify : {Verify::kChecksum, Verify::kSize}) {
    put_file(*target, temporary(), random_bytes(5 * kMiB, 9));
    run_.options.verify = verify;
    run_.recovering = true;
    const Outcome& outcome = copy(*source, *target);
    EXPECT_EQ(outcome.result, Done::kDone);
    EXPECT_EQ(outcome.attempts, 1);
    EXPECT_TRUE(content_of(*target, "f") == std::string(8 * kMiB, '\0'));
  }
}

// Attributes, holes, checksums of the item -------------------------------------------------------

class Attributes : public CopyFile {
 protected:
  const ScratchDirectory from_;
  const ScratchDirectory to_;
  const std::unique_ptr<Storage> from_posix_ = open_posix(from_.path()).value();
  const std::unique_ptr<Storage> to_posix_ = open_posix(to_.path()).value();
};

TEST_F(Attributes, ModeAndMtimeAreKeptWhenAsked) {
  put_file(*from_posix_, "f", "1", 0451);
  const TimePoint mtime(std::chrono::nanoseconds(1'234'567'890'123'456'789));
  from_posix_->set_attributes(path("f"), {std::nullopt, mtime}).value();
  run_.options.preserve_mtime = true;
  copy(*from_posix_, *to_posix_);
  const auto kept = to_posix_->stat(path("f"), Storage::Follow::kNo).value().attributes;
  EXPECT_EQ(kept.mode, 0451u);
  EXPECT_EQ(kept.mtime, mtime);
}

TEST_F(Attributes, ModeIsTheUsualOneWhenNotAsked) {
  put_file(*from_posix_, "f", "1", 0400);
  run_.options.preserve_mode = false;
  copy(*from_posix_, *to_posix_);
  EXPECT_EQ(to_posix_->stat(path("f"), Storage::Follow::kNo).value().attributes.mode, 0644u);
}

TEST_F(Attributes, SetUserBitsDoNotTravel) {
  put_file(*source_, "f", "1", 06755);
  copy(*source_, *target_);
  EXPECT_EQ(target_->stat(path("f"), Storage::Follow::kNo).value().attributes.mode, 0755u);
}

TEST_F(Attributes, HolesStayHoles) {
  {
    std::ofstream file(from_.file("f"), std::ios::binary);
    file.seekp(5 * kMiB + 123);
    file << "data";
  }
  std::filesystem::resize_file(from_.file("f"), 64 * kMiB);
  EXPECT_EQ(copy(*from_posix_, *to_posix_).result, Done::kDone);
  EXPECT_TRUE(content_of(*to_posix_, "f") == content_of(*from_posix_, "f"));
  struct stat status;
  ASSERT_EQ(::stat(to_.file("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 64 * static_cast<off_t>(kMiB));
  EXPECT_LT(status.st_blocks * 512, static_cast<off_t>(kMiB));
  EXPECT_EQ(run_.observer.of(0, "").checksum,
            hash_bytes(HashAlgorithm::kXxh3_128, content_of(*from_posix_, "f")));
}

TEST_F(CopyFile, ContentThatMeetsTheItemsChecksumPasses) {
  put_file(*source_, "f", "hello\n");
  TransferItem one = item("f", "f");
  one.checksum = ExternalChecksum{HashAlgorithm::kMd5, "B1946AC92492D2347C6235B4D2611184"};
  EXPECT_EQ(run_.transfer(*source_, *target_, {one}).end, RunEnd::kCompleted);
  EXPECT_EQ(content_of(*target_, "f"), "hello\n");
}

TEST_F(CopyFile, ContentThatDoesNotEndsTheRun) {
  put_file(*source_, "f", "hello!\n");
  TransferItem one = item("f", "f");
  one.checksum = ExternalChecksum{HashAlgorithm::kMd5, "b1946ac92492d2347c6235b4d2611184"};
  const RunReport report = run_.transfer(*source_, *target_, {one});
  EXPECT_EQ(report.end, RunEnd::kFatal);
  EXPECT_EQ(report.error->code, Code::kCorrupt);
  EXPECT_EQ(run_.observer.of(0, "").result, Done::kFailed);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(CopyFile, CloneMovesTheContentToo) {
  put_file(*source_, "f", random_bytes(100'000, 1));
  EXPECT_EQ(copy(*source_, *target_).result, Done::kDone);
  EXPECT_EQ(run_.progress->bytes_moved, 100'000u);
  EXPECT_EQ(run_.progress->bytes_checksummed, 0u);
  storage::lose_power(*target_);
  EXPECT_TRUE(content_of(*target_, "f") == content_of(*source_, "f"));
}

// Comparing first --------------------------------------------------------------------------------

TEST_F(CopyFile, SameContentIsUpToDateAtChecksumLevelAndNotTouched) {
  put_file(*source_, "f", "content");
  put_file(*target_, "f", "content");
  const auto inode = target_->stat(path("f"), Storage::Follow::kNo).value().attributes.inode;
  run_.options.sync_level = SyncLevel::kChecksum;
  EXPECT_EQ(copy(*source_, *target_).result, Done::kUpToDate);
  EXPECT_EQ(target_->stat(path("f"), Storage::Follow::kNo).value().attributes.inode, inode);
}

TEST_F(CopyFile, OtherContentOfTheSameSizeIsCopiedAtChecksumLevel) {
  put_file(*source_, "f", "content");
  put_file(*target_, "f", "CONTENT");
  run_.options.sync_level = SyncLevel::kChecksum;
  EXPECT_EQ(copy(*source_, *target_).result, Done::kDone);
  EXPECT_EQ(content_of(*target_, "f"), "content");
}

TEST_F(CopyFile, FileThatADeadRunHadCommittedIsDoneWithoutMovingItAgain) {
  put_file(*source_, "f", "content");
  put_file(*target_, "f", "content");
  run_.recovering = true;
  const Outcome& outcome = copy(*source_, *target_);
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_EQ(outcome.bytes, 7u);
  EXPECT_EQ(run_.progress->bytes_moved, 0u);
}

}  // namespace
}  // namespace wherry::engine
