// SPDX-License-Identifier: Apache-2.0
// How much of a location's daily quota is used: asked of the service, which knows what its tasks
// of the last 24 hours have moved, so that nothing is forgotten with a process.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/site_settings.h"
#include "jobs/stager.h"
#include "tasks/transfer_service.h"

namespace wherry::jobs {

class QuotaWindow {
 public:
  explicit QuotaWindow(Clock& clock) : clock_(clock) {}  // which outlives it

  using EndpointOf = std::function<Result<tasks::EndpointId>()>;
  // Asks anew if the last answer is old. A location without a quota costs nothing; a service that
  // does not answer changes nothing.
  void look(tasks::TransferService& service, const std::string& location, const Location& place,
            const EndpointOf& endpoint);
  // A task of that location has ended: what was asked before is old.
  void note_end(const std::string& location) { looks_.erase(location); }

  bool is_used_up(const std::string& location) const;
  std::vector<Alert> alerts() const;
  std::optional<Duration> next_look() const;  // while one is used up

 private:
  struct Look {
    Duration at{0};  // monotonic
    ByteCount used = 0;
    ByteCount quota = 0;
  };
  Clock& clock_;
  std::map<std::string, Look> looks_;
};

}  // namespace wherry::jobs
