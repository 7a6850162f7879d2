// SPDX-License-Identifier: Apache-2.0
#include "engine/work_queue.h"

#include <algorithm>

namespace wherry::engine {
namespace {

// Enough that handing over costs nothing against the copy of a small file, and little enough that
// the workers finish together and large files are spread among them.
constexpr std::size_t kBatchOperations = 16;
constexpr ByteCount kBatchBytes = 1U << 20;

}  // namespace

WorkQueue::WorkQueue(const Options& options, Clock& clock, std::stop_token halted)
    : options_(options), clock_(clock), halted_(halted), on_halt_(halted, [this] {
        const std::lock_guard lock(mutex_);
        wake_sleeper();
        work_arrived_.notify_all();
        room_made_.notify_all();
      }) {
  CHECK(options.limit > 0 && options.workers > 0);
}

bool WorkQueue::push(Work work) {
  work.key = checksum64(work.operation.target.text());
  std::unique_lock lock(mutex_);
  CHECK(!closed_);
  room_made_.wait(lock, [&] {
    return halted_.stop_requested() ||
           (ready_.size() < options_.limit && delayed_.size() < options_.limit &&
            !in_run_.contains(work.key));
  });
  if (halted_.stop_requested()) return false;
  CHECK(in_run_.insert(work.key).second);
  ready_.push_back(std::move(work));
  if (waiting_ > 0)
    work_arrived_.notify_one();
  else
    wake_sleeper();
  return true;
}

void WorkQueue::push_later(Work work, Duration delay) {
  const std::lock_guard lock(mutex_);
  CHECK(in_run_.contains(work.key));
  delayed_.push_back({clock_.monotonic() + delay, std::move(work)});
  std::push_heap(delayed_.begin(), delayed_.end(),
                 [](const Delayed& a, const Delayed& b) { return a.due > b.due; });
  // Whoever sleeps may sleep too long; if nobody does, somebody must.
  if (sleeper_)
    wake_sleeper();
  else
    work_arrived_.notify_one();
}

void WorkQueue::wake_sleeper() {
  if (sleeper_) sleeper_->request_stop();
}

void WorkQueue::collect_due() {
  if (delayed_.empty()) return;
  const Duration now = clock_.monotonic();
  while (!delayed_.empty() && delayed_.front().due <= now) {
    std::pop_heap(delayed_.begin(), delayed_.end(),
                  [](const Delayed& a, const Delayed& b) { return a.due > b.due; });
    ready_.push_back(std::move(delayed_.back().work));
    delayed_.pop_back();
  }
}

void WorkQueue::take_batch(std::vector<Work>& batch) {
  const std::size_t share = ready_.size() / (2 * options_.workers);
  const std::size_t most = std::clamp<std::size_t>(share, 1, kBatchOperations);
  ByteCount bytes = 0;
  while (!ready_.empty() && batch.size() < most) {
    CHECK(in_run_.contains(ready_.front().key));
    // A large file comes alone: what is done before it in a batch would have to wait for it.
    bytes += ready_.front().operation.attributes.size;
    if (bytes > kBatchBytes && !batch.empty()) break;
    batch.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
}

void WorkQueue::sleep_until_due(std::unique_lock<std::mutex>& lock) {
  const Duration pause = delayed_.front().due - clock_.monotonic();
  if (pause.count() <= 0) return;
  sleeper_.emplace();
  const std::stop_token token = sleeper_->get_token();
  lock.unlock();
  clock_.sleep(pause, token);
  lock.lock();
  sleeper_.reset();
}

bool WorkQueue::pop(std::vector<Work>& batch) {
  std::unique_lock lock(mutex_);
  if (!batch.empty()) --busy_;
  batch.clear();
  bool told_idle = false;
  for (;;) {
    if (halted_.stop_requested()) return false;
    collect_due();
    if (!ready_.empty()) break;
    if (closed_ && in_run_.empty()) return false;
    if (busy_ == 0 && !told_idle) {
      told_idle = true;
      lock.unlock();
      options_.on_idle();
      lock.lock();
    } else if (!delayed_.empty() && !sleeper_) {
      sleep_until_due(lock);
    } else {
      ++waiting_;
      work_arrived_.wait(lock);
      --waiting_;
    }
  }
  ++busy_;
  take_batch(batch);
  // This worker may have been the one that watched over the retries.
  if (!ready_.empty() || !delayed_.empty()) work_arrived_.notify_one();
  // Whoever plans fills up half of the queue in one go, rather than wake for each batch.
  const bool has_room = ready_.size() <= options_.limit / 2;
  lock.unlock();
  if (has_room) room_made_.notify_all();
  return true;
}

void WorkQueue::settle(std::span<const std::uint64_t> keys) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t key : keys) CHECK(in_run_.erase(key) == 1);
  room_made_.notify_all();
  if (closed_ && in_run_.empty()) work_arrived_.notify_all();
}

bool WorkQueue::wait_settled() {
  std::unique_lock lock(mutex_);
  all_pushed_ = true;
  room_made_.wait(lock, [this] { return halted_.stop_requested() || in_run_.empty(); });
  return !halted_.stop_requested();
}

std::optional<std::size_t> WorkQueue::last_left() {
  const std::lock_guard lock(mutex_);
  if (!all_pushed_) return std::nullopt;
  return ready_.size() + delayed_.size();
}

void WorkQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wake_sleeper();
  work_arrived_.notify_all();
}

}  // namespace wherry::engine
