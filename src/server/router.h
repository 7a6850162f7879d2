// SPDX-License-Identifier: Apache-2.0
// The route table: which request goes to which function, who may send it, and where it runs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/answer_cache.h"
#include "server/caller.h"
#include "server/error_document.h"
#include "server/http.h"

namespace wherry::server {

// A request that found its route. Valid while the route runs.
struct Call {
  const Request& request;
  const Caller* caller = nullptr;  // who asks; null on a route without a scope
  std::vector<std::pair<std::string_view, std::string>> parameters = {};  // of the pattern

  // The component of the path that `{name}` stands for.
  const std::string& parameter(std::string_view name) const;
};

enum class Work {
  kDatabase,    // answers in milliseconds
  kStorage,     // asks the storage of the endpoint `{endpoint_id}`, which may hang
  kSubmission,  // looks at the storages of the endpoints that the body names; so may they
  kSecrets,     // checks a password or secret: tens of milliseconds of a processor, on purpose
};

struct Route {
  Method method = Method::kGet;
  std::string_view pattern;  // "/v0.10/task/{task_id}"; "{name}" stands for one component
  std::string_view scope;    // that the token must have; empty: the route looks for itself
  Work work = Work::kDatabase;
  ErrorStyle style = transfer_error;
  std::string_view doc;  // one line
  std::function<Response(const Call&)> run;
};

struct Answered {
  Method method = Method::kGet;
  std::string_view pattern;  // of the route; empty: there was none
  unsigned status = 0;
  Duration took{0};
};

// Work that waits for a thread.
struct RouterQueues {
  std::size_t database = 0;
  std::size_t storage = 0;
  std::size_t submissions = 0;
  std::size_t secrets = 0;
};

// Safe for concurrent calls. Routes run on worker threads of its own.
class Router {
 public:
  struct Options {
    std::size_t database_threads = 4;
    std::size_t storage_threads = 16;
    std::size_t submission_threads = 4;
    std::size_t secret_threads = 1;
    std::size_t queue = 256;  // of each kind of work; beyond, 503 with Retry-After
    // At once, and waiting for their turn; beyond, 502. So an endpoint that hangs leaves threads to
    // the others.
    std::size_t storage_per_endpoint = 4;
    std::size_t waiting_per_endpoint = 64;
    // Beyond, 429 with Retry-After. Of one identity; and of one address, where passwords and
    // secrets are checked. 0: no limit.
    double requests_per_second = 0;
    double logins_per_second = 0;
    // Where answers that hold are kept; outlives the router. Null: they are not.
    AnswerCache* answers = nullptr;
    // Told of each answer; must not block. May be empty.
    std::function<void(const Answered&)> on_answer = {};
    Clock* clock = &system_clock();  // for the limits and the time taken; outlives the router
  };
  // `authenticator` outlives it.
  Router(std::vector<Route> routes, Authenticator& authenticator, const Options& options);
  // Waits for the routes that run.
  ~Router();

  // A Handler: never blocks, and answers later from a worker thread, or at once when there is
  // nothing to run or the answer is there already.
  void handle(Request request, Respond respond);
  // The table as Markdown, in its own order.
  std::string markdown() const;
  RouterQueues queues();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wherry::server
