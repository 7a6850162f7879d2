// SPDX-License-Identifier: Apache-2.0
// Work in the foreground that ctrl-C stops in an orderly way: the work runs on a worker thread, the
// calling thread ticks (progress) and listens for signals.
#pragma once

#include <functional>
#include <ostream>
#include <stop_token>

#include "base/result.h"
#include "base/types.h"

namespace wherry::cli {

struct Foreground {
  Duration tick_every{0};
  std::function<void()> tick = [] {};
  std::ostream& err;  // "stopping" is told here
};

enum class Finish { kByItself, kInterrupted };

// Runs `work` to its end. The first SIGINT, SIGTERM or SIGHUP requests a stop and waits for `work`
// to obey; a second one ends the process at once with code 130 (nothing is lost: state is durable).
// Must be called before other threads are started that could receive the signals.
Finish run_in_foreground(const Foreground& foreground,
                         const std::function<void(std::stop_token)>& work);

}  // namespace wherry::cli
