// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <sys/stat.h>

#include "base/scratch_directory.h"
#include "server/job_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class SiteRoutesTest : public JobFixture {
 protected:
  std::string at_site(jobs::SiteId id) { return fmt::format("/v1/sites/{}", id); }
  std::string new_site(const std::string& name, const std::string& path) {
    return json::serialize(json::object{{"name", name}, {"path", path}, {"settings", kSettings}});
  }
  std::string new_app(const std::string& name) {
    return json::serialize(
        json::object{{"site_id", site_}, {"name", name}, {"command", "echo hello"}});
  }
};

TEST_F(SiteRoutesTest, ASiteTellsWhereItsLocationsLead) {
  const json::value site = value(call({Method::kGet, at_site(site_)}));
  EXPECT_EQ(site.at("name").as_string(), "theta");
  EXPECT_EQ(site.at("owner_id").as_string(), kAda);
  EXPECT_EQ(site.at("transfer_locations").at("lab").as_string(), "file:///data/lab");
  EXPECT_TRUE(site.at("last_refresh").is_null());
  EXPECT_EQ(count("/v1/sites?name=theta&path=sites"), 1);
  EXPECT_EQ(count("/v1/sites?name=thet"), 0);
  EXPECT_EQ(count("/v1/sites?last_refresh_after=2020-01-01"), 0);
}

// What a site is told runs with the rights of its process.
TEST_F(SiteRoutesTest, ClientsMakeNoSitesUnlessTheyMay) {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/ada";
  const Response refused = call({Method::kPost, "/v1/sites", new_site("mine", path)});
  EXPECT_EQ(refused.status, 403u);
  EXPECT_THAT(detail(refused), HasSubstr("serve.site_directory"));
  EXPECT_EQ(call({Method::kPut, at_site(site_), R"({"settings": ""})"}).status, 403u);
  EXPECT_EQ(call({Method::kPut, at_site(site_), R"({"path": "/elsewhere"})"}).status, 422u);

  serve(scratch.path());
  const Response made = call({Method::kPost, "/v1/sites", new_site("mine", path)});
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(value(made).at("owner_id").as_string(), kAda);
  struct stat status = {};
  EXPECT_EQ(::stat((path + "/data").c_str(), &status), 0);
}

TEST_F(SiteRoutesTest, ASiteIsMadeOnlyWhereSitesMayBe) {
  const ScratchDirectory scratch;
  serve(scratch.path());
  for (const std::string& path :
       {std::string("/etc"), scratch.path(), scratch.path() + "/../escape", std::string("ada")}) {
    EXPECT_EQ(call({Method::kPost, "/v1/sites", new_site("mine", path)}).status, 422u) << path;
  }
  ASSERT_EQ(call({Method::kPost, "/v1/sites", new_site("mine", scratch.path() + "/a")}).status,
            201u);
  const Response inside =
      call({Method::kPost, "/v1/sites", new_site("his", scratch.path() + "/a/data/b"), kBen});
  EXPECT_EQ(inside.status, 409u) << inside.body;
  ASSERT_EQ(call({Method::kPost, "/v1/sites", new_site("deep", scratch.path() + "/c/d")}).status,
            201u);
  EXPECT_EQ(
      call({Method::kPost, "/v1/sites", new_site("around", scratch.path() + "/c"), kBen}).status,
      409u);
  EXPECT_EQ(call({Method::kPost, "/v1/sites", new_site("near", scratch.path() + "/c/dd")}).status,
            201u);
}

TEST_F(SiteRoutesTest, ASiteIsRenamedAndRemovedByItsOwnerAlone) {
  EXPECT_EQ(call({Method::kPut, at_site(site_), R"({"name": "taken"})", kBen}).status, 404u);
  EXPECT_EQ(call({Method::kDelete, at_site(site_), "", kBen}).status, 404u);
  const Response renamed = call({Method::kPut, at_site(site_), R"({"name": "polaris"})"});
  EXPECT_EQ(value(renamed).at("name").as_string(), "polaris");
  EXPECT_EQ(call({Method::kDelete, at_site(site_)}).status, 204u);
  EXPECT_EQ(call({Method::kGet, at_site(site_)}).status, 404u);
}

TEST_F(SiteRoutesTest, AChangeThatIsHalfWrongChangesNothing) {
  serve("/sites");
  const Response refused =
      call({Method::kPut, at_site(site_), R"({"name": "polaris", "settings": "transfers: [7"})"});
  EXPECT_EQ(refused.status, 422u) << refused.body;
  EXPECT_EQ(stores_->sites.get(site_)->name, "theta");
  const Response changed =
      call({Method::kPut, at_site(site_),
            R"({"settings": "transfers:\n  transfer_locations:\n    hall: file:///hall\n"})"});
  ASSERT_EQ(changed.status, 200u) << changed.body;
  EXPECT_EQ(value(changed).at("transfer_locations").at("hall").as_string(), "file:///hall");
}

TEST_F(SiteRoutesTest, WhoMayUseASiteRunsItsAppsAndMakesNone) {
  ASSERT_TRUE(users_.put({site_, kBen, SiteRight::kUse}));
  EXPECT_EQ(count("/v1/sites", kBen), 1);
  EXPECT_EQ(count("/v1/apps", kBen), 1);
  const Response made =
      call({Method::kPost, "/v1/jobs",
            fmt::format(R"([{{"app_id": {}, "workdir": "a", "transfers": {{"input": "lab:/a"}}}}])",
                        app_),
            kBen});
  EXPECT_EQ(made.status, 201u) << made.body;
  for (const Asked& asked : std::vector<Asked>{
           {Method::kPost, "/v1/apps", new_app("own")},
           {Method::kPut, fmt::format("/v1/apps/{}", app_), R"({"command": "rm -r /"})"},
           {Method::kDelete, fmt::format("/v1/apps/{}", app_)},
           {Method::kPost, "/v1/sessions", fmt::format(R"({{"site_id": {}}})", site_)},
           {Method::kPost, "/v1/batch-jobs", fmt::format(R"({{"site_id": {}}})", site_)},
           {Method::kPut, at_site(site_), R"({"name": "taken"})"},
           {Method::kDelete, at_site(site_)}}) {
    const Response refused = call({asked.method, asked.target, asked.body, kBen});
    EXPECT_EQ(refused.status, 403u) << asked.target << ": " << refused.body;
  }
  EXPECT_EQ(stores_->apps.get(app_)->command, demo_app(site_).command);
}

TEST_F(SiteRoutesTest, WhoMayManageASiteGivesItApps) {
  ASSERT_TRUE(users_.put({site_, kBen, SiteRight::kManage}));
  EXPECT_EQ(call({Method::kPost, "/v1/apps", new_app("own"), kBen}).status, 201u);
  EXPECT_EQ(call({Method::kDelete, at_site(site_), "", kBen}).status, 403u);
  ASSERT_TRUE(users_.remove(site_, kBen));
  EXPECT_EQ(count("/v1/apps", kBen), 0);
}

TEST_F(SiteRoutesTest, AnAppIsMadeOnceAndChangedByItsNumber) {
  const Response made = call({Method::kPost, "/v1/apps", new_app("echo")});
  ASSERT_EQ(made.status, 201u) << made.body;
  const std::string at = fmt::format("/v1/apps/{}", value(made).at("id").as_int64());
  EXPECT_EQ(call({Method::kPost, "/v1/apps", new_app("echo")}).status, 409u);
  const Response changed = call({Method::kPut, at, R"({"description": "says hello"})"});
  ASSERT_EQ(changed.status, 200u) << changed.body;
  EXPECT_EQ(value(changed).at("command").as_string(), "echo hello");
  EXPECT_EQ(value(changed).at("description").as_string(), "says hello");
  EXPECT_EQ(call({Method::kPut, at, R"({"name": "other"})"}).status, 422u);
  EXPECT_EQ(count("/v1/apps?name=echo&site_name=theta"), 1);
  EXPECT_EQ(call({Method::kDelete, at}).status, 204u);
  EXPECT_EQ(call({Method::kGet, at}).status, 404u);
}

TEST_F(SiteRoutesTest, AnAppWithJobsStays) {
  make_job("one");
  EXPECT_EQ(call({Method::kDelete, fmt::format("/v1/apps/{}", app_)}).status, 409u);
}

TEST_F(SiteRoutesTest, AnAppThatCannotWorkIsRefused) {
  const Response refused =
      call({Method::kPost, "/v1/apps",
            fmt::format(R"({{"site_id": {}, "name": "bad", "command": "echo {{{{ word }}}}"}})",
                        site_)});
  EXPECT_EQ(refused.status, 422u) << refused.body;
  EXPECT_THAT(detail(refused), HasSubstr("word"));
  // Defect B11: slots stay in the work directory.
  EXPECT_EQ(call({Method::kPost, "/v1/apps",
                  fmt::format(R"({{"site_id": {}, "name": "bad", "command": "echo", "transfers":
                                 {{"in": {{"direction": "in", "local_path": "../x"}}}}}})",
                              site_)})
                .status,
            422u);
}

}  // namespace
}  // namespace wherry::server
