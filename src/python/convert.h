// SPDX-License-Identifier: Apache-2.0
// Wherry's types as plain Python values, by the words of the Globus Transfer contract. The package
// makes its dataclasses of them. All need the interpreter's lock.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <string>
#include <utility>

#include "base/result.h"
#include "flow/data_tasks.h"
#include "tasks/transfer_service.h"

namespace wherry::python {

// An Error on its way to Python, where it arrives as an exception of wherry.errors.
class Failure : public std::exception {
 public:
  explicit Failure(Error error) : error_(std::move(error)) {}
  const char* what() const noexcept override { return error_.message.c_str(); }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

template <class T>
T value_or_raise(Result<T> result) {
  if (!result) throw Failure(std::move(result).error());
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

// (code, retry, message)
pybind11::object to_python(const Error& error);
pybind11::object to_python(const flow::Done& done);
pybind11::object to_python(const tasks::Task& task);
pybind11::object to_python(const tasks::Event& event);
pybind11::object to_python(const tasks::SuccessfulTransfer& file);
pybind11::object to_python(const tasks::ItemError& error);
pybind11::object to_python(const tasks::FileInfo& file);
pybind11::object to_python(const endpoints::Endpoint& endpoint);

template <class T>
pybind11::list to_python(const std::vector<T>& all) {
  pybind11::list list;
  for (const T& each : all) list.append(to_python(each));
  return list;
}

// Names and paths: as Python shows file names, other bytes as surrogates.
pybind11::object path_to_python(const std::string& bytes);
// Other text: UTF-8, other bytes as surrogates.
pybind11::object text_to_python(std::string_view text);

// Registers how a Failure becomes an exception.
void translate_failures();

}  // namespace wherry::python
