// SPDX-License-Identifier: Apache-2.0
// What the routes below /v1 share.
#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/job_documents.h"
#include "api/json.h"
#include "base/result.h"
#include "server/job_queries.h"
#include "server/job_routes.h"
#include "server/router.h"

namespace wherry::server {

// What a route is given for one request.
struct JobCall {
  const JobParts& parts;
  const Call& call;
  JobAccess access;

  const Caller& caller() const { return *call.caller; }
  const Request& request() const { return call.request; }
};
using JobAction = Result<Response> (*)(JobCall& job);

// An error of the action is written as clients of Balsam read it: kInvalid is 422.
Route job_route(const JobParts& parts, Method method, std::string_view pattern,
                std::string_view doc, JobAction action);

// The number that stands in the path. kNotFound if it is none: nothing has such a name.
Result<std::int64_t> number_of(const JobCall& job, std::string_view name);

Response text_answer(std::string json, unsigned status = 200);
Response document_answer(const boost::json::object& document, unsigned status = 200);
Response nothing_answer();  // 204
// {"count": …}: how many were changed.
Response count_answer(std::uint64_t count);
// 400: the request is too much, or contradicts itself.
Response bad_request(const JobCall& job, std::string message);

// ---- lists

// Limits a filter to what the caller may see; whether anything is left.
template <class Filter>
Result<bool> narrow(JobCall& job, Filter& filter) {
  TRY_ASSIGN(auto sites, job.access.narrow(job.caller(), filter.sites));
  if (!sites) return false;
  filter.sites = *std::move(sites);
  return true;
}

// The page that a filter asks for, of what the caller may see.
template <class Store, class Row, class Filter>
Result<Response> list_answer(JobCall& job, Filter filter, Store& store,
                             Result<jobs::Listing<Row>> (Store::*list)(const Filter&),
                             boost::json::object (*document)(const Row&)) {
  TRY_ASSIGN(const bool is_any, narrow(job, filter));
  jobs::Listing<Row> found;
  if (is_any) {
    TRY_ASSIGN(found, (store.*list)(filter));
  }
  return text_answer(api::list_text(std::move(found), document));
}

// The page of rows that are few enough to be in memory.
template <class Row>
Response page_answer(std::vector<Row> rows, const Paging& paging,
                     boost::json::object (*document)(const Row&)) {
  jobs::Listing<Row> page;
  page.count = rows.size();
  const std::size_t first = std::min(paging.offset, rows.size());
  const std::size_t last = first + std::min(paging.limit, rows.size() - first);
  page.rows.assign(std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(first)),
                   std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(last)));
  return text_answer(api::list_text(std::move(page), document));
}

// An empty list wants all.
template <class T>
bool is_wanted(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

// ---- changes of many

std::optional<Response> refused_as_too_many(const JobCall& job, std::size_t count);
std::optional<Response> refused_as_doubled(const JobCall& job,
                                           const std::vector<std::int64_t>& ids);

// What the body of a PATCH says: a list of changes, each with the `id` of what it changes.
template <class Change>
struct BulkChange {
  std::vector<Change> changes;
  std::vector<std::int64_t> ids;
  std::optional<Response> refused;  // the answer, if it is too much or contradicts itself
};
template <class Change>
Result<BulkChange<Change>> read_changes(const JobCall& job,
                                        Result<Change> (*read)(const boost::json::array& document,
                                                               std::size_t number)) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const boost::json::array document, api::parse_array(job.request().body));
  BulkChange<Change> bulk;
  bulk.refused = refused_as_too_many(job, document.size());
  if (bulk.refused) return bulk;
  for (std::size_t number = 0; number < document.size(); ++number) {
    TRY_ASSIGN(bulk.changes.emplace_back(), read(document, number));
    bulk.ids.push_back(bulk.changes.back().id);
  }
  bulk.refused = refused_as_doubled(job, bulk.ids);
  return bulk;
}

// Rows in the order of `ids`, which they all are of.
template <class Row>
std::vector<Row> in_order(std::vector<Row> rows, const std::vector<std::int64_t>& ids) {
  std::map<std::int64_t, Row*> by_id;
  for (Row& row : rows) by_id[row.id] = &row;
  std::vector<Row> sorted;
  for (const std::int64_t id : ids) sorted.push_back(std::move(*by_id.at(id)));
  return sorted;
}

}  // namespace wherry::server
