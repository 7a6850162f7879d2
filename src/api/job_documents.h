// SPDX-License-Identifier: Apache-2.0
// Sites, apps, jobs and what belongs to them as Balsam tells of them, with its names of members.
// docs/api/jobs.md lists these, and what Wherry adds.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "api/json.h"
#include "jobs/session_store.h"
#include "jobs/types.h"

namespace wherry::api {

boost::json::object site_document(const jobs::Site& site);
boost::json::object app_document(const jobs::App& app);
boost::json::object job_document(const jobs::Job& job);
boost::json::object transfer_item_document(const jobs::TransferItem& item);
boost::json::object job_event_document(const jobs::JobEvent& event);
boost::json::object batch_job_document(const jobs::BatchJob& batch_job);
boost::json::object session_document(const jobs::Session& session);
// A job with its app and the script that sh is to run; null if the two do not fit any more.
boost::json::object acquired_job_document(const jobs::AcquiredJob& acquired);

// {"detail": …}: what every refusal of these routes says.
boost::json::object job_error_document(std::string_view detail);

// [row, …]. Rows are let go as they are written: a page of 100,000 jobs would otherwise be in
// memory twice.
template <class T>
std::string array_text(std::vector<T> rows, boost::json::object (*document)(const T&)) {
  std::string text = "[";
  for (T& row : rows) {
    if (text.size() > 1) text += ',';
    const std::size_t before = text.size();
    text += to_text(document(row));
    row = T();
    if (&row == rows.data()) text.reserve((text.size() - before + 64) * rows.size());
  }
  text += ']';
  return text;
}

// {"count": all that there are, "results": the page}.
template <class T>
std::string list_text(jobs::Listing<T> listing, boost::json::object (*document)(const T&)) {
  const std::string head = fmt::format("{{\"count\":{},\"results\":", listing.count);
  std::string text = array_text(std::move(listing.rows), document);
  text.insert(0, head);
  text += '}';
  return text;
}

}  // namespace wherry::api
