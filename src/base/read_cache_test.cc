// SPDX-License-Identifier: Apache-2.0
#include "base/read_cache.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include "base/scratch_directory.h"

namespace wherry {
namespace {

constexpr Migration kOneNoteTable[] = {{"notes", 1, "create table note (text text not null);"}};

class ReadCacheTest : public testing::TestWithParam<const char*> {
 protected:
  ReadCacheTest() {
    database_ =
        Database::open({.path = *GetParam() != 0 ? GetParam() : scratch_.file("a.db")}).value();
    database_->migrate(kOneNoteTable).value();
  }
  void write(const std::string& text) {
    database_
        ->write([&](soci::session& sql) -> Result<void> {
          sql << "insert into note (text) values (:text)", soci::use(text);
          return {};
        })
        .value();
  }
  // Has read so often that it keeps what it reads.
  std::unique_ptr<ReadCache<int>> warm_cache(std::size_t limit = 1000) {
    auto cache = std::make_unique<ReadCache<int>>(*database_, limit);
    for (int i = 0; i < ReadCache<int>::kNotKept; ++i) count(*cache, "first").value();
    loads_ = 0;
    return cache;
  }
  // How often anything was loaded is `loads_`.
  Result<std::shared_ptr<const int>> count(ReadCache<int>& cache, const std::string& key = "all") {
    return cache.get(key, [&] {
      ++loads_;
      return database_->read([](soci::session& sql) -> Result<int> {
        int rows = 0;
        sql << "select count(*) from note", soci::into(rows);
        if (rows > 2) return make_error(Code::kConflict, "too many");
        return rows;
      });
    });
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Database> database_;
  int loads_ = 0;
};

TEST_P(ReadCacheTest, KeepsNothingOfTheFirstReads) {
  ReadCache<int> cache(*database_);
  for (int i = 0; i < ReadCache<int>::kNotKept; ++i) count(cache).value();
  EXPECT_EQ(loads_, ReadCache<int>::kNotKept);
}

TEST_P(ReadCacheTest, KeepsWhatWasReadUntilSomethingIsWritten) {
  const auto kept = warm_cache();
  ReadCache<int>& cache = *kept;
  EXPECT_EQ(*count(cache).value(), 0);
  EXPECT_EQ(*count(cache).value(), 0);
  EXPECT_EQ(loads_, 1);
  write("a");
  EXPECT_EQ(*count(cache).value(), 1);
  EXPECT_EQ(loads_, 2);
  count(cache, "another key").value();
  EXPECT_EQ(loads_, 3);
}

TEST_P(ReadCacheTest, KeepsNoErrors) {
  const auto kept = warm_cache();
  ReadCache<int>& cache = *kept;
  for (const char* text : {"a", "b", "c"}) write(text);
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(count(cache).error().code, Code::kConflict);
    EXPECT_EQ(loads_, i);
  }
}

TEST_P(ReadCacheTest, KeepsNoMoreThanItsLimit) {
  const auto kept = warm_cache(2);
  ReadCache<int>& cache = *kept;
  for (const char* key : {"1", "2", "3"}) count(cache, key).value();
  count(cache, "3").value();
  EXPECT_EQ(loads_, 3);
  count(cache, "1").value();
  EXPECT_EQ(loads_, 4);
}

TEST_P(ReadCacheTest, AValueOutlivesItsPlace) {
  const auto kept = warm_cache();
  ReadCache<int>& cache = *kept;
  const auto held = count(cache).value();
  write("a");
  count(cache).value();
  EXPECT_EQ(*held, 0);
}

INSTANTIATE_TEST_SUITE_P(Databases, ReadCacheTest, testing::Values("", ":memory:"),
                         [](const auto& one) { return *one.param != 0 ? "Memory" : "File"; });

}  // namespace
}  // namespace wherry
