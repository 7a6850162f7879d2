// SPDX-License-Identifier: Apache-2.0
// The whole service without sockets, for fuzzers: ada, who has one of everything, bob, who has
// nothing, and a directory beside the endpoint's root that nobody may touch.
#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/scratch_directory.h"
#include "endpoints/bookmarks.h"
#include "endpoints/permissions.h"
#include "jobs/site_store.h"
#include "server/admin_cancels.h"
#include "server/server.h"
#include "server/site_users.h"
#include "server/timers.h"
#include "server/tokens.h"
#include "tasks/local_service.h"

namespace wherry::server {

class ServiceWorld {
 public:
  ServiceWorld() {
    for (const auto migrations :
         {endpoints::endpoint_migrations(), endpoints::bookmark_migrations(),
          tasks::task_migrations(), identity_migrations(), timer_migrations(),
          admin_cancel_migrations(), jobs::job_migrations(), site_user_migrations()})
      CHECK(database_->migrate(migrations));
    std::filesystem::create_directories(scratch_.file("root/run/below"));
    std::filesystem::create_directory(scratch_.file("outside"));
    std::filesystem::create_symlink("../outside", scratch_.file("root/way-out"));
    names_["$K"] = identities_.create_client({.name = "app", .is_local = true}).value().client.id;
    names_["$U"] = add_user("ada", "$A");
    names_["$V"] = add_user("bob", "$F");
    names_["$N"] = "00000000-0000-4000-8000-00000000000f";  // of nothing
    tokens_of_["$X"] = {"no-token", "no-token", "no-token", "no-token"};
    add_endpoint();
    add_the_rest();
    add_jobs();
  }
  ServiceWorld(const ServiceWorld&) = delete;
  ServiceWorld& operator=(const ServiceWorld&) = delete;
  ~ServiceWorld() {
    CHECK(std::filesystem::is_empty(scratch_.file("outside")));
    const std::filesystem::directory_iterator entries(scratch_.path());
    CHECK(std::distance(begin(entries), end(entries)) == 2);
  }

  // What stands in a request for things of this world: "$E" is the endpoint. In the Authorization
  // header, "$A" is a token of ada's, "$F" of bob's and "$X" of nobody's.
  void fill_in(Request& request) const {
    const auto fill = [this](std::string& text) {
      for (const auto& [name, value] : names_) replace(text, name, value);
    };
    fill(request.path);
    fill(request.body);
    for (auto& [key, value] : request.query) fill(value);
    for (auto& [key, value] : request.headers) {
      if (key != "authorization") continue;
      for (const auto& [name, tokens] : tokens_of_) replace(value, name, tokens[kind_of(request)]);
    }
    request.request_id = "abcdefghi";
    request.peer = "127.0.0.1";
  }

  Response ask(Request request) {
    const auto answer = std::make_shared<std::promise<Response>>();
    server_->handle(std::move(request),
                    [answer](Response response) { answer->set_value(std::move(response)); });
    return answer->get_future().get();
  }

  // What no answer may hold.
  std::vector<std::string> secrets() const {
    std::vector<std::string> secrets = {scratch_.path().substr(scratch_.path().rfind('/') + 1)};
    for (const auto& [name, tokens] : tokens_of_)
      if (name != "$X") secrets.insert(secrets.end(), tokens.begin(), tokens.end());
    return secrets;
  }
  bool is_of_ada(const Request& request) const {
    const std::string* header = request.header("authorization");
    const auto& tokens = tokens_of_.at("$A");
    return header != nullptr &&
           std::any_of(tokens.begin(), tokens.end(), [header](const std::string& token) {
             return header->find(token) != header->npos;
           });
  }
  // What no answer to somebody else than ada may hold: of her timers and bookmarks nobody learns.
  static constexpr std::string_view kOfAda = "nobody but ada knows of it";

 private:
  static constexpr const char* kUri = "http://localhost:1";

  static void replace(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  // Each service has tokens of its own.
  static std::size_t kind_of(const Request& request) {
    if (request.path.starts_with("/v0.10")) return 0;
    if (request.path.starts_with("/v1/")) return 3;
    return request.path.starts_with("/jobs") || request.path.starts_with("/v2/timer") ? 1 : 2;
  }

  std::string add_user(const std::string& name, const std::string& stands_for) {
    const User user =
        identities_.create_user({name + "@example.org", name, "", "difference engine"}).value();
    const auto scopes = parse_scopes(
        "urn:globus:auth:scope:transfer.api.globus.org:all "
        "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer "
        "openid profile email urn:globus:auth:scope:auth.globus.org:view_identity_set "
        "urn:wherry:scope:jobs:all");
    Tokens tokens({*database_, clock_, random_});
    const auto code =
        tokens.issue_code({names_.at("$K"), user.id, scopes.value(), kUri, "", false}).value();
    const auto issued = tokens.redeem({code, names_.at("$K"), kUri, ""}).value();
    for (const IssuedToken& token : issued.tokens)
      tokens_of_[stands_for].push_back(token.access_token);
    CHECK(tokens_of_[stands_for].size() == 4);
    return user.id;
  }

  void add_endpoint() {
    endpoints::NewEndpoint lab;
    lab.display_name = "lab";
    lab.location = scratch_.file("root");
    lab.owner = names_.at("$U");
    names_["$E"] = endpoints_.create(lab).value().id;
  }

  // As ada does it. Remembers the id that the answer has at `key`.
  void add(const char* name, const char* path, std::string body, std::string_view key) {
    Request request;
    request.method = Method::kPost;
    request.path = path;
    request.body = std::move(body);
    request.headers = {{"authorization", "Bearer $A"}};
    fill_in(request);
    const Response answer = ask(std::move(request));
    if (answer.status >= 300) std::fprintf(stderr, "%s: %s\n", path, answer.body.c_str());
    CHECK(answer.status < 300);
    const boost::json::value told = boost::json::parse(answer.body);
    boost::json::object document = told.is_array() ? told.at(0).as_object() : told.as_object();
    if (document.contains("timer")) document = boost::json::object(document["timer"].as_object());
    const boost::json::value& id = document.at(key);
    names_[name] = id.is_string() ? std::string(id.as_string()) : boost::json::serialize(id);
  }
  void add_the_rest() {
    const std::string known(kOfAda);
    add("$G", "/v0.10/shared_endpoint",
        R"({"host_endpoint":"$E","host_path":"/run/","display_name":"share"})", "id");
    const std::string transfer = R"("source_endpoint":"$E","destination_endpoint":"$G",)"
                                 R"("DATA":[{"source_path":"/run/a","destination_path":"/b"}]})";
    add("$T", "/v0.10/transfer",
        R"({"submission_id":"00000000-0000-4000-8000-000000000001",)" + transfer, "task_id");
    add("$B", "/v0.10/bookmark", R"({"endpoint_id":"$E","path":"/run/","name":")" + known + R"("})",
        "id");
    add("$R", "/v0.10/endpoint/$E/access",
        R"({"principal_type":"identity","principal":"$V","path":"/run/","permissions":"r"})",
        "access_id");
    add("$O", "/v0.10/endpoint/$G/role",
        R"({"principal_type":"identity","principal":"$V","role":"activity_monitor"})", "id");
    add("$P", "/v0.10/endpoint_manager/pause_rule",
        R"({"endpoint_id":"$G","message":"holiday","pause_task_delete":true})", "id");
    add("$J", "/v2/timer",
        R"({"timer":{"timer_type":"transfer","name":")" + known +
            R"(","schedule":{"type":"once"},"body":{)" + transfer + "}}",
        "job_id");
  }

  // A site, which clients cannot make here, with an app, a job that has an input, and who runs it.
  void add_jobs() {
    const std::string known(kOfAda);
    jobs::Sites sites(*database_, clock_);
    names_["$S"] = std::to_string(
        sites
            .create(known, "/sites/ada", names_.at("$U"),
                    "transfers:\n  transfer_locations:\n    lab: wherry://" + names_.at("$E"))
            .value()
            .id);
    add("$Y", "/v1/apps",
        R"({"site_id":$S,"name":"hash","command":"hash {{ word }}","description":")" + known +
            R"(","parameters":{"word":{"default":"a"}},)"
            R"("transfers":{"in":{"direction":"in","local_path":"a"}}})",
        "id");
    add("$Z", "/v1/jobs",
        R"([{"app_id":$Y,"workdir":"run","tags":{"run":")" + known +
            R"("},"transfers":{"in":"lab:/run/a"}}])",
        "id");
    add("$L", "/v1/sessions", R"({"site_id":$S,"holder":")" + known + R"("})", "id");
    add("$Q", "/v1/batch-jobs", R"({"site_id":$S,"queue":")" + known + R"("})", "id");
  }

  static std::unique_ptr<Database> open_database() {
    Database::Options in_memory;
    in_memory.path = ":memory:";
    return Database::open(in_memory).value();
  }
  // One directory of keys for all worlds: making a key takes a while.
  static Server::Options options() {
    static const ScratchDirectory keys;
    Server::Options made;
    made.directory = keys.path();
    made.router.database_threads = made.router.storage_threads = 1;
    made.router.submission_threads = 1;
    return made;
  }

  const ScratchDirectory scratch_;
  FakeClock clock_;
  SeededRandom random_{1};
  const std::unique_ptr<Database> database_ = open_database();
  endpoints::Endpoints endpoints_{*database_, clock_, random_};
  endpoints::Permissions permissions_{*database_, endpoints_, clock_, random_};
  Identities identities_{{*database_, clock_, random_, {.n = 16, .r = 1, .p = 1}}};
  const std::unique_ptr<tasks::LocalService> service_ = tasks::LocalService::create(
      {*database_, endpoints_, clock_, random_}, {}, tasks::Execution::kNone);
  const std::unique_ptr<Server> server_ =
      Server::without_sockets(
          {*database_, *service_, endpoints_, permissions_, identities_, clock_, random_},
          options())
          .value();
  std::map<std::string, std::string> names_;
  std::map<std::string, std::vector<std::string>> tokens_of_;  // transfer, timers, auth, jobs
};

}  // namespace wherry::server
