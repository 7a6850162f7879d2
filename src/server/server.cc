// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include "base/file.h"
#include "base/path.h"
#include "server/access_routes.h"
#include "server/auth_routes.h"
#include "server/bookmark_routes.h"
#include "server/consent_routes.h"
#include "server/job_routes.h"
#include "server/login_page.h"
#include "server/manager_routes.h"
#include "server/metrics.h"
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

Response plain_text(std::string text, std::string type = "text/plain; charset=utf-8") {
  Response response;
  response.content_type = std::move(type);
  response.body = std::move(text);
  return response;
}

// A proxy on this host asks for others, and says so.
bool is_of_this_host(const Request& request) {
  return (request.peer.starts_with("127.") || request.peer == "::1") &&
         request.header("x-forwarded-for") == nullptr && request.header("forwarded") == nullptr;
}

// Says that the process is there; what is behind it, the metrics tell.
Route health_route() {
  const auto run = [](const Call&) { return plain_text("ok\n"); };
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
        answers_(parts.database, parts.clock),
        consents_(parts.database, parts.clock),
        bookmarks_({parts.database, parts.clock, parts.random}),
        admin_cancels_({parts.database, parts.clock, parts.random}),
        timers_({parts.database, parts.clock, parts.random}),
        stores_(parts.database, parts.clock),
        site_users_(parts.database, parts.clock),
        timer_loop_({timers_, parts.service, parts.database, parts.clock, find_endpoint(parts),
                     [&identities = parts.identities](const std::string& owner) {
                       return find_owner(identities, owner);
                     }}),
        router_(routes(parts, options), tokens_, counted(options.router)) {}

  Result<void> listen(const HttpServer::Options& options) {
    TRY_ASSIGN(http_, HttpServer::listen(options, [this](Request request, Respond respond) {
                 handle(std::move(request), std::move(respond));
               }));
    return {};
  }

  void handle(Request request, Respond respond) override {
    router_.handle(std::move(request), std::move(respond));
  }

  std::uint16_t port() const override { return http_->port(); }
  void answer() override {
    timer_loop_.start();
    http_->answer();
  }
  bool drain(std::chrono::milliseconds patience) override {
    timer_loop_.stop();
    return http_->drain(patience);
  }
  std::string markdown() const { return router_.markdown(); }

 private:
  TransferParts transfer_parts(const Parts& parts) {
    return {parts.service, parts.endpoints, parts.permissions, parts.identities,
            parts.clock,   parts.random,    consents_};
  }
  // For timers, whose owner is not there when they run.
  FindEndpoint find_endpoint(const Parts& parts) {
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
    const JobParts job_parts{stores_, site_users_, options.site_directory};
    std::vector<Route> all = {health_route()};
    if (options.metrics != Metrics::kNobody) all.push_back(metrics_route(parts, options.metrics));
    const AuthParts auth{parts.identities, tokens_, *key_, parts.clock, parts.random};
    for (const auto& some :
         {auth_routes(auth), consent_routes(tokens_, consents_), login_routes(auth)})
      for (const AuthRoute& route : some) all.push_back(open_route(route));
    for (auto some :
         {task_routes(transfer), file_routes(transfer), endpoint_routes(transfer),
          access_routes(transfer), bookmark_routes(transfer, bookmarks_), pause_routes(transfer),
          manager_routes(transfer, admin_cancels_), activation_routes(transfer),
          timer_routes({timers_, parts.service, parts.clock, find_endpoint(parts), consents_}),
          site_routes(job_parts), job_routes(job_parts), launcher_routes(job_parts)})
      all.insert(all.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
    return all;
  }

  Router::Options counted(Router::Options options) {
    options.answers = &answers_;
    options.on_answer = [this](const Answered& answered) { request_metrics_.add(answered); };
    return options;
  }

  Result<std::string> metrics(const Parts& parts) {
    TRY_ASSIGN(const std::string of_tasks, task_metrics(parts.service, parts.endpoints));
    return of_tasks + queue_metrics(router_.queues()) + request_metrics_.text();
  }

  Route metrics_route(const Parts& parts, Server::Metrics told) {
    const auto run = [this, parts, told](const Call& call) {
      if (told == Server::Metrics::kThisHost && !is_of_this_host(call.request)) {
        return transfer_error({403, "PermissionDenied",
                               "metrics are told to this host only, unless serve.metrics says"
                               " otherwise"},
                              call.request.request_id, call.request.path);
      }
      auto text = metrics(parts);
      if (!text) return refusal(call, text.error(), api::Situation::kGeneral);
      return plain_text(*std::move(text), "text/plain; version=0.0.4; charset=utf-8");
    };
    return {
        Method::kGet, "/metrics", "", Work::kDatabase, transfer_error, "Counters for Prometheus.",
        run};
  }

  // In this order: what is used lives longer.
  RequestMetrics request_metrics_;
  const std::unique_ptr<SigningKey> key_;
  Tokens tokens_;
  AnswerCache answers_;
  Consents consents_;
  endpoints::Bookmarks bookmarks_;
  AdminCancels admin_cancels_;
  Timers timers_;
  jobs::Stores stores_;
  SiteUsers site_users_;
  TimerLoop timer_loop_;
  Router router_;
  std::unique_ptr<HttpServer> http_;
};

Result<std::unique_ptr<WholeServer>> make_server(const Server::Parts& parts,
                                                 const Server::Options& options) {
  TRY(make_directories(options.directory, 0700));
  TRY_ASSIGN(auto key, SigningKey::open(options.directory + "/id-token-key.pem"),
             "the key for id_tokens in '{}'", escape_bytes(options.directory));
  return std::make_unique<WholeServer>(parts, options, std::move(key));
}

}  // namespace

Result<std::string> Server::routes_markdown(const Parts& parts, const Options& options) {
  TRY_ASSIGN(const auto server, make_server(parts, options));
  return server->markdown();
}

Result<std::unique_ptr<Server>> Server::without_sockets(const Parts& parts,
                                                        const Options& options) {
  TRY_ASSIGN(auto server, make_server(parts, options));
  return std::unique_ptr<Server>(std::move(server));
}

Result<std::unique_ptr<Server>> Server::listen(const Parts& parts, const Options& options) {
  TRY_ASSIGN(auto server, make_server(parts, options));
  TRY(server->listen(options.http));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace wherry::server
