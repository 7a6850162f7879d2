// SPDX-License-Identifier: Apache-2.0
#include "python/syncs.h"

#include <pybind11/stl.h>

#include <chrono>
#include <tuple>
#include <vector>

#include "sync/sync.h"

namespace wherry::python {
namespace py = pybind11;
namespace {

using sync::SyncDefinition;

Duration sync_duration(const py::handle& seconds) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(seconds.cast<double>()));
}

// The endpoints by name or id; what is missing keeps its default.
Result<SyncDefinition> definition_of(const py::dict& fields) {
  using Rule = engine::FilterRule;
  SyncDefinition sync;
  sync.name = fields["name"].cast<std::string>();
  sync.source.endpoint = fields["source_endpoint"].cast<std::string>();
  sync.target.endpoint = fields["destination_endpoint"].cast<std::string>();
  TRY_ASSIGN(sync.source.path, RelPath::parse(fields["source_path"].cast<std::string>()));
  TRY_ASSIGN(sync.target.path, RelPath::parse(fields["destination_path"].cast<std::string>()));
  sync.every = sync_duration(fields["every"]);
  sync.cron = fields["cron"].cast<std::string>();
  sync.settle = sync_duration(fields["settle"]);
  TRY_ASSIGN(sync.deletions, sync::parse_deletions(fields["deletions"].cast<std::string>()));
  sync.max_delete = fields["max_delete"].cast<double>();
  TRY_ASSIGN(sync.symlinks, engine::parse_symlink_policy(fields["symlinks"].cast<std::string>()));
  using Parts = std::tuple<std::string, std::string, std::string>;
  for (const auto& [method, pattern, type] : fields["filters"].cast<std::vector<Parts>>()) {
    sync.filters.push_back(
        {.method = method == "include" ? Rule::Method::kInclude : Rule::Method::kExclude,
         .pattern = pattern,
         .applies = type == "file"  ? Rule::Applies::kFiles
                    : type == "dir" ? Rule::Applies::kDirectories
                                    : Rule::Applies::kAll});
  }
  sync.verify =
      fields["verify_checksum"].cast<bool>() ? engine::Verify::kChecksum : engine::Verify::kSize;
  sync.preserve_mtime = fields["preserve_mtime"].cast<bool>();
  sync.renames = fields["renames"].cast<bool>();
  return sync;
}

py::object definition_to_python(const SyncDefinition& sync) {
  py::dict fields;
  fields["name"] = text_to_python(sync.name);
  fields["source_endpoint_id"] = text_to_python(sync.source.endpoint);
  fields["source_path"] = path_to_python("/" + sync.source.path.text());
  fields["destination_endpoint_id"] = text_to_python(sync.target.endpoint);
  fields["destination_path"] = path_to_python("/" + sync.target.path.text());
  fields["deletions"] = text_to_python(sync::to_string(sync.deletions));
  fields["paused"] = sync.paused;
  return fields;
}

py::object report_to_python(const sync::PassReport& report) {
  py::dict counts;
  counts["files"] = report.counts.files;
  counts["added"] = report.counts.added;
  counts["modified"] = report.counts.modified;
  counts["renamed"] = report.counts.renamed;
  counts["removed"] = report.counts.removed;
  counts["not_quiet"] = report.counts.not_quiet;
  counts["delayed"] = report.counts.delayed;
  counts["unreadable"] = report.counts.unreadable;
  counts["failed"] = report.counts.failed;
  counts["bytes"] = report.counts.bytes;
  py::list tasks;
  for (const tasks::TaskId& task : report.tasks) tasks.append(text_to_python(task));
  py::list problems;
  for (const sync::Problem& problem : report.problems)
    problems.append(py::make_tuple(path_to_python(problem.path), text_to_python(problem.message)));
  py::dict fields;
  fields["number"] = report.number;
  fields["label"] = text_to_python(report.label);
  fields["end"] = text_to_python(sync::to_string(report.end));
  fields["message"] = text_to_python(report.message);
  fields["started"] = std::chrono::duration<double>(report.started.time_since_epoch()).count();
  fields["counts"] = counts;
  fields["task_ids"] = tasks;
  fields["problems"] = problems;
  return fields;
}

}  // namespace

template <class F>
auto Syncs::with(F function) const {
  return session_->with(
      [&](app::Wherry& wherry) -> decltype(function(*std::declval<sync::SyncService*>())) {
        TRY_ASSIGN(sync::SyncService * syncs, wherry.syncs());
        return function(*syncs);
      });
}

py::object Syncs::add(const py::dict& fields) const {
  const SyncDefinition definition = value_or_raise(definition_of(fields));
  return definition_to_python(
      with([&](sync::SyncService& syncs) { return syncs.add(definition); }));
}

py::object Syncs::get(const std::string& name) const {
  return definition_to_python(with([&](sync::SyncService& syncs) { return syncs.get(name); }));
}

py::object Syncs::list() const {
  py::list all;
  for (const auto& each : with([&](sync::SyncService& syncs) { return syncs.list(); }))
    all.append(definition_to_python(each));
  return all;
}

py::object Syncs::history(const std::string& name, std::size_t limit) const {
  py::list all;
  for (const auto& each :
       with([&](sync::SyncService& syncs) { return syncs.history(name, limit); }))
    all.append(report_to_python(each.report));
  return all;
}

py::object Syncs::run(const std::string& name, const py::dict& options,
                      const StopSignal& stop) const {
  sync::PassOptions pass;
  pass.dry_run = options["dry_run"].cast<bool>();
  pass.allow_deletions = options["allow_deletions"].cast<bool>();
  pass.full = options["full"].cast<bool>();
  return report_to_python(
      with([&](sync::SyncService& syncs) { return syncs.run(name, pass, stop.token()); }));
}

void Syncs::pause(const std::string& name) const {
  with([&](sync::SyncService& syncs) { return syncs.pause(name); });
}

void Syncs::resume(const std::string& name) const {
  with([&](sync::SyncService& syncs) { return syncs.resume(name); });
}

void Syncs::remove(const std::string& name) const {
  with([&](sync::SyncService& syncs) { return syncs.remove(name); });
}

void bind_syncs(py::module_& module) {
  py::class_<StopSignal>(module, "StopSignal")
      .def(py::init<>())
      .def("request", &StopSignal::request);
  py::class_<Syncs>(module, "Syncs")
      .def(py::init<std::shared_ptr<Session>>())
      .def("add", &Syncs::add)
      .def("get", &Syncs::get)
      .def("list", &Syncs::list)
      .def("history", &Syncs::history)
      .def("run", &Syncs::run)
      .def("pause", &Syncs::pause)
      .def("resume", &Syncs::resume)
      .def("remove", &Syncs::remove);
}

}  // namespace wherry::python
