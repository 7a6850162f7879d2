// SPDX-License-Identifier: Apache-2.0
// The module wherry._wherry. Its users are the other files of python/wherry; its stub is
// python/wherry/_wherry.pyi.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "app/settings.h"
#include "python/convert.h"
#include "python/jobs.h"
#include "python/session.h"
#include "python/syncs.h"

namespace py = pybind11;

namespace wherry::python {
namespace {

void bind_service(py::module_& module) {
  using Transfer = Service::TransferArguments;
  using Removal = Service::RemovalArguments;
  // Paths and names come as bytes: os.fsencode() of what the user gave.
  py::class_<Transfer>(module, "TransferArguments")
      .def(py::init<>())
      .def_readwrite("source_endpoint", &Transfer::source_endpoint)
      .def_readwrite("destination_endpoint", &Transfer::target_endpoint)
      .def_readwrite("source_path", &Transfer::source_path)
      .def_readwrite("destination_path", &Transfer::target_path)
      .def_readwrite("recursive", &Transfer::recursive)
      .def_readwrite("sync_level", &Transfer::sync_level)
      .def_readwrite("verify_checksum", &Transfer::verify_checksum)
      .def_readwrite("filters", &Transfer::filters)
      .def_readwrite("preserve_mtime", &Transfer::preserve_mtime)
      .def_readwrite("symlinks", &Transfer::symlinks)
      .def_readwrite("label", &Transfer::label)
      .def_readwrite("timeout", &Transfer::timeout)
      .def_readwrite("cancel_on_timeout", &Transfer::cancel_on_timeout)
      .def_readwrite("alone", &Transfer::alone);
  py::class_<Removal>(module, "RemovalArguments")
      .def(py::init<>())
      .def_readwrite("endpoint", &Removal::endpoint)
      .def_readwrite("path", &Removal::path)
      .def_readwrite("recursive", &Removal::recursive)
      .def_readwrite("label", &Removal::label)
      .def_readwrite("timeout", &Removal::timeout)
      .def_readwrite("cancel_on_timeout", &Removal::cancel_on_timeout);
  py::class_<Handle>(module, "Handle")
      .def("on_ready", &Handle::on_ready)
      .def_property_readonly("task_id", &Handle::task_id)
      .def("progress", &Handle::progress)
      .def("files", &Handle::files)
      .def("cancel", &Handle::cancel);
  py::class_<Service>(module, "Service")
      .def("transfer", &Service::transfer)
      .def("remove", &Service::remove)
      .def("endpoint", &Service::endpoint)
      .def("endpoints", &Service::endpoints)
      .def("create_endpoint", &Service::create_endpoint)
      .def("delete_endpoint", &Service::delete_endpoint)
      .def("list", &Service::list)
      .def("stat", &Service::stat)
      .def("make_directory", &Service::make_directory)
      .def("rename", &Service::rename)
      .def("task", &Service::task)
      .def("tasks", &Service::tasks)
      .def("wait", &Service::wait)
      .def("cancel", &Service::cancel)
      .def("events", &Service::events)
      .def("successful_transfers", &Service::successful_transfers)
      .def("item_errors", &Service::item_errors);
}

// The state directory and the service of a session that is opened now.
py::object place_of_session(const std::map<std::string, std::string>& settings) {
  const app::Environment environment = app::process_environment();
  const Options options =
      value_or_raise(app::load_settings(environment, {settings.begin(), settings.end()}));
  return py::make_tuple(path_to_python(app::state_directory(options, environment)),
                        text_to_python(options.text("service")));
}

}  // namespace
}  // namespace wherry::python

PYBIND11_MODULE(_wherry, module) {
  using wherry::python::Service;
  using wherry::python::Session;
  module.doc() = "Wherry's library as the package wherry uses it; use that.";
  module.attr("__version__") = WHERRY_VERSION;
  wherry::python::translate_failures();
  // A Service refers to its Session, and a Handle to it: no order of ending is wrong.
  py::class_<Session, std::shared_ptr<Session>>(module, "Session")
      .def(py::init(&Session::open))
      .def("service", [](const std::shared_ptr<Session>& session,
                         const std::string& name) { return Service(session, name); })
      .def("close", &Session::close)
      .def("abandon", &Session::abandon);
  wherry::python::bind_service(module);
  wherry::python::bind_jobs(module);
  wherry::python::bind_syncs(module);
  module.def("place_of_session", &wherry::python::place_of_session);
}
