// SPDX-License-Identifier: Apache-2.0
// A TransferService for passes of a single thread: whoever waits for a task runs it. Everything
// else is the real service's.
#pragma once

#include <functional>

#include "tasks/testing/distant_service.h"

namespace wherry::sim {

class AwaitedService : public tasks::DistantService {
 public:
  using Run = std::function<Result<tasks::Task>(const tasks::TaskId& id)>;
  AwaitedService(tasks::TransferService& real, Run run)
      : DistantService(real), run_(std::move(run)) {}

  Result<tasks::Task> wait(const tasks::TaskId& id, Duration /*timeout*/,
                           std::stop_token /*stop*/) override {
    return run_(id);
  }

 private:
  Run run_;
};

}  // namespace wherry::sim
