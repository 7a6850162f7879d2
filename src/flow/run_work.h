// SPDX-License-Identifier: Apache-2.0
// What a FlowRun does: run.cc begins, goes from one step to the next and ends; run_attempts.cc
// starts what a node asks for, follows it and settles what became of it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/worker_pool.h"
#include "flow/graph.h"
#include "flow/node_table.h"
#include "flow/proof.h"
#include "flow/request.h"
#include "flow/run.h"
#include "flow/run_inbox.h"
#include "flow/run_view.h"
#include "tasks/claim.h"

namespace wherry::flow {

// The node of an attempt's key; kBug of anything else.
Result<NodeId> node_of_key(std::string_view key);

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
  bool cancel_node(std::size_t at);
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
  int unanswered_cancels_ = 0;
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

}  // namespace wherry::flow
