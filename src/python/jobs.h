// SPDX-License-Identifier: Apache-2.0
// Sites, apps, jobs and transfer items of a state directory, for Python: fields by the names of
// their REST documents (docs/api/jobs.md), filters as dictionaries whose keys wherry.jobs knows.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jobs/types.h"
#include "python/session.h"

namespace wherry::python {

class JobStores {
 public:
  explicit JobStores(std::shared_ptr<Session> session) : session_(std::move(session)) {}

  pybind11::object sites() const;
  pybind11::object site(const std::string& selector) const;

  pybind11::object apps(const std::vector<jobs::SiteId>& sites) const;
  pybind11::object put_app(jobs::SiteId site, const pybind11::dict& fields) const;

  // All or none; answers them in order.
  pybind11::object create(jobs::SiteId site, const pybind11::list& jobs) const;
  // (count, rows)
  pybind11::object jobs(const pybind11::dict& filter) const;
  // Answers how many.
  std::uint64_t modify(const pybind11::dict& filter, const pybind11::dict& change) const;
  std::uint64_t remove(const pybind11::dict& filter) const;
  pybind11::object cancel(jobs::JobId id) const;
  pybind11::object retry(jobs::JobId id) const;

  pybind11::object items(const pybind11::dict& filter) const;
  std::uint64_t retry_items(const pybind11::dict& filter) const;

  pybind11::object events(const pybind11::dict& filter) const;

 private:
  jobs::Resources resources_of_app(jobs::SiteId site, const std::string& app) const;

  std::shared_ptr<Session> session_;
};

void bind_jobs(pybind11::module_& module);

}  // namespace wherry::python
