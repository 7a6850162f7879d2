// SPDX-License-Identifier: Apache-2.0
// What each decorator adds; that it takes nothing away is conformance_test.cc's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/scratch_directory.h"
#include "storage/backends.h"
#include "storage/testing/content.h"
#include "storage/testing/faulty.h"

namespace wherry::storage {
namespace {

using Follow = Storage::Follow;
using Kind = Fault::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::literals;

class Decorators : public testing::Test {
 protected:
  std::unique_ptr<TemporaryFile> create(Storage& storage, std::string_view target) {
    CreateTemporary request;
    request.target = path_of(target);
    request.temporary_name = temporary_name("task", request.target);
    return storage.create_temporary(request).value();
  }
  Duration spent() const { return clock_.monotonic(); }

  FakeClock clock_{TimePoint(1539601563s), FakeClock::Sleepers::kAdvance};
  SeededRandom random_{1};
  Faults faults_;
  std::unique_ptr<Storage> memory_ = open_memory();
};

// --- retrying ---

class Retrying : public Decorators {
 protected:
  // Retrying around faulty around memory.
  std::unique_ptr<Storage> storage_ =
      make_retrying(make_faulty(*memory_, faults_, clock_),
                    {.attempts = 3, .base = 100ms, .longest = 250ms}, clock_, random_);
};

TEST_F(Retrying, TriesAgainWhatMayWorkLater) {
  faults_.on(Operation::kStat, {.kind = Kind::kFail, .code = Code::kUnavailable}, 2);
  EXPECT_TRUE(storage_->stat(RelPath(), Follow::kNo));
  EXPECT_EQ(faults_.count(Operation::kStat), 3U);
}

TEST_F(Retrying, WaitsLongerEachTimeWithJitterAndABound) {
  faults_.on(Operation::kStat, {.kind = Kind::kFail}, 2);
  ASSERT_TRUE(storage_->stat(RelPath(), Follow::kNo));
  EXPECT_GE(spent(), 100ms + 200ms);
  EXPECT_LE(spent(), 150ms + 250ms);
}

TEST_F(Retrying, GivesUpAfterItsAttemptsAndSaysSo) {
  faults_.on(Operation::kStat, {.kind = Kind::kFail}, 100);
  const auto failed = storage_->stat(RelPath(), Follow::kNo);
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("tried 3 times"));
  EXPECT_EQ(faults_.count(Operation::kStat), 3U);
}

TEST_F(Retrying, DoesNotRepeatWhatIsFinal) {
  EXPECT_EQ(storage_->stat(path_of("none"), Follow::kNo).error().code, Code::kNotFound);
  faults_.on(Operation::kStat, {.kind = Kind::kNoSpace});
  EXPECT_EQ(storage_->stat(RelPath(), Follow::kNo).error().code, Code::kNoSpace);
  EXPECT_EQ(faults_.count(Operation::kStat), 2U);
  EXPECT_EQ(spent(), 0ns);
}

TEST_F(Retrying, CoversEveryStepOfAFile) {
  for (const Operation operation :
       {Operation::kCreateTemporary, Operation::kWrite, Operation::kFinish, Operation::kFlush,
        Operation::kCommit, Operation::kFlushDirectories, Operation::kOpenRead, Operation::kRead,
        Operation::kReadAttributes})
    faults_.on(operation, {.kind = Kind::kFail}, 2);
  put_file(*storage_, "f", "content");
  EXPECT_EQ(get_file(*storage_, "f"), "content");
  EXPECT_EQ(faults_.struck(), 18U);
}

// Fails the first listing after two entries.
class BreaksOffListing : public Decorator {
 public:
  using Decorator::Decorator;
  Result<void> list(const RelPath& directory,
                    const std::function<Visit(const Entry&)>& visit) override {
    if (broken_) return Decorator::list(directory, visit);
    broken_ = true;
    int visited = 0;
    TRY(Decorator::list(directory, [&](const Entry& entry) {
      (void)visit(entry);
      return ++visited == 2 ? Visit::kStop : Visit::kContinue;
    }));
    return make_error(Code::kUnavailable, "the connection broke");
  }

 protected:
  Result<void> around(Call&, const std::function<Result<void>()>& body) override { return body(); }

 private:
  bool broken_ = false;
};

TEST_F(Retrying, AListingThatBrokeOffGoesOnWhereItWas) {
  for (const char* name : {"a", "b", "c", "d"}) put_file(*memory_, name, "");
  const auto storage =
      make_retrying(std::make_unique<BreaksOffListing>(*memory_), {}, clock_, random_);
  EXPECT_THAT(names_in(*storage, ""), ElementsAre("a", "b", "c", "d"));
}

// --- throttled ---

class Throttled : public Decorators {
 protected:
  std::unique_ptr<Storage> throttled(std::shared_ptr<Storage> inner, const ThrottlePolicy& policy) {
    return make_throttled(std::move(inner), make_throttle(policy, clock_));
  }
};

TEST_F(Throttled, BoundsBytesPerSecondOfReadsAndWritesTogether) {
  const auto storage =
      throttled(std::move(memory_), {.bytes_per_second = 1000, .operations_per_second = 0});
  put_file(*storage, "f", std::string(5000, 'x'));
  EXPECT_EQ(spent(), 5s);
  EXPECT_EQ(get_file(*storage, "f").size(), 5000U);
  EXPECT_EQ(spent(), 10s);
}

TEST_F(Throttled, ChargesForWhatWasReadNotForTheBuffer) {
  put_file(*memory_, "f", "0123456789");
  const auto storage =
      throttled(std::move(memory_), {.bytes_per_second = 10, .operations_per_second = 0});
  std::string buffer(1 << 20, '.');
  EXPECT_EQ(storage->open_read(path_of("f")).value()->read(0, buffer).value(), 10U);
  EXPECT_EQ(spent(), 1s);
}

TEST_F(Throttled, BoundsOperationsPerSecond) {
  const auto storage =
      throttled(std::move(memory_), {.bytes_per_second = 0, .operations_per_second = 10});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(storage->stat(RelPath(), Follow::kNo));
  EXPECT_EQ(spent(), 5s);
}

TEST_F(Throttled, IdleTimeIsSavedOnlyForAMoment) {
  const auto storage =
      throttled(std::move(memory_), {.bytes_per_second = 0, .operations_per_second = 10});
  clock_.advance(1h);
  const Duration start = spent();
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(storage->stat(RelPath(), Follow::kNo));
  EXPECT_EQ(spent() - start, 1s);
}

TEST_F(Throttled, SubdirectoriesShareTheBound) {
  const ScratchDirectory scratch;
  const auto storage = throttled(open_posix(scratch.file("")).value(),
                                 {.bytes_per_second = 0, .operations_per_second = 10});
  ASSERT_TRUE(storage->make_directory(path_of("d"), 0755));
  const auto below = storage->subdirectory(path_of("d")).value();
  const Duration start = spent();
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(storage->stat(RelPath(), Follow::kNo));
    ASSERT_TRUE(below->stat(RelPath(), Follow::kNo));
  }
  EXPECT_EQ(spent() - start, 5s);
}

TEST_F(Throttled, AfterAStopNothingWaitsAndOthersPayForIt) {
  const std::shared_ptr<Storage> memory = std::move(memory_);
  const auto throttle =
      make_throttle({.bytes_per_second = 1000, .operations_per_second = 0}, clock_);
  std::stop_source stop;
  stop.request_stop();
  put_file(*make_throttled(memory, throttle, stop.get_token()), "f", std::string(5000, 'x'));
  EXPECT_EQ(spent(), 0s);
  EXPECT_EQ(get_file(*make_throttled(memory, throttle), "f").size(), 5000U);
  EXPECT_EQ(spent(), 10s);
}

TEST_F(Throttled, AStopEndsAWait) {
  FakeClock still;  // a sleeper waits for somebody to move it
  std::stop_source stop;
  const auto storage = make_throttled(
      std::move(memory_), make_throttle({.bytes_per_second = 1, .operations_per_second = 0}, still),
      stop.get_token());
  std::thread writer([&] { put_file(*storage, "f", std::string(1 << 20, 'x')); });
  stop.request_stop();
  writer.join();
  EXPECT_TRUE(exists(*storage, "f"));
}

TEST_F(Throttled, WithoutBoundsNothingWaits) {
  const auto storage = throttled(std::move(memory_), {});
  put_file(*storage, "f", std::string(1 << 20, 'x'));
  EXPECT_EQ(spent(), 0s);
}

// --- faulty ---

class Faulty : public Decorators {
 protected:
  std::unique_ptr<Storage> storage_ = make_faulty(*memory_, faults_, clock_);
};

TEST_F(Faulty, CountsOperationsByKind) {
  put_file(*storage_, "f", "content");
  EXPECT_EQ(faults_.operations(), 6U);
  EXPECT_EQ(faults_.count(Operation::kCommit), 1U);
  EXPECT_EQ(faults_.count(Operation::kRename), 0U);
  EXPECT_EQ(faults_.struck(), 0U);
}

TEST_F(Faulty, FailsAtAnOperationsNumberWithoutDoingIt) {
  faults_.at(2, {.kind = Kind::kFail, .code = Code::kDenied});
  EXPECT_TRUE(storage_->make_directory(path_of("a"), 0755));
  EXPECT_EQ(storage_->make_directory(path_of("b"), 0755).error().code, Code::kDenied);
  EXPECT_TRUE(storage_->make_directory(path_of("c"), 0755));
  EXPECT_THAT(names_in(*memory_, ""), ElementsAre("a", "c"));
}

TEST_F(Faulty, FailsTheNextOfAKindAfterSkippingSome) {
  faults_.on(Operation::kMakeDirectory, {.kind = Kind::kFail}, 1, 1);
  EXPECT_TRUE(storage_->make_directory(path_of("a"), 0755));
  EXPECT_FALSE(storage_->make_directory(path_of("b"), 0755));
  EXPECT_TRUE(storage_->make_directory(path_of("b"), 0755));
}

TEST_F(Faulty, FailsAfterHavingDoneIt) {
  faults_.at(1, {.kind = Kind::kFailAfter});
  EXPECT_EQ(storage_->make_directory(path_of("a"), 0755).error().code, Code::kUnavailable);
  EXPECT_TRUE(exists(*memory_, "a"));
}

TEST_F(Faulty, DelaysByTheClock) {
  faults_.at(1, {.kind = Kind::kDelay, .delay = 3s});
  EXPECT_TRUE(storage_->stat(RelPath(), Follow::kNo));
  EXPECT_EQ(spent(), 3s);
}

TEST_F(Faulty, TruncatesReads) {
  put_file(*memory_, "f", "0123456789");
  faults_.on(Operation::kRead, {.kind = Kind::kTruncate});
  const auto file = storage_->open_read(path_of("f")).value();
  std::string buffer(10, '.');
  EXPECT_EQ(file->read(0, buffer).value(), 5U);
  EXPECT_EQ(file->read(0, buffer).value(), 10U);
}

TEST_F(Faulty, TearsWrites) {
  const auto file = create(*storage_, "f");
  faults_.on(Operation::kWrite, {.kind = Kind::kTruncate, .code = Code::kUnavailable});
  EXPECT_EQ(file->write(0, "0123456789"sv).error().code, Code::kUnavailable);
  std::string buffer(10, '.');
  EXPECT_EQ(file->read(0, buffer).value(), 5U);
}

TEST_F(Faulty, FlipsABitOnReadBackOrInWhatIsWritten) {
  const auto file = create(*storage_, "f");
  faults_.on(Operation::kReadBack, {.kind = Kind::kFlip});
  file->write(0, "aaa"sv).value();
  std::string buffer(3, '.');
  EXPECT_EQ(file->read(0, buffer).value(), 3U);
  EXPECT_EQ(buffer, "a`a");
  EXPECT_EQ(file->read(0, buffer).value(), 3U);
  EXPECT_EQ(buffer, "aaa");
  faults_.on(Operation::kWrite, {.kind = Kind::kFlip});
  file->write(0, "aaa"sv).value();
  EXPECT_EQ(file->read(0, buffer).value(), 3U);
  EXPECT_EQ(buffer, "a`a");
}

TEST_F(Faulty, RunsOutOfSpace) {
  faults_.on(Operation::kCreateTemporary, {.kind = Kind::kNoSpace});
  CreateTemporary request;
  request.target = path_of("f");
  request.temporary_name = "t";
  const auto failed = storage_->create_temporary(request);
  EXPECT_EQ(failed.error().code, Code::kNoSpace);
  EXPECT_EQ(failed.error().retry, Retry::kAfterUser);
}

TEST_F(Faulty, DiesAsAKilledProcessDoes) {
  {
    const auto file = create(*storage_, "f");
    file->write(0, "half"sv).value();
    faults_.on(Operation::kFinish, {.kind = Kind::kDie});
    EXPECT_EQ(file->finish({.size = 4, .mode = {}, .mtime = {}}).error().code, Code::kUnavailable);
    EXPECT_TRUE(faults_.dead());
    EXPECT_FALSE(storage_->make_directory(path_of("d"), 0755));
  }
  EXPECT_THAT(names_in(*memory_, ""), SizeIs(1)) << "the temporary stays, and nothing else came";
  faults_.clear();
  EXPECT_TRUE(storage_->make_directory(path_of("d"), 0755));
}

TEST_F(Faulty, ACommittedFileIsNotTouchedByADeathLater) {
  {
    const auto file = create(*storage_, "f");
    file->finish({.size = 0, .mode = {}, .mtime = {}}).value();
    storage_->commit(*file).value();
    faults_.die();
  }
  EXPECT_THAT(names_in(*memory_, ""), ElementsAre("f"));
}

TEST_F(Faulty, StrikesByASeedAlone) {
  const auto outcomes = [&](std::uint64_t seed) {
    faults_.clear();
    faults_.randomly(seed, 0.3, {{.kind = Kind::kFail}, {.kind = Kind::kNoSpace}});
    std::string text;
    for (int i = 0; i < 200; ++i) {
      const auto result = storage_->stat(RelPath(), Follow::kNo);
      text += result ? '.' : result.error().code == Code::kNoSpace ? 's' : 'f';
    }
    return text;
  };
  const std::string first = outcomes(1);
  EXPECT_EQ(outcomes(1), first);
  EXPECT_NE(outcomes(2), first);
  const auto failures = 200 - std::count(first.begin(), first.end(), '.');
  EXPECT_GT(failures, 30);
  EXPECT_LT(failures, 90);
  EXPECT_NE(first.find('s'), std::string::npos);
}

}  // namespace
}  // namespace wherry::storage
