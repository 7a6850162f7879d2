// SPDX-License-Identifier: Apache-2.0
// What stands in the way of each location: a service that is away, a login that ran out, a full
// disk. A location in trouble is left alone for a while, longer each time and never the same time
// as another one; all others go on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "jobs/stager.h"

namespace wherry::jobs {

class LocationTrouble {
 public:
  // No service is worth asking more often, and whoever mended it waits no longer than half a
  // minute.
  static constexpr Duration kFirstPause = std::chrono::seconds(1);
  static constexpr Duration kLongestPause = std::chrono::seconds(20);

  // Clock and random numbers outlive it.
  LocationTrouble(Clock& clock, Random& random) : clock_(clock), random_(random) {}

  // `location` failed; `message` says what a person may do. "" is the service as a whole.
  void add(std::string_view location, std::string message);
  // It works.
  void clear(std::string_view location) { troubles_.erase(std::string(location)); }
  void clear_all() { troubles_.clear(); }
  // Forgets trouble that nobody will meet again: nothing is to go to these locations any more.
  template <class IsBusy>
  void forget_unless(IsBusy is_busy) {
    std::erase_if(troubles_, [&](const auto& entry) {
      return !is_held(entry.first) && !is_busy(entry.first);
    });
  }

  // Whether it is to be left alone now.
  bool is_held(std::string_view location) const;
  std::vector<Alert> alerts() const;
  // Until the first that is held may be tried again; nothing if none is held.
  std::optional<Duration> next_try() const;

  // A duration spread between the half and one and a half of `pause`.
  static Duration spread(Duration pause, Random& random);

 private:
  struct Trouble {
    int failures = 0;
    Duration until{0};  // monotonic
    std::string message;
  };
  Clock& clock_;
  Random& random_;
  std::map<std::string, Trouble, std::less<>> troubles_;
};

}  // namespace wherry::jobs
