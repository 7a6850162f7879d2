// SPDX-License-Identifier: Apache-2.0
// What the tests of transfers and removals as futures share: two endpoints on scratch directories,
// the embedded service seen from afar, a clock that stands still, and a loop whose steps they take.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "flow/data_loop.h"
#include "tasks/local_service.h"
#include "tasks/testing/distant_service.h"

namespace wherry::flow {

// Counts what it is asked, and can show tasks otherwise than they are.
class WatchedService : public tasks::DistantService {
 public:
  explicit WatchedService(tasks::TransferService& real);

  std::map<std::string, std::size_t> calls;  // by name
  Hook lost;                                 // as `fault`, which counts. May be empty
  std::function<void(tasks::Task&)> edit;    // before it is told. May be empty
  std::function<std::vector<tasks::Event>()> shown_events;            // May be empty
  std::function<Result<void>(const tasks::TransferRequest&)> refuse;  // May be empty
  std::vector<tasks::TransferRequest> accepted;                       // once each

  using DistantService::submit;
  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override;
  Result<tasks::Task> task(const tasks::TaskId& id) override;
  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override;
  Result<std::vector<tasks::Event>> events(const tasks::TaskId& id, std::size_t limit,
                                           std::size_t offset) override;
  Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                            std::size_t limit,
                                                            std::size_t offset) override;
  Result<tasks::FileInfo> stat(const tasks::EndpointId& endpoint, const RelPath& path) override;
};

class FlowFixture : public testing::Test {
 protected:
  explicit FlowFixture(tasks::Execution execution = tasks::Execution::kOnlyNamed,
                       Clock* clock = nullptr);
  ~FlowFixture() override;

  // ---- Files of the endpoints "lab" and "scratch".
  std::string at(const std::string& place, const std::string& path) const;
  void write(const std::string& place, const std::string& path,
             const std::string& content = "data");
  std::string read(const std::string& place, const std::string& path) const;  // "<missing>"
  bool is_there(const std::string& place, const std::string& path) const;
  tasks::EndpointId add_endpoint(const std::string& name, const std::string& owner = "ada");

  // ---- Requests.
  static Transfer from_lab(const std::string& source, const std::string& target);
  static Removal removal(const std::string& path, const std::string& endpoint = "scratch");

  // ---- Steps.
  void start_loop(DataTasks::Options options = {});  // or a new one, as after a crash
  DataTasks::Parts parts();
  Duration step() { return loop_->step(); }
  // Steps until nothing can be done before something happens or the next look.
  void submit_all();
  std::vector<tasks::Task> all_tasks();  // oldest first
  // Runs every task that is ACTIVE to its end.
  void run_tasks();
  // Steps, and turns the clock in between, until all are ready.
  template <class T>
  void settle(const std::vector<Future<T>>& futures, Duration at_most = std::chrono::minutes(1)) {
    const Duration end = clock_.monotonic() + at_most;
    const auto is_ready = [](const auto& future) { return future.is_ready(); };
    for (;;) {
      const Duration pause = step();
      if (std::all_of(futures.begin(), futures.end(), is_ready)) return;
      ASSERT_LT(clock_.monotonic(), end) << "a future is not ready";
      clock_.advance(std::clamp<Duration>(pause, std::chrono::milliseconds(1),
                                          std::chrono::milliseconds(100)));
      if (runs_tasks_) run_tasks();
    }
  }
  Result<Done> end_of(const DataTask& task) {
    settle(std::vector{task.future()});
    const auto* result = task.future().wait_for(Duration(0));
    return result != nullptr ? *result : make_error(Code::kBug, "not ready");
  }

  ScratchDirectory scratch_;
  FakeClock clock_;
  SeededRandom random_{42};
  std::unique_ptr<Database> database_;
  std::unique_ptr<endpoints::Endpoints> endpoints_;
  std::map<std::string, tasks::EndpointId> ids_;
  std::unique_ptr<tasks::LocalService> real_;
  std::unique_ptr<WatchedService> service_;
  // What was recorded before it was sent.
  std::vector<std::pair<tasks::SubmissionId, std::vector<std::string>>> recorded_;
  std::function<Result<void>()> record_fault_;
  std::unique_ptr<DataLoop> loop_;
  bool runs_tasks_ = true;
};

}  // namespace wherry::flow
