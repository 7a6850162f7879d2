// SPDX-License-Identifier: Apache-2.0
// Any bytes as a request document, an answer and a filter: refused with a message, or read; what is
// read as a request is written so that it means the same.
#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "api/bookmark_documents.h"
#include "api/errors.h"
#include "api/filter.h"
#include "api/json.h"
#include "api/pause_documents.h"
#include "api/replies.h"
#include "api/requests.h"
#include "api/timer_documents.h"
#include "base/check.h"
#include "base/path.h"

namespace {

namespace api = wherry::api;
namespace json = boost::json;

wherry::Result<std::string> home(const std::string&) { return std::string("/home"); }

// A refusal says why, in text that JSON can hold.
template <class T>
bool read(const wherry::Result<T>& result) {
  if (result) return true;
  CHECK(!result.error().message.empty());
  return false;
}

void read_submissions(const json::object& document) {
  const auto transfer = api::read_transfer(document, home);
  if (read(transfer)) {
    const auto again = api::read_transfer(api::transfer_document(*transfer), home);
    CHECK(again && again->items == transfer->items && again->options == transfer->options);
  }
  const auto request = api::read_delete(document, home);
  if (!read(request)) return;
  for (const auto& item : request->items) CHECK(!item.path.is_root());
  const auto again = api::read_delete(api::delete_document(*request), home);
  CHECK(again && again->items == request->items && again->options == request->options);
}

void read_others(const json::object& document) {
  read(api::read_task_change(document));
  read(api::read_make_directory(document, "/home"));
  read(api::read_rename(document, ""));
  read(api::read_symlink(document, ""));
  read(api::read_endpoint_creation(document));
  read(api::read_endpoint_change(document));
  read(api::read_task(document));
  read(api::read_task_list(document));
  read(api::read_event_list(document));
  read(api::read_successful_transfers(document));
  read(api::read_skipped_errors(document));
  read(api::read_endpoint_list(document));
  const auto files = api::read_file_list(document);
  if (!read(files)) return;
  for (const auto& file : files->rows)
    CHECK(!file.name.empty() && file.name.find('/') == std::string::npos);
}

// What is read as a timer can be shown and submitted.
void read_timers(const json::object& document) {
  const wherry::TimePoint now{std::chrono::seconds(1'600'000'000)};
  for (const auto reader : {api::read_timer, api::read_timer_job}) {
    api::TimerPlace place;
    const auto creation = reader(document, now, place);
    if (!read(creation)) {
      CHECK(!place.empty());
      (void)api::to_text(api::timer_invalid_document(place, creation.error().message));
      continue;
    }
    api::Timer timer;
    timer.name = creation->name;
    timer.schedule = creation->schedule;
    timer.body = creation->body;
    (void)api::to_text(api::timer_document(timer, now));
    (void)api::to_text(api::timer_job_document(timer, now, 1));
    CHECK(api::timer_submission(timer, "id"));
  }
  api::TimerPlace place;
  read(api::read_timer_change(document, place));
  read(api::read_bookmark(document));
  read(api::read_bookmark_change(document));
  read(api::read_pause_rule(document));
  read(api::read_pause_rule_change(document));
  read(api::read_admin_request(document));
}

void read_query(std::string_view text) {
  const auto filter = api::parse_filter(text, api::task_fields());
  if (read(filter)) {
    const wherry::tasks::Task task;
    (void)api::matches(*filter, api::row_of(task));
    read(api::select_tasks(*filter));
  }
  read(api::parse_order(text, api::task_fields()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // reinterpret_cast: bytes are bytes
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_query(bytes);
  CHECK(!api::error_from_answer(400, bytes).message.empty());
  const auto document = api::parse_object(bytes);
  if (!read(document)) return 0;
  read_submissions(*document);
  read_others(*document);
  read_timers(*document);
  return 0;
}
