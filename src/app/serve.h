// SPDX-License-Identifier: Apache-2.0
// `wherry serve`: the service from settings, and how clients find it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/wherry.h"
#include "base/options.h"
#include "base/result.h"
#include "server/server.h"
#include "tasks/claim.h"

namespace wherry::app {

// "https://data.example.org/": the setting serve.url, or where the service listens: at `port`, if
// that is known and not 0.
Result<std::string> service_url(const Options& settings, std::uint16_t port = 0);

// Tells client_environment() in other processes where the service of a state directory runs, as
// long as it lives: in serve/service.env. Of several services on a host, the first.
class Posted {
 public:
  Posted(Wherry& wherry, const std::string& url);
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;
  ~Posted();

 private:
  std::string file_;
  tasks::Claims claims_;
  std::optional<tasks::Claim> claim_;
};

// Clients can connect from when this returns, and wait for the server's answer(); tasks run as the
// opening of `wherry` said, which outlives the server. kInvalid if it would take passwords and
// tokens in the open from other machines.
Result<std::unique_ptr<server::Server>> open_server(Wherry& wherry);

// A client that acts for itself, so that a service can be used before it has users.
struct FirstClient {
  std::string id;
  std::string secret;
  bool is_new = false;
};
// Made at the first call, and kept in serve/client.env (mode 0600) of the state directory. An empty
// id: it has been removed, or its secret was changed.
Result<FirstClient> first_client(Wherry& wherry);

// The table of routes that open_server() would serve.
Result<std::string> routes_markdown(Wherry& wherry);

// Lines for a shell that point the Globus command line, the SDKs and wherry at the service that
// runs, or, when none does, that the settings describe.
Result<std::string> client_environment(Wherry& wherry, const FirstClient& client);

}  // namespace wherry::app
