// SPDX-License-Identifier: Apache-2.0
#include "server/job_queries.h"

#include "server/query_reader.h"

namespace wherry::server {
namespace {

using jobs::EventFilter;
using jobs::ItemFilter;
using jobs::JobFilter;

void read_filter(QueryReader& query, JobFilter& filter) {
  query.numbers("id", filter.ids);
  query.numbers("parent_id", filter.parents);
  query.numbers("app_id", filter.apps);
  query.numbers("site_id", filter.sites);
  query.number("batch_job_id", filter.batch_job);
  query.words("state", filter.states, jobs::parse_job_state);
  query.words("state__ne", filter.excluded_states, jobs::parse_job_state);
  query.tags("tags", filter.tags);
  query.text("workdir__contains", filter.workdir_contains);
  query.time("last_update_after", filter.updated_after);
  query.time("last_update_before", filter.updated_before);
  query.flag("pending_file_cleanup", filter.pending_file_cleanup);
}

void read_filter(QueryReader& query, ItemFilter& filter) {
  query.numbers("id", filter.ids);
  query.numbers("site_id", filter.sites);
  query.numbers("job_id", filter.jobs);
  query.words("state", filter.states, jobs::parse_item_state);
  query.word("direction", filter.direction, jobs::parse_direction);
  query.words("job_state", filter.job_states, jobs::parse_job_state);
  query.tags("tags", filter.tags);
  query.texts("location_alias", filter.location_aliases);
  query.texts("task_id", filter.task_ids);
  query.text("remote_path__contains", filter.remote_path_contains);
  query.time("last_update_after", filter.updated_after);
  query.time("last_update_before", filter.updated_before);
}

// What ends the query of every list of a store.
template <class Order, std::size_t N, class Filter>
Result<Filter> finish(QueryReader& query, const QueryReader::Field<Order> (&orders)[N],
                      Order& order, Filter& filter) {
  query.ordering(orders, order, filter.sorting);
  query.page(filter.limit, filter.offset);
  TRY(query.finish());
  return std::move(filter);
}

template <class Filter>
Result<Filter> read_selection(const Request& request) {
  QueryReader query(request);
  Filter filter;
  read_filter(query, filter);
  TRY(query.finish());
  if (query.has_any()) return filter;
  return make_error(Code::kInvalid,
                    "no filter is given, and this would be of everything that you have: say which"
                    " ones, at least by site_id");
}

}  // namespace

Result<SiteQuery> read_site_query(const Request& request) {
  QueryReader query(request);
  SiteQuery sites;
  query.numbers("id", sites.ids);
  query.text("name", sites.name);
  query.text("path", sites.path_contains);
  query.time("last_refresh_after", sites.refreshed_after);
  query.page(sites.paging.limit, sites.paging.offset);
  TRY(query.finish());
  return sites;
}

Result<AppQuery> read_app_query(const Request& request) {
  QueryReader query(request);
  AppQuery apps;
  query.numbers("site_id", apps.sites);
  query.numbers("id", apps.ids);
  query.text("name", apps.name);
  query.text("site_name", apps.site_name);
  query.text("site_path", apps.site_path_contains);
  query.page(apps.paging.limit, apps.paging.offset);
  TRY(query.finish());
  return apps;
}

Result<JobFilter> read_job_query(const Request& request) {
  using Order = JobFilter::Order;
  constexpr QueryReader::Field<Order> kOrders[] = {{"id", Order::kId},
                                                   {"last_update", Order::kLastUpdate},
                                                   {"state", Order::kState},
                                                   {"workdir", Order::kWorkdir}};
  QueryReader query(request);
  JobFilter filter;
  read_filter(query, filter);
  filter.max_bytes = jobs::kMaxPageBytes;
  return finish(query, kOrders, filter.order, filter);
}

Result<ItemFilter> read_item_query(const Request& request) {
  using Order = ItemFilter::Order;
  constexpr QueryReader::Field<Order> kOrders[] = {
      {"id", Order::kId}, {"last_update", Order::kLastUpdate}, {"state", Order::kState}};
  QueryReader query(request);
  ItemFilter filter;
  read_filter(query, filter);
  filter.max_bytes = jobs::kMaxPageBytes;
  return finish(query, kOrders, filter.order, filter);
}

Result<JobFilter> read_job_selection(const Request& request) {
  return read_selection<JobFilter>(request);
}

Result<ItemFilter> read_item_selection(const Request& request) {
  return read_selection<ItemFilter>(request);
}

Result<EventQuery> read_event_query(const Request& request) {
  enum class Order { kTime };
  constexpr QueryReader::Field<Order> kOrders[] = {{"timestamp", Order::kTime}};
  QueryReader query(request);
  EventQuery events;
  EventFilter& filter = events.filter;
  query.numbers("id", filter.ids);
  query.numbers("job_id", filter.jobs);
  query.numbers("site_id", filter.sites);
  query.number("batch_job_id", filter.batch_job);
  query.text("scheduler_id", events.scheduler_id);
  query.tags("tags", filter.tags);
  query.text("from_state", filter.from);
  query.text("to_state", filter.to);
  query.time("timestamp_after", filter.after);
  query.time("timestamp_before", filter.before);
  filter.max_bytes = jobs::kMaxPageBytes;
  Order order = Order::kTime;
  TRY_ASSIGN(filter, finish(query, kOrders, order, filter));
  return events;
}

Result<jobs::BatchJobFilter> read_batch_job_query(const Request& request) {
  using Order = jobs::BatchJobFilter::Order;
  constexpr QueryReader::Field<Order> kOrders[] = {
      {"id", Order::kId}, {"start_time", Order::kStarted}, {"end_time", Order::kEnded}};
  QueryReader query(request);
  jobs::BatchJobFilter filter;
  query.numbers("id", filter.ids);
  query.numbers("site_id", filter.sites);
  query.words("state", filter.states, jobs::parse_batch_job_state);
  query.text("scheduler_id", filter.scheduler_id);
  query.text("queue", filter.queue);
  query.tags("filter_tags", filter.filter_tags);
  query.time("start_time_after", filter.started_after);
  query.time("start_time_before", filter.started_before);
  query.time("end_time_after", filter.ended_after);
  query.time("end_time_before", filter.ended_before);
  return finish(query, kOrders, filter.order, filter);
}

Result<SessionQuery> read_session_query(const Request& request) {
  QueryReader query(request);
  SessionQuery sessions;
  query.numbers("site_id", sessions.sites);
  query.numbers("id", sessions.ids);
  query.page(sessions.paging.limit, sessions.paging.offset);
  TRY(query.finish());
  return sessions;
}

Result<void> read_no_query(const Request& request) { return QueryReader(request).finish(); }

}  // namespace wherry::server
