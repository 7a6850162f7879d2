// SPDX-License-Identifier: Apache-2.0
// Where the browser comes back to after a login: a listener on the loopback address that serves one
// purpose once.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "globus/url.h"

namespace wherry::globus {

class RedirectListener {
 public:
  // Listens at a free port of 127.0.0.1.
  static Result<std::unique_ptr<RedirectListener>> open(Clock& clock);

  std::string redirect_uri() const;  // "http://localhost:PORT"
  // The fields of the first request that carries `state` with a code or an error; others (the
  // browser's own, or a stranger's) are answered 404. kTimeout, kCancelled.
  Result<Fields> wait(std::string_view state, Duration patience, std::stop_token stop);

 private:
  RedirectListener(UniqueFd fd, std::uint16_t port, Clock& clock)
      : fd_(std::move(fd)), port_(port), clock_(clock) {}

  UniqueFd fd_;
  std::uint16_t port_;
  Clock& clock_;
};

}  // namespace wherry::globus
