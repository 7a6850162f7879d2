// SPDX-License-Identifier: Apache-2.0
#include "base/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "base/scratch_directory.h"
#include "base/worker_pool.h"

namespace wherry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Migration kNotes[] = {
    {"notes", 1, "create table note (id integer primary key, text text not null unique);"},
    {"notes", 2,
     "alter table note add column size integer not null default 0;"
     "create table mark (note integer not null references note (id));"},
};

Result<void> add_note(Database& database, const std::string& text) {
  return database.write([&](soci::session& sql) -> Result<void> {
    sql << "insert into note (text) values (:text)", soci::use(text);
    return {};
  });
}

Result<int> count_notes(Database& database) {
  return database.read([](soci::session& sql) -> Result<int> {
    int count = 0;
    sql << "select count(*) from note", soci::into(count);
    return count;
  });
}

class DatabaseTest : public testing::Test {
 protected:
  std::unique_ptr<Database> open(Database::Options options = {}) {
    options.path = path_;
    auto database = Database::open(options).value();
    database->migrate(kNotes).value();
    return database;
  }

  ScratchDirectory scratch_;
  std::string path_ = scratch_.file("wherry.db");
};

TEST_F(DatabaseTest, WhatAWriteStoresIsReadAfterReopening) {
  add_note(*open(), "first").value();
  EXPECT_EQ(count_notes(*open()).value(), 1);
}

TEST_F(DatabaseTest, AnInMemoryDatabaseReadsAndWrites) {
  const auto database = Database::open({.path = ":memory:"}).value();
  database->migrate(kNotes).value();
  add_note(*database, "first").value();
  EXPECT_EQ(count_notes(*database).value(), 1);
}

TEST_F(DatabaseTest, AFailedBodyRollsBack) {
  const auto database = open();
  const auto done = database->write([&](soci::session& sql) -> Result<void> {
    sql << "insert into note (text) values ('lost')";
    return make_error(Code::kInvalid, "changed my mind");
  });
  EXPECT_EQ(done.error(), make_error(Code::kInvalid, "changed my mind"));
  EXPECT_EQ(count_notes(*database).value(), 0);
}

TEST_F(DatabaseTest, AValueComesBackFromAWrite) {
  const auto id = open()->write([](soci::session& sql) -> Result<long long> {
    sql << "insert into note (text) values ('one')";
    long long row = 0;
    sql.get_last_insert_id("note", row);
    return row;
  });
  EXPECT_EQ(id.value(), 1);
}

TEST_F(DatabaseTest, AUniqueConstraintIsAConflict) {
  const auto database = open();
  add_note(*database, "same").value();
  const auto again = add_note(*database, "same");
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_THAT(again.error().message, HasSubstr("note.text"));
  EXPECT_EQ(count_notes(*database).value(), 1);
}

TEST_F(DatabaseTest, AForeignKeyThatPointsNowhereIsAConflict) {
  const auto done = open()->write([](soci::session& sql) -> Result<void> {
    sql << "insert into mark (note) values (77)";
    return {};
  });
  EXPECT_EQ(done.error().code, Code::kConflict);
}

TEST_F(DatabaseTest, AWrongStatementIsABugThatNamesIt) {
  const auto done = open()->write([](soci::session& sql) -> Result<void> {
    sql << "insert into nowhere values (1)";
    return {};
  });
  EXPECT_EQ(done.error().code, Code::kBug);
  EXPECT_THAT(done.error().message, HasSubstr("nowhere"));
}

TEST_F(DatabaseTest, ANullWithoutIndicatorIsAnErrorAndNoException) {
  const auto read = open()->read([](soci::session& sql) -> Result<std::string> {
    std::string text;
    sql << "select null", soci::into(text);
    return text;
  });
  EXPECT_EQ(read.error().code, Code::kBug);
}

TEST_F(DatabaseTest, AReadCannotChangeRows) {
  const auto in_memory = Database::open({.path = ":memory:"}).value();
  in_memory->migrate(kNotes).value();
  const auto on_disk = open();
  for (Database* database : {in_memory.get(), on_disk.get()}) {
    const auto done = database->read([](soci::session& sql) -> Result<void> {
      sql << "insert into note (text) values ('sneaked in')";
      return {};
    });
    EXPECT_FALSE(done);
    add_note(*database, "properly").value();
    EXPECT_EQ(count_notes(*database).value(), 1);
  }
}

TEST_F(DatabaseTest, AReadSeesOneSnapshotWhileAnotherThreadWrites) {
  const auto database = open();
  add_note(*database, "before").value();
  WorkerPool writer({.threads = 1});
  const auto counts = database->read([&](soci::session& sql) -> Result<std::vector<int>> {
    std::vector<int> seen(2);
    sql << "select count(*) from note", soci::into(seen[0]);
    writer.submit([&] { add_note(*database, "meanwhile").value(); });
    writer.wait_idle();
    sql << "select count(*) from note", soci::into(seen[1]);
    return seen;
  });
  EXPECT_THAT(counts.value(), ElementsAre(1, 1));
  EXPECT_EQ(count_notes(*database).value(), 2);
}

// SQLite opens the file once for each session.
std::ptrdiff_t sessions_on(const std::string& path) {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return std::count_if(begin(descriptors), end(descriptors), [&](const auto& descriptor) {
    std::error_code closed_meanwhile;
    return std::filesystem::read_symlink(descriptor.path(), closed_meanwhile) == path;
  });
}

TEST_F(DatabaseTest, OneSessionDoesUntilSomebodyHasToWait) {
  const auto database = open();
  for (int i = 0; i < 3; ++i) {
    add_note(*database, fmt::format("note {}", i)).value();
    EXPECT_EQ(count_notes(*database).value(), i + 1);
  }
  EXPECT_EQ(sessions_on(database->path()), 1);
  WorkerPool other({.threads = 1});
  database
      ->read([&](soci::session&) -> Result<void> {
        other.submit([&] { add_note(*database, "during a read").value(); });
        other.wait_idle();
        return {};
      })
      .value();
  EXPECT_EQ(sessions_on(database->path()), 2);
  database
      ->write([&](soci::session&) -> Result<void> {
        other.submit([&] { EXPECT_EQ(count_notes(*database).value(), 4); });
        other.wait_idle();
        return {};
      })
      .value();
  EXPECT_EQ(sessions_on(database->path()), 2);
}

TEST_F(DatabaseTest, AReadDuringTheFirstWriteDoesNotWaitForIt) {
  const auto database = open();
  WorkerPool reader({.threads = 1});
  database
      ->write([&](soci::session&) -> Result<void> {
        reader.submit([&] { EXPECT_EQ(count_notes(*database).value(), 0); });
        reader.wait_idle();
        return {};
      })
      .value();
}

TEST_F(DatabaseTest, WritersOfManyThreadsAllSucceed) {
  const auto database = open({.busy_timeout_ms = 0});
  {
    WorkerPool pool({.threads = 4});
    for (int i = 0; i < 40; ++i)
      pool.submit([&, i] { add_note(*database, fmt::format("note {}", i)).value(); });
  }
  EXPECT_EQ(count_notes(*database).value(), 40);
}

TEST_F(DatabaseTest, MoreReadersThanSessionsWaitForEachOther) {
  const auto database = open({.sessions = 2});
  std::atomic<int> reads = 0;
  {
    WorkerPool pool({.threads = 6});
    for (int i = 0; i < 60; ++i)
      pool.submit([&] { reads += count_notes(*database).value() == 0 ? 1 : 0; });
  }
  EXPECT_EQ(reads, 60);
}

TEST_F(DatabaseTest, BytesThatAreNotUtf8ComeBackAsTheyWere) {
  const auto database = open();
  const std::string name = "caf\xe9\n\xff\x80";
  add_note(*database, name).value();
  const auto read = database->read([](soci::session& sql) -> Result<std::string> {
    std::string text;
    sql << "select text from note", soci::into(text);
    return text;
  });
  EXPECT_EQ(read.value(), name);
}

// Runs `work` in a child process; true if it returned true there.
pid_t start_child(const std::function<bool()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work() ? 0 : 1);
  return pid;
}

bool succeeded(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(DatabaseTest, TwoProcessesThatOpenANewFileAtOnceBothWrite) {
  const auto add_fifty = [&](const std::string& who) {
    const auto database = Database::open({.path = path_});
    if (!database || !database.value()->migrate(kNotes)) return false;
    for (int i = 0; i < 50; ++i) {
      if (!add_note(*database.value(), fmt::format("{} {}", who, i))) return false;
    }
    return true;
  };
  const pid_t first = start_child([&] { return add_fifty("first"); });
  const pid_t second = start_child([&] { return add_fifty("second"); });
  EXPECT_TRUE(succeeded(first));
  EXPECT_TRUE(succeeded(second));
  EXPECT_EQ(count_notes(*open()).value(), 100);
}

TEST_F(DatabaseTest, AWriteThatAnotherHoldsUpTooLongIsTriedLater) {
  const auto patient = open();
  const auto hasty = open({.busy_timeout_ms = 1});
  patient
      ->write([&](soci::session&) -> Result<void> {
        const auto done = add_note(*hasty, "no");
        EXPECT_EQ(done.error().code, Code::kUnavailable);
        EXPECT_EQ(done.error().retry, Retry::kLater);
        EXPECT_THAT(done.error().message, HasSubstr("another process is writing"));
        return {};
      })
      .value();
  add_note(*hasty, "now").value();
}

TEST_F(DatabaseTest, AProcessThatDiesInAWriteLeavesNothingOfIt) {
  open();
  const pid_t child = start_child([&] {
    const auto database = Database::open({.path = path_}).value();
    (void)database->write([&](soci::session& sql) -> Result<void> {
      sql << "insert into note (text) values ('torn')";
      ::_exit(0);
    });
    return false;
  });
  EXPECT_TRUE(succeeded(child));
  EXPECT_EQ(count_notes(*open()).value(), 0);
}

TEST_F(DatabaseTest, AFaultBeforeTheCommitLosesTheWriteAndOneAfterItDoesNot) {
  std::string failing_point;
  std::vector<std::string> points;
  const auto fault = [&](std::string_view point) -> Result<void> {
    points.emplace_back(point);
    if (point == failing_point) return make_error(Code::kCancelled, "killed at {}", point);
    return {};
  };
  const auto database = open({.fault = fault});
  points.clear();
  for (const std::string point : {"begin", "commit", "committed"}) {
    failing_point = point;
    EXPECT_EQ(add_note(*database, point).error().message, "killed at " + point);
  }
  EXPECT_THAT(points, ElementsAre("begin", "begin", "commit", "begin", "commit", "committed"));
  EXPECT_EQ(count_notes(*database).value(), 1);
}

TEST_F(DatabaseTest, MigrationsRunOnceAndInOrder) {
  const auto database = Database::open({.path = path_}).value();
  database->migrate(std::span(kNotes).first(1)).value();
  add_note(*database, "old").value();
  database->migrate(kNotes).value();
  database->migrate(kNotes).value();
  const auto size = database->read([](soci::session& sql) -> Result<int> {
    int value = -1;
    sql << "select size from note", soci::into(value);
    return value;
  });
  EXPECT_EQ(size.value(), 0);
}

TEST_F(DatabaseTest, AMigrationThatFailsHalfwayChangesNothing) {
  constexpr Migration kBroken[] = {
      kNotes[0], {"notes", 2, "create table half (id integer); create table half (id integer);"}};
  const auto database = Database::open({.path = path_}).value();
  const auto done = database->migrate(kBroken);
  EXPECT_THAT(done.error().message, HasSubstr("schema of 'notes', step to version 2"));
  EXPECT_FALSE(count_notes(*database));
  database->migrate(kNotes).value();
  EXPECT_EQ(count_notes(*database).value(), 0);
}

TEST_F(DatabaseTest, ANewerSchemaIsRefusedWithModuleVersionsAndAdvice) {
  open();
  const auto older = Database::open({.path = path_}).value();
  const auto done = older->migrate(std::span(kNotes).first(1));
  EXPECT_EQ(done.error().code, Code::kUnsupported);
  EXPECT_THAT(done.error().message, HasSubstr("written by a newer Wherry"));
  EXPECT_THAT(done.error().message, HasSubstr("'notes' is version 2"));
  EXPECT_THAT(done.error().message, HasSubstr("up to 1"));
  EXPECT_THAT(done.error().message, HasSubstr("upgrade this program"));
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefusedAndLeftAlone) {
  const std::string text(5000, 'x');
  std::ofstream(path_) << text;
  const auto opened = Database::open({.path = path_});
  EXPECT_EQ(opened.error().code, Code::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr(path_));
  EXPECT_THAT(opened.error().message, HasSubstr("backup"));
  std::ifstream file(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST_F(DatabaseTest, ADamagedPageIsReportedAsCorrupt) {
  add_note(*open(), std::string(100'000, 'n')).value();
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(std::filesystem::file_size(path_) - 4096, '\x5a');
  file.close();
  const auto database = Database::open({.path = path_});
  const auto count = database ? count_notes(*database.value()) : database.error();
  EXPECT_EQ(count.error().code, Code::kCorrupt);
}

// What goes wrong later is told to clients from elsewhere as well.
TEST_F(DatabaseTest, AnOpenDatabaseIsNamedWithoutItsDirectory) {
  const auto database = open();
  const auto failed = database->write([](soci::session& sql) -> Result<void> {
    sql << "insert into nothing values (1)";
    return {};
  });
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("database 'wherry.db'"));
  EXPECT_THAT(failed.error().message, testing::Not(HasSubstr(scratch_.path())));
}

TEST_F(DatabaseTest, AMissingDirectoryIsNamed) {
  const auto opened = Database::open({.path = scratch_.file("none/wherry.db")});
  EXPECT_EQ(opened.error().code, Code::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr("none/wherry.db': its directory does not exist"));
}

TEST_F(DatabaseTest, OnlyTheOwnerCanReadTheFile) {
  const auto database = open();
  add_note(*database, "secret").value();
  for (const char* suffix : {"", "-wal"}) {
    struct stat status;
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(DatabaseTest, OddPathsWork) {
  for (const std::string name : {"a b", "key=value", "a=b c", "quote\"", "caf\xe9"}) {
    path_ = scratch_.file(name);
    add_note(*open(), "x").value();
    EXPECT_EQ(count_notes(*open()).value(), 1) << name;
    EXPECT_TRUE(std::filesystem::exists(path_)) << name;
  }
}

TEST_F(DatabaseTest, APathThatSociCannotSpellIsRefused) {
  const auto opened = Database::open({.path = scratch_.file("a=\"b\"")});
  EXPECT_EQ(opened.error().code, Code::kUnsupported);
}

TEST_F(DatabaseTest, TheVersionTellsThatSomethingWasCommittedAndByAnybody) {
  const auto database = open();
  const auto other = open();
  const std::int64_t first = database->version().value();
  EXPECT_EQ(database->version().value(), first);
  count_notes(*database).value();
  EXPECT_EQ(database->version().value(), first);
  add_note(*database, "mine").value();
  const std::int64_t second = database->version().value();
  EXPECT_NE(second, first);
  add_note(*other, "theirs").value();
  EXPECT_NE(database->version().value(), second);
}

TEST_F(DatabaseTest, TheVersionIsThereAtOnceUntilSomethingIsCommitted) {
  const auto database = open();
  const auto other = open();
  EXPECT_EQ(database->version_at_once(), std::nullopt);
  for (const char* text : {"a", "b", "c", "d"}) {
    const std::int64_t version = database->version().value();
    count_notes(*other).value();
    EXPECT_EQ(database->version_at_once(), version);
    add_note(*text < 'c' ? *database : *other, text).value();
    EXPECT_EQ(database->version_at_once(), std::nullopt);
    EXPECT_NE(database->version().value(), version);
    // The next commit begins the log anew.
    soci::session sql(soci::sqlite3, path_);
    sql << "pragma wal_checkpoint(truncate)";
  }
}

TEST_F(DatabaseTest, ACommitOfAnotherProcessEndsTheVersionThatIsThereAtOnce) {
  open();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  // It opens the file itself: a session must not be taken along into another process.
  const pid_t child = start_child([&] {
    char go = 0;
    return ::read(ends[0], &go, 1) == 1 &&
           add_note(*Database::open({.path = path_}).value(), "theirs");
  });
  const auto database = open();
  const std::int64_t version = database->version().value();
  EXPECT_EQ(database->version_at_once(), version);
  EXPECT_EQ(::write(ends[1], "!", 1), 1);
  EXPECT_TRUE(succeeded(child));
  EXPECT_EQ(database->version_at_once(), std::nullopt);
  EXPECT_NE(database->version().value(), version);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(DatabaseTest, AskingForTheVersionHoldsNoSnapshot) {
  const auto database = open();
  database->version().value();
  add_note(*database, "a").value();
  // A snapshot from before would keep the log from being emptied.
  int busy = -1;
  soci::session sql(soci::sqlite3, path_);
  sql << "pragma wal_checkpoint(truncate)", soci::into(busy);
  EXPECT_EQ(busy, 0);
}

using DatabaseDeathTest = DatabaseTest;

TEST_F(DatabaseDeathTest, ABodyThatCallsItsOwnDatabaseIsABug) {
  const auto database = open();
  EXPECT_DEATH((void)database->read([&](soci::session&) { return count_notes(*database); }),
               "CHECK");
}

}  // namespace
}  // namespace wherry
