// SPDX-License-Identifier: Apache-2.0
// For tests: endpoints and who may use them, in a database in memory, with a clock that stands
// still.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "endpoints/permissions.h"

namespace wherry::endpoints {

class EndpointFixture : public testing::Test {
 protected:
  static std::unique_ptr<Database> open_database() {
    Database::Options options;
    options.path = ":memory:";
    auto database = Database::open(options).value();
    EXPECT_TRUE(database->migrate(endpoint_migrations()));
    return database;
  }

  FakeClock clock_;
  SeededRandom random_{7};
  const std::unique_ptr<Database> database_ = open_database();
  const std::unique_ptr<Endpoints> endpoints_ =
      std::make_unique<Endpoints>(*database_, clock_, random_);
  const std::unique_ptr<Permissions> permissions_ =
      std::make_unique<Permissions>(*database_, *endpoints_, clock_, random_);
};

}  // namespace wherry::endpoints
