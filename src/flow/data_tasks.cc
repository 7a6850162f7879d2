// SPDX-License-Identifier: Apache-2.0
// The handles, and the thread that sees to what they stand for.
#include "flow/data_tasks.h"

#include <mutex>
#include <thread>

#include "flow/data_loop.h"
#include "tasks/item_index.h"

namespace wherry::flow {
namespace {

class ThreadedDataTasks : public DataTasks {
 public:
  ThreadedDataTasks(Parts parts, const Options& options)
      : loop_(std::move(parts), options, stop_.get_token()) {}
  ThreadedDataTasks(const ThreadedDataTasks&) = delete;
  ThreadedDataTasks& operator=(const ThreadedDataTasks&) = delete;
  ~ThreadedDataTasks() override {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
    loop_.end();
  }

  DataTask transfer(const Transfer& transfer) override {
    start_thread();
    return loop_.transfer(transfer);
  }
  DataTask remove(const Removal& removal) override {
    start_thread();
    return loop_.remove(removal);
  }
  std::vector<DataTask> resubmit_transfers(const tasks::SubmissionId& id,
                                           const std::vector<Transfer>& transfers) override {
    start_thread();
    return loop_.resubmit_transfers(id, transfers);
  }
  DataTask resubmit_removal(const tasks::SubmissionId& id, const Removal& removal) override {
    start_thread();
    return loop_.resubmit_removal(id, removal);
  }

 private:
  // With the first of all.
  void start_thread() {
    std::call_once(started_, [this] { thread_ = std::thread([this] { run(stop_.get_token()); }); });
  }
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) loop_.rest(loop_.step(), stop);
  }

  std::stop_source stop_;
  DataLoop loop_;
  std::once_flag started_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<DataTasks> DataTasks::create(Parts parts, Options options) {
  return std::make_unique<ThreadedDataTasks>(std::move(parts), options);
}

DataTask::DataTask(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}

Future<Done> DataTask::future() const { return entry_->future; }

std::optional<tasks::TaskId> DataTask::task_id() const {
  const auto place = entry_->place();
  return place ? std::optional(place->task_id) : std::nullopt;
}

std::string DataTask::trouble() const { return entry_->trouble(); }

Result<tasks::Task> DataTask::progress() const {
  const auto place = entry_->place();
  if (!place) return make_error(Code::kConflict, "it is not submitted yet");
  return entry_->link->ask(
      [&](tasks::TransferService& service) { return service.task(place->task_id); });
}

Result<std::vector<tasks::SuccessfulTransfer>> DataTask::files() const {
  using Files = std::vector<tasks::SuccessfulTransfer>;
  const auto place = entry_->place();
  if (!place) return make_error(Code::kConflict, "it is not submitted yet");
  if (!entry_->is_transfer()) return Files();
  const Lines& lines = *place->lines;
  std::optional<tasks::ItemIndex> index;  // for services that tell no items
  const auto line_of = [&](const tasks::SuccessfulTransfer& row) {
    if (row.item < lines.size()) return row.item;
    if (!index) {
      index.emplace();
      for (const auto& line : lines) index->add("/" + line.source.text(), "/" + line.target.text());
    }
    return index->find(row);
  };
  return entry_->link->ask([&](tasks::TransferService& service) -> Result<Files> {
    Files files;
    for (std::optional<std::uint64_t> marker = 0; marker;) {
      TRY_ASSIGN(auto page, service.successful_transfers(place->task_id, *marker));
      for (tasks::SuccessfulTransfer& row : page.rows) {
        if (line_of(row) == place->line) files.push_back(std::move(row));
      }
      marker = page.next;
    }
    return files;
  });
}

void DataTask::cancel() const { entry_->future.cancel(); }

}  // namespace wherry::flow
