// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include "base/file.h"
#include "base/path.h"
#include "server/auth_routes.h"
#include "server/bookmark_routes.h"
#include "server/signing_key.h"
#include "server/timer_loop.h"
#include "server/timer_routes.h"
#include "server/tokens.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

Route open_route(const AuthRoute& route) {
  const Work work = route.method == Method::kGet ? Work::kDatabase : Work::kSecrets;
  return {route.method,
          route.pattern,
          "",
          work,
          auth_error,
          route.doc,
          [run = route.run](const Call& call) { return run(call.request); }};
}

// Says that the process is there; what is behind it, the metrics tell.
Route health_route() {
  const auto run = [](const Call&) {
    Response response;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "ok\n";
    return response;
  };
  return {
      Method::kGet, "/healthz", "", Work::kDatabase, transfer_error, "Whether the service answers.",
      run};
}

// kNotFound if there is no such user or client (any more).
Result<void> find_owner(Identities& identities, const std::string& id) {
  const auto user = identities.find_user(id);
  if (user) return {};
  if (user.error().code != Code::kNotFound) return user.error();
  TRY(identities.find_client(id));
  return {};
}

class WholeServer : public Server {
 public:
  WholeServer(const Parts& parts, const Options& options, std::unique_ptr<SigningKey> key)
      : key_(std::move(key)),
        tokens_({parts.database, parts.clock, parts.random}),
        bookmarks_({parts.database, parts.clock, parts.random}),
        timers_({parts.database, parts.clock, parts.random}),
        timer_loop_({timers_, parts.service, parts.database, parts.clock, find_endpoint(parts),
                     [&identities = parts.identities](const std::string& owner) {
                       return find_owner(identities, owner);
                     }}),
        router_(routes(parts, options), tokens_, options.router) {}

  Result<void> listen(const HttpServer::Options& options) {
    TRY_ASSIGN(http_, HttpServer::start(options, [this](Request request, Respond respond) {
                 router_.handle(std::move(request), std::move(respond));
               }));
    timer_loop_.start();
    return {};
  }

  std::uint16_t port() const override { return http_->port(); }
  bool drain(std::chrono::milliseconds patience) override {
    timer_loop_.stop();
    return http_->drain(patience);
  }
  std::string routes_markdown() const override { return router_.markdown(); }

 private:
  static TransferParts transfer_parts(const Parts& parts) {
    return {parts.service, parts.endpoints, parts.identities, parts.clock, parts.random};
  }
  // For timers, whose owner is not there when they run.
  static FindEndpoint find_endpoint(const Parts& parts) {
    return [transfer = transfer_parts(parts)](const std::string& owner,
                                              const endpoints::EndpointId& id) {
      Caller caller;
      caller.identity = owner;
      return visible_endpoint(transfer, caller, id);
    };
  }
  std::vector<Route> routes(const Parts& parts, const Options& options) {
    TransferParts transfer = transfer_parts(parts);
    transfer.endpoint_directory = options.endpoint_directory;
    std::vector<Route> all = {health_route()};
    for (const AuthRoute& route :
         auth_routes({parts.identities, tokens_, *key_, parts.clock, parts.random}))
      all.push_back(open_route(route));
    for (auto some : {task_routes(transfer), file_routes(transfer), endpoint_routes(transfer),
                      bookmark_routes(transfer, bookmarks_),
                      timer_routes({timers_, parts.endpoints, parts.clock, find_endpoint(parts)})})
      all.insert(all.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
    return all;
  }

  // In this order: what is used lives longer.
  const std::unique_ptr<SigningKey> key_;
  Tokens tokens_;
  endpoints::Bookmarks bookmarks_;
  Timers timers_;
  TimerLoop timer_loop_;
  Router router_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Parts& parts, const Options& options) {
  TRY(make_directories(options.directory, 0700));
  TRY_ASSIGN(auto key, SigningKey::open(options.directory + "/id-token-key.pem"),
             "the key for id_tokens in '{}'", escape_bytes(options.directory));
  auto server = std::make_unique<WholeServer>(parts, options, std::move(key));
  TRY(server->listen(options.http));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace wherry::server
