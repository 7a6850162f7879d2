// SPDX-License-Identifier: Apache-2.0
// The syncs of a state directory, for Python; see sync/sync.h.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "python/session.h"

namespace wherry::python {

// Ends a pass that another thread waits for.
class StopSignal {
 public:
  void request() { source_.request_stop(); }
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
};

class Syncs {
 public:
  explicit Syncs(std::shared_ptr<Session> session) : session_(std::move(session)) {}

  pybind11::object add(const pybind11::dict& fields) const;
  pybind11::object get(const std::string& name) const;
  pybind11::object list() const;
  pybind11::object history(const std::string& name, std::size_t limit) const;
  pybind11::object run(const std::string& name, const pybind11::dict& options,
                       const StopSignal& stop) const;
  void pause(const std::string& name) const;
  void resume(const std::string& name) const;
  void remove(const std::string& name) const;

 private:
  template <class F>
  auto with(F function) const;

  std::shared_ptr<Session> session_;
};

void bind_syncs(pybind11::module_& module);

}  // namespace wherry::python
