// SPDX-License-Identifier: Apache-2.0
// Who a process is, beyond its pid: pids are reused, machines restart.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace wherry {

// Names one run of one process on one start of one machine.
struct ProcessIdentity {
  pid_t pid = 0;
  std::string host;              // of uname(2)
  std::string boot_id;           // /proc/sys/kernel/random/boot_id
  std::uint64_t start_time = 0;  // field 22 of /proc/<pid>/stat: clock ticks since boot (proc(5))

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// The process that asks.
ProcessIdentity this_process();

enum class Liveness {
  kAlive,
  kDead,     // ended, or its machine was restarted
  kUnknown,  // cannot be seen from here: on another host, or hidden by /proc's hidepid
};
Liveness liveness(const ProcessIdentity& process);

}  // namespace wherry
