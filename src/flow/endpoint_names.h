// SPDX-License-Identifier: Apache-2.0
// Endpoints by their names or ids, asked for once and kept for a while.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "tasks/transfer_service.h"

namespace wherry::flow {

// For one thread.
class EndpointNames {
 public:
  static constexpr Duration kKept = std::chrono::minutes(5);
  // Trouble is soon asked for again: it may have passed.
  static constexpr Duration kTroubleKept = std::chrono::milliseconds(500);

  explicit EndpointNames(Clock& clock) : clock_(clock) {}

  enum class Side { kSource, kTarget };
  // kNotFound "Source endpoint 'X' could not be found" ("Destination …"); what the service says of
  // several of that name, with their ids; an error that may pass.
  Result<endpoints::Endpoint> find(tasks::TransferService& service, const std::string& name_or_id,
                                   Side side);

 private:
  struct Known {
    Result<endpoints::Endpoint> answer;
    Duration until;  // monotonic
  };

  Clock& clock_;
  std::map<std::string, Known, std::less<>> known_;
};

}  // namespace wherry::flow
