// SPDX-License-Identifier: Apache-2.0
// A service on another machine, Globus or another Wherry, as a TransferService.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "globus/credentials.h"
#include "tasks/transfer_service.h"

namespace wherry::globus {

// What differs from the embedded service: requests have no owner but the one who is logged in;
// rows of outcomes do not know their item (api::kUnknownItem), their paths do; item_errors() of a
// failed task has also what its events name; a task is resumed at its service, not from here
// (kUnsupported); nothing is in a directory of this host as far as it knows. An operation that was
// repeated because its answer was lost, and finds itself done, is done.
//
// Where the Transfer API is. Globus itself is asked less often how a task stands.
struct TransferAddress {
  std::string url;
  bool is_globus = false;
};
// Credentials and clock outlive it.
std::unique_ptr<tasks::TransferService> make_globus_service(TransferAddress address,
                                                            Credentials& credentials, Clock& clock);

}  // namespace wherry::globus
