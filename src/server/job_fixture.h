// SPDX-License-Identifier: Apache-2.0
// For tests of the routes below /v1: a site of Ada's with an app, and requests as clients send
// them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jobs/jobs.h"
#include "server/job_routes.h"
#include "tasks/test_world.h"

namespace wherry::server {

class JobFixture : public testing::Test {
 protected:
  static constexpr const char* kAda = "0e0e0e0e-0000-4000-8000-000000000001";
  static constexpr const char* kBen = "0e0e0e0e-0000-4000-8000-000000000002";

  void SetUp() override {
    ASSERT_TRUE(world_.database->migrate(jobs::job_migrations()));
    ASSERT_TRUE(world_.database->migrate(site_user_migrations()));
    stores_ = std::make_unique<jobs::Stores>(*world_.database, world_.clock);
    serve();
    site_ = stores_->sites.create("theta", "/sites/theta", kAda, kSettings).value().id;
    app_ = stores_->apps.put(demo_app(site_)).value().id;
  }
  // From now on, with this setting.
  void serve(const std::string& site_directory = "") {
    const JobParts parts{*stores_, users_, site_directory};
    routes_.clear();
    for (auto some : {site_routes(parts), job_routes(parts), launcher_routes(parts)})
      routes_.insert(routes_.end(), some.begin(), some.end());
  }
  static jobs::App demo_app(jobs::SiteId site) {
    jobs::App app;
    app.site = site;
    app.name = "demo";
    app.command = "hash {{ word }} input.dat > out.txt";
    app.parameters["word"].required = false;
    app.parameters["word"].default_text = "hello";
    app.transfers["input"].local_path = "input.dat";
    jobs::Slot& result = app.transfers["result"];
    result.direction = jobs::Direction::kOut;
    result.required = false;
    result.local_path = "out.txt";
    return app;
  }

  struct Asked {
    Method method = Method::kGet;
    std::string
        target;  // "/v1/jobs/3?state=READY&state=FAILED"; percent signs stand for themselves
    std::string body = {};
    std::string as = kAda;
  };
  Response call(const Asked& asked) {
    Request request;
    request.method = asked.method;
    request.body = asked.body;
    request.path = asked.target.substr(0, asked.target.find('?'));
    for (std::size_t at = asked.target.find('?'); at != std::string::npos;) {
      const std::size_t end = asked.target.find('&', at + 1);
      const std::string pair = asked.target.substr(at + 1, end - at - 1);
      const std::size_t equals = std::min(pair.find('='), pair.size());
      request.query.emplace_back(pair.substr(0, equals),
                                 pair.substr(std::min(equals + 1, pair.size())));
      at = end;
    }
    Caller caller;
    caller.identity = asked.as;
    caller.username = "somebody";
    for (const Route& route : routes_) {
      std::vector<std::pair<std::string_view, std::string>> parameters;
      if (route.method == asked.method && fits(route.pattern, request.path, parameters))
        return route.run({request, &caller, parameters});
    }
    ADD_FAILURE() << "no route for " << asked.target;
    return {};
  }
  static boost::json::value value(const Response& response) {
    return boost::json::parse(response.body);
  }
  static std::string detail(const Response& response) {
    return std::string(value(response).at("detail").as_string());
  }
  std::int64_t count(const std::string& target, const std::string& as = kAda) {
    const Response response = call({Method::kGet, target, "", as});
    EXPECT_EQ(response.status, 200u) << target << ": " << response.body;
    return response.status == 200 ? value(response).at("count").to_number<std::int64_t>() : -1;
  }
  // A job whose input is to be moved, and its number.
  jobs::JobId make_job(const std::string& workdir, const std::string& more = "") {
    const Response made = call(
        {Method::kPost, "/v1/jobs",
         fmt::format(
             R"([{{"app_id": {}, "workdir": "{}", "transfers": {{"input": "lab:/in.dat"}}{}}}])",
             app_, workdir, more)});
    EXPECT_EQ(made.status, 201u) << made.body;
    return made.status == 201 ? value(made).at(0).at("id").to_number<jobs::JobId>() : 0;
  }

  static constexpr const char* kSettings =
      "transfers:\n  transfer_locations:\n    lab: file:///data/lab\n";

  tasks::TestWorld world_;
  std::unique_ptr<jobs::Stores> stores_;
  SiteUsers users_{*world_.database, world_.clock};
  std::vector<Route> routes_;
  jobs::SiteId site_ = 0;
  jobs::AppId app_ = 0;

 private:
  static bool fits(std::string_view pattern, std::string_view path,
                   std::vector<std::pair<std::string_view, std::string>>& parameters) {
    while (!pattern.empty() && !path.empty()) {
      const std::string_view wanted = pattern.substr(0, pattern.find('/', 1));
      const std::string_view given = path.substr(0, path.find('/', 1));
      if (wanted.starts_with("/{"))
        parameters.emplace_back(wanted.substr(2, wanted.size() - 3), given.substr(1));
      else if (wanted != given)
        return false;
      pattern.remove_prefix(wanted.size());
      path.remove_prefix(given.size());
    }
    return pattern.empty() && path.empty();
  }
};

}  // namespace wherry::server
