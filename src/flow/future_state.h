// SPDX-License-Identifier: Apache-2.0
// What the handles of a future share: the result once it is there, and who is to be told.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/thread_annotations.h"
#include "base/types.h"

namespace wherry::flow::internal {

// Calls `work` now, or, in a thread that is calling such work already, after it.
void call_in_turn(std::function<void()> work);
// Calls what this thread has queued so.
void call_queued();

template <class T>
class State : public std::enable_shared_from_this<State<T>> {
 public:
  using Callback = std::function<void(const Result<T>&)>;

  bool is_ready() const {
    const std::lock_guard lock(mutex_);
    return result_.has_value();
  }

  // Null when the time was up; without one, waits for ever.
  const Result<T>* wait(std::optional<Duration> timeout) {
    call_queued();
    std::unique_lock lock(mutex_);
    const auto is_complete = [this] { return result_.has_value(); };
    if (!timeout) {
      completed_.wait(lock, is_complete);
    } else {
      constexpr Duration kLongest = std::chrono::hours(24 * 365);  // more would overflow
      const Duration patience = std::clamp(*timeout, Duration(0), kLongest);
      if (!completed_.wait_for(lock, patience, is_complete)) return nullptr;
    }
    return &*result_;  // never changed any more
  }

  bool complete(Result<T> result) {
    std::vector<Callback> callbacks;
    std::function<void()> canceller;  // destroyed without the lock
    {
      const std::lock_guard lock(mutex_);
      if (result_) return false;
      result_ = std::move(result);
      callbacks.swap(callbacks_);
      canceller.swap(canceller_);
    }
    completed_.notify_all();
    if (callbacks.empty()) return true;
    call_in_turn([self = this->shared_from_this(), callbacks = std::move(callbacks)]() mutable {
      for (Callback& callback : callbacks) {
        callback(*self->result_);
        callback = nullptr;
      }
    });
    return true;
  }

  void on_ready(Callback callback) {
    {
      const std::lock_guard lock(mutex_);
      if (!result_) {
        callbacks_.push_back(std::move(callback));
        return;
      }
    }
    callback(*result_);
  }

  void cancel() {
    std::function<void()> canceller;
    {
      const std::lock_guard lock(mutex_);
      if (result_ || is_cancelled_) return;
      is_cancelled_ = true;
      canceller.swap(canceller_);
    }
    if (canceller) {
      canceller();
    } else {
      complete(make_error(Code::kCancelled, "cancelled"));
    }
  }

  void on_cancel(std::function<void()> canceller) {
    {
      const std::lock_guard lock(mutex_);
      if (!is_cancelled_) {
        if (!result_) canceller_.swap(canceller);
        return;
      }
    }
    canceller();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable completed_;
  std::optional<Result<T>> result_ GUARDED_BY(mutex_);  // once set, read without it
  std::vector<Callback> callbacks_ GUARDED_BY(mutex_);
  std::function<void()> canceller_ GUARDED_BY(mutex_);
  bool is_cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace wherry::flow::internal
