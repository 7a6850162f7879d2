// SPDX-License-Identifier: Apache-2.0
// The second half of invariant 2, for many files at once: one flush for all, then each gets its
// final name, one flush of the directories, one record of the outcomes. While groups are being
// committed the next one fills.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/thread_annotations.h"
#include "engine/copy_file.h"
#include "engine/run_state.h"
#include "engine/work_queue.h"

namespace wherry::engine {

class GroupCommit {
 public:
  // A file under its temporary name, or one that the target turned out to have.
  struct Finished {
    Work work;
    CopiedFile copied;
  };
  // An outcome that waits for nothing but its record, and for the directories it touched.
  struct Settled {
    Outcome outcome;
    std::optional<RelPath> touched;  // a directory whose names changed
    std::uint64_t key = 0;           // of the operation in the queue, if it came from there
  };
  struct Members {
    std::vector<Finished> finished;
    std::vector<Settled> settled;
    bool empty() const { return finished.empty() && settled.empty(); }
  };

  // Lent: `target`, `options`, `state`.
  GroupCommit(storage::Storage& target, Durability durability, RunState& state);
  // Where operations go whose commit failed; set before run().
  void return_to(WorkQueue& queue) { queue_ = &queue; }

  // Takes over the members; blocks while too many wait.
  void add(Members members);
  void add_settled(Settled settled);
  // A directory was made or emptied on the way to something; it is flushed with the group.
  void touch(const RelPath& directory);
  // Nothing else is under way: what waits shall not wait for company.
  void close_soon();
  // Closes the group if it has waited long enough. For those who are busy with one thing for long.
  void close_if_old();

  // Commits groups until shut_down(), then what is left. Each thread that calls it has a group of
  // its own: while one waits for the disk, the files of another get their names.
  void run();
  void shut_down();

 private:
  struct Group {
    Members members;
    std::vector<RelPath> touched;
    ByteCount bytes = 0;
    Duration opened{0};
    std::uint64_t number = 0;
    std::size_t size() const { return members.finished.size() + members.settled.size(); }
    bool empty() const { return size() == 0 && touched.empty(); }
  };
  void wait_for_room(std::unique_lock<std::mutex>& lock) REQUIRES_LOCK(mutex_);
  void note_arrival(ByteCount bytes) REQUIRES_LOCK(mutex_);
  std::size_t files_of_a_group() const;

  void commit(Group group);
  void wait_for_turn(const Group& group);
  void end_turn();
  void flush_content(Group& group);
  void rename_all(Group& group);
  template <class Action>
  void keep_finished(Group& group, const Action& action);
  void flush_names(Group& group);
  wherry::Result<void> flush_directory(const RelPath& directory);
  std::vector<RelPath> touched_directories(Group& group);
  std::vector<RelPath> with_those_above(const std::vector<RelPath>& directories);
  // What was done in this directory has not been done after all.
  void fail_within(const RelPath& directory, const Error& error, Group& group);
  void record(Group& group);
  // The file's outcome after a failure, or back to the queue with it.
  void fail(Finished file, const Error& error, Group& group);

  storage::Storage& target_;
  const Durability durability_;
  RunState& state_;
  WorkQueue* queue_ = nullptr;
  // Of the thread whose group's turn it is.
  std::vector<RelPath> owed_;              // directories whose flush failed
  std::unordered_set<std::string> above_;  // directories that were flushed for what is below them

  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable room_made_;
  std::condition_variable turn_ended_;
  Group open_ GUARDED_BY(mutex_);
  std::uint64_t closed_ GUARDED_BY(mutex_) = 0;  // groups
  std::uint64_t turn_ GUARDED_BY(mutex_) = 0;    // the group that may flush its names
  bool close_requested_ GUARDED_BY(mutex_) = false;
  bool shutting_down_ GUARDED_BY(mutex_) = false;
};

}  // namespace wherry::engine
