// SPDX-License-Identifier: Apache-2.0
// Requests to cancel tasks of others, so that who made one can ask whether it is done.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "tasks/types.h"

namespace wherry::server {

std::span<const Migration> admin_cancel_migrations();

// Safe for concurrent calls. Requests are kept for a month.
class AdminCancels {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
  };
  explicit AdminCancels(const Parts& parts) : parts_(parts) {}

  // Answers the id of the request.
  Result<std::string> add(const std::string& identity, std::span<const tasks::TaskId> tasks);
  // What was to be cancelled. kNotFound if `identity` made no such request.
  Result<std::vector<tasks::TaskId>> tasks(const std::string& identity, std::string_view id);

 private:
  Parts parts_;
};

}  // namespace wherry::server
