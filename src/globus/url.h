// SPDX-License-Identifier: Apache-2.0
// The text of requests: addresses, queries, forms, base64. And whom to ask: the services' addresses
// from the environment variables that all clients of Globus share.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "globus/http_client.h"

namespace wherry::globus {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string percent_encode(std::string_view text);
// "a=1&b=two%20words"; empty for no fields.
std::string form_text(const Fields& fields);
// The fields of "a=1&b=two+words"; what is malformed stands as it is.
Fields parse_form(std::string_view text);
std::string base64(std::string_view bytes);     // RFC 4648, section 4
std::string base64url(std::string_view bytes);  // section 5, without padding

using Environment = std::function<std::optional<std::string>(std::string_view variable)>;

// Where a service is; each ends without a slash.
struct ServiceAddress {
  std::string auth;
  std::string transfer;
  std::string timer;
  bool is_globus = false;  // and not another Wherry
};

// `service`: "globus", or the URL of a Wherry. GLOBUS_SDK_SERVICE_URL_AUTH, _TRANSFER and _TIMER
// replace the addresses of Globus. kInvalid for anything else, and for a URL with a path.
Result<ServiceAddress> service_address(std::string_view service, const Environment& environment);

// GLOBUS_SDK_VERIFY_SSL (a switch, or a CA file) and GLOBUS_SDK_HTTP_TIMEOUT (seconds, -1: none).
Result<HttpOptions> http_options(const Environment& environment);

}  // namespace wherry::globus
