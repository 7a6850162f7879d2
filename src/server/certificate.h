// SPDX-License-Identifier: Apache-2.0
// A certificate for a service that was given none: signed by itself, so that clients have to be
// told to trust it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "server/http_server.h"

namespace wherry::server {

// The certificate in `directory`, or a new one there (key mode 0600) if there is none or it ends
// within 30 days. `names` are host names and addresses that clients may reach the service by; they
// count when one is made. It is valid for two years.
Result<HttpServer::Tls> self_signed_certificate(const std::string& directory,
                                                const std::vector<std::string>& names,
                                                Clock& clock);

}  // namespace wherry::server
