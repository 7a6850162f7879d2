// SPDX-License-Identifier: Apache-2.0
#include "flow/future.h"

#include <deque>

namespace wherry::flow::internal {
namespace {

struct Turns {
  std::deque<std::function<void()>> queue;
  bool is_calling = false;
};
thread_local Turns turns_of_this_thread;

}  // namespace

void call_queued() {
  Turns& turns = turns_of_this_thread;
  while (!turns.queue.empty()) {
    const auto work = std::move(turns.queue.front());
    turns.queue.pop_front();
    work();
  }
}

void call_in_turn(std::function<void()> work) {
  Turns& turns = turns_of_this_thread;
  turns.queue.push_back(std::move(work));
  if (turns.is_calling) return;
  turns.is_calling = true;
  call_queued();
  turns.is_calling = false;
}

}  // namespace wherry::flow::internal
