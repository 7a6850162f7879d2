// SPDX-License-Identifier: Apache-2.0
// wherry transfer-item: what is moved for jobs, one by one.
#include <limits>

#include "base/path.h"
#include "cli/commands.h"
#include "cli/job_options.h"
#include "cli/job_view.h"
#include "cli/site_selector.h"

namespace wherry::cli {
namespace {

using jobs::ItemFilter;
using jobs::ItemId;
using jobs::TransferItem;

// Lists are read in parts, so that their length needs no memory.
constexpr std::size_t kItemsAtOnce = 5'000;

Result<void> take_order(const Arguments& arguments, ItemFilter& filter) {
  using Order = ItemFilter::Order;
  std::string name = arguments.text("order-by");
  if (name.starts_with('-')) {
    filter.sorting = jobs::Sorting::kDescending;
    name.erase(0, 1);
  }
  if (name == "last_update") filter.order = Order::kLastUpdate;
  if (name == "state") filter.order = Order::kState;
  return {};
}

Result<ItemFilter> item_filter(Context& context, const Arguments& arguments) {
  ItemFilter filter;
  filter.ids = numbers_of(arguments, "ITEM_ID");
  filter.jobs = numbers_of(arguments, "job");
  if ((filter.ids.empty() && filter.jobs.empty()) || arguments.has("site")) {
    TRY_ASSIGN(filter.sites, sites_option(context, arguments));
  }
  for (const std::string& name : arguments.all("state")) {
    TRY_ASSIGN(const jobs::ItemState state, jobs::parse_item_state(name), "--state");
    filter.states.push_back(state);
  }
  for (const std::string& name : arguments.all("job-state")) {
    TRY_ASSIGN(const jobs::JobState state, jobs::parse_job_state(name), "--job-state");
    filter.job_states.push_back(state);
  }
  if (arguments.has("direction")) {
    TRY_ASSIGN(filter.direction, jobs::parse_direction(arguments.text("direction")));
  }
  filter.location_aliases = arguments.all("location");
  filter.task_ids = arguments.all("task");
  TRY_ASSIGN(filter.tags, pairs_of(arguments, "tag"));
  filter.remote_path_contains = arguments.text("remote-path");
  filter.updated_after = arguments.time("updated-after");
  filter.updated_before = arguments.time("updated-before");
  TRY(take_order(arguments, filter));
  return filter;
}

Result<int> list_items(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(ItemFilter filter, item_filter(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  if (arguments.has("by-state")) {
    TRY_ASSIGN(const auto counts, wherry->jobs().items.count_by_state(filter));
    Output::Table table(context.output(), "transfer_item_count_list",
                        {{"state", "State"}, {"count", "Items"}});
    for (const auto& [state, count] : counts) {
      if (count > 0) table.row({std::string(to_string(state)), count});
    }
    table.finish();
    return kExitDone;
  }
  const auto limit = static_cast<std::size_t>(
      arguments.integer("limit").value_or(std::numeric_limits<std::int64_t>::max()));
  Output::Table table(context.output(), "transfer_item_list",
                      item_columns(arguments.has("verbose") ? Detail::kLong : Detail::kShort));
  while (filter.offset < limit) {
    filter.limit = std::min(kItemsAtOnce, limit - filter.offset);
    TRY_ASSIGN(const auto page, wherry->jobs().items.list(filter));
    for (const TransferItem& item : page.rows) table.row(item_row(item));
    filter.offset += page.rows.size();
    if (page.rows.size() < filter.limit) break;
  }
  table.finish();
  return kExitDone;
}

Result<int> show_item(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const TransferItem item,
             wherry->jobs().items.get(numbers_of(arguments, "ITEM_ID").front()));
  context.output().record(item_record(item));
  return kExitDone;
}

Result<int> retry_items(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(ItemFilter filter, item_filter(context, arguments));
  static constexpr std::string_view kChoosing[] = {
      "ITEM_ID", "job", "direction",   "job-state",     "location",      "task",
      "tag",     "all", "remote-path", "updated-after", "updated-before"};
  bool is_chosen = false;
  for (const std::string_view name : kChoosing)
    is_chosen = is_chosen || arguments.has(name) || !arguments.all(name).empty();
  if (!is_chosen) {
    return make_error(Code::kInvalid,
                      "say which items: by number, by --job, --location, …, or --all of the site");
  }
  if (filter.ids.empty() && filter.jobs.empty() && !arguments.has("site")) {
    TRY_ASSIGN(const jobs::Site site, find_site(context, ""));
    filter.sites = {site.id};
  }
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  for (const ItemId id : filter.ids) TRY(wherry->jobs().items.get(id));
  for (const jobs::JobId id : filter.jobs) TRY(wherry->jobs().jobs.get(id));
  TRY_ASSIGN(const std::uint64_t count, wherry->jobs().items.retry(filter));
  context.output().message(
      "Retried", fmt::format("Items that were in error and are pending again: {}", count));
  return kExitDone;
}

std::vector<OptionSpec> filter_options() {
  return {{.name = "direction",
           .value = "DIRECTION",
           .help = "Only what comes in, or what goes out.",
           .kind = ValueKind::kChoice,
           .choices = {"in", "out"}},
          {.name = "state",
           .value = "STATE",
           .help = "Only items in this state.",
           .kind = ValueKind::kChoice,
           .choices = item_state_names(),
           .times = OptionSpec::Times::kMany},
          {.name = "job",
           .value = "JOB_ID",
           .help = "Only items of this job.",
           .kind = ValueKind::kJob,
           .times = OptionSpec::Times::kMany},
          {.name = "job-state",
           .value = "STATE",
           .help = "Only items of jobs in this state.",
           .kind = ValueKind::kChoice,
           .choices = job_state_names(),
           .times = OptionSpec::Times::kMany},
          {.name = "location",
           .value = "ALIAS",
           .help = "Only from or to this location.",
           .times = OptionSpec::Times::kMany},
          {.name = "remote-path", .value = "TEXT", .help = "Only where the path there has it."},
          {.name = "task",
           .value = "TASK_ID",
           .help = "Only what this task carried last.",
           .kind = ValueKind::kTask,
           .times = OptionSpec::Times::kMany},
          tag_option("Only items of jobs with this tag."),
          {.name = "updated-after",
           .value = "TIME",
           .help = "Only items that changed later.",
           .kind = ValueKind::kTime},
          {.name = "updated-before",
           .value = "TIME",
           .help = "Only items that changed earlier.",
           .kind = ValueKind::kTime},
          sites_option_spec()};
}

std::vector<OptionSpec> item_list_options() {
  std::vector<OptionSpec> options = filter_options();
  options.push_back({.name = "by-state", .help = "Only how many there are in each state."});
  options.push_back({.name = "order-by",
                     .value = "COLUMN",
                     .help = "The order; '-' before the name turns it round.",
                     .kind = ValueKind::kChoice,
                     .choices = {"id", "-id", "last_update", "-last_update", "state", "-state"}});
  options.push_back({.name = "limit",
                     .value = "N",
                     .help = "At most N items (all).",
                     .kind = ValueKind::kInteger});
  return options;
}

std::vector<OptionSpec> retry_options() {
  std::vector<OptionSpec> options = filter_options();
  options.push_back({.name = "all", .help = "All items of the site that are in error."});
  return options;
}

}  // namespace

std::span<const Command> transfer_item_commands() {
  static const PositionalSpec ids = {.name = "ITEM_ID",
                                     .kind = ValueKind::kInteger,
                                     .help = "The items, as `wherry transfer-item ls` shows.",
                                     .count = PositionalSpec::Count::kAny};
  static const Command commands[] = {
      {.name = "transfer-item ls",
       .summary = "List what is moved for jobs; with -v, by which tasks.",
       .positionals = {ids},
       .options = item_list_options(),
       .handler = list_items,
       .examples = {"wherry transfer-item ls --direction in --state active",
                    "wherry transfer-item ls --state error"}},
      {.name = "transfer-item show",
       .summary = "Show one transfer item.",
       .positionals = {{.name = "ITEM_ID",
                        .kind = ValueKind::kInteger,
                        .help = "The item, as `wherry transfer-item ls` shows."}},
       .handler = show_item},
      {.name = "transfer-item retry",
       .summary = "Try again what could not be moved; jobs that failed for it wait for it again.",
       .positionals = {ids},
       .options = retry_options(),
       .handler = retry_items,
       .examples = {"wherry transfer-item retry --location lab"}},
  };
  return commands;
}

}  // namespace wherry::cli
