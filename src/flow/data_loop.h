// SPDX-License-Identifier: Apache-2.0
// What the thread of DataTasks does, step by step, so that tests can take the steps.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/thread_annotations.h"
#include "flow/coalescer.h"
#include "flow/data_entry.h"
#include "flow/data_tasks.h"
#include "flow/endpoint_names.h"
#include "flow/look_pace.h"
#include "tasks/item_fates.h"

namespace wherry::flow {

// One request to the service: on its way there, or a task.
struct Submission {
  tasks::SubmissionId id;             // empty: it has none yet
  bool is_recorded = false;           // under that id
  bool is_sent = false;               // perhaps in vain
  std::vector<EntryPointer> entries;  // by line
  std::size_t open = 0;               // of them, that have not ended
  std::shared_ptr<const Lines> lines;
  tasks::TaskId task_id;  // empty: not accepted, as far as is known
  int failures = 0;       // to submit it, one after another
  Duration next_try{0};   // monotonic
  bool is_cancel_wanted = false;
  bool is_cancelled = false;  // the service was told
  std::optional<tasks::ItemFates> fates;
  std::optional<tasks::Counts> read_at;  // what was counted when its rows were read
  std::optional<tasks::Task> seen;
  std::optional<tasks::TaskError> hopeless;  // why it was cancelled
  std::optional<std::pair<std::uint64_t, ByteCount>> stuck_at;
  Duration next_hopeless_look{0};
  std::string refused_before;  // in these words, together with others

  bool is_transfer() const { return entries.front()->is_transfer(); }
  bool is_over() const { return open == 0 && !(is_cancel_wanted && !is_cancelled); }
};

// "transfer of 'lab:/a' to 'scratch:/b'", as messages say it.
std::string description_of(const DataTask::Entry& entry);

// Empty: there is none any more.
void set_trouble(std::span<const EntryPointer> entries, const std::string& trouble);

// Calls from any thread, but step() and end(), which are for one.
class DataLoop {
 public:
  // `stop` ends calls to the service that wait.
  DataLoop(DataTasks::Parts parts, const DataTasks::Options& options, std::stop_token stop = {});
  DataLoop(const DataLoop&) = delete;
  DataLoop& operator=(const DataLoop&) = delete;
  ~DataLoop();

  DataTask transfer(const Transfer& transfer);
  DataTask remove(const Removal& removal);
  std::vector<DataTask> resubmit_transfers(const tasks::SubmissionId& id,
                                           const std::vector<Transfer>& transfers);
  DataTask resubmit_removal(const tasks::SubmissionId& id, const Removal& removal);

  // Does what can be done now; answers how long until there is more, if nothing comes before.
  Duration step();
  // Until `pause` has passed, something comes or a stop is requested.
  void rest(Duration pause, const std::stop_token& stop);
  // Ends the futures that wait.
  void end();

 private:
  // What comes together: one, or what was recorded under one id.
  struct Arrival {
    std::optional<tasks::SubmissionId> id;
    std::vector<EntryPointer> entries;
    int failures = 0;
    Duration next_try{0};
  };
  DataTask arrive(std::variant<Transfer, Removal> request);
  EntryPointer make_entry(std::variant<Transfer, Removal> request);
  void put(Arrival arrival);
  void cancel_later(EntryPointer entry);
  void take_arrivals();

  // Endpoints, paths, and what is refused.
  void prepare_all();
  bool prepare(Arrival& arrival);
  Result<void> prepare_transfer(DataTask::Entry& entry);
  Result<void> prepare_removal(DataTask::Entry& entry, bool is_new);

  void add_submission(std::vector<EntryPointer> entries,
                      std::optional<tasks::SubmissionId> id = {});
  void send_all();
  bool has_room(const Submission& submission) const;
  void send(Submission& submission);
  Result<void> record(Submission& submission);
  Result<tasks::Submitted> submit(const Submission& submission);
  void not_sent(Submission& submission, const Error& error);
  void split(Submission& submission, const std::string& why);

  void look();
  unsigned follow(Submission& submission, const tasks::Task& task);
  unsigned follow_unknown(Submission& submission);
  void follow_removal(Submission& submission, const tasks::Task& task);
  unsigned read_fates(Submission& submission, const tasks::Task& task, bool& is_known);
  void judge(Submission& submission, const tasks::Task& task);
  static bool may_go_again(const Submission& submission, const DataTask::Entry& entry,
                           const tasks::TaskError& error);
  void go_again(Submission& submission, std::vector<EntryPointer> entries);
  unsigned look_for_hopeless(Submission& submission, const tasks::Task& task);

  void cancel_all();
  void cancel(const EntryPointer& entry);
  void cancel_wanted_all();
  Result<void> cancel_task(Submission& submission);
  void end_timed_out();
  Error time_out(DataTask::Entry& entry);

  void end_entry(const EntryPointer& entry, Result<Done> result);
  void end_all(Submission& submission, const Error& error);
  Duration until_next() const;

  tasks::TransferService& service() { return view_ ? *view_ : parts_.service; }
  bool is_stopped() const { return stop_.stop_requested(); }
  Duration now() const { return parts_.clock.monotonic(); }

  const DataTasks::Parts parts_;
  const DataTasks::Options options_;
  const std::stop_token stop_;
  const std::unique_ptr<tasks::TransferService> view_;  // whose calls end with stop_
  const std::shared_ptr<DataLink> link_;

  std::mutex mutex_;
  std::condition_variable_any came_;
  std::vector<Arrival> inbox_ GUARDED_BY(mutex_);
  std::vector<EntryPointer> cancels_ GUARDED_BY(mutex_);
  bool is_closed_ GUARDED_BY(mutex_) = false;

  // ---- Of the one thread.
  EndpointNames names_;
  Coalescer coalescer_;
  LookPace pace_;
  std::list<Arrival> unprepared_;
  std::uint64_t next_number_ = 0;
  std::map<std::uint64_t, EntryPointer> coalescing_;       // by number
  std::set<std::pair<Duration, EntryPointer>> deadlines_;  // of all that have not ended
  std::list<Submission> submissions_;
  std::map<tasks::TaskId, Submission*> by_task_;       // that are followed
  std::map<tasks::EndpointId, std::size_t> removals_;  // among them, by endpoint
  tasks::TaskId looked_at_;                            // the last one of the last request
};

}  // namespace wherry::flow
