// SPDX-License-Identifier: Apache-2.0
// The service as a whole: sockets, tokens and routes put together over an embedded TransferService.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/database.h"
#include "server/http_server.h"
#include "server/route_tools.h"
#include "server/router.h"

namespace wherry::server {

class Server {
 public:
  struct Parts {
    Database& database;  // migrated with the lists of all modules
    tasks::LocalService& service;
    endpoints::Endpoints& endpoints;
    endpoints::Permissions& permissions;
    Identities& identities;
    Clock& clock;
    Random& random;
  };
  // Who is answered at /metrics.
  enum class Metrics { kThisHost, kEverybody, kNobody };
  struct Options {
    HttpServer::Options http;
    std::string directory;           // of keys and certificates; made (0700) if it is missing
    std::string endpoint_directory;  // see TransferParts
    std::string site_directory;      // see JobParts
    Metrics metrics = Metrics::kThisHost;
    Router::Options router;
  };

  // Clients can connect from when this returns, and wait for answer(). What `parts` names outlives
  // the server.
  static Result<std::unique_ptr<Server>> listen(const Parts& parts, const Options& options);
  // The same without sockets: who wants an answer calls handle().
  static Result<std::unique_ptr<Server>> without_sockets(const Parts& parts,
                                                         const Options& options);
  // The table of its routes as Markdown.
  static Result<std::string> routes_markdown(const Parts& parts, const Options& options);
  virtual ~Server() = default;

  // What happens to a request that has arrived; as Handler.
  virtual void handle(Request request, Respond respond) = 0;

  // The rest is of a server with sockets.

  virtual std::uint16_t port() const = 0;
  // Answers, and runs timers, from now on. Called once.
  virtual void answer() = 0;
  // See HttpServer::drain().
  virtual bool drain(std::chrono::milliseconds patience) = 0;
};

}  // namespace wherry::server
