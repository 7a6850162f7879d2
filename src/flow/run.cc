// SPDX-License-Identifier: Apache-2.0
#include "flow/run.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <set>
#include <stop_token>

#include "base/back_off.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/units.h"
#include "base/worker_pool.h"
#include "flow/command_results.h"
#include "flow/graph.h"
#include "flow/node_table.h"
#include "flow/place.h"
#include "flow/proof.h"
#include "flow/request.h"
#include "flow/run_inbox.h"
#include "flow/run_view.h"
#include "tasks/claim.h"

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLookInterval = 200ms;  // for wishes of others, times that are up
constexpr Duration kCancelPatience = 2min;
constexpr Duration kCommandPatience = 20s;  // longer than an executor takes to kill
constexpr std::size_t kMaxLabelBytes = 120;
constexpr std::size_t kProofThreads = 2;
constexpr Duration kFirstProofPause = 500ms;
constexpr Duration kLongestProofPause = 30s;
constexpr std::size_t kMaxProofs = kMaxForeachItems * 2;  // never waited for

// "flow-<uuid>-<node>-<attempt>": an attempt's alone, wherever it is asked for.
std::string key_of(const RunRecord& run, const Node& node) {
  return fmt::format("flow-{}-{}-{}", run.uuid, node.id, node.attempt);
}

Result<NodeId> node_of_key(std::string_view key) {
  const std::size_t end = key.find_last_of('-');
  const std::size_t begin = key.find_last_of('-', end - 1) + 1;
  NodeId id = 0;
  if (end == std::string_view::npos ||
      std::from_chars(key.data() + begin, key.data() + end, id).ptr != key.data() + end)
    return make_error(Code::kBug, "'{}' is no key of a flow", key);
  return id;
}

// Within what services take, cut at a whole character.
std::string label_of(const Flow& flow, const Node& node) {
  std::string label = fmt::format("{}: {}", flow.name, node.name());
  if (label.size() <= kMaxLabelBytes) return label;
  std::size_t end = kMaxLabelBytes;
  while (end > 0 && (static_cast<unsigned char>(label[end]) & 0xc0) == 0x80) --end;
  return label.substr(0, end);
}

// Whether another attempt can help where the user asked for some.
bool may_help_again(const Error& error) {
  return error.retry != Retry::kAfterUser && error.code != Code::kInvalid &&
         error.code != Code::kCancelled && error.code != Code::kBug;
}

}  // namespace

// Everything but view() is used by the thread that runs.
class FlowRun::Work {
 public:
  Work(RunParts parts, RunId id) : parts_(std::move(parts)), store_(parts_.database), id_(id) {}
  Result<RunEnd> run(const std::optional<std::string>& text, const std::stop_token& stop) {
    return hold(text, stop);
  }

  Result<RunEnd> cancel(const std::stop_token& stop) {
    is_cancelling_ = true;
    return hold(std::nullopt, stop);
  }

  std::vector<NodeView> view() const { return shown_->all(); }

 private:
  // What this process knows of a node besides what is stored.
  struct Live {
    std::optional<Request> request;
    std::optional<DataTask> data;
    Future<CommandEnd> command;
    bool outlives_program = false;     // the command
    std::optional<Duration> deadline;  // monotonic, of a command
    Duration not_before{0};            // monotonic, of the next attempt
    int tries = 0;                     // that failed since this process has the run
    bool is_cancel_asked = false;
    bool is_out_of_time = false;
  };

  // Nothing of it goes on here when the claim is given up, however it ended.
  Result<RunEnd> hold(const std::optional<std::string>& text, const std::stop_token& stop) {
    tasks::Claims claims(parts_.database, parts_.clock);
    TRY_ASSIGN(const tasks::Claim claim, claims.acquire("flow", std::to_string(id_)));
    auto end = load_and_go_on(text, stop);
    let_go();
    return end;
  }
  Result<RunEnd> load_and_go_on(const std::optional<std::string>& text,
                                const std::stop_token& stop) {
    TRY(load(text), "run {}", id_);
    TRY(take_up());
    return go_on(stop);
  }
  void let_go();

  // ---- beginning

  Result<void> load(const std::optional<std::string>& text);
  Result<void> take_up();
  Result<void> take_up_submissions(std::map<NodeId, std::size_t>& running);
  void take_up_submission(const RunSubmission& submission, std::vector<Request> requests,
                          const std::map<NodeId, std::size_t>& nodes);
  Result<void> take_up_command(std::size_t at);
  void wake_task(const Node& node);

  // ---- going on

  Result<RunEnd> go_on(const std::stop_token& stop);
  Result<void> take_endings();
  Result<void> look_around();
  Result<void> advance();
  void advance_due(std::size_t at);
  void expand(std::size_t task);
  void advance_node(std::size_t at, std::optional<std::size_t> item);
  void prepare(std::size_t at, std::optional<std::size_t> item);
  void cancel_all();
  Result<void> save();
  Result<RunEnd> finish();

  // ---- attempts

  void launch(std::size_t at);
  void launch_transfer(std::size_t at, const Transfer& transfer);
  void launch_removal(std::size_t at, const RemovalRequest& request);
  void prove(std::size_t at, const RemovalRequest& request);
  void remove(std::size_t at, Removal removal);
  void launch_command(std::size_t at, const CommandRequest& request, bool reattach);
  void follow(std::size_t at, const DataTask& task);
  Transfer with_progress(std::size_t at, Transfer transfer);
  std::vector<tasks::TaskId> transfers_before(std::size_t task) const;
  void cancel_node(std::size_t at);
  static std::string unanswered_cancel(const Live& state);
  Result<void> settle(const RunEnding& ending);
  Result<Results> results_of(const RunEnding& ending);
  void succeed(std::size_t at, Results results);
  void note_transfer(std::size_t at);
  void fail(std::size_t at, const Error& error);
  void end_inactive_task(const Node& node);

  // ---- words

  void change(std::size_t at, NodeState state, std::string reason);
  void mark(std::size_t at);
  Lookup lookup_for(std::size_t task, std::optional<std::size_t> item) const;
  std::string files_of(const Node& node) const;
  Live& live(std::size_t at) {
    if (live_.size() <= at) live_.resize(at + 1);
    return live_[at];
  }

  const RunParts parts_;
  Store store_;
  const RunId id_;
  RunRecord record_;
  Flow flow_;
  Graph graph_;
  std::string directory_;
  std::unique_ptr<NodeTable> table_;
  std::deque<Live> live_;
  std::map<std::size_t, std::set<tasks::TaskId>> transfers_done_;  // of each task with a success
  std::set<std::size_t> running_;
  std::set<std::pair<Duration, std::size_t>> again_;  // monotonic: what waits for another attempt
  bool is_cancelling_ = false;
  Duration cancel_deadline_{0};
  Duration next_look_{0};

  // Of one pass over the tasks.
  std::set<std::size_t> changed_;
  std::vector<std::size_t> starting_;

  const std::shared_ptr<RunInbox> inbox_ = std::make_shared<RunInbox>();
  const std::shared_ptr<RunView> shown_ = std::make_shared<RunView>();
  Proofs proofs_{parts_.service};
  std::stop_source stop_proving_;
  std::unique_ptr<WorkerPool> provers_;
  std::unique_ptr<DataTasks> data_;
};

// 1. Nothing is submitted any more. 2. What is being proven ends. 3. Commands that would end with
// this program end now, so that whoever takes up the run meets none of them.
void FlowRun::Work::let_go() {
  data_.reset();
  stop_proving_.request_stop();
  provers_.reset();
  for (const std::size_t at : running_) {
    const Live& state = live(at);
    if (!state.command.is_valid() || state.outlives_program) continue;
    state.command.cancel();
    state.command.wait_for(kCommandPatience);
  }
}

// ---- beginning

Result<void> FlowRun::Work::load(const std::optional<std::string>& text) {
  TRY_ASSIGN(record_, store_.run(id_));
  if (record_.state == RunState::kSucceeded)
    return make_error(Code::kConflict, "it has succeeded; there is nothing to do");
  if (is_cancelling_ && record_.state != RunState::kRunning)
    return make_error(Code::kConflict, "it has ended: it is {}", to_string(record_.state));
  if (text) record_.text = *text;
  TRY_ASSIGN(flow_, parse_flow(record_.text, record_.name), "'{}'", escape_bytes(record_.file));
  TRY_ASSIGN(graph_, make_graph(flow_));
  // Parameters that the file has now and the run began without have their defaults.
  for (const FlowParameter& parameter : flow_.parameters) {
    if (parameter.default_value)
      record_.parameters.try_emplace(parameter.name, *parameter.default_value);
  }
  table_ = std::make_unique<NodeTable>(flow_, graph_);
  TRY_ASSIGN(std::vector<Node> stored, store_.nodes(id_));
  TRY_ASSIGN(const std::vector<NodeId> gone, table_->adopt(std::move(stored)));
  for (const std::size_t added : table_->add_missing()) mark(added);
  const Lookup lookup = lookup_for(0, std::nullopt);
  TRY_ASSIGN(directory_, flow_.directory.render(lookup), "directory");
  if (!directory_.empty()) {
    TRY_ASSIGN(directory_, parse_flow_directory(directory_, record_.directory), "directory");
  } else {
    directory_ = record_.directory;
  }
  TRY(make_directories(fmt::format("{}/{}", parts_.files, id_), 0700));
  if (!is_cancelling_) {
    TRY(store_.reopen(id_, record_.text));
    record_.cancel_requested = false;
  }
  if (!gone.empty()) TRY(store_.remove_nodes(id_, gone));
  for (std::size_t at = 0; at < table_->size(); ++at) {
    mark(at);
    note_transfer(at);
    if (table_->node(at).state == NodeState::kRunning &&
        table_->node(at).kind != Node::Kind::kGroup)
      running_.insert(at);
  }
  return save();
}

Result<void> FlowRun::Work::take_up() {
  DataTasks::Parts data{parts_.service, parts_.clock, parts_.random, parts_.owner, {}};
  // Called by the thread of `data_`, which ends before the store does.
  data.record = [this](const tasks::SubmissionId& submission,
                       const std::vector<std::string>& keys) -> Result<void> {
    std::vector<NodeId> nodes;
    for (const std::string& key : keys) {
      TRY_ASSIGN(nodes.emplace_back(), node_of_key(key));
    }
    auto recorded = store_.record_submission(id_, submission, nodes);
    if (!recorded) inbox_->fail(recorded.error());
    return recorded;
  };
  data_ = DataTasks::create(std::move(data), parts_.data);

  std::map<NodeId, std::size_t> running;
  for (const std::size_t at : running_) running[table_->node(at).id] = at;
  for (const std::size_t at : running_) {
    TRY_ASSIGN(live(at).request, parse_request(table_->node(at).request), "'{}'",
               table_->node(at).name());
  }
  TRY(take_up_submissions(running));
  // What is left was never sent.
  for (const auto& [id, at] : running) {
    if (is_cancelling_ && !std::holds_alternative<CommandRequest>(*live(at).request)) {
      running_.erase(at);
      change(at, NodeState::kCancelled, "the run was cancelled");
    } else if (std::holds_alternative<CommandRequest>(*live(at).request)) {
      TRY(take_up_command(at));
    } else {
      launch(at);
    }
  }
  return save();
}

// Removes from `running` what travels in one of them.
Result<void> FlowRun::Work::take_up_submissions(std::map<NodeId, std::size_t>& running) {
  if (running.empty()) return {};
  TRY_ASSIGN(const std::vector<RunSubmission> submissions, store_.submissions(id_));
  for (const RunSubmission& submission : submissions) {
    std::map<NodeId, std::size_t> nodes;
    std::vector<Request> requests;
    for (const SubmissionMember& member : submission.members) {
      TRY_ASSIGN(requests.emplace_back(), parse_request(member.request));
      const auto found = running.find(member.node);
      if (found == running.end()) continue;
      const Node& node = table_->node(found->second);
      if (node.submission_id == submission.id && node.attempt == member.attempt)
        nodes.insert(*found);
    }
    if (nodes.empty()) continue;
    for (const auto& [id, at] : nodes) {
      wake_task(table_->node(at));
      running.erase(id);
    }
    take_up_submission(submission, std::move(requests), nodes);
  }
  return {};
}

void FlowRun::Work::take_up_submission(const RunSubmission& submission,
                                       std::vector<Request> requests,
                                       const std::map<NodeId, std::size_t>& nodes) {
  const auto place_of = [&](std::size_t member) -> std::optional<std::size_t> {
    const auto found = nodes.find(submission.members[member].node);
    if (found == nodes.end()) return std::nullopt;
    const bool same = table_->node(found->second).attempt == submission.members[member].attempt;
    return same ? std::optional(found->second) : std::nullopt;
  };
  if (const auto* removal = std::get_if<RemovalRequest>(&requests.front())) {
    const std::size_t at = nodes.begin()->second;
    // It may never have been sent, and what was proven may be different by now.
    if (removal->only_verified && table_->node(at).task_id.empty()) return prove(at, *removal);
    follow(at, data_->resubmit_removal(submission.id, removal->removal));
    return;
  }
  std::vector<Transfer> transfers;
  for (std::size_t member = 0; member < requests.size(); ++member) {
    auto& transfer = std::get<Transfer>(requests[member]);
    const auto at = place_of(member);
    transfers.push_back(at ? with_progress(*at, std::move(transfer)) : std::move(transfer));
  }
  const std::vector<DataTask> tasks = data_->resubmit_transfers(submission.id, transfers);
  for (std::size_t member = 0; member < tasks.size(); ++member) {
    if (const auto at = place_of(member)) follow(*at, tasks[member]);
  }
}

// A task that was interrupted in an orderly way, or waited for a person, goes on with its run.
void FlowRun::Work::wake_task(const Node& node) {
  if (node.task_id.empty() || is_cancelling_) return;
  const auto task = parts_.service.task(node.task_id);
  if (!task || task->state != tasks::TaskState::kInactive) return;
  if (const auto resumed = parts_.service.resume(node.task_id); !resumed)
    log_info("'{}': {}", node.name(), resumed.error().message);
}

Result<void> FlowRun::Work::take_up_command(std::size_t at) {
  const auto& request = std::get<CommandRequest>(*live(at).request);
  TRY_ASSIGN(const Executor* const executor, parts_.executors.find(request.executors.front()),
             "'{}'", table_->node(at).name());
  if (is_cancelling_ && !executor->outlives_program()) {
    running_.erase(at);
    change(at, NodeState::kCancelled, "the run was cancelled");
    return {};
  }
  launch_command(at, request, true);
  return {};
}

// ---- going on

Result<RunEnd> FlowRun::Work::go_on(const std::stop_token& stop) {
  while (true) {
    TRY(take_endings());
    if (is_cancelling_) cancel_all();
    TRY(advance());
    if (table_->all_settled()) return finish();
    if (stop.stop_requested()) return RunEnd::kInterrupted;
    inbox_->wait(kLookInterval, stop);
    TRY(look_around());
  }
}

Result<void> FlowRun::Work::take_endings() {
  TRY_ASSIGN(const std::vector<RunEnding> endings, inbox_->take());
  for (const RunEnding& ending : endings) TRY(settle(ending));
  return save();
}

// Now and then: what others want, and what nobody tells by itself.
Result<void> FlowRun::Work::look_around() {
  const Duration now = parts_.clock.monotonic();
  if (now < next_look_) return {};
  next_look_ = now + kLookInterval;
  for (const std::size_t at : running_) {
    Live& state = live(at);
    if (!state.deadline || now < *state.deadline || state.is_out_of_time) continue;
    state.is_out_of_time = true;
    cancel_node(at);
  }
  if (!is_cancelling_) {
    TRY_ASSIGN(is_cancelling_, store_.is_cancel_requested(id_));
  }
  for (const std::size_t at : running_) {
    const auto& data = live(at).data;
    if (!data) continue;
    Node& node = table_->node(at);
    if (const auto task = data->task_id(); task && node.task_id != *task) {
      node.task_id = *task;
      mark(at);
    }
    const std::string trouble = data->trouble();
    const std::string reason = trouble.empty() ? "" : "waits: " + trouble;
    if (node.reason != reason) change(at, NodeState::kRunning, reason);
  }
  return save();
}

Result<void> FlowRun::Work::advance() {
  if (!is_cancelling_) {
    const Duration now = parts_.clock.monotonic();
    for (; !again_.empty() && again_.begin()->first <= now; again_.erase(again_.begin()))
      table_->make_due(again_.begin()->second);
    while (const auto at = table_->take_due()) advance_due(*at);
  }
  TRY(save());
  const std::vector<std::size_t> starting = std::exchange(starting_, {});
  for (const std::size_t at : starting) launch(at);
  return {};
}

void FlowRun::Work::advance_due(std::size_t at) {
  const std::size_t task = table_->task_of(at);
  const Node& node = table_->node(at);
  if (node.kind != Node::Kind::kGroup) return advance_node(at, table_->item_of(at));
  if (is_settled(node.state)) return;
  if (!table_->is_expanded(task)) return expand(task);
  const NodeState state = table_->state_of_items(task);
  if (state != node.state) change(at, state, "");
}

// Finds the items of a task, or that it will have none. Of one that follows another, the other one
// does.
void FlowRun::Work::expand(std::size_t task) {
  const std::size_t whole = table_->whole(task);
  const auto& foreach = flow_.tasks[task].foreach;
  const NodeTable::Verdict verdict = table_->verdict(task, std::nullopt);
  using Kind = NodeTable::Verdict::Kind;
  if (verdict.kind == Kind::kBlock) return change(whole, NodeState::kBlocked, verdict.reason);
  if (verdict.kind == Kind::kSkip) return change(whole, NodeState::kSkipped, verdict.reason);
  if (!foreach) return;
  // A list from results is there when they are.
  const bool is_early = verdict.kind == Kind::kWait;
  if (is_early && mentions_results(*foreach)) return;
  auto found = foreach_items(*foreach, lookup_for(task, std::nullopt));
  if (!found && is_early) return;
  if (!found) return change(whole, NodeState::kFailed, "foreach: " + found.error().message);
  if (found->empty()) return change(whole, NodeState::kSkipped, "its list is empty");
  for (const std::size_t at : table_->expand(task, *found)) mark(at);
}

void FlowRun::Work::advance_node(std::size_t at, std::optional<std::size_t> item) {
  Node& node = table_->node(at);
  if (node.state != NodeState::kWaiting) return;
  if (live(at).not_before > parts_.clock.monotonic()) return;
  const std::size_t task = table_->task_of(at);
  const NodeTable::Verdict verdict = table_->verdict(task, item);
  switch (verdict.kind) {
    case NodeTable::Verdict::Kind::kWait:
      return;
    case NodeTable::Verdict::Kind::kBlock:
      return change(at, NodeState::kBlocked, verdict.reason);
    case NodeTable::Verdict::Kind::kSkip:
      return change(at, NodeState::kSkipped, verdict.reason);
    case NodeTable::Verdict::Kind::kGo:
      break;
  }
  if (const auto& when = flow_.tasks[task].when) {
    const auto is_wanted = when->is_true(lookup_for(task, item));
    if (!is_wanted) return change(at, NodeState::kFailed, "when: " + is_wanted.error().message);
    if (!*is_wanted)
      return change(at, NodeState::kSkipped,
                    fmt::format("when: {} is false", escape_bytes(when->text())));
  }
  prepare(at, item);
}

// Makes the next attempt ready to be stored.
void FlowRun::Work::prepare(std::size_t at, std::optional<std::size_t> item) {
  Node& node = table_->node(at);
  const std::size_t task = table_->task_of(at);
  end_inactive_task(node);
  ++node.attempt;
  node.task_id.clear();
  node.submission_id.clear();
  auto request = fill_in(flow_.tasks[task], {lookup_for(task, item), directory_,
                                             label_of(flow_, node), files_of(node)});
  if (!request) return change(at, NodeState::kFailed, request.error().message);
  if (auto* command = std::get_if<CommandRequest>(&*request)) {
    auto picked = parts_.executors.pick(command->executors);
    if (!picked) return change(at, NodeState::kFailed, picked.error().message);
    command->executors = {*std::move(picked)};
  }
  node.request = to_json(*request);
  if (!node.started) node.started = parts_.clock.now();
  live(at).request = *std::move(request);
  change(at, NodeState::kRunning, "");
  starting_.push_back(at);
}

// Nothing new begins, and what runs is asked to end.
void FlowRun::Work::cancel_all() {
  const Duration now = parts_.clock.monotonic();
  if (cancel_deadline_ == Duration(0)) {
    cancel_deadline_ = now + kCancelPatience;
    stop_proving_.request_stop();
    for (std::size_t at = 0; at < table_->size(); ++at) {
      if (table_->node(at).state == NodeState::kWaiting)
        change(at, NodeState::kCancelled, "the run was cancelled");
    }
  }
  const std::vector<std::size_t> running(running_.begin(), running_.end());
  for (const std::size_t at : running) {
    cancel_node(at);
    if (now < cancel_deadline_) continue;
    running_.erase(at);
    change(at, NodeState::kCancelled, unanswered_cancel(live(at)));
  }
  for (std::size_t task = 0; task < flow_.tasks.size(); ++task) {
    const std::size_t whole = table_->whole(task);
    if (!table_->is_expanded(task) || is_settled(table_->node(whole).state)) continue;
    const NodeState state = table_->state_of_items(task);
    if (is_settled(state)) change(whole, state, "");
  }
}

Result<void> FlowRun::Work::save() {
  if (changed_.empty()) return {};
  std::vector<Node*> nodes;
  for (const std::size_t at : changed_) nodes.push_back(&table_->node(at));
  TRY(store_.save(id_, nodes));
  changed_.clear();
  return {};
}

Result<RunEnd> FlowRun::Work::finish() {
  const RunEnd end = is_cancelling_       ? RunEnd::kCancelled
                     : table_->all_good() ? RunEnd::kSucceeded
                                          : RunEnd::kFailed;
  const RunState state = end == RunEnd::kCancelled   ? RunState::kCancelled
                         : end == RunEnd::kSucceeded ? RunState::kSucceeded
                                                     : RunState::kFailed;
  TRY(store_.finish(id_, state, parts_.clock.now()));
  return end;
}

// ---- attempts. What they ask for is stored already.

void FlowRun::Work::launch(std::size_t at) {
  running_.insert(at);
  const Request& request = *live(at).request;
  if (const auto* transfer = std::get_if<Transfer>(&request)) {
    launch_transfer(at, *transfer);
  } else if (const auto* removal = std::get_if<RemovalRequest>(&request)) {
    launch_removal(at, *removal);
  } else {
    launch_command(at, std::get<CommandRequest>(request), false);
  }
}

Transfer FlowRun::Work::with_progress(std::size_t at, Transfer transfer) {
  transfer.on_progress = [shown = shown_, at](const tasks::Task& task) {
    shown->count(at, task.counts);
  };
  return transfer;
}

void FlowRun::Work::launch_transfer(std::size_t at, const Transfer& transfer) {
  Transfer keyed = with_progress(at, transfer);
  keyed.key = key_of(record_, table_->node(at));
  follow(at, data_->transfer(keyed));
}

void FlowRun::Work::launch_removal(std::size_t at, const RemovalRequest& request) {
  if (request.only_verified) return prove(at, request);
  remove(at, request.removal);
}

// Looks at many files; the removal follows when it has ended well (see settle()).
void FlowRun::Work::prove(std::size_t at, const RemovalRequest& request) {
  if (!provers_) {
    provers_ = std::make_unique<WorkerPool>(
        WorkerPool::Options{.threads = kProofThreads, .queue_limit = kMaxProofs});
  }
  provers_->submit([this, at, attempt = table_->node(at).attempt,
                    place = ProofOf{request.removal.endpoint, request.removal.path},
                    transfers = transfers_before(table_->task_of(at))] {
    auto proof = proofs_.check(place, transfers);
    // A service that is away is waited for, as transfers wait for it.
    const std::stop_token stop = stop_proving_.get_token();
    for (int tries = 1; !proof && proof.error().retry == Retry::kLater; ++tries) {
      parts_.clock.sleep(growing_pause(kFirstProofPause, tries, kLongestProofPause), stop);
      if (stop.stop_requested()) break;
      proof = proofs_.check(place, transfers);
    }
    inbox_->put({at, attempt, std::move(proof)});
  });
}

void FlowRun::Work::remove(std::size_t at, Removal removal) {
  removal.key = key_of(record_, table_->node(at));
  follow(at, data_->remove(removal));
}

std::vector<tasks::TaskId> FlowRun::Work::transfers_before(std::size_t task) const {
  std::set<tasks::TaskId> found;
  for (const auto& [other, ids] : transfers_done_)
    if (graph_.before[task][other]) found.insert(ids.begin(), ids.end());
  return {found.begin(), found.end()};
}

void FlowRun::Work::follow(std::size_t at, const DataTask& task) {
  live(at).data = task;
  task.future().on_ready(
      [inbox = inbox_, at, attempt = table_->node(at).attempt](const Result<Done>& done) {
        inbox->put({at, attempt, done});
      });
}

void FlowRun::Work::launch_command(std::size_t at, const CommandRequest& request, bool reattach) {
  const Node& node = table_->node(at);
  const auto executor = parts_.executors.find(request.executors.front());
  if (!executor) {
    inbox_->put({at, node.attempt, Result<CommandEnd>(executor.error())});
    return;
  }
  Executor& found = **executor;
  // It is appended to, and what a killed program has begun begins anew.
  if (!reattach || !found.outlives_program()) {
    for (const std::string& file : {request.command.output_file, request.command.error_file})
      ::unlink(file.c_str());
  }
  Live& state = live(at);
  state.outlives_program = found.outlives_program();
  state.deadline = parts_.clock.monotonic() + flow_.tasks[table_->task_of(at)].timeout;
  const std::string key = key_of(record_, node);
  state.command =
      reattach ? found.reattach_or_start(request.command, key) : found.start(request.command, key);
  state.command.on_ready(
      [inbox = inbox_, at, attempt = node.attempt](const Result<CommandEnd>& end) {
        inbox->put({at, attempt, end});
      });
}

void FlowRun::Work::cancel_node(std::size_t at) {
  Live& state = live(at);
  if (state.is_cancel_asked) return;
  if (state.data) {
    // One that was sent by an earlier process is cancelled when it is known again.
    const Node& node = table_->node(at);
    if (!node.submission_id.empty() && !state.data->task_id()) return;
    state.data->cancel();
  } else if (state.command.is_valid()) {
    state.command.cancel();
  }
  state.is_cancel_asked = true;
}

std::string FlowRun::Work::unanswered_cancel(const Live& state) {
  const std::string trouble = state.data ? state.data->trouble() : "";
  return fmt::format("{}, and may go on{}{}",
                     state.is_cancel_asked ? "it was asked to end, and has not said that it did"
                                           : "it could not be asked to end",
                     trouble.empty() ? "" : ": ", trouble);
}

Result<Results> FlowRun::Work::results_of(const RunEnding& ending) {
  const Request& request = *live(ending.node).request;
  if (const auto* command = std::get_if<Result<CommandEnd>>(&ending.result)) {
    if (!*command) return command->error();
    return command_results(std::get<CommandRequest>(request), **command);
  }
  const auto& done = std::get<Result<Done>>(ending.result);
  if (!done) return done.error();
  table_->node(ending.node).task_id = done->task_id;
  return data_results(request, *done);
}

Result<void> FlowRun::Work::settle(const RunEnding& ending) {
  const std::size_t at = ending.node;
  if (table_->node(at).attempt != ending.attempt || running_.count(at) == 0) return {};
  if (const auto* proof = std::get_if<Result<void>>(&ending.result); proof != nullptr && *proof) {
    const Removal& removal = std::get<RemovalRequest>(*live(at).request).removal;
    // What an earlier process recorded, and may have sent, has its id.
    if (const Node& node = table_->node(at); !node.submission_id.empty()) {
      follow(at, data_->resubmit_removal(node.submission_id, removal));
    } else if (is_cancelling_) {
      running_.erase(at);
      change(at, NodeState::kCancelled, "the run was cancelled");
    } else {
      remove(at, removal);
    }
    return {};
  }
  auto results = std::holds_alternative<Result<void>>(ending.result)
                     ? Result<Results>(std::get<Result<void>>(ending.result).error())
                     : results_of(ending);
  Live& state = live(at);
  if (const auto task = state.data ? state.data->task_id() : std::nullopt)
    table_->node(at).task_id = *task;
  running_.erase(at);
  if (results) {
    succeed(at, *std::move(results));
  } else if (state.is_out_of_time) {
    fail(at, make_error(Code::kTimeout, "it was ended: its timeout of {} was over",
                        format_duration(flow_.tasks[table_->task_of(at)].timeout)));
  } else {
    fail(at, results.error());
  }
  state.data.reset();
  state.command = {};
  state.deadline.reset();
  state.is_cancel_asked = state.is_out_of_time = false;
  return {};
}

void FlowRun::Work::succeed(std::size_t at, Results results) {
  Node& node = table_->node(at);
  node.results = std::move(results);
  change(at, NodeState::kSucceeded, "");
  note_transfer(at);
}

void FlowRun::Work::note_transfer(std::size_t at) {
  const Node& node = table_->node(at);
  const std::size_t task = table_->task_of(at);
  if (node.state == NodeState::kSucceeded && !node.task_id.empty() &&
      kind_of(flow_.tasks[task]) == WorkKind::kTransfer)
    transfers_done_[task].insert(node.task_id);
}

void FlowRun::Work::fail(std::size_t at, const Error& error) {
  Live& state = live(at);
  const FlowTask& task = flow_.tasks[table_->task_of(at)];
  if (is_cancelling_) {
    end_inactive_task(table_->node(at));
    return change(at, NodeState::kCancelled, "the run was cancelled");
  }
  if (state.tries >= task.retries || !may_help_again(error))
    return change(at, NodeState::kFailed, error.message);
  ++state.tries;
  state.not_before = parts_.clock.monotonic() + task.retry_delay;
  again_.emplace(state.not_before, at);
  change(at, NodeState::kWaiting,
         fmt::format("attempt {} failed: {}; again in {}", state.tries, error.message,
                     format_duration(task.retry_delay)));
}

// The task of an attempt that failed because it waits for a person: nobody may wake it beside the
// next attempt, or after the run was cancelled.
void FlowRun::Work::end_inactive_task(const Node& node) {
  if (node.attempt == 0 || node.task_id.empty()) return;
  const auto task = parts_.service.task(node.task_id);
  if (!task || task->state != tasks::TaskState::kInactive) return;
  if (const auto cancelled = parts_.service.cancel(node.task_id); !cancelled)
    log_info("'{}': {}", node.name(), cancelled.error().message);
}

// ---- words

void FlowRun::Work::change(std::size_t at, NodeState state, std::string reason) {
  table_->set_state(at, state);
  Node& node = table_->node(at);
  node.reason = std::move(reason);
  if (is_settled(state)) node.ended = parts_.clock.now();
  mark(at);
  if (parts_.on_change) parts_.on_change(node);
}

void FlowRun::Work::mark(std::size_t at) {
  changed_.insert(at);
  shown_->show(at, table_->node(at), kind_of(flow_.tasks[table_->task_of(at)]));
}

Lookup FlowRun::Work::lookup_for(std::size_t task, std::optional<std::size_t> item) const {
  return [this, task, item](const Name& name) {
    return table_->look_up(name, task, item, {record_.parameters, id_, record_.directory});
  };
}

std::string FlowRun::Work::files_of(const Node& node) const {
  const std::string item = node.index < 0 ? "" : fmt::format(".{}", node.index);
  return fmt::format("{}/{}/{}{}.{}", parts_.files, id_, node.task, item, node.attempt);
}

// ---- the outside

Result<RunRecord> create_run(Store& store, Clock& clock, Random& random, const NewRun& wanted) {
  TRY_ASSIGN(const Flow flow, parse_flow(wanted.text, wanted.name));
  RunRecord run;
  run.uuid = new_uuid(random);
  run.name = flow.name;
  run.file = wanted.file;
  run.directory = wanted.directory;
  run.text = wanted.text;
  TRY_ASSIGN(run.parameters, bind_parameters(flow, wanted.parameters));
  run.service = wanted.service;
  run.created = clock.now();
  TRY_ASSIGN(const Graph graph, make_graph(flow));
  NodeTable table(flow, graph);
  std::vector<Node> nodes;
  for (const std::size_t at : table.add_missing()) nodes.push_back(table.node(at));
  return store.create(std::move(run), nodes);
}

FlowRun::FlowRun(RunParts parts, RunId id) : work_(std::make_unique<Work>(std::move(parts), id)) {}
FlowRun::~FlowRun() = default;

Result<RunEnd> FlowRun::run(const std::optional<std::string>& text, std::stop_token stop) {
  return work_->run(text, stop);
}
Result<RunEnd> FlowRun::cancel(std::stop_token stop) { return work_->cancel(stop); }
std::vector<NodeView> FlowRun::view() const { return work_->view(); }

}  // namespace wherry::flow
