// SPDX-License-Identifier: Apache-2.0
#include "cli/request_options.h"

#include <algorithm>

#include "base/clock.h"
#include "base/random.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::vector<OptionSpec> request_options() {
  return {
      {.name = "label",
       .value = "TEXT",
       .help = "What `wherry task list` calls the task, at most 128 characters."},
      {.name = "deadline",
       .value = "TIME",
       .help = "Give up at this time, e.g. 2030-01-01T12:00:00, in UTC unless it has a zone (24 "
               "hours from now; 30 days, to an endpoint with a daily quota).",
       .kind = ValueKind::kTime},
      {.name = "submission-id",
       .value = "ID",
       .help = "Submitting again with the same id creates no second task; see `wherry task "
               "generate-submission-id`.",
       .kind = ValueKind::kText},
      {.name = "dry-run", .help = "Show the request and submit nothing."},
      {.name = "detach",
       .help =
           "Run the task in the background and answer at once; follow it with `wherry task wait`."},
      {.name = "notify",
       .value = "EVENTS",
       .help = "Accepted for scripts written for globus-cli; the embedded service sends no mail."}};
}

template <class Request>
Result<void> fill_request(Context& context, const Arguments& arguments, Request& request) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  request.owner = wherry->owner();
  request.label = arguments.text("label");
  if (const std::size_t count = characters(request.label); count > tasks::kMaxLabelCharacters) {
    return make_error(Code::kInvalid, "the label has {} characters, at most {} are allowed", count,
                      tasks::kMaxLabelCharacters);
  }
  request.deadline = arguments.time("deadline");
  if (request.deadline && *request.deadline <= system_clock().now()) {
    return make_error(Code::kInvalid,
                      "the deadline {} has passed; times are UTC unless they have a zone",
                      format_time(*request.deadline));
  }
  request.submission_id = arguments.text("submission-id");
  if (request.submission_id.empty()) {
    TRY_ASSIGN(tasks::TransferService * service, context.service());
    TRY_ASSIGN(request.submission_id, service->new_submission_id());
  } else if (!is_uuid(request.submission_id)) {
    return make_error(Code::kInvalid,
                      "the submission id '{}' is no UUID; get one from"
                      " `wherry task generate-submission-id`",
                      escape_bytes(request.submission_id));
  }
  return {};
}

template <class Request>
Result<tasks::Submitted> submit_request(Context& context, const Request& request) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  auto submitted = service->submit(request);
  if (submitted || submitted.error().retry != Retry::kLater) return submitted;
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (!elsewhere) return submitted;
  Error lost = std::move(submitted).error();
  lost.message += fmt::format(
      "; whether the task was accepted is not known: to submit it once and not twice, repeat the"
      " command with --submission-id {}",
      request.submission_id);
  return lost;
}

template Result<tasks::Submitted> submit_request(Context&, const tasks::TransferRequest&);
template Result<tasks::Submitted> submit_request(Context&, const tasks::DeleteRequest&);
template Result<void> fill_request(Context&, const Arguments&, tasks::TransferRequest&);
template Result<void> fill_request(Context&, const Arguments&, tasks::DeleteRequest&);

RunWhere where_to_run(const Arguments& arguments) {
  return arguments.has("detach") ? RunWhere::kDetached : RunWhere::kHere;
}

Result<void> refuse_root(const Place& place) {
  if (!place.path.is_root()) return {};
  return make_error(
      Code::kInvalid,
      "'{}' is the root of endpoint '{}', which is never deleted as a whole; name what"
      " is in it",
      place.shown(), escape_bytes(place.endpoint.display_name));
}

}  // namespace wherry::cli
