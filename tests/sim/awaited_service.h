// SPDX-License-Identifier: Apache-2.0
// A TransferService for passes of a single thread: whoever waits for a task runs it. Everything
// else is the real service's.
#pragma once

#include <functional>

#include "tasks/transfer_service.h"

namespace wherry::sim {

class AwaitedService : public tasks::TransferService {
 public:
  using Run = std::function<Result<tasks::Task>(const tasks::TaskId& id)>;
  AwaitedService(tasks::TransferService& real, Run run) : real_(real), run_(std::move(run)) {}

  Result<tasks::Task> wait(const tasks::TaskId& id, Duration /*timeout*/,
                           std::stop_token /*stop*/) override {
    return run_(id);
  }

  Result<tasks::SubmissionId> new_submission_id() override { return real_.new_submission_id(); }
  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override {
    return real_.submit(request);
  }
  Result<tasks::Submitted> submit(const tasks::DeleteRequest& request) override {
    return real_.submit(request);
  }
  Result<tasks::Task> task(const tasks::TaskId& id) override { return real_.task(id); }
  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override {
    return real_.tasks(filter);
  }
  Result<void> cancel(const tasks::TaskId& id) override { return real_.cancel(id); }
  Result<void> resume(const tasks::TaskId& id) override { return real_.resume(id); }
  Result<void> update(const tasks::TaskId& id, const tasks::TaskChange& change) override {
    return real_.update(id, change);
  }
  Result<std::vector<tasks::Event>> events(const tasks::TaskId& id, std::size_t limit,
                                           std::size_t offset) override {
    return real_.events(id, limit, offset);
  }
  Result<tasks::Page<tasks::SuccessfulTransfer>> successful_transfers(
      const tasks::TaskId& id, std::uint64_t marker) override {
    return real_.successful_transfers(id, marker);
  }
  Result<tasks::Page<tasks::ItemError>> item_errors(const tasks::TaskId& id,
                                                    std::uint64_t marker) override {
    return real_.item_errors(id, marker);
  }
  Result<endpoints::Endpoint> endpoint(std::string_view name_or_id) override {
    return real_.endpoint(name_or_id);
  }
  Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                            std::size_t limit,
                                                            std::size_t offset) override {
    return real_.search_endpoints(text, limit, offset);
  }
  Result<std::vector<tasks::FileInfo>> list(const endpoints::EndpointId& endpoint,
                                            const RelPath& path) override {
    return real_.list(endpoint, path);
  }
  Result<tasks::FileInfo> stat(const endpoints::EndpointId& endpoint,
                               const RelPath& path) override {
    return real_.stat(endpoint, path);
  }
  Result<void> make_directory(const endpoints::EndpointId& endpoint, const RelPath& path) override {
    return real_.make_directory(endpoint, path);
  }
  Result<void> rename(const endpoints::EndpointId& endpoint, const RelPath& from,
                      const RelPath& to) override {
    return real_.rename(endpoint, from, to);
  }
  Result<void> make_symlink(const endpoints::EndpointId& endpoint, const RelPath& path,
                            std::string_view target) override {
    return real_.make_symlink(endpoint, path, target);
  }
  Result<std::optional<std::string>> host_directory(
      const endpoints::EndpointId& endpoint) override {
    return real_.host_directory(endpoint);
  }

 private:
  tasks::TransferService& real_;
  Run run_;
};

}  // namespace wherry::sim
