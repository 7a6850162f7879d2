// SPDX-License-Identifier: Apache-2.0
#include "python/dispatcher.h"

#include <utility>

#include "base/check.h"

namespace wherry::python {
namespace py = pybind11;
namespace {

bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsInitialized() == 0 || Py_IsFinalizing() != 0;
#else
  return Py_IsInitialized() == 0 || _Py_IsFinalizing() != 0;
#endif
}

thread_local const Dispatcher* dispatcher_of_this_thread = nullptr;

void drop(py::object* object) {
  // A thread that asked for the lock now would never come back.
  if (interpreter_ends()) return;
  const py::gil_scoped_acquire locked;
  delete object;
}

}  // namespace

AnyThreadObject::AnyThreadObject(py::object object)
    : object_(new py::object(std::move(object)), drop) {}

Dispatcher::Dispatcher() : thread_({.threads = 1, .queue_limit = 2}) {}

Dispatcher::~Dispatcher() { flush(); }

void Dispatcher::post(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
  if (is_awake_) return;
  is_awake_ = thread_.try_submit([this] { call_all(); });
  CHECK(is_awake_);
}

void Dispatcher::flush() {
  if (!is_calling()) thread_.wait_idle();
}

bool Dispatcher::is_calling() const { return dispatcher_of_this_thread == this; }

void Dispatcher::call_all() {
  if (interpreter_ends()) return;
  const py::gil_scoped_acquire locked;
  dispatcher_of_this_thread = this;
  for (;;) {
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      if (calls_.empty()) {
        is_awake_ = false;
        return;
      }
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    try {
      call();
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("a callback of Wherry");
    }
  }
}

}  // namespace wherry::python
