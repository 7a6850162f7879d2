// SPDX-License-Identifier: Apache-2.0
// Transfer items as people and clients see them; what the stager does is in stage_store.cc.
#include "jobs/item_store.h"

#include "jobs/job_row.h"
#include "jobs/lifecycle.h"
#include "jobs/listing.h"

namespace wherry::jobs {
namespace {

using soci::use;

// Whether the database keeps the number of such rows: see migrations.cc.
bool is_counted(const ItemFilter& filter) {
  return filter.ids.empty() && filter.jobs.empty() && filter.job_states.empty() &&
         filter.task_ids.empty() && filter.tags.empty() && filter.remote_path_contains.empty() &&
         !filter.updated_after && !filter.updated_before;
}

std::string counting_of(const ItemFilter& filter) {
  return counting("transfer_item i", "item_count i", is_counted(filter));
}

// The number comes last, so that pages follow one another whatever happens between them.
std::string order_of(const ItemFilter& filter, std::string_view row) {
  const std::string_view way = direction_of(filter.sorting);
  switch (filter.order) {
    case ItemFilter::Order::kId:
      break;
    case ItemFilter::Order::kLastUpdate:
      return fmt::format(" order by {0}last_update{1}, {0}id{1}", row, way);
    case ItemFilter::Order::kState:
      return fmt::format(" order by {0}state{1}, {0}id{1}", row, way);
  }
  return fmt::format(" order by {}id{}", row, way);
}

struct ItemGroupRow {
  void define(soci::statement& statement) {
    statement.exchange(soci::into(site));
    for (std::string* field : {&direction, &location_alias, &state})
      statement.exchange(soci::into(*field));
  }
  long long site = 0;
  std::string direction, location_alias, state;
};

// The page by its groups: the database keeps which there are, and each is in an index.
std::optional<std::string> grouped_page(soci::session& sql, const ItemFilter& filter,
                                        const Conditions& conditions, Conditions& bound) {
  if (!is_counted(filter) || filter.order == ItemFilter::Order::kLastUpdate) return std::nullopt;
  Conditions existing = conditions;
  existing.add("i.count > 0");
  RowQuery<ItemGroupRow> query(
      sql,
      "select i.site, i.direction, i.location_alias, i.state from item_count i" + existing.where(),
      existing);
  std::vector<std::string> groups;
  while (const ItemGroupRow* row = query.next()) {
    groups.push_back(
        fmt::format("select id, state from transfer_item where site = {} and state = '{}' and"
                    " direction = '{}' and location_alias = {}",
                    row->site, row->state, row->direction, bound.bind_text(row->location_alias)));
  }
  if (groups.empty() || groups.size() > kMostGroups) return std::nullopt;
  return fmt::format("select {} from ({}) p join transfer_item i on i.id = p.id{}",
                     ItemRow::kColumns,
                     page_of_groups(groups, order_of(filter, ""), filter.limit, filter.offset),
                     order_of(filter, "p."));
}

Result<std::vector<TransferItem>> select_page(soci::session& sql, const ItemFilter& filter,
                                              std::uint64_t count) {
  Conditions bound;
  if (const auto page = grouped_page(sql, filter, conditions_of(filter), bound))
    return select_items(sql, *page, bound, filter.max_bytes);
  const Search search = search_for(count);
  const Conditions conditions = conditions_of(filter, search);
  return select_items(sql,
                      fmt::format("select {} from transfer_item i{}{}{}", ItemRow::kColumns,
                                  conditions.where(), order_of(filter, order_prefix(search, "i")),
                                  limit_text(filter.limit, filter.offset)),
                      conditions, filter.max_bytes);
}

struct JobOfItem {
  void define(soci::statement& statement) {
    for (long long* field : {&item, &job}) statement.exchange(soci::into(*field));
    for (std::string* field : {&item_state, &error_code, &direction, &job_state, &failed_from})
      statement.exchange(soci::into(*field));
  }
  long long item = 0, job = 0;
  std::string item_state, error_code, direction, job_state, failed_from;
};

// Whether the job failed while it waited for the item.
bool failed_waiting(const JobOfItem& row) {
  const std::string_view waits = to_string(
      row.direction == to_string(Direction::kIn) ? JobState::kReady : JobState::kPostprocessed);
  return row.job_state == to_string(JobState::kFailed) && row.failed_from == waits;
}

bool is_waited_for(const JobOfItem& row) {
  return row.job_state == to_string(row.direction == to_string(Direction::kIn)
                                        ? JobState::kReady
                                        : JobState::kPostprocessed);
}

Result<void> change_item(soci::session& sql, Lifecycle& lifecycle, const Items::Change& change) {
  TRY_ASSIGN(const TransferItem item, load_item(sql, change.id));
  if (change.state) TRY(lifecycle.move_item(change.id, *change.state, "set by hand", change.error));
  if (change.task_id) {
    sql << "update transfer_item set task_id = :task where id = :id", use(*change.task_id),
        use(item.id);
  }
  if (change.error && !change.state) {
    sql << "update transfer_item set error_code = :code, error_description = :text where id = :id",
        use(change.error->code), use(change.error->description), use(item.id);
  }
  return {};
}

}  // namespace

Result<TransferItem> Items::get(ItemId id) {
  return database_.read([&](soci::session& sql) { return load_item(sql, id); });
}

Result<Listing<TransferItem>> Items::list(const ItemFilter& filter) {
  return list_rows<TransferItem>(
      database_, counting_of(filter), conditions_of(filter),
      [&](soci::session& sql, std::uint64_t count) { return select_page(sql, filter, count); });
}

Result<std::map<ItemState, std::uint64_t>> Items::count_by_state(const ItemFilter& filter) {
  return count_states(database_, counting_of(filter), conditions_of(filter), parse_item_state);
}

Result<std::uint64_t> Items::retry(const ItemFilter& filter) {
  Conditions failed = conditions_of(filter);
  failed.add("i.state = 'error'");
  // Items that were given up with their job are not what it failed for: they go where it goes.
  failed.add(fmt::format("i.error_code <> '{}'", kJobFailed));
  return database_.write([&](soci::session& sql) -> Result<std::uint64_t> {
    const auto ids = select_numbers(
        sql, "select i.id from transfer_item i" + failed.where() + " order by i.id", failed);
    Lifecycle lifecycle(sql, clock_.now());
    std::uint64_t count = 0;
    for (const ItemId id : ids) {
      RowQuery<JobOfItem> query(
          sql, fmt::format("select i.id, i.job, i.state, i.error_code, i.direction, j.state,"
                           " j.failed_from from transfer_item i join job j on j.id = i.job"
                           " where i.id = {}",
                           id));
      const JobOfItem* row = query.next();
      CHECK(row != nullptr);
      if (row->item_state != to_string(ItemState::kError)) {  // it went with its job
        ++count;
      } else if (failed_waiting(*row)) {
        TRY(lifecycle.retry_job(row->job, "an item of it is retried"));
        ++count;
      } else if (is_waited_for(*row)) {
        TRY(lifecycle.move_item(id, ItemState::kPending, "retried"));
        ++count;
      }
    }
    return count;
  });
}

Result<void> Items::modify(std::span<const Change> changes) {
  TRY(refuse_too_many(changes.size()));
  return database_.write([&](soci::session& sql) -> Result<void> {
    Lifecycle lifecycle(sql, clock_.now());
    for (const Change& change : changes) TRY(change_item(sql, lifecycle, change));
    return {};
  });
}

}  // namespace wherry::jobs
