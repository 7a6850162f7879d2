// SPDX-License-Identifier: Apache-2.0
// The routes of Globus Timers.
#pragma once

#include <string_view>
#include <vector>

#include "base/clock.h"
#include "server/consents.h"
#include "server/router.h"
#include "server/timer_request.h"
#include "server/timers.h"
#include "tasks/local_service.h"

namespace wherry::server {

inline constexpr std::string_view kTimerScope =
    "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer";

struct TimerParts {
  Timers& timers;
  tasks::LocalService& service;
  Clock& clock;
  FindEndpoint find_endpoint;
  Consents& consents;
};

// What `parts` names outlives the routes, which are safe for concurrent calls.
std::vector<Route> timer_routes(const TimerParts& parts);

}  // namespace wherry::server
