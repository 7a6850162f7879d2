// SPDX-License-Identifier: Apache-2.0
// The attempts of a run's nodes. What they ask for is stored already.
#include <unistd.h>

#include <charconv>

#include "base/back_off.h"
#include "base/log.h"
#include "base/units.h"
#include "flow/command_results.h"
#include "flow/run_work.h"

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kProofThreads = 2;
constexpr Duration kFirstProofPause = 500ms;
constexpr Duration kLongestProofPause = 30s;
constexpr std::size_t kMaxProofs = kMaxForeachItems * 2;  // never waited for

// "flow-<uuid>-<node>-<attempt>": an attempt's alone, wherever it is asked for.
std::string key_of(const RunRecord& run, const Node& node) {
  return fmt::format("flow-{}-{}-{}", run.uuid, node.id, node.attempt);
}

// Whether another attempt can help where the user asked for some.
bool may_help_again(const Error& error) {
  return error.retry != Retry::kAfterUser && error.code != Code::kInvalid &&
         error.code != Code::kCancelled && error.code != Code::kBug;
}

}  // namespace

// ---- keys

Result<NodeId> node_of_key(std::string_view key) {
  const std::size_t end = key.find_last_of('-');
  const std::size_t begin = key.find_last_of('-', end - 1) + 1;
  NodeId id = 0;
  if (end == std::string_view::npos ||
      std::from_chars(key.data() + begin, key.data() + end, id).ptr != key.data() + end)
    return make_error(Code::kBug, "'{}' is no key of a flow", key);
  return id;
}

// ---- starting

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
    // A service that is away is waited for, as transfers wait for it.
    const std::stop_token stop = stop_proving_.get_token();
    for (int tries = 1;; ++tries) {
      auto proof = proofs_.check(place, transfers, stop);
      if (stop.stop_requested()) return;
      if (proof || proof.error().retry != Retry::kLater)
        return inbox_->put({at, attempt, std::move(proof)});
      parts_.clock.sleep(growing_pause(kFirstProofPause, tries, kLongestProofPause), stop);
    }
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

// False if nothing of it was sent: it is still being proven that it may.
bool FlowRun::Work::cancel_node(std::size_t at) {
  Live& state = live(at);
  if (state.is_cancel_asked) return true;
  const bool was_recorded = !table_->node(at).submission_id.empty();
  if (state.data) {
    // One that was sent by an earlier process is cancelled when it is known again.
    if (was_recorded && !state.data->task_id()) return true;
    state.data->cancel();
  } else if (state.command.is_valid()) {
    state.command.cancel();
  } else {
    return was_recorded;
  }
  return state.is_cancel_asked = true;
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

}  // namespace wherry::flow
