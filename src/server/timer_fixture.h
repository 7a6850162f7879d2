// SPDX-License-Identifier: Apache-2.0
// For tests of timers: two endpoints, and a timer that copies from one to the other.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "endpoints/permissions.h"
#include "server/timer_loop.h"
#include "server/timers.h"
#include "tasks/test_world.h"

namespace wherry::server {

class TimerFixture : public testing::Test {
 protected:
  static constexpr const char* kAda = "0e0e0e0e-0000-4000-8000-000000000003";

  void SetUp() override {
    ASSERT_TRUE(world_.database->migrate(timer_migrations()));
    timers_ =
        std::make_unique<Timers>(Timers::Parts{*world_.database, world_.clock, world_.random});
    world_.add_source_file("a.txt", "alpha");
    for (const auto& endpoint : {world_.source, world_.target}) give_everything(endpoint);
    restart();
  }
  void give_everything(const endpoints::EndpointId& endpoint) {
    endpoints::AccessRule rule;
    rule.endpoint = endpoint;
    rule.principal = kAda;
    rule.access = endpoints::Access::kReadWrite;
    endpoints::Permissions permissions(*world_.database, *world_.endpoints, world_.clock,
                                       world_.random);
    ASSERT_TRUE(permissions.create_rule(rule));
  }
  // As a process that begins after another has died.
  void restart() {
    loop_.reset();
    world_.restart();
    loop_ = std::make_unique<TimerLoop>(
        TimerLoop::Parts{*timers_, *world_.service, *world_.database, world_.clock, find_endpoint(),
                         [this](const std::string&) -> Result<void> {
                           if (owner_is_gone_) return make_error(Code::kNotFound, "no such user");
                           return {};
                         }});
  }

  FindEndpoint find_endpoint() {
    return [this](const std::string& owner,
                  const endpoints::EndpointId& id) -> Result<endpoints::Endpoint> {
      if (owner != kAda) return make_error(Code::kNotFound, "no endpoint '{}'", id);
      return world_.endpoints->get(id);
    };
  }
  boost::json::object body() {
    return {{"DATA_TYPE", "transfer"},
            {"source_endpoint", world_.source},
            {"destination_endpoint", world_.target},
            {"DATA", boost::json::array{boost::json::object{{"DATA_TYPE", "transfer_item"},
                                                            {"source_path", "/a.txt"},
                                                            {"destination_path", "/b.txt"}}}}};
  }
  // Due at once, and every hour if it is recurring.
  Timer create(Duration interval = Duration(0)) {
    return timers_
        ->create(kAda, {.name = "nightly",
                        .schedule = {.start = world_.clock.now(), .interval = interval},
                        .body = boost::json::serialize(body())})
        .value();
  }
  Timer look(const Timer& timer) { return timers_->get(kAda, timer.id).value(); }
  std::vector<tasks::Task> tasks() { return world_.service->tasks({}).value(); }

  tasks::TestWorld world_;
  std::unique_ptr<Timers> timers_;
  std::unique_ptr<TimerLoop> loop_;
  bool owner_is_gone_ = false;
};

}  // namespace wherry::server
