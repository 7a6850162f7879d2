// SPDX-License-Identifier: Apache-2.0
// Futures: values that come later, or the error that came instead. They chain, are joined and
// cancelled, and cost no thread while they wait: what follows is called by the thread that
// completes a future, or at once if it is complete.
//
// A Future is a handle; copies share one state, and any number may look at it. Safe for concurrent
// calls. Callbacks are called without a lock held, one after another on a thread: completing a
// future from within a callback queues what follows until that callback has returned, so that
// chains of any length need no stack. wait() in a callback runs what is queued before it blocks.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "flow/future_state.h"

namespace wherry::flow {

template <class T>
class [[nodiscard]] Future {
 public:
  using value_type = T;

  Future() = default;  // refers to nothing: only to be assigned to
  bool is_valid() const { return state_ != nullptr; }

  bool is_ready() const { return state().is_ready(); }
  // Blocks until it is complete. The reference is good as long as any Future of it is held.
  const Result<T>& wait() const { return *state().wait(std::nullopt); }
  // Null: not complete when the time was up.
  const Result<T>* wait_for(Duration timeout) const { return state().wait(timeout); }

  // Asks for its end: nothing if it is complete. Whoever makes the value decides how it ends, soon
  // with kCancelled if it can; a future that nobody is at work for yet ends so at once. What it was
  // chained to with then() goes on: others may want it.
  void cancel() const { state().cancel(); }

  // `function` is called with the value (of a Future<void>, with nothing) and answers U, Result<U>
  // or Future<U>, which all give a Future<U>. It is not called after an error, which passes on, nor
  // after the new future was cancelled.
  template <class F>
  auto then(F function) const;
  // Calls `callback` once: when it completes, by the thread that completes it, or at once.
  void on_ready(std::function<void(const Result<T>&)> callback) const {
    state().on_ready(std::move(callback));
  }

 private:
  template <class>
  friend class Future;
  template <class>
  friend class Promise;
  explicit Future(std::shared_ptr<internal::State<T>> state) : state_(std::move(state)) {}
  internal::State<T>& state() const {
    CHECK(state_ != nullptr);
    return *state_;
  }

  std::shared_ptr<internal::State<T>> state_;
};

// The other side of a future: whoever owes it sets it once. Dropped before it is set, its future
// ends with kCancelled.
template <class T>
class Promise {
 public:
  Promise() : state_(std::make_shared<internal::State<T>>()) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    Promise old(std::move(*this));  // dropped here
    state_ = std::move(other.state_);
    return *this;
  }
  ~Promise() {
    if (state_) state_->complete(make_error(Code::kCancelled, "abandoned before it was done"));
  }

  Future<T> future() const { return Future<T>(state_); }
  // False if it is complete already: it was set before, or cancelled without on_cancel().
  bool set(Result<T> result) { return state_->complete(std::move(result)); }
  // What cancel() of the future calls, at most once; at once if that was asked for before. Then
  // this side still owes a result.
  void on_cancel(std::function<void()> callback) { state_->on_cancel(std::move(callback)); }

 private:
  std::shared_ptr<internal::State<T>> state_;
};

// A future that is complete from the beginning.
template <class T>
Future<T> ready_future(Result<T> result) {
  Promise<T> promise;
  promise.set(std::move(result));
  return promise.future();
}

namespace internal {

template <class T>
struct Unwrapped {
  static_assert(!std::is_same_v<T, Error>, "answer a Result, not an Error");
  using type = T;
  static constexpr bool kIsFuture = false;
};
template <class T>
struct Unwrapped<Result<T>> {
  using type = T;
  static constexpr bool kIsFuture = false;
};
template <class T>
struct Unwrapped<Future<T>> {
  using type = T;
  static constexpr bool kIsFuture = true;
};

template <class T, class F>
struct AnswerOf {
  using type = std::invoke_result_t<F&, const T&>;
};
template <class F>
struct AnswerOf<void, F> {
  using type = std::invoke_result_t<F&>;
};

template <class T, class F>
auto call_with(F& function, const Result<T>& result) {
  if constexpr (std::is_void_v<T>) {
    return function();
  } else {
    return function(result.value());
  }
}

// The promise passes on what `future` ends with, and to it the wish to end.
template <class U>
void follow(const std::shared_ptr<Promise<U>>& promise, const Future<U>& future) {
  promise->on_cancel([future] { future.cancel(); });
  future.on_ready([promise](const Result<U>& result) { promise->set(result); });
}

}  // namespace internal

template <class T>
template <class F>
auto Future<T>::then(F function) const {
  using Answer = typename internal::AnswerOf<T, F>::type;
  using U = typename internal::Unwrapped<Answer>::type;
  const auto promise = std::make_shared<Promise<U>>();
  auto next = promise->future();
  // Shared, because a std::function copies what it holds, and `function` may hold what cannot be.
  const auto shared = std::make_shared<F>(std::move(function));
  on_ready([promise, shared, next](const Result<T>& result) {
    if (next.is_ready()) return;  // cancelled
    if (!result) {
      promise->set(result.error());
    } else if constexpr (internal::Unwrapped<Answer>::kIsFuture) {
      internal::follow<U>(promise, internal::call_with<T>(*shared, result));
    } else if constexpr (std::is_void_v<Answer>) {
      internal::call_with<T>(*shared, result);
      promise->set({});
    } else {
      promise->set(internal::call_with<T>(*shared, result));
    }
  });
  return next;
}

namespace internal {

template <class T>
using Joined = std::conditional_t<std::is_void_v<T>, void,
                                  std::vector<std::conditional_t<std::is_void_v<T>, char, T>>>;

template <class T>
Result<Joined<T>> join(const std::vector<Future<T>>& futures) {
  for (const Future<T>& future : futures) {
    if (const auto& result = future.wait(); !result) return result.error();
  }
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    std::vector<T> values;
    values.reserve(futures.size());
    for (const Future<T>& future : futures) values.push_back(future.wait().value());
    return values;
  }
}

}  // namespace internal

// Ends when all have ended: with their values in that order, or the first error in that order.
// Cancelling it cancels none of them.
template <class T>
Future<internal::Joined<T>> when_all(std::vector<Future<T>> futures) {
  using Values = internal::Joined<T>;
  if (futures.empty()) return ready_future<Values>(internal::join<T>({}));
  struct Join {
    std::vector<Future<T>> futures;
    std::atomic<std::size_t> missing;
    Promise<Values> promise;
  };
  const auto join = std::make_shared<Join>();
  join->missing = futures.size();
  join->futures = std::move(futures);
  auto all = join->promise.future();
  const std::vector<Future<T>> each = join->futures;
  for (const Future<T>& future : each) {
    future.on_ready([join](const Result<T>& /*result*/) {
      if (join->missing.fetch_sub(1) != 1) return;
      join->promise.set(internal::join(join->futures));
      join->futures.clear();
    });
  }
  return all;
}

}  // namespace wherry::flow
