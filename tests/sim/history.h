// SPDX-License-Identifier: Apache-2.0
// One run: a world from a seed, and a random history in it. After each step the checks look at what
// there is; at the end everything works again and must come to rest.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checks.h"
#include "job_history.h"
#include "source.h"
#include "world.h"

namespace wherry::sim {

class History {
 public:
  using Listener = std::function<void(const std::string& line)>;
  // `listener` is told what happens, a line for each step and what belongs to it.
  History(std::uint64_t seed, Listener listener);

  // False as soon as a check fails.
  bool run();
  const std::string& violation() const { return checks_.violation().text(); }

 private:
  std::uint64_t pick(std::uint64_t bound) { return random_.below(bound); }
  bool chance(std::uint64_t percent) { return pick(100) < percent; }
  Character make_character();
  void set_up();

  void step();
  void change_source();
  void submit_transfer();
  void submit_delete();
  void run_task();
  void cancel_task();
  void resume_task();
  void run_sync();
  void update_sync();
  void pass_time();
  void restart();

  // The parts of a request.
  tasks::TransferRequest transfer_request();
  std::string random_area();
  void choose_options(engine::TransferOptions& options);
  std::vector<engine::FilterRule> random_filters();
  template <class Request>
  void submit(const Request& request);

  // What goes wrong in a step; whether that is more than a kill.
  bool make_trouble();
  void add_fault();
  void plan_kill();
  void plan_interference(const tasks::TaskId& id);
  void begin_step();
  void end_step();
  void settle();

  // The end.
  void come_to_rest();
  void finish_tasks();
  void finish_sync();

  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    listener_(fmt::format(format, std::forward<Args>(args)...));
  }
  bool failed() const { return static_cast<bool>(checks_.violation()); }

  const std::uint64_t seed_;
  const Listener listener_;
  SeededRandom random_;  // of the step: what happens in one shifts nothing in the next
  SeededRandom writer_;  // of the source, likewise
  const Character character_;
  World world_;
  Source source_;
  Checks checks_;
  JobHistory jobs_;
  std::vector<tasks::TransferRequest> transfers_;  // to be sent again, now and then
  std::uint64_t link_areas_ = 0;
};

}  // namespace wherry::sim
