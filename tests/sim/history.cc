// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include <algorithm>

#include "base/hash.h"
#include "storage/testing/content.h"

namespace wherry::sim {

using storage::Fault;
using storage::Operation;
using tasks::TaskState;

namespace {

constexpr std::uint64_t kFewestSteps = 20;
constexpr std::uint64_t kMoreSteps = 35;
constexpr std::uint64_t kShareOfJobs = 40;                  // of the steps, in percent
constexpr int kMostRuns = 8;                                // of a task that must come to its end
constexpr int kMostPasses = 8;                              // of a sync
constexpr std::uint64_t kProductSeed = 0x9e3779b97f4a7c15;  // the product's own sequence

constexpr Operation kOperations[] = {Operation::kList,           Operation::kStat,
                                     Operation::kOpenRead,       Operation::kRead,
                                     Operation::kReadAttributes, Operation::kNextData,
                                     Operation::kWrite,          Operation::kReadBack,
                                     Operation::kFinish,         Operation::kFlush,
                                     Operation::kCommit,         Operation::kFlushDirectories,
                                     Operation::kRemoveFile,     Operation::kRemoveDirectory,
                                     Operation::kMakeDirectory,  Operation::kRename,
                                     Operation::kMakeSymlink,    Operation::kSetAttributes,
                                     Operation::kCreateTemporary};

// What a kill has to come before, most of all: the steps of invariant 2.
constexpr Operation kSteps[] = {Operation::kWrite,           Operation::kFinish,
                                Operation::kFlush,           Operation::kCommit,
                                Operation::kCommit,          Operation::kFlushDirectories,
                                Operation::kFlushDirectories};

std::uint64_t hash_of(std::uint64_t seed, std::uint64_t number) {
  return checksum64(fmt::format("{} {}", seed, number));
}

std::string name_of(const tasks::TaskId& id) { return id.substr(0, 8); }

}  // namespace

History::History(std::uint64_t seed, Listener listener)
    : seed_(seed),
      listener_(std::move(listener)),
      random_(seed),
      writer_(seed + 1),
      character_(make_character()),
      world_(seed ^ kProductSeed, character_),
      source_(world_.memory(Place::kLab), world_.clock, writer_, character_.links),
      checks_(world_, source_, character_),
      jobs_(world_, checks_, random_, listener_, [this] { return make_trouble(); }) {}

Character History::make_character() {
  Character made;
  made.power_cuts = chance(75);
  made.links = chance(30) ? Links::kFollowed : Links::kAsTheyAre;
  made.limits.workers = 1;
  made.limits.queue = 1 + pick(8);
  made.limits.group_files = 1 + pick(6);
  made.limits.range_bytes = 4096;
  made.limits.retry_attempts = chance(50) ? 0 : 3;
  sync::SyncDefinition& sync = made.sync;
  sync.name = kSync;
  sync.settle = chance(60) ? Duration(0) : std::chrono::seconds(10);
  sync.deletions = static_cast<sync::Deletions>(pick(3));
  sync.max_delete = chance(50) ? 100 : 30;
  sync.symlinks = made.links == Links::kFollowed ? engine::SymlinkPolicy::kCopy
                  : chance(50)                   ? engine::SymlinkPolicy::kKeep
                                                 : engine::SymlinkPolicy::kIgnore;
  if (chance(20)) sync.filters = random_filters();
  sync.batch_size = 1 + pick(6);
  sync.renames = chance(75);
  using Share = jobs::TransferSettings::Share;
  made.staging.batch_size = 1 + pick(6);
  made.staging.share_inputs = chance(60) ? Share::kNo : chance(50) ? Share::kLink : Share::kCopy;
  made.staging.tells_items = chance(50);
  made.staging.tells_while_active = chance(50);
  return made;
}

std::vector<engine::FilterRule> History::random_filters() {
  using Rule = engine::FilterRule;
  std::vector<Rule> rules;
  for (std::uint64_t n = 1 + pick(2); n > 0; --n) {
    static const char* const patterns[] = {"a", "[b-c]", "*", "n*", ".*", "d e"};
    rules.push_back({chance(70) ? Rule::Method::kExclude : Rule::Method::kInclude,
                     patterns[pick(std::size(patterns))], static_cast<Rule::Applies>(pick(3))});
  }
  return rules;
}

bool History::run() {
  set_up();
  for (std::uint64_t n = kFewestSteps + pick(kMoreSteps); n > 0 && !failed(); --n) {
    begin_step();
    random_ = SeededRandom(hash_of(seed_, n));
    writer_ = SeededRandom(hash_of(seed_, ~n));
    step();
    if (!failed()) settle();
  }
  if (!failed()) come_to_rest();
  return !failed();
}

void History::set_up() {
  const sync::SyncDefinition& sync = character_.sync;
  tell(
      "power cuts {}, groups of {}, attempts {}; sync: deletions {}, at most {} %, symlinks {}, {}"
      " filters, renames {}",
      character_.power_cuts, character_.limits.group_files, character_.limits.retry_attempts,
      to_string(sync.deletions), sync.max_delete, to_string(sync.symlinks), sync.filters.size(),
      sync.renames);
  for (int n = 0; n < 6; ++n) tell("the source: {}", source_.change());
  for (const Place place : kTargets) {
    world_.memory(place).make_directory(storage::path_of("keep"), 0755).value();
    world_.memory(place).flush_directories({}).value();
    const RelPath root;
    world_.memory(place).flush_directories({&root, 1}).value();
  }
  sync::SyncDefinition definition = character_.sync;
  definition.source = {world_.endpoint(Place::kLab), storage::path_of(kData)};
  definition.target = {world_.endpoint(Place::kArchive), storage::path_of(kSync)};
  world_.syncs().add(definition).value();
}

void History::begin_step() {
  checks_.begin_step();
  jobs_.begin_step();
}

void History::end_step() {
  checks_.end_step();
  jobs_.end_step();
}

void History::step() {
  if (chance(kShareOfJobs)) return jobs_.step();
  const std::uint64_t kind = pick(100);
  if (kind < 30) return change_source();
  if (kind < 44) return submit_transfer();
  if (kind < 48) return submit_delete();
  if (kind < 70) return run_task();
  if (kind < 73) return cancel_task();
  if (kind < 77) return resume_task();
  if (kind < 93) return run_sync();
  if (kind < 95) return update_sync();
  if (kind < 97) return pass_time();
  restart();
}

// After a step the trouble is over, and who was killed comes back.
void History::settle() {
  end_step();
  if (!world_.trouble.is_dead()) {
    world_.trouble.clear();
    return;
  }
  const bool cut = character_.power_cuts && chance(50);
  tell("  killed; starts again{}", cut ? " after a power cut" : "");
  world_.restart(cut ? World::Power::kCut : World::Power::kStays);
  if (cut) checks_.power_was_cut();
  end_step();
}

void History::change_source() {
  for (std::uint64_t n = 1 + pick(4); n > 0; --n) tell("the source: {}", source_.change());
}

// Submitting -------------------------------------------------------------------------------------

std::string History::random_area() { return fmt::format("in{}", pick(3)); }

void History::choose_options(engine::TransferOptions& options) {
  options.sync_level = static_cast<engine::SyncLevel>(pick(5));
  if (chance(40)) options.sync_level = engine::SyncLevel::kAlways;
  if (!character_.power_cuts && chance(30)) options.durability = engine::Durability::kNoFlush;
  options.symlinks = character_.links == Links::kFollowed ? engine::SymlinkPolicy::kCopy
                     : chance(30)                         ? engine::SymlinkPolicy::kKeep
                                                          : engine::SymlinkPolicy::kIgnore;
  if (chance(20)) options.filters = random_filters();
  options.preserve_mtime = chance(50);
  options.preserve_mode = chance(70);
  options.delete_extra = chance(25);
  options.skip_source_errors = chance(40);
  options.fail_on_quota_errors = chance(30);
}

tasks::TransferRequest History::transfer_request() {
  tasks::TransferRequest request;
  request.submission_id = new_uuid(random_);
  request.owner = kOwner;
  request.source_endpoint = world_.endpoint(Place::kLab);
  request.target_endpoint = world_.endpoint(Place::kScratch);
  if (chance(20)) request.deadline = world_.clock.now() + std::chrono::seconds(1 + pick(7200));
  choose_options(request.options);
  const bool keeps_links = request.options.symlinks == engine::SymlinkPolicy::kKeep;
  const std::string area = keeps_links ? fmt::format("links{}", link_areas_++) : random_area();
  const RelPath data = storage::path_of(kData);
  for (std::uint64_t n = 1 + pick(3); n > 0; --n) {
    engine::TransferItem item;
    item.source = chance(30) ? data : storage::path_of(source_.any_path());
    item.target = storage::path_of(area).join(item.source.relative_to(data));
    const bool overlaps =
        std::any_of(request.items.begin(), request.items.end(), [&](const auto& other) {
          return item.source.is_within(other.source) || other.source.is_within(item.source);
        });
    if (overlaps) continue;
    const auto node = source_.now(Links::kAsTheyAre).find(item.source.text());
    const bool exists = node != source_.now(Links::kAsTheyAre).end();
    if (keeps_links && exists && node->second.is_symlink())
      item.kind = engine::TransferItem::Kind::kSymlink;
    else if (chance(20))
      item.recursion = static_cast<engine::TransferItem::Recursion>(pick(3));
    request.items.push_back(std::move(item));
  }
  return request;
}

template <class Request>
void History::submit(const Request& request) {
  if (chance(15)) plan_kill();
  checks_.asking(request);
  const auto submitted = world_.service().submit(request);
  if (!submitted) {
    tell("  not accepted: {}", submitted.error().message);
    if (submitted.error().code != Code::kUnavailable)
      checks_.fail("a good request was refused: {}", submitted.error().message);
    return;
  }
  tell("  task {}{}", name_of(submitted->task_id),
       submitted->kind == tasks::Submitted::Kind::kDuplicate ? ", which is known" : "");
  checks_.answered(request.submission_id, submitted->task_id);
}

void History::submit_transfer() {
  if (!transfers_.empty() && chance(20)) {
    const tasks::TransferRequest& again = transfers_[pick(transfers_.size())];
    // Past its deadline only a known one is accepted.
    if (again.deadline) return;
    tell("submit transfer {} again", name_of(again.submission_id));
    return submit(again);
  }
  const tasks::TransferRequest request = transfer_request();
  tell("submit transfer {}: sync level {}, symlinks {}, {} filters{}{}",
       name_of(request.submission_id), static_cast<int>(request.options.sync_level),
       static_cast<int>(request.options.symlinks), request.options.filters.size(),
       request.options.delete_extra ? ", delete extra" : "",
       request.options.skip_source_errors ? ", skip source errors" : "");
  for (const auto& item : request.items)
    tell("  '{}' to '{}'", escape_bytes(item.source.text()), escape_bytes(item.target.text()));
  transfers_.push_back(request);
  submit(request);
}

void History::submit_delete() {
  tasks::DeleteRequest request;
  request.submission_id = new_uuid(random_);
  request.owner = kOwner;
  request.endpoint = world_.endpoint(Place::kScratch);
  request.options.recursive = chance(80);
  request.options.ignore_missing = chance(60);
  const RelPath area = storage::path_of(random_area());
  const RelPath data = storage::path_of(kData);
  for (std::uint64_t n = 1 + pick(3); n > 0; --n)
    request.items.push_back({area.join(storage::path_of(source_.any_path()).relative_to(data))});
  tell("submit delete {}", name_of(request.submission_id));
  for (const auto& item : request.items) tell("  '{}'", escape_bytes(item.path.text()));
  submit(request);
}

// Running ----------------------------------------------------------------------------------------

void History::run_task() {
  std::vector<tasks::TaskId> active;
  for (const tasks::Task& task : checks_.all_tasks()) {
    if (task.state == TaskState::kActive && task.owner == kOwner) active.push_back(task.id);
  }
  if (active.empty()) return submit_transfer();
  const tasks::TaskId& id = active[pick(active.size())];
  tell("run task {}", name_of(id));
  make_trouble();
  if (chance(15)) plan_interference(id);
  const auto ended = world_.run(id);
  tell("  {}", ended ? fmt::format("{} {}", to_string(ended->state), ended->nice_status)
                     : ended.error().message);
}

void History::cancel_task() {
  std::vector<tasks::Task> open;
  for (const tasks::Task& task : checks_.all_tasks()) {
    if (!tasks::is_final(task.state)) open.push_back(task);
  }
  if (open.empty()) return;
  const tasks::TaskId& id = open[pick(open.size())].id;
  tell("cancel task {}", name_of(id));
  if (const auto cancelled = world_.service().cancel(id); !cancelled)
    return checks_.fail("task {} cannot be cancelled: {}", id, cancelled.error().message);
  const tasks::Task task = world_.observer().task(id).value();
  if (task.state != TaskState::kFailed || !task.fatal_error || task.fatal_error->code != "CANCELED")
    checks_.fail("task {} was cancelled, nobody runs it, and it is {}", id, to_string(task.state));
}

void History::resume_task() {
  std::vector<tasks::TaskId> waiting;
  for (const tasks::Task& task : checks_.all_tasks()) {
    if (task.state == TaskState::kInactive) waiting.push_back(task.id);
  }
  if (waiting.empty()) return change_source();
  const tasks::TaskId& id = waiting[pick(waiting.size())];
  tell("resume task {}", name_of(id));
  if (const auto resumed = world_.service().resume(id); !resumed)
    checks_.fail("task {} is INACTIVE, and cannot be resumed: {}", id, resumed.error().message);
}

void History::run_sync() {
  sync::PassOptions options;
  options.threads = 1;
  options.dry_run = chance(10);
  options.allow_deletions = chance(40);
  options.full = chance(50);
  if (chance(20)) options.max_delete = static_cast<double>(pick(101));
  tell("run the sync{}{}", options.dry_run ? ", dry" : "",
       options.allow_deletions ? ", all deletions allowed" : "");
  make_trouble();
  if (chance(15)) plan_interference({});
  checks_.begin_pass(options);
  const auto report = world_.run_sync(options);
  checks_.end_pass(report);
  tell("  {}", report ? fmt::format("pass {}: {} {}", report->number, to_string(report->end),
                                    report->message)
                      : report.error().message);
  if (report) {
    for (const auto& problem : report->problems)
      tell("    {}: {}", escape_bytes(problem.path), problem.message);
  }
}

void History::update_sync() {
  auto definition = world_.syncs().get(kSync).value();
  definition.batch_size = 1 + pick(6);
  definition.renames = chance(75);
  tell("update the sync: batches of {}", definition.batch_size);
  world_.syncs().update(definition).value();
}

void History::pass_time() {
  const Duration time = std::chrono::seconds(1 + pick(chance(20) ? 100'000 : 100));
  tell("{} seconds pass", std::chrono::duration_cast<std::chrono::seconds>(time).count());
  world_.clock.advance(time);
}

void History::restart() {
  const bool cut = character_.power_cuts && chance(50);
  tell("restart{}", cut ? " after a power cut" : "");
  world_.restart(cut ? World::Power::kCut : World::Power::kStays);
  if (cut) checks_.power_was_cut();
}

// Trouble ----------------------------------------------------------------------------------------

bool History::make_trouble() {
  const bool adds_faults = chance(45);
  if (adds_faults) {
    for (std::uint64_t n = 1 + pick(4); n > 0; --n) add_fault();
  }
  const bool fails_database = chance(8);
  if (fails_database) {
    const std::uint64_t n = 1 + pick(12);
    tell("  write {} of the database will fail", n);
    world_.trouble.fail_database(n, 1 + pick(3));
  }
  if (chance(40)) plan_kill();
  return adds_faults || fails_database;
}

void History::add_fault() {
  // Damaged bytes are the worst of faults, and need luck to be met.
  const bool damage = chance(20);
  const Operation operation =
      damage ? Operation::kWrite : kOperations[pick(std::size(kOperations))];
  Fault fault;
  fault.code = chance(70) ? Code::kUnavailable : Code::kTimeout;
  switch (damage ? 5 : pick(6)) {
    case 0:
    case 1:
      fault.kind = Fault::Kind::kFail;
      if (chance(30)) fault.code = Code::kDenied;
      break;
    case 2:
      fault.kind = Fault::Kind::kFailAfter;
      break;
    case 3:
      fault.kind = Fault::Kind::kDelay;
      fault.delay = std::chrono::seconds(1 + pick(3600));
      break;
    default:
      // Storages lie in their own ways.
      fault.kind = Fault::Kind::kFail;
      if (operation == Operation::kRead) fault.kind = Fault::Kind::kTruncate;
      // Not in both directions: a bit that is turned twice is what it was.
      if (operation == Operation::kReadBack)
        fault.kind = seed_ % 2 == 0 ? Fault::Kind::kTruncate : Fault::Kind::kFlip;
      if (operation == Operation::kCreateTemporary) fault.kind = Fault::Kind::kNoSpace;
      if (operation == Operation::kWrite) {
        fault.kind = chance(30)       ? Fault::Kind::kNoSpace
                     : seed_ % 2 == 0 ? Fault::Kind::kFlip
                                      : Fault::Kind::kTruncate;
      }
  }
  const std::uint64_t skip = pick(damage ? 4 : 12);
  const std::uint64_t times = 1 + pick(3);
  tell("  {} operations '{}' after {} will go wrong: kind {}, code {}", times,
       storage::to_string(operation), skip, static_cast<int>(fault.kind), to_string(fault.code));
  world_.trouble.storages.on(operation, fault, times, skip);
}

void History::plan_kill() {
  const std::uint64_t kind = pick(10);
  if (kind < 5) {
    const Operation operation =
        chance(60) ? kSteps[pick(std::size(kSteps))] : kOperations[pick(std::size(kOperations))];
    const std::uint64_t n = 1 + pick(8);
    tell("  a kill is due at '{}' {}", storage::to_string(operation), n);
    world_.trouble.kill_at_storage(operation, n);
  } else if (kind < 8) {
    const std::uint64_t n = 1 + pick(30);
    tell("  a kill is due at moment {} of the database", n);
    world_.trouble.kill_at_database(n);
  } else {
    const std::uint64_t n = 1 + pick(12);
    tell("  a kill is due at moment {} of a pass", n);
    world_.trouble.kill_at_point(n);
  }
}

// While a task runs, the source changes or somebody cancels.
void History::plan_interference(const tasks::TaskId& id) {
  const Operation operation = kOperations[pick(std::size(kOperations))];
  const std::uint64_t n = 1 + pick(6);
  if (!id.empty() && chance(30)) {
    tell("  somebody cancels at '{}' {}", storage::to_string(operation), n);
    world_.trouble.interfere_at(operation, n, [this, id] { (void)world_.service().cancel(id); });
    return;
  }
  tell("  somebody changes the source at '{}' {}", storage::to_string(operation), n);
  world_.trouble.interfere_at(operation, n,
                              [this] { tell("    the source: {}", source_.change()); });
}

// The end ----------------------------------------------------------------------------------------

void History::come_to_rest() {
  tell("everything works, and comes to rest");
  world_.clock.advance(std::chrono::hours(24));
  source_.remove_broken_links();
  begin_step();
  finish_tasks();
  if (!failed()) finish_sync();
  if (!failed()) jobs_.come_to_rest();
  if (!failed()) checks_.end_step();
  if (!failed()) checks_.check_quiet();
}

void History::finish_tasks() {
  for (int run = 0; run < kMostRuns; ++run) {
    bool is_quiet = true;
    for (const tasks::Task& task : checks_.all_tasks()) {
      if (tasks::is_final(task.state) || failed()) continue;
      is_quiet = false;
      if (task.state == TaskState::kInactive) world_.service().resume(task.id).value();
      const auto ended = world_.run(task.id);
      if (!ended) return checks_.fail("task {} cannot run: {}", task.id, ended.error().message);
      tell("task {}: {}", name_of(task.id), to_string(ended->state));
    }
    if (is_quiet) return;
  }
}

void History::finish_sync() {
  sync::PassOptions options;
  options.threads = 1;
  options.full = true;
  options.allow_deletions = true;
  std::string last;
  options.on_change = [&](const sync::Change& change) {
    last += fmt::format("\n  {} {}", to_string(change.kind), escape_bytes(change.path));
  };
  for (int n = 0; n < kMostPasses; ++n) {
    world_.clock.advance(std::chrono::hours(1));
    last.clear();
    checks_.begin_pass(options);
    const auto report = world_.run_sync(options);
    checks_.end_pass(report);
    if (!report) return checks_.fail("the sync cannot run: {}", report.error().message);
    tell("the sync: pass {}: {} {}", report->number, to_string(report->end), report->message);
    if (failed()) return;
    if (report->end == sync::PassEnd::kDone && last.empty()) return;
    if (report->end == sync::PassEnd::kIncomplete && checks_.is_stuck_as_documented(*report))
      return;
    last += "\n  " + report->message;
    for (const auto& problem : report->problems)
      last += fmt::format("\n  {}: {}", escape_bytes(problem.path), problem.message);
  }
  checks_.fail("after {} passes there is still something to do: {}", kMostPasses, last);
}

}  // namespace wherry::sim
