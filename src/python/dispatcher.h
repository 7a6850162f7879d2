// SPDX-License-Identifier: Apache-2.0
// From Wherry's threads to Python: what a transfer ended with, how far it is. Wherry's threads only
// queue; one thread takes the interpreter's lock and calls, so that a busy program or a slow
// callback never holds up a transfer.
#pragma once

#include <pybind11/pybind11.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/thread_annotations.h"
#include "base/worker_pool.h"

namespace wherry::python {

// A Python object that any thread may copy and drop, with or without the interpreter's lock.
// Dropped while the interpreter ends, it is left to that.
class AnyThreadObject {
 public:
  // With the interpreter's lock.
  explicit AnyThreadObject(pybind11::object object);
  // To be used with the interpreter's lock.
  const pybind11::object& get() const { return *object_; }

 private:
  std::shared_ptr<pybind11::object> object_;
};

// Safe for concurrent calls, with and without the interpreter's lock; only the destructor needs it
// to be free.
class Dispatcher {
 public:
  Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  // Waits for what was posted. Not in such a call.
  ~Dispatcher();

  // `call` is called once with the interpreter's lock, in the order of posting. An exception that
  // leaves it is shown as one that nobody catches.
  void post(std::function<void()> call);
  // Blocks until what was posted so far has been called; not in such a call, which would wait for
  // itself. Without the interpreter's lock.
  void flush();
  // Whether this is called by what was posted.
  bool is_calling() const;

 private:
  void call_all();

  std::mutex mutex_;
  std::deque<std::function<void()>> calls_ GUARDED_BY(mutex_);
  bool is_awake_ GUARDED_BY(mutex_) = false;
  WorkerPool thread_;  // last: ends before what it uses
};

}  // namespace wherry::python
