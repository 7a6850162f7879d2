// SPDX-License-Identifier: Apache-2.0
#include "server/transfer_routes.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "server/route_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kAda = "5f8f0fbb-3a59-4a3c-9d5c-0d1f6b1f2a01";
constexpr const char* kBob = "5f8f0fbb-3a59-4a3c-9d5c-0d1f6b1f2a02";

class TransferRoutesTest : public RouteFixture {
 protected:
  void SetUp() override {
    RouteFixture::SetUp();
    caller_.identity = kAda;
    for (auto some : {task_routes(parts()), file_routes(parts()), endpoint_routes(parts())})
      routes_.insert(routes_.end(), some.begin(), some.end());
    for (const auto& id : {world_.source, world_.target}) share(id, "", kAda);
    world_.add_source_file("run/a.txt", "alpha");
    world_.add_source_file("run/.hidden", "");
    world_.add_source_file("run/sub/b.txt", "beta");
  }
  void share(const endpoints::EndpointId& endpoint, const std::string& path, const char* whom,
             endpoints::Access access = endpoints::Access::kReadWrite) {
    endpoints::AccessRule rule;
    rule.endpoint = endpoint;
    rule.principal = whom;
    rule.path = RelPath::parse(path).value();
    rule.access = access;
    ASSERT_TRUE(permissions_.create_rule(rule));
  }
  std::string transfer_body(const std::string& submission) {
    return json::serialize(
        json::object{{"DATA_TYPE", "transfer"},
                     {"submission_id", submission},
                     {"label", nullptr},
                     {"source_endpoint", world_.source},
                     {"destination_endpoint", world_.target},
                     {"DATA", json::array{json::object{{"DATA_TYPE", "transfer_item"},
                                                       {"source_path", "/run/"},
                                                       {"destination_path", "~/copy"},
                                                       {"recursive", true}}}}});
  }
  Response submit(const std::string& submission = "0b2d1c9e-0000-4000-8000-000000000001") {
    return call(
        {.method = Method::kPost, .pattern = "/v0.10/transfer", .body = transfer_body(submission)});
  }
  std::string task_of(const Response& response) {
    return std::string(object(response).at("task_id").as_string());
  }
  Response ls(std::vector<std::pair<std::string, std::string>> query) {
    return call({.pattern = "/v0.10/operation/endpoint/{endpoint_id}/ls",
                 .parameters = {{"endpoint_id", world_.source}},
                 .query = std::move(query)});
  }
  std::vector<std::string> names(const Response& response) {
    std::vector<std::string> names;
    const json::object list = object(response);
    for (const json::value& file : list.at("DATA").as_array())
      names.emplace_back(file.at("name").as_string());
    return names;
  }
};

TEST_F(TransferRoutesTest, ASubmissionIsAcceptedOnceAndThenADuplicate) {
  const Response first = submit();
  EXPECT_EQ(first.status, 202u);
  EXPECT_EQ(code(first), "Accepted");
  const Response second = submit();
  EXPECT_EQ(second.status, 200u);
  EXPECT_EQ(code(second), "Duplicate");
  EXPECT_EQ(task_of(first), task_of(second));
}

TEST_F(TransferRoutesTest, ATaskIsMovedAndTellsWhatItDid) {
  const std::string id = task_of(submit());
  EXPECT_EQ(world_.run(id).state, tasks::TaskState::kSucceeded);
  EXPECT_EQ(world_.target_file("copy/sub/b.txt"), "beta");
  const auto of_task = [&](const std::string& rest) {
    return object(
        call({.pattern = "/v0.10/task/{task_id}" + rest, .parameters = {{"task_id", id}}}));
  };
  EXPECT_EQ(of_task("").at("status"), "SUCCEEDED");
  EXPECT_EQ(of_task("").at("files"), 3);
  EXPECT_EQ(of_task("/successful_transfers").at("DATA").as_array().size(), 3u);
  EXPECT_TRUE(of_task("/successful_transfers").at("next_marker").is_null());
  EXPECT_EQ(of_task("/skipped_errors").at("DATA").as_array().size(), 0u);
  EXPECT_EQ(of_task("/event_list").at("DATA").as_array().front().at("code"), "SUCCEEDED");
}

TEST_F(TransferRoutesTest, WhatIsSaidOfATaskHoldsOnceItHasEnded) {
  const std::string id = task_of(submit());
  const auto holds = [&](std::vector<std::pair<std::string, std::string>> query = {}) {
    const bool one = call({.pattern = "/v0.10/task/{task_id}", .parameters = {{"task_id", id}}})
                         .holds_until_commit;
    const bool list =
        call({.pattern = "/v0.10/task_list", .query = std::move(query)}).holds_until_commit;
    return std::pair(one, list);
  };
  // It changes without a commit when the process that runs it dies.
  EXPECT_EQ(holds(), std::pair(false, false));
  world_.run(id);
  EXPECT_EQ(holds(), std::pair(true, true));
  EXPECT_EQ(holds({{"filter", "task_id:!" + id}}), std::pair(true, false));
}

TEST_F(TransferRoutesTest, AnotherUsersTaskDoesNotExist) {
  const std::string id = task_of(submit());
  const auto look = [&](const std::string& task) {
    Response response =
        call({.pattern = "/v0.10/task/{task_id}", .parameters = {{"task_id", task}}});
    EXPECT_EQ(response.status, 404u);
    json::object body = object(response);
    EXPECT_THAT(std::string(body.at("message").as_string()), HasSubstr(task));
    return std::string(body.at("code").as_string());
  };
  caller_.identity = kBob;
  EXPECT_EQ(look(id), look("0b2d1c9e-0000-4000-8000-00000000ffff"));
  const Response cancelled = call({.method = Method::kPost,
                                   .pattern = "/v0.10/task/{task_id}/cancel",
                                   .parameters = {{"task_id", id}}});
  EXPECT_EQ(cancelled.status, 404u);
  EXPECT_EQ(object(call({.pattern = "/v0.10/task_list"})).at("total"), 0);
}

TEST_F(TransferRoutesTest, TasksAreListedByFilterOrderAndPage) {
  for (int i = 1; i <= 3; ++i) {
    world_.clock.advance(std::chrono::seconds(1));
    (void)submit(fmt::format("0b2d1c9e-0000-4000-8000-00000000000{}", i));
  }
  const auto list = [&](std::vector<std::pair<std::string, std::string>> query) {
    return object(call({.pattern = "/v0.10/task_list", .query = std::move(query)}));
  };
  EXPECT_EQ(list({{"filter", "status:ACTIVE/type:TRANSFER,DELETE"}}).at("total"), 3);
  EXPECT_EQ(list({{"filter", "status:SUCCEEDED"}}).at("total"), 0);
  const auto newest = list({{"limit", "1"}, {"orderby", "request_time DESC"}});
  const auto oldest = list({{"limit", "1"}, {"orderby", "request_time"}, {"fields", "task_id"}});
  EXPECT_EQ(newest.at("total"), 3);
  EXPECT_EQ(newest.at("length"), 1);
  EXPECT_EQ(newest.at("DATA").as_array().front().at("task_id"),
            list({}).at("DATA").as_array().front().at("task_id"));
  EXPECT_EQ(oldest.at("DATA").as_array().front().as_object().size(), 2u);  // and DATA_TYPE
  // What the store cannot match: everything but the named one.
  const std::string id(oldest.at("DATA").as_array().front().at("task_id").as_string());
  EXPECT_EQ(list({{"filter", "task_id:!" + id}}).at("total"), 2);
}

TEST_F(TransferRoutesTest, ATaskIsChangedAndCancelled) {
  const std::string id = task_of(submit());
  const auto ask = [&](Method method, const std::string& rest, const std::string& body) {
    return call({.method = method,
                 .pattern = "/v0.10/task/{task_id}" + rest,
                 .parameters = {{"task_id", id}},
                 .body = body});
  };
  EXPECT_EQ(code(ask(Method::kPut, "", R"({"DATA_TYPE":"task","label":"new"})")), "Updated");
  EXPECT_EQ(world_.service->task(id)->label, "new");
  EXPECT_EQ(code(ask(Method::kPost, "/cancel", "")), "Canceled");
  EXPECT_EQ(code(ask(Method::kPost, "/cancel", "")), "TaskComplete");
  EXPECT_EQ(ask(Method::kPut, "", R"({"label":"late"})").status, 409u);
}

TEST_F(TransferRoutesTest, ADirectoryIsListedAsAsked) {
  EXPECT_THAT(names(ls({{"path", "/run"}})), ElementsAre(".hidden", "a.txt", "sub"));
  EXPECT_THAT(names(ls({{"path", "run/"}, {"show_hidden", "False"}})), ElementsAre("a.txt", "sub"));
  EXPECT_THAT(names(ls({{"path", "/run"}, {"filter", "type:dir"}, {"filter", "name:~*.txt"}})),
              ElementsAre("a.txt", "sub"));
  EXPECT_THAT(names(ls({{"path", "/run"}, {"orderby", "name DESC"}, {"limit", "1"}})),
              ElementsAre("sub"));
  EXPECT_EQ(object(ls({{"path", "/run"}})).at("path"), "/run/");
  EXPECT_EQ(object(ls({{"path", "/run"}, {"limit", "1"}})).at("total"), 3);
  EXPECT_EQ(code(ls({{"path", "/none"}})), "ClientError.NotFound");
  EXPECT_EQ(ls({{"path", "/run/../.."}}).status, 400u);
}

TEST_F(TransferRoutesTest, AnEndpointThatIsAwaySaysSoAndNotWhereItWas) {
  endpoints::NewEndpoint lab;
  lab.display_name = "beamline";
  lab.location = world_.scratch.file("beamline");
  lab.owner = kAda;
  std::filesystem::create_directory(lab.location);
  const std::string id = world_.endpoints->create(lab).value().id;
  const std::string kOperation = "/v0.10/operation/endpoint/{endpoint_id}/";
  const Asked ls{.pattern = kOperation + "ls", .parameters = {{"endpoint_id", id}}};
  ASSERT_EQ(call(ls).status, 200u);
  std::filesystem::remove(lab.location);
  const Response listed = call(ls);
  EXPECT_EQ(listed.status, 502u);
  EXPECT_EQ(code(listed), "ExternalError.DirListingFailed.GCDisconnected");
  const Response made = call({.method = Method::kPost,
                              .pattern = kOperation + "mkdir",
                              .parameters = {{"endpoint_id", id}},
                              .body = R"({"path":"/d"})"});
  EXPECT_EQ(code(made), "ExternalError.MkdirFailed.GCDisconnected");
  for (const Response& response : {listed, made})
    EXPECT_THAT(response.body, testing::Not(HasSubstr(world_.scratch.path())));
}

TEST_F(TransferRoutesTest, AnEndpointThatCannotBeMadeLeavesNothingAndNamesNoPath) {
  TransferParts with_directory = parts();
  with_directory.endpoint_directory = world_.scratch.file("made");
  routes_ = endpoint_routes(with_directory);
  const Asked create{
      .method = Method::kPost, .pattern = "/v0.10/endpoint", .body = R"({"display_name":"a/b"})"};
  EXPECT_EQ(call(create).status, 400u);
  EXPECT_TRUE(std::filesystem::is_empty(with_directory.endpoint_directory));
  std::filesystem::remove(with_directory.endpoint_directory);
  std::ofstream(with_directory.endpoint_directory) << "a file in the way";
  const Response refused = call(create);
  EXPECT_GE(refused.status, 400u);
  EXPECT_THAT(refused.body, testing::Not(HasSubstr(world_.scratch.path())));
}

TEST_F(TransferRoutesTest, FilesAreMadeAndRenamedWhereARuleAllows) {
  const auto ask = [&](const std::string& operation, const std::string& body) {
    return call({.method = Method::kPost,
                 .pattern = "/v0.10/operation/endpoint/{endpoint_id}/" + operation,
                 .parameters = {{"endpoint_id", world_.target}},
                 .body = body});
  };
  EXPECT_EQ(code(ask("mkdir", R"({"path":"/d"})")), "DirectoryCreated");
  EXPECT_EQ(code(ask("mkdir", R"({"path":"/d"})")), "ExternalError.MkdirFailed.Exists");
  EXPECT_EQ(code(ask("rename", R"({"old_path":"/d","new_path":"/e"})")), "FileRenamed");
  EXPECT_EQ(code(ask("symlink", R"({"symlink_target":"e","path":"/link"})")), "SymlinkCreated");
  caller_.identity = kBob;
  share(world_.target, "e", kBob, endpoints::Access::kRead);
  EXPECT_EQ(code(ask("mkdir", R"({"path":"/e/x"})")), "EndpointPermissionDenied");
}

TEST_F(TransferRoutesTest, AnEndpointExistsForThoseWhoAreNamedInARule) {
  const std::string directory = world_.scratch.file("real");
  std::filesystem::create_directories(directory + "/run");
  std::filesystem::create_symlink("..", directory + "/run/up");
  world_.endpoints->substitute(world_.source, storage::open_posix(directory).value());
  const auto show = [&] {
    return call({.pattern = "/v0.10/endpoint/{endpoint_id}",
                 .parameters = {{"endpoint_id", world_.source}}});
  };
  EXPECT_EQ(show().status, 200u);
  caller_.identity = kBob;
  EXPECT_EQ(code(show()), "EndpointNotFound");
  EXPECT_EQ(code(ls({{"path", "/run"}})), "EndpointNotFound");
  EXPECT_EQ(submit().status, 404u);
  share(world_.source, "run", kBob, endpoints::Access::kRead);
  EXPECT_EQ(show().status, 200u);
  EXPECT_EQ(code(ls({{"path", "/"}})), "EndpointPermissionDenied");
  EXPECT_EQ(ls({{"path", "/run"}}).status, 200u);
  EXPECT_EQ(code(ls({{"path", "/run/up"}})), "EndpointPermissionDenied");
}

TEST_F(TransferRoutesTest, AnEndpointMayAskForAConsentToItsData) {
  endpoints::EndpointChange change;
  change.requires_data_access = true;
  ASSERT_TRUE(world_.endpoints->update(world_.source, change));
  const std::string data = "https://auth.globus.org/scopes/" + world_.source + "/data_access";
  const std::string transfer(kTransferScope);
  for (const Response& refused : {ls({{"path", "/run"}}), submit()}) {
    EXPECT_EQ(refused.status, 403u);
    EXPECT_EQ(code(refused), "ConsentRequired");
    const json::value scopes = json::array{transfer + "[*" + data + "]"};
    EXPECT_EQ(object(refused).at("required_scopes"), scopes);
    EXPECT_EQ(object(refused).at("authorization_parameters").at("required_scopes"), scopes);
  }
  // The record of the endpoint is no data.
  EXPECT_EQ(call({.pattern = "/v0.10/endpoint/{endpoint_id}",
                  .parameters = {{"endpoint_id", world_.source}}})
                .status,
            200u);
  caller_.scopes = {transfer + "[" + data + "]"};
  EXPECT_EQ(ls({{"path", "/run"}}).status, 200u);
  EXPECT_EQ(submit().status, 202u);
}

TEST_F(TransferRoutesTest, WhatAnEndpointTellsOfItselfIsKept) {
  endpoints::Role role;
  role.endpoint = world_.source;
  role.principal = kAda;
  role.kind = endpoints::Role::Kind::kAdministrator;
  ASSERT_TRUE(permissions_.create_role(role));
  const auto ask = [&](Method method, const std::string& body) {
    return call({.method = method,
                 .pattern = "/v0.10/endpoint/{endpoint_id}",
                 .parameters = {{"endpoint_id", world_.source}},
                 .body = body});
  };
  EXPECT_EQ(code(ask(Method::kPut, R"({"contact_email":"ada@example.org","department":"Physics",
                                       "info_link":null})")),
            "Updated");
  EXPECT_EQ(code(ask(Method::kPut, R"({"department":null,"user_message":"closed on Monday"})")),
            "Updated");
  const json::object told = object(ask(Method::kGet, ""));
  EXPECT_EQ(told.at("contact_email"), "ada@example.org");
  EXPECT_EQ(told.at("user_message"), "closed on Monday");
  EXPECT_TRUE(told.at("department").is_null());
  EXPECT_TRUE(told.at("info_link").is_null());
}

TEST_F(TransferRoutesTest, ASearchFindsWhatIsThereForTheCaller) {
  const auto search = [&](std::vector<std::pair<std::string, std::string>> query) {
    return call({.pattern = "/v0.10/endpoint_search", .query = std::move(query)});
  };
  EXPECT_EQ(search({}).status, 400u);
  EXPECT_EQ(object(search({{"filter_fulltext", "LAB"}})).at("DATA").as_array().size(), 1u);
  EXPECT_EQ(object(search({{"filter_scope", "my-endpoints"}})).at("DATA").as_array().size(), 0u);
  EXPECT_EQ(object(search({{"filter_scope", "shared-with-me"}})).at("DATA").as_array().size(), 2u);
  EXPECT_EQ(search({{"filter_scope", "everything"}}).status, 400u);
  const auto found = [&](const std::string& name, const std::string& value) {
    return object(search({{"filter_scope", "shared-with-me"}, {name, value}}))
        .at("DATA")
        .as_array()
        .size();
  };
  EXPECT_EQ(found("filter_entity_type", "GCP_mapped_collection,GCSv5_endpoint"), 2u);
  EXPECT_EQ(found("filter_entity_type", "GCP_guest_collection"), 0u);
  EXPECT_EQ(found("filter_non_functional", "0"), 2u);
  EXPECT_EQ(found("filter_non_functional", "True"), 0u);
  const auto first = [&](const std::string& order) {
    return object(search({{"filter_scope", "shared-with-me"}, {"orderby", order}}))
        .at("DATA")
        .at(0)
        .at("display_name")
        .as_string();
  };
  EXPECT_NE(first("display_name"), first("display_name DESC"));
  EXPECT_EQ(search({{"filter_fulltext", "lab"}, {"orderby", "size"}}).status, 400u);
  caller_.identity = kBob;
  EXPECT_EQ(object(search({{"filter_fulltext", "lab"}})).at("DATA").as_array().size(), 0u);
}

TEST_F(TransferRoutesTest, WhatMakesNoSenseIsRefusedWithAReason) {
  const auto post = [&](const std::string& body) {
    return call({.method = Method::kPost, .pattern = "/v0.10/transfer", .body = body});
  };
  EXPECT_EQ(post("{").status, 400u);
  EXPECT_EQ(post("[]").status, 400u);
  EXPECT_EQ(post(R"({"DATA":7})").status, 400u);
  json::object empty =
      json::parse(transfer_body("0b2d1c9e-0000-4000-8000-000000000009")).as_object();
  empty["DATA"] = json::array();
  EXPECT_EQ(code(post(json::serialize(empty))), "ClientError.BadRequest.NoTransferItems");
  EXPECT_EQ(ls({{"path", "/run"}, {"offset", "18446744073709551615"}}).status, 400u);
  for (const char* limit : {"-1", "0"})
    EXPECT_EQ(ls({{"path", "/run"}, {"limit", limit}}).status, 400u) << limit;
  EXPECT_EQ(ls({{"path", "/run"}, {"show_hidden", "maybe"}}).status, 400u);
  EXPECT_EQ(ls({{"path", "/run"}, {"local_user", "root"}}).status, 400u);
}

}  // namespace
}  // namespace wherry::server
