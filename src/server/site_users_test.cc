// SPDX-License-Identifier: Apache-2.0
#include "server/site_users.h"

#include <gtest/gtest.h>

#include "tasks/test_world.h"

namespace wherry::server {
namespace {

class SiteUsersTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world_.database->migrate(site_user_migrations())); }

  tasks::TestWorld world_;
  SiteUsers users_{*world_.database, world_.clock};
};

TEST_F(SiteUsersTest, TheLastRightThatWasGivenCounts) {
  ASSERT_TRUE(users_.put({3, "ada", SiteRight::kUse}));
  ASSERT_TRUE(users_.put({3, "ada", SiteRight::kManage}));
  ASSERT_TRUE(users_.put({4, "ada", SiteRight::kUse}));
  const auto of_ada = users_.of_identity("ada").value();
  ASSERT_EQ(of_ada.size(), 2u);
  EXPECT_EQ(of_ada[0].right, SiteRight::kManage);
  EXPECT_EQ(of_ada[1].site, 4);
  EXPECT_EQ(users_.of_site(3)->size(), 1u);
}

TEST_F(SiteUsersTest, WhatIsTakenAwayIsGone) {
  ASSERT_TRUE(users_.put({3, "ada", SiteRight::kUse}));
  ASSERT_TRUE(users_.remove(3, "ada"));
  EXPECT_TRUE(users_.of_identity("ada")->empty());
  EXPECT_EQ(users_.remove(3, "ada").error().code, Code::kNotFound);
}

TEST_F(SiteUsersTest, OnlyWhatCanBeGivenIsRead) {
  EXPECT_EQ(parse_site_right("manage").value(), SiteRight::kManage);
  EXPECT_EQ(parse_site_right("own").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::server
