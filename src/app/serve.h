// SPDX-License-Identifier: Apache-2.0
// `wherry serve`: the service from settings, and how clients find it.
#pragma once

#include <memory>
#include <string>

#include "app/wherry.h"
#include "base/options.h"
#include "base/result.h"
#include "server/server.h"

namespace wherry::app {

// "https://data.example.org/": the setting serve.url, or where the service listens.
Result<std::string> service_url(const Options& settings);

// Answers from when this returns; tasks run as the opening of `wherry` said, which outlives the
// server. kInvalid if it would take passwords and tokens in the open from other machines.
Result<std::unique_ptr<server::Server>> start_server(Wherry& wherry);

// A client that acts for itself, so that a service can be used before it has users.
struct FirstClient {
  std::string id;
  std::string secret;
  bool is_new = false;
};
// Made at the first call, and kept in serve/client.env (mode 0600) of the state directory. An empty
// id: it has been removed, or its secret was changed.
Result<FirstClient> first_client(Wherry& wherry);

// Lines for a shell that point the Globus command line, the SDKs and wherry at the service.
Result<std::string> client_environment(Wherry& wherry, const FirstClient& client);

}  // namespace wherry::app
