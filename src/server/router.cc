// SPDX-License-Identifier: Apache-2.0
#include "server/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "api/errors.h"
#include "base/check.h"
#include "base/thread_annotations.h"
#include "base/worker_pool.h"
#include "server/forms.h"
#include "server/rate_limit.h"

namespace wherry::server {
namespace {

constexpr std::string_view kEndpointParameter = "endpoint_id";
constexpr Duration kRetryAfter = std::chrono::seconds(2);
constexpr double kBurstSeconds = 4;  // how much of a limit may be saved up

std::vector<std::string_view> components_of(std::string_view path) {
  std::vector<std::string_view> components;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::size_t end = std::min(path.find('/'), path.size());
    components.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return components;
}

bool is_parameter(std::string_view component) {
  return component.size() > 2 && component.front() == '{' && component.back() == '}';
}

Failure failure_of(const Error& error, api::Situation situation) {
  api::HttpError http = api::http_error(error, situation);
  return {http.status, std::move(http.code), std::move(http.message)};
}

// Pages in browsers may ask from anywhere: what gives a right is the token that they hold.
void allow_other_origins(Response& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
}

Response preflight(const std::string& allowed) {
  Response response;
  response.status = 204;
  response.content_type.clear();
  response.headers = {
      {"Allow", allowed},
      {"Access-Control-Allow-Methods", allowed},
      {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Globus-Client-Info"},
      {"Access-Control-Max-Age", "86400"}};
  return response;
}

// A request on its way through the worker pools.
struct Pending {
  Request request;
  Respond respond;
  const Route* route = nullptr;
  std::vector<std::pair<std::string_view, std::string>> parameters;
  std::optional<Caller> caller;
  std::optional<std::int64_t> version;  // of the database, from before the caller was looked up

  const Router::Options* options = nullptr;
  Duration began{0};  // monotonic

  void answer(Response response) {
    allow_other_origins(response);
    if (options->on_answer) {
      options->on_answer({request.method, route != nullptr ? route->pattern : std::string_view(),
                          response.status, options->clock->monotonic() - began});
    }
    respond(std::move(response));
  }
  void fail(const Failure& failure) {
    answer(route->style(failure, request.request_id, request.path));
  }
  void fail_for_now(unsigned status, std::string_view code, std::string message,
                    Duration wait = kRetryAfter) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    fail({status,
          std::string(code),
          std::move(message),
          {{"Retry-After", std::to_string(seconds)}}});
  }
  void run() {
    Response response = route->run({request, caller ? &*caller : nullptr, std::move(parameters)});
    if (response.holds_until_commit && version && caller)
      options->answers->keep(request, *version,
                             {route, caller->identity, caller->expires, response});
    answer(std::move(response));
  }
};
using Shared = std::shared_ptr<Pending>;

}  // namespace

const std::string& Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  CHECK(false && "the pattern has no such parameter");
  return parameters.front().second;
}

struct Router::State {
  struct Entry {
    Route route;
    std::vector<std::string_view> components;
  };

  State(std::vector<Route> given, Authenticator& authenticator_in, const Options& options_in)
      : options(options_in),
        authenticator(authenticator_in),
        requests({options_in.requests_per_second, options_in.requests_per_second * kBurstSeconds},
                 *options_in.clock),
        logins({options_in.logins_per_second, options_in.logins_per_second * kBurstSeconds},
               *options_in.clock),
        storage({options_in.storage_threads, options_in.queue}),
        submissions({options_in.submission_threads, options_in.queue}),
        secrets({options_in.secret_threads, options_in.queue}),
        database({options_in.database_threads, options_in.queue}) {
    table.reserve(given.size());
    for (Route& route : given) {
      CHECK(route.run && route.pattern.starts_with('/'));
      auto components = components_of(route.pattern);
      const auto [known, is_new] = styles.emplace(components.front(), route.style);
      if (!is_new && known->second != route.style) known->second = transfer_error;
      table.push_back({std::move(route), std::move(components)});
    }
  }

  // Fills in the parameters of the pattern if `path` fits it.
  static bool fits(const Entry& entry, const std::vector<std::string_view>& path,
                   std::vector<std::pair<std::string_view, std::string>>& parameters);
  const Route* find(const Request& request,
                    std::vector<std::pair<std::string_view, std::string>>& parameters,
                    std::string& allowed) const;
  ErrorStyle style_at(std::string_view path) const;
  // Whether the answer was there already (or is that the caller asks too often).
  bool answer_again(const Shared& pending);
  void admit(const Shared& pending);
  // Whether it was refused, because the caller asks too often.
  bool refused(const Shared& pending, RateLimit& limit, std::string_view who);
  void start_storage(const Shared& pending);
  void run_storage(const Shared& pending, const std::string& endpoint);
  Shared next_at(const std::string& endpoint);

  struct Turns {
    std::size_t running = 0;
    std::deque<Shared> waiting;
  };
  const Options options;
  Authenticator& authenticator;
  std::vector<Entry> table;
  // How what is not there answers, by the first component of its path: as all that is there, if
  // that agrees. So whoever reads errors below /v1 can read these, too.
  std::map<std::string_view, ErrorStyle> styles;
  std::mutex mutex;
  std::map<std::string, Turns> at_storage GUARDED_BY(mutex);  // by endpoint
  RateLimit requests;                                         // by identity
  RateLimit logins;                                           // by address
  // In this order: work of the last submits to the first.
  WorkerPool storage;
  WorkerPool submissions;
  WorkerPool secrets;
  WorkerPool database;
};

bool Router::State::fits(const Entry& entry, const std::vector<std::string_view>& path,
                         std::vector<std::pair<std::string_view, std::string>>& parameters) {
  if (entry.components.size() != path.size()) return false;
  parameters.clear();
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::string_view component = entry.components[i];
    if (is_parameter(component) && !path[i].empty())
      parameters.emplace_back(component.substr(1, component.size() - 2), path[i]);
    else if (component != path[i])
      return false;
  }
  return true;
}

// `allowed` names the methods that the path knows, whether or not one is found.
const Route* Router::State::find(const Request& request,
                                 std::vector<std::pair<std::string_view, std::string>>& parameters,
                                 std::string& allowed) const {
  const Method method = request.method == Method::kHead ? Method::kGet : request.method;
  const auto path = components_of(request.path);
  for (const Entry& entry : table) {
    if (!fits(entry, path, parameters)) continue;
    if (entry.route.method == method) return &entry.route;
    allowed += allowed.empty() ? "OPTIONS, " : ", ";
    allowed += to_string(entry.route.method);
    if (entry.route.method == Method::kGet) allowed += ", HEAD";
  }
  return nullptr;
}

ErrorStyle Router::State::style_at(std::string_view path) const {
  const auto components = components_of(path);
  const auto found = components.empty() ? styles.end() : styles.find(components.front());
  return found != styles.end() ? found->second : transfer_error;
}

bool Router::State::answer_again(const Shared& pending) {
  const auto kept = options.answers != nullptr ? options.answers->find(pending->request) : nullptr;
  if (!kept) return false;
  pending->route = kept->route;
  if (!refused(pending, requests, kept->identity)) pending->answer(kept->response);
  return true;
}

// On a database thread: who asks, and may they?
void Router::State::admit(const Shared& pending) {
  const Route& route = *pending->route;
  if (!route.scope.empty()) {
    if (options.answers != nullptr) pending->version = options.answers->version();
    const auto token = bearer_token(pending->request);
    auto caller = token ? authenticator.authenticate(*token)
                        : Result<Caller>(make_error(Code::kDenied, "no token was sent; log in"));
    if (!caller) return pending->fail(failure_of(caller.error(), api::Situation::kAuthentication));
    pending->caller = std::move(caller).value();
    if (!pending->caller->has_scope(route.scope)) {
      return pending->fail({403,
                            "ConsentRequired",
                            fmt::format("the token lacks the scope {}", route.scope),
                            {},
                            {std::string(route.scope)}});
    }
  }
  if (pending->caller && refused(pending, requests, pending->caller->identity)) return;
  if (route.work == Work::kStorage) return start_storage(pending);
  if (route.work != Work::kSubmission) return pending->run();
  if (submissions.try_submit([pending] { pending->run(); })) return;
  pending->fail_for_now(503, "ServiceUnavailable", "too many submissions wait");
}

bool Router::State::refused(const Shared& pending, RateLimit& limit, std::string_view who) {
  const auto wait = limit.take(who);
  if (!wait) return false;
  pending->fail_for_now(429, "ClientError.TooManyRequests", "you ask too often; ask less often",
                        *wait);
  return true;
}

void Router::State::start_storage(const Shared& pending) {
  std::string endpoint;
  for (const auto& [name, value] : pending->parameters)
    if (name == kEndpointParameter) endpoint = value;
  {
    const std::lock_guard lock(mutex);
    Turns& turns = at_storage[endpoint];
    if (turns.waiting.size() >= options.waiting_per_endpoint) {
      return pending->fail({502, "EndpointError",
                            fmt::format("endpoint {} is busy with {} other requests, and has not "
                                        "answered them yet; try again later",
                                        endpoint, turns.running + turns.waiting.size())});
    }
    if (turns.running >= options.storage_per_endpoint) return turns.waiting.push_back(pending);
    ++turns.running;
  }
  run_storage(pending, endpoint);
}

// Then, in the same place, whoever waits for the endpoint.
void Router::State::run_storage(const Shared& pending, const std::string& endpoint) {
  const bool started = storage.try_submit([this, pending, endpoint] {
    pending->run();
    if (const Shared next = next_at(endpoint)) run_storage(next, endpoint);
  });
  if (started) return;
  pending->fail_for_now(503, "ServiceUnavailable", "too many requests wait for storage");
  if (const Shared next = next_at(endpoint)) run_storage(next, endpoint);
}

// Whose turn it is now that one has had it; null if nobody waits.
Shared Router::State::next_at(const std::string& endpoint) {
  const std::lock_guard lock(mutex);
  const auto found = at_storage.find(endpoint);
  Turns& turns = found->second;
  if (!turns.waiting.empty()) {
    const Shared next = std::move(turns.waiting.front());
    turns.waiting.pop_front();
    return next;
  }
  if (--turns.running == 0) at_storage.erase(found);
  return nullptr;
}

Router::Router(std::vector<Route> routes, Authenticator& authenticator, const Options& options)
    : state_(std::make_unique<State>(std::move(routes), authenticator, options)) {}

Router::~Router() = default;

void Router::handle(Request request, Respond respond) {
  const auto pending = std::make_shared<Pending>();
  pending->request = std::move(request);
  pending->respond = std::move(respond);
  pending->options = &state_->options;
  pending->began = state_->options.clock->monotonic();
  if (state_->answer_again(pending)) return;
  std::string allowed;
  pending->route = state_->find(pending->request, pending->parameters, allowed);
  if (pending->route == nullptr) {
    const Request& asked = pending->request;
    const ErrorStyle style = state_->style_at(asked.path);
    if (allowed.empty()) {
      return pending->answer(
          style({404, "ClientError.NotFound", fmt::format("there is nothing at {}", asked.path)},
                asked.request_id, asked.path));
    }
    if (asked.method == Method::kOptions) return pending->answer(preflight(allowed));
    return pending->answer(style({405,
                                  "ClientError.MethodNotAllowed",
                                  fmt::format("{} takes {}", asked.path, allowed),
                                  {{"Allow", allowed}}},
                                 asked.request_id, asked.path));
  }
  const bool is_costly = pending->route->work == Work::kSecrets;
  if (is_costly && state_->refused(pending, state_->logins, pending->request.peer)) return;
  WorkerPool& pool = is_costly ? state_->secrets : state_->database;
  if (pool.try_submit([this, pending] { state_->admit(pending); })) return;
  pending->fail_for_now(503, "ServiceUnavailable", "too many requests wait");
}

RouterQueues Router::queues() {
  return {state_->database.queued(), state_->storage.queued(), state_->submissions.queued(),
          state_->secrets.queued()};
}

std::string Router::markdown() const {
  std::string text = "| route | scope | what it does |\n|---|---|---|\n";
  for (const State::Entry& entry : state_->table) {
    const Route& route = entry.route;
    text += fmt::format("| `{} {}` | {} | {} |\n", to_string(route.method), route.pattern,
                        route.scope.empty() ? "" : fmt::format("`{}`", route.scope), route.doc);
  }
  return text;
}

}  // namespace wherry::server
