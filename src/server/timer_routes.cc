// SPDX-License-Identifier: Apache-2.0
#include "server/timer_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "api/errors.h"
#include "api/json.h"
#include "api/timer_documents.h"
#include "server/data_access.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using api::TimerCreation;
using api::TimerPlace;
using api::TimerStatus;

constexpr unsigned kInvalidTimer = 422;
// Bodies are read with an id that nobody has.
constexpr std::string_view kNoSubmission = "00000000-0000-0000-0000-000000000000";

Response answer(unsigned status, const json::object& document) {
  return {.status = status, .body = api::to_text(document)};
}

Response invalid(const TimerPlace& place, std::string_view message) {
  return answer(kInvalidTimer, api::timer_invalid_document(place, message));
}

Response failed(const Call& call, const Error& error) {
  api::HttpError http = api::http_error(error);
  return timer_error({http.status, std::move(http.code), std::move(http.message)},
                     call.request.request_id, call.request.path);
}

// Of a request that is wrong at `place`, or failed for another reason.
Response refused(const Call& call, const Error& error, const TimerPlace& place) {
  return error.code == Code::kInvalid ? invalid(place, error.message) : failed(call, error);
}

Response message(std::string_view what, std::string_view id) {
  return answer(200, {{"message", fmt::format("Successfully {} job {}.", what, id)}});
}

// ---- creating

// What can be told now about the transfer is told now, not by the first run at night.
Result<tasks::TransferRequest> check_body(const TimerParts& parts, const Call& call,
                                          const TimerCreation& creation) {
  TRY_ASSIGN(json::object document, api::parse_object(creation.body));
  document["submission_id"] = json::string(kNoSubmission.data(), kNoSubmission.size());
  TRY_ASSIGN(const tasks::TransferRequest request,
             timer_request(document, call.caller->identity, parts.find_endpoint));
  TRY(parts.service.check(request));
  return request;
}

// A run asks nobody, so what its endpoints require must be consented to before: by the token that
// creates the timer.
std::optional<Response> refused_without_consent(const TimerParts& parts, const Call& call,
                                                const tasks::TransferRequest& request) {
  std::vector<endpoints::Endpoint> used;
  for (const endpoints::EndpointId& id : {request.source_endpoint, request.target_endpoint}) {
    auto endpoint = parts.find_endpoint(call.caller->identity, id);
    if (!endpoint) return failed(call, endpoint.error());
    used.push_back(*std::move(endpoint));
  }
  auto missing = missing_data_access(parts.consents, *call.caller, used);
  if (!missing) return failed(call, missing.error());
  if (missing->empty()) return std::nullopt;
  for (std::string& scope : *missing) scope = fmt::format("{}[{}]", kTimerScope, scope);
  return timer_error(data_access_required(*std::move(missing)), call.request.request_id,
                     call.request.path);
}

// One of the two documents that create a timer.
struct Shape {
  Result<TimerCreation> (*read)(const json::object&, TimePoint, TimerPlace&);
  json::object (*write)(const Timer&, TimePoint);
  const char* body_is_in;
};

Response create_timer(const TimerParts& parts, const Call& call, const Shape& shape) {
  const auto document = api::parse_object(call.request.body);
  if (!document) return invalid({}, document.error().message);
  TimerPlace place;
  const auto creation = shape.read(*document, parts.clock.now(), place);
  if (!creation) return refused(call, creation.error(), place);
  const auto checked = check_body(parts, call, *creation);
  if (!checked) {
    // An endpoint that is not there is a mistake in the body, not in the address.
    const Error& error = checked.error();
    const bool is_of_body = error.code == Code::kInvalid || error.code == Code::kNotFound;
    return is_of_body ? invalid({shape.body_is_in, "body"}, error.message) : failed(call, error);
  }
  if (auto no = refused_without_consent(parts, call, *checked)) return *std::move(no);
  const auto timer = parts.timers.create(call.caller->identity, *creation);
  return timer ? answer(201, shape.write(*timer, parts.clock.now())) : failed(call, timer.error());
}

json::object wrapped_timer(const Timer& timer, TimePoint now) {
  return {{"timer", api::timer_document(timer, now)}};
}

json::object whole_job(const Timer& timer, TimePoint now) {
  return api::timer_job_document(timer, now, kMaxTimerResults);
}

// ---- looking

struct ListRequest {
  TimerFilter filter;
  std::string order_field = "submitted_at";
  bool is_descending = false;
  std::size_t results = kMaxTimerResults;
};

// "active" is what runs; the other words are those of the status.
Result<void> read_statuses(std::string_view text, TimerFilter& filter) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == "active") {
      filter.statuses.push_back(TimerStatus::kNew);
      filter.statuses.push_back(TimerStatus::kLoaded);
    } else if (const auto status = api::parse_timer_status(word)) {
      filter.statuses.push_back(*status);
    } else {
      return make_error(Code::kInvalid, "'{}' is not active, new, loaded, inactive or ended", word);
    }
  }
  return {};
}

Result<void> read_order(std::string_view text, ListRequest& list) {
  const std::size_t blank = std::min(text.find(' '), text.size());
  list.order_field = text.substr(0, blank);
  const std::string_view direction = text.substr(std::min(blank + 1, text.size()));
  list.is_descending = direction == "desc" || direction == "DESC";
  constexpr std::string_view kFields[] = {"submitted_at", "name", "last_ran_at", "next_run"};
  const bool is_field =
      std::find(std::begin(kFields), std::end(kFields), list.order_field) != std::end(kFields);
  if (is_field &&
      (list.is_descending || direction.empty() || direction == "asc" || direction == "ASC"))
    return {};
  return make_error(Code::kInvalid,
                    "'{}' is not submitted_at, name, last_ran_at or next_run, with asc or desc",
                    text);
}

Result<ListRequest> read_list(const Request& request, TimerPlace& place) {
  ListRequest list;
  if (const std::string* text = request.query_value("filter_status")) {
    place = {"filter_status"};
    TRY(read_statuses(*text, list.filter));
  }
  if (const std::string* text = request.query_value("filter_name")) list.filter.name = *text;
  if (const std::string* text = request.query_value("order"); text != nullptr && !text->empty()) {
    place = {"order"};
    TRY(read_order(*text, list));
  }
  if (const std::string* text = request.query_value("result_count")) {
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), list.results);
    place = {"result_count"};
    if (error != std::errc() || end != text->data() + text->size())
      return make_error(Code::kInvalid, "'{}' is no number", *text);
  }
  return list;
}

void sort(std::vector<Timer>& timers, const ListRequest& list) {
  const auto is_before = [&](const Timer& a, const Timer& b) {
    if (list.order_field == "name") return a.name < b.name;
    if (list.order_field == "last_ran_at") return a.last_ran < b.last_ran;
    if (list.order_field == "next_run") return a.next_run < b.next_run;
    return a.submitted < b.submitted;
  };
  std::stable_sort(timers.begin(), timers.end(), [&](const Timer& a, const Timer& b) {
    return list.is_descending ? is_before(b, a) : is_before(a, b);
  });
}

Response list_timers(const TimerParts& parts, const Call& call) {
  TimerPlace place;
  const auto request = read_list(call.request, place);
  if (!request) return invalid(place, request.error().message);
  auto timers = parts.timers.list(call.caller->identity, request->filter);
  if (!timers) return failed(call, timers.error());
  sort(*timers, *request);
  json::array jobs;
  for (const Timer& timer : *timers)
    jobs.push_back(api::timer_job_document(timer, parts.clock.now(), request->results));
  return answer(200, {{"jobs", std::move(jobs)}});
}

Response one(const TimerParts& parts, const Call& call, const Result<Timer>& timer) {
  if (!timer) return failed(call, timer.error());
  return answer(200, whole_job(*timer, parts.clock.now()));
}

// ---- changing

Response rename_timer(const TimerParts& parts, const Call& call) {
  // Before the body is looked at: a stranger learns nothing from what is wrong with it.
  const auto known = parts.timers.get(call.caller->identity, call.parameter("timer_id"));
  if (!known) return failed(call, known.error());
  const auto document = api::parse_object(call.request.body);
  if (!document) return invalid({}, document.error().message);
  TimerPlace place;
  const auto name = api::read_timer_change(*document, place);
  if (!name) return refused(call, name.error(), place);
  return one(parts, call,
             parts.timers.rename(call.caller->identity, call.parameter("timer_id"), *name));
}

Response pause(const TimerParts& parts, const Call& call) {
  const std::string& id = call.parameter("timer_id");
  const auto paused = parts.timers.pause(call.caller->identity, id);
  return paused ? message("paused", id) : failed(call, paused.error());
}

// The body says whether credentials are to be updated. There are none: a run has the rights that
// its owner has then.
Response resume(const TimerParts& parts, const Call& call) {
  const std::string& id = call.parameter("timer_id");
  const auto resumed = parts.timers.resume(call.caller->identity, id);
  return resumed ? message("resumed", id) : failed(call, resumed.error());
}

}  // namespace

std::vector<Route> timer_routes(const TimerParts& parts) {
  std::vector<Route> routes;
  const auto add = [&](Method method, std::string_view pattern, std::string_view doc, auto run) {
    // What is posted to one of these holds a transfer, which is looked at as a submission is.
    const bool submits = method == Method::kPost && pattern.find('{') == pattern.npos;
    routes.push_back({method, pattern, kTimerScope, submits ? Work::kSubmission : Work::kDatabase,
                      timer_error, doc,
                      [parts, run](const Call& call) { return run(parts, call); }});
  };
  add(Method::kPost, "/v2/timer", "Creates a timer.", [](const TimerParts& p, const Call& call) {
    return create_timer(p, call, {api::read_timer, wrapped_timer, "timer"});
  });
  add(Method::kPost, "/jobs", "Creates a timer, in the older shape.",
      [](const TimerParts& p, const Call& call) {
        return create_timer(p, call, {api::read_timer_job, whole_job, "callback_body"});
      });
  add(Method::kGet, "/jobs", "Lists the caller's timers.", list_timers);
  add(Method::kGet, "/jobs/{timer_id}", "Tells of a timer and its last runs.",
      [](const TimerParts& p, const Call& call) {
        return one(p, call, p.timers.get(call.caller->identity, call.parameter("timer_id")));
      });
  add(Method::kPatch, "/jobs/{timer_id}", "Gives a timer another name.", rename_timer);
  add(Method::kDelete, "/jobs/{timer_id}", "Deletes a timer; what it submitted goes on.",
      [](const TimerParts& p, const Call& call) {
        return one(p, call, p.timers.remove(call.caller->identity, call.parameter("timer_id")));
      });
  add(Method::kPost, "/jobs/{timer_id}/pause", "Lets a timer rest until it is resumed.", pause);
  add(Method::kPost, "/jobs/{timer_id}/resume",
      "Goes on with a timer; runs that were missed are made up for by one.", resume);
  return routes;
}

}  // namespace wherry::server
