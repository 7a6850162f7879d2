// SPDX-License-Identifier: Apache-2.0
// Tells systemd how far a service is (Type=notify), in its protocol of one datagram (sd_notify(3)),
// which systemd promises to keep and advises programs to speak themselves: its library would bring
// five more to every start of every command.
#pragma once

#include <string>
#include <string_view>

namespace wherry::cli {

// `state` is "READY=1" or "STOPPING=1"; `socket` is the value of NOTIFY_SOCKET: a path, or, after
// '@', a name of the abstract namespace. Empty: nobody wants to know. A manager that does not
// listen keeps no service from its work: the failure is logged.
void tell_service_manager(const std::string& socket, std::string_view state);

}  // namespace wherry::cli
