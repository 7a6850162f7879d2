// SPDX-License-Identifier: Apache-2.0
#include "python/convert.h"

#include <pybind11/stl.h>

#include <chrono>
#include <optional>

#include "tasks/state.h"

namespace wherry::python {
namespace py = pybind11;
namespace {

// Seconds since 1970; microseconds are what Python's dates keep.
double seconds_of(TimePoint time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

py::object seconds_of(const std::optional<TimePoint>& time) {
  if (!time) return py::none();
  return py::float_(seconds_of(*time));
}

}  // namespace

py::object path_to_python(const std::string& bytes) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

py::object text_to_python(std::string_view text) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

py::object to_python(const Error& error) {
  return py::make_tuple(text_to_python(to_string(error.code)),
                        text_to_python(to_string(error.retry)), text_to_python(error.message));
}

py::object to_python(const flow::Done& done) {
  return py::make_tuple(text_to_python(done.task_id), done.files, done.bytes);
}

py::object to_python(const tasks::Task& task) {
  py::dict fields;
  fields["task_id"] = text_to_python(task.id);
  fields["type"] = task.type == tasks::TaskType::kTransfer ? "TRANSFER" : "DELETE";
  fields["status"] = text_to_python(to_string(task.state));
  fields["label"] = text_to_python(task.label);
  fields["owner"] = text_to_python(task.owner);
  fields["source_endpoint_id"] = text_to_python(task.source_endpoint);
  fields["destination_endpoint_id"] = text_to_python(task.target_endpoint);
  fields["request_time"] = seconds_of(task.requested);
  fields["deadline"] = seconds_of(task.deadline);
  fields["completion_time"] = seconds_of(task.completed);
  fields["items"] = task.item_count;
  fields["files"] = task.counts.files;
  fields["directories"] = task.counts.directories;
  fields["files_transferred"] = task.counts.files_transferred;
  fields["files_skipped"] = task.counts.files_skipped;
  fields["files_failed"] = task.counts.files_failed + task.counts.skipped_errors;
  fields["removed"] = task.counts.removed;
  fields["bytes"] = task.counts.bytes;
  fields["bytes_transferred"] = task.counts.bytes_transferred;
  fields["bytes_checksummed"] = task.counts.bytes_checksummed;
  fields["bytes_per_second"] = task.bytes_per_second;
  fields["faults"] = task.counts.faults;
  fields["nice_status"] = text_to_python(task.nice_status);
  fields["nice_status_details"] = text_to_python(task.nice_status_details);
  fields["is_paused"] = task.is_paused;
  fields["current_file"] = path_to_python(task.current_file);
  fields["fatal_error"] =
      task.fatal_error ? py::object(py::make_tuple(text_to_python(task.fatal_error->code),
                                                   text_to_python(task.fatal_error->description)))
                       : py::none();
  return fields;
}

py::object to_python(const tasks::Event& event) {
  py::dict fields;
  fields["time"] = seconds_of(event.time);
  fields["code"] = text_to_python(event.code);
  fields["description"] = text_to_python(event.description);
  fields["details"] = text_to_python(event.details);
  fields["is_error"] = event.is_error;
  return fields;
}

py::object to_python(const tasks::SuccessfulTransfer& file) {
  py::dict fields;
  fields["source_path"] = path_to_python(file.source_path);
  fields["destination_path"] = path_to_python(file.target_path);
  fields["size"] = file.size;
  fields["checksum"] = text_to_python(file.checksum);
  return fields;
}

py::object to_python(const tasks::ItemError& error) {
  py::dict fields;
  fields["source_path"] = path_to_python(error.source_path);
  fields["destination_path"] = path_to_python(error.target_path);
  fields["code"] = text_to_python(error.code);
  fields["details"] = text_to_python(error.details);
  fields["is_directory"] = error.is_directory;
  return fields;
}

py::object to_python(const tasks::FileInfo& file) {
  py::dict fields;
  fields["name"] = path_to_python(file.name);
  fields["type"] = text_to_python(to_string(file.attributes.type));
  fields["size"] = file.attributes.size;
  fields["mode"] = file.attributes.mode;
  fields["last_modified"] = seconds_of(file.attributes.mtime);
  fields["user"] = text_to_python(file.user);
  fields["group"] = text_to_python(file.group);
  fields["link_target"] = file.is_link ? path_to_python(file.link_target) : py::none();
  return fields;
}

py::object to_python(const endpoints::Endpoint& endpoint) {
  py::dict fields;
  fields["id"] = text_to_python(endpoint.id);
  fields["display_name"] = text_to_python(endpoint.display_name);
  fields["owner"] = text_to_python(endpoint.owner);
  fields["description"] = text_to_python(endpoint.description);
  fields["organization"] = text_to_python(endpoint.organization);
  py::list keywords;
  for (const std::string& keyword : endpoint.keywords) keywords.append(text_to_python(keyword));
  fields["keywords"] = keywords;
  fields["default_directory"] = path_to_python(endpoint.default_directory);
  fields["read_only"] = endpoint.access == endpoints::Access::kRead;
  return fields;
}

void translate_failures() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Failure& failure) {
      const py::object raised =
          py::module_::import("wherry.errors").attr("error_of")(to_python(failure.error()));
      PyErr_SetObject(py::type::of(raised).ptr(), raised.ptr());
    }
  });
}

}  // namespace wherry::python
