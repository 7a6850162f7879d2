// SPDX-License-Identifier: Apache-2.0
#include "api/access_documents.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/golden.h"
#include "api/json.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using endpoints::Access;
using endpoints::AccessRule;
using endpoints::Role;

const TimePoint kThen{std::chrono::seconds(1'539'601'563)};

std::string message_of(std::string_view text) {
  const auto read = read_access(parse_object(text).value());
  return read ? "" : read.error().message;
}

AccessRule rule() {
  AccessRule rule;
  rule.id = "11111111-0000-4000-8000-000000000001";
  rule.principal = "bbbbbbbb-0000-4000-8000-000000000002";
  rule.path = RelPath::parse("run 42").value();
  rule.access = Access::kReadWrite;
  rule.created = kThen;
  rule.expires = kThen + std::chrono::hours(24);
  return rule;
}

AccessRule for_everybody() {
  AccessRule all = rule();
  all.whom = AccessRule::Whom::kAllAuthenticated;
  all.principal.clear();
  all.path = RelPath();
  all.access = Access::kRead;
  all.expires.reset();
  return all;
}

TEST(AccessDocuments, ARuleHasEveryKeyOfTheContract) {
  EXPECT_EQ(sent(access_document(rule())), golden("access"));
  EXPECT_EQ(sent(access_document(for_everybody())), golden("access_everybody"));
  EXPECT_EQ(
      sent(access_created_document(
          rule().id, {.request_id = "aB3xYz12q",
                      .resource = "/v0.10/endpoint/aaaaaaaa-0000-4000-8000-000000000001/access"})),
      golden("access_create_result"));
}

TEST(AccessDocuments, WhatIsWrittenIsReadBack) {
  AccessRule odd = rule();
  odd.path = RelPath::parse("caf\xe9/x").value();
  for (const AccessRule& wanted : {rule(), for_everybody(), odd})
    EXPECT_EQ(read_access(sent(access_document(wanted))).value(), wanted);
}

TEST(AccessDocuments, WhatIsWrongIsNamed) {
  EXPECT_EQ(message_of("{}"), "principal_type is missing");
  EXPECT_EQ(message_of(R"({"principal_type": "everybody"})"),
            "principal_type must be identity, group, all_authenticated_users or anonymous");
  EXPECT_EQ(message_of(R"({"principal_type": "identity"})"), "path is missing");
  EXPECT_EQ(message_of(R"({"principal_type": "identity", "path": "/"})"), "permissions is missing");
  EXPECT_EQ(message_of(R"({"principal_type": "identity", "path": "/", "permissions": "w"})"),
            "permissions must be 'r' or 'rw'");
  EXPECT_NE(message_of(R"({"principal_type": "identity", "path": "/../x", "permissions": "r"})"),
            "");
}

TEST(AccessDocuments, AChangeHoldsWhatIsGivenAndNullEndsTheExpiry) {
  const auto change = [](std::string_view text) {
    return read_access_change(parse_object(text).value()).value();
  };
  EXPECT_EQ(change(R"({"permissions": "r"})").access, Access::kRead);
  EXPECT_FALSE(change(R"({"permissions": "r"})").expires.has_value());
  const auto forever = change(R"({"permissions": null, "expiration_date": null})");
  EXPECT_FALSE(forever.access.has_value());
  ASSERT_TRUE(forever.expires.has_value());
  EXPECT_FALSE(forever.expires->has_value());
  EXPECT_EQ(**change(R"({"expiration_date": "2018-10-15T11:06:03+00:00"})").expires, kThen);
}

TEST(AccessDocuments, ARoleIsWrittenAndReadBack) {
  const Role role{"22222222-0000-4000-8000-000000000001",
                  {},
                  Role::Whom::kGroup,
                  "99999999-0000-4000-8000-000000000009",
                  Role::Kind::kActivityManager};
  EXPECT_EQ(sent(role_document(role)), golden("role"));
  EXPECT_EQ(read_role(sent(role_document(role))).value(), role);
  json::object bad = role_document(role);
  bad["role"] = "emperor";
  EXPECT_EQ(read_role(bad).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::api
