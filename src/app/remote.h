// SPDX-License-Identifier: Apache-2.0
// A service on another machine, with all that it takes to speak to it.
#pragma once

#include <memory>
#include <string>

#include "app/settings.h"
#include "globus/login.h"
#include "tasks/transfer_service.h"

namespace wherry::app {

// Safe for concurrent calls (but for logins, of which a person makes one at a time).
class RemoteService {
 public:
  // `name`: "globus" or the address of a Wherry. Tokens are kept in `directory`, the state
  // directory. Nothing is asked yet.
  static Result<std::unique_ptr<RemoteService>> open(const std::string& name,
                                                     const std::string& directory,
                                                     const Options& settings,
                                                     const Environment& environment);
  virtual ~RemoteService() = default;

  virtual tasks::TransferService& service() = 0;
  virtual globus::LoginFlow& login() = 0;
};

}  // namespace wherry::app
