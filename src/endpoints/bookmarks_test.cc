// SPDX-License-Identifier: Apache-2.0
#include "endpoints/bookmarks.h"

#include <gtest/gtest.h>

namespace wherry::endpoints {
namespace {

class BookmarksTest : public testing::Test {
 protected:
  BookmarksTest() {
    database_ = Database::open({.path = ":memory:"}).value();
    EXPECT_TRUE(database_->migrate(bookmark_migrations()));
    bookmarks_ = std::make_unique<Bookmarks>(Bookmarks::Parts{*database_, clock_, random_});
  }
  Bookmark create(const std::string& name, const std::string& owner = "ada") {
    return bookmarks_->create(owner, {name, "endpoint", "/run42/"}).value();
  }

  FakeClock clock_;
  SeededRandom random_{3};
  std::unique_ptr<Database> database_;
  std::unique_ptr<Bookmarks> bookmarks_;
};

TEST_F(BookmarksTest, WhatIsCreatedIsFoundByNameAndById) {
  const Bookmark made = create("data");
  EXPECT_EQ(made.path, "/run42/");
  EXPECT_EQ(bookmarks_->find("ada", "data").value(), made);
  EXPECT_EQ(bookmarks_->find("ada", made.id).value(), made);
}

TEST_F(BookmarksTest, NamesAreUniqueOfOneOwnerAndTellUpperFromLowerCase) {
  create("data");
  EXPECT_EQ(bookmarks_->create("ada", {"data", "endpoint", "/"}).error().code,
            Code::kAlreadyExists);
  create("Data");
  create("data", "bob");
  EXPECT_EQ(bookmarks_->list("ada").value().size(), 2u);
}

TEST_F(BookmarksTest, AStrangersBookmarkDoesNotExist) {
  const Bookmark made = create("data");
  EXPECT_EQ(bookmarks_->get("bob", made.id).error().code, Code::kNotFound);
  EXPECT_EQ(bookmarks_->find("bob", "data").error().code, Code::kNotFound);
  EXPECT_EQ(bookmarks_->rename("bob", made.id, "mine").error().code, Code::kNotFound);
  EXPECT_EQ(bookmarks_->remove("bob", made.id).error().code, Code::kNotFound);
  EXPECT_EQ(bookmarks_->get("bob", made.id).error().message,
            bookmarks_->get("bob", "11111111-0000-4000-8000-000000000009")
                .error()
                .message.replace(13, 36, made.id));
}

TEST_F(BookmarksTest, ARenamedOneKeepsItsIdAndTakesNoNameThatIsTaken) {
  const Bookmark made = create("data");
  create("other");
  EXPECT_EQ(bookmarks_->rename("ada", made.id, "other").error().code, Code::kAlreadyExists);
  EXPECT_EQ(bookmarks_->rename("ada", made.id, "data")->name, "data");
  EXPECT_EQ(bookmarks_->rename("ada", made.id, "results")->id, made.id);
  EXPECT_EQ(bookmarks_->find("ada", "results")->id, made.id);
}

TEST_F(BookmarksTest, ARemovedOneIsGone) {
  const Bookmark made = create("data");
  EXPECT_TRUE(bookmarks_->remove("ada", made.id));
  EXPECT_EQ(bookmarks_->remove("ada", made.id).error().code, Code::kNotFound);
}

TEST_F(BookmarksTest, NamesThatCouldNotBeToldApartAreRefused) {
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(129, 'x'),
                                  std::string("11111111-0000-4000-8000-000000000009")})
    EXPECT_EQ(bookmarks_->create("ada", {name, "endpoint", "/"}).error().code, Code::kInvalid);
  EXPECT_EQ(bookmarks_->create("ada", {"a", "endpoint", ""}).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::endpoints
