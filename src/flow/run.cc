// SPDX-License-Identifier: Apache-2.0
#include "flow/run.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "flow/place.h"
#include "flow/run_work.h"

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLookInterval = 200ms;   // for wishes of others, times that are up
constexpr Duration kCommandPatience = 20s;  // longer than an executor takes to kill
constexpr std::size_t kMaxLabelBytes = 120;

// Within what services take, cut at a whole character.
std::string label_of(const Flow& flow, const Node& node) {
  std::string label = fmt::format("{}: {}", flow.name, node.name());
  if (label.size() <= kMaxLabelBytes) return label;
  std::size_t end = kMaxLabelBytes;
  while (end > 0 && (static_cast<unsigned char>(label[end]) & 0xc0) == 0x80) --end;
  return label.substr(0, end);
}

}  // namespace

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
    cancel_deadline_ = now + parts_.cancel_patience;
    for (std::size_t at = 0; at < table_->size(); ++at) {
      if (table_->node(at).state == NodeState::kWaiting)
        change(at, NodeState::kCancelled, "the run was cancelled");
    }
  }
  const std::vector<std::size_t> running(running_.begin(), running_.end());
  for (const std::size_t at : running) {
    const bool was_sent = cancel_node(at);
    if (was_sent && now < cancel_deadline_) continue;
    running_.erase(at);
    if (was_sent) ++unanswered_cancels_;
    change(at, NodeState::kCancelled,
           was_sent ? unanswered_cancel(live(at)) : "the run was cancelled");
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
  if (unanswered_cancels_ > 0) {
    return make_error(Code::kUnavailable,
                      "run {} of '{}' is cancelled, but {} of its tasks may go on: they were not"
                      " heard to end; 'wherry flow status {}' names them",
                      id_, record_.name, unanswered_cancels_, id_);
  }
  return end;
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
