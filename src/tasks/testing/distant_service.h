// SPDX-License-Identifier: Apache-2.0
// A TransferService that passes everything on to another one, and can be made to behave as services
// elsewhere do: calls are lost on the way there or back, outcomes are told late, or without the
// items that they belong to. As it is made, it changes nothing. Tests derive from it what they need
// besides.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "endpoints/endpoint.h"
#include "tasks/transfer_service.h"

namespace wherry::tasks {

class DistantService : public TransferService {
 public:
  // `real` outlives this.
  explicit DistantService(TransferService& real) : real_(real) {}

  // With the name of the call, and the task or endpoint that it is about; of a submission, the
  // endpoint that is not "local". What it answers in place of success is what the caller hears.
  using Hook = std::function<Result<void>(std::string_view call, const std::string& about)>;
  Hook fault;                      // the call was lost: nothing is done. May be empty
  Hook answer_fault;               // it is done, and the answer was lost. May be empty
  bool tells_items = true;         // outcomes know their item; else their paths only
  bool tells_while_active = true;  // outcomes of a task that has not ended

  Result<SubmissionId> new_submission_id() override {
    return pass("new_submission_id", "", [&] { return real_.new_submission_id(); });
  }
  Result<Submitted> submit(const TransferRequest& request) override {
    const bool is_from_local = request.source_endpoint == endpoints::kLocalId;
    return pass("submit", is_from_local ? request.target_endpoint : request.source_endpoint,
                [&] { return real_.submit(request); });
  }
  Result<Submitted> submit(const DeleteRequest& request) override {
    return pass("submit", request.endpoint, [&] { return real_.submit(request); });
  }
  Result<Task> task(const TaskId& id) override {
    return pass("task", id, [&] { return real_.task(id); });
  }
  Result<std::vector<Task>> tasks(const TaskFilter& filter) override {
    return pass("tasks", "", [&] { return real_.tasks(filter); });
  }
  Result<void> cancel(const TaskId& id) override {
    return pass("cancel", id, [&] { return real_.cancel(id); });
  }
  Result<void> resume(const TaskId& id) override {
    return pass("resume", id, [&] { return real_.resume(id); });
  }
  Result<void> update(const TaskId& id, const TaskChange& change) override {
    return pass("update", id, [&] { return real_.update(id, change); });
  }
  Result<std::vector<Event>> events(const TaskId& id, std::size_t limit,
                                    std::size_t offset) override {
    return pass("events", id, [&] { return real_.events(id, limit, offset); });
  }
  Result<Page<SuccessfulTransfer>> successful_transfers(const TaskId& id,
                                                        std::uint64_t marker) override {
    return pass("successful_transfers", id,
                [&] { return rows(id, [&] { return real_.successful_transfers(id, marker); }); });
  }
  Result<Page<ItemError>> item_errors(const TaskId& id, std::uint64_t marker) override {
    return pass("item_errors", id,
                [&] { return rows(id, [&] { return real_.item_errors(id, marker); }); });
  }
  Result<Task> wait(const TaskId& id, Duration timeout, std::stop_token stop) override {
    return real_.wait(id, timeout, std::move(stop));
  }
  Result<endpoints::Endpoint> endpoint(std::string_view name_or_id) override {
    return pass("endpoint", std::string(name_or_id), [&] { return real_.endpoint(name_or_id); });
  }
  Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                            std::size_t limit,
                                                            std::size_t offset) override {
    return real_.search_endpoints(text, limit, offset);
  }
  Result<std::vector<FileInfo>> list(const EndpointId& endpoint, const RelPath& path) override {
    return real_.list(endpoint, path);
  }
  Result<FileInfo> stat(const EndpointId& endpoint, const RelPath& path) override {
    return real_.stat(endpoint, path);
  }
  Result<void> make_directory(const EndpointId& endpoint, const RelPath& path) override {
    return real_.make_directory(endpoint, path);
  }
  Result<void> rename(const EndpointId& endpoint, const RelPath& from, const RelPath& to) override {
    return real_.rename(endpoint, from, to);
  }
  Result<void> make_symlink(const EndpointId& endpoint, const RelPath& path,
                            std::string_view target) override {
    return real_.make_symlink(endpoint, path, target);
  }
  Result<std::optional<std::string>> host_directory(const EndpointId& endpoint) override {
    return real_.host_directory(endpoint);
  }

 private:
  template <class Call>
  auto pass(std::string_view name, const std::string& about, const Call& call) -> decltype(call()) {
    if (fault) TRY(fault(name, about));
    auto answer = call();
    if (answer && answer_fault) TRY(answer_fault(name, about));
    return answer;
  }
  template <class Ask>
  auto rows(const TaskId& id, const Ask& ask) -> decltype(ask()) {
    if (!tells_while_active) {
      TRY_ASSIGN(const Task seen, task(id));
      if (seen.state == TaskState::kActive)
        return make_error(Code::kConflict, "task {} has not ended", id);
    }
    TRY_ASSIGN(auto page, ask());
    if (!tells_items) {
      for (auto& row : page.rows) row.item = UINT64_MAX;
    }
    return page;
  }

  TransferService& real_;
};

}  // namespace wherry::tasks
