// SPDX-License-Identifier: Apache-2.0
#include "flow/proof.h"

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/path.h"
#include "base/units.h"
#include "flow/data_paths.h"

namespace wherry::flow {
namespace {

constexpr std::size_t kMostKept = 1'000'000;  // files, of some 150 bytes each

// A file as it was when it was copied.
struct Copied {
  ByteCount size = 0;
  TimePoint requested;  // the transfer, so that what is older was copied as it is
};

// Empty if it is what was copied.
std::string difference(const tasks::FileInfo& file, const Copied& copied) {
  if (file.attributes.size != copied.size)
    return fmt::format("has {} bytes, and had {} when it was copied", file.attributes.size,
                       copied.size);
  if (file.attributes.mtime > copied.requested)
    return fmt::format("was changed at {}, after its transfer was asked for at {}",
                       format_time(file.attributes.mtime), format_time(copied.requested));
  return "";
}

Result<void> unless_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) return make_error(Code::kCancelled, "the proof was stopped");
  return {};
}

}  // namespace

// What one task has copied, as far as it has told.
class Proofs::Copies {
 public:
  // Asks for what is new.
  Result<void> read(tasks::TransferService& service, const tasks::TaskId& id,
                    const std::stop_token& stop) {
    const std::lock_guard lock(mutex_);
    if (is_complete_) return {};
    TRY_ASSIGN(task_, service.task(id));
    if (proves_anything()) TRY(read_rows(service, id, stop));
    is_complete_ = tasks::is_final(task_.state);
    return {};
  }

  std::optional<Copied> find(const endpoints::EndpointId& source, const RelPath& path) const {
    const std::lock_guard lock(mutex_);
    if (task_.source_endpoint != source) return std::nullopt;
    const auto found = sizes_.find(path.text());
    if (found == sizes_.end()) return std::nullopt;
    return Copied{found->second, task_.requested};
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return sizes_.size();
  }

 private:
  bool proves_anything() const REQUIRES_LOCK(mutex_) {
    return task_.type == tasks::TaskType::kTransfer &&
           task_.transfer_options.verify == engine::Verify::kChecksum;
  }

  Result<void> read_rows(tasks::TransferService& service, const tasks::TaskId& id,
                         const std::stop_token& stop) REQUIRES_LOCK(mutex_) {
    while (true) {
      TRY(unless_stopped(stop));
      TRY_ASSIGN(const auto page, service.successful_transfers(id, last_page_));
      for (const tasks::SuccessfulTransfer& row : page.rows) {
        TRY_ASSIGN(const RelPath source, RelPath::parse(row.source_path));
        sizes_[source.text()] = row.size;
      }
      if (!page.next) return {};
      last_page_ = *page.next;
    }
  }

  mutable std::mutex mutex_;
  tasks::Task task_ GUARDED_BY(mutex_);
  bool is_complete_ GUARDED_BY(mutex_) = false;
  std::uint64_t last_page_ GUARDED_BY(mutex_) = 0;  // more may be on it next time
  std::unordered_map<std::string, ByteCount> sizes_ GUARDED_BY(mutex_);
};

// Of one place.
class Proofs::Check {
 public:
  Check(tasks::TransferService& service, endpoints::EndpointId endpoint,
        std::vector<std::shared_ptr<Copies>> copies, std::stop_token stop)
      : service_(service),
        endpoint_(std::move(endpoint)),
        copies_(std::move(copies)),
        stop_(std::move(stop)) {}

  Result<void> check(const RelPath& place) const {
    const auto top = service_.stat(endpoint_, place);
    if (!top && top.error().code == Code::kNotFound) return {};
    if (!top) return top.error();
    if (top->is_link || top->attributes.type != EntryType::kDirectory)
      return check_file(place, *top);
    std::vector<RelPath> open = {place};
    while (!open.empty()) {
      TRY(unless_stopped(stop_));
      const RelPath directory = std::move(open.back());
      open.pop_back();
      TRY_ASSIGN(const auto entries, service_.list(endpoint_, directory));
      for (const tasks::FileInfo& entry : entries) {
        const RelPath path = directory.child(entry.name);
        if (!entry.is_link && entry.attributes.type == EntryType::kDirectory) {
          open.push_back(path);
        } else {
          TRY(check_file(path, entry));
        }
      }
    }
    return {};
  }

 private:
  Result<void> check_file(const RelPath& path, const tasks::FileInfo& file) const {
    std::string why = "was not copied and verified by checksum by a transfer before this";
    if (file.is_link) why = "is a symbolic link, which no checksum proves";
    for (auto each = copies_.begin(); each != copies_.end() && !file.is_link; ++each) {
      const auto copied = (*each)->find(endpoint_, path);
      if (!copied) continue;
      why = difference(file, *copied);
      if (why.empty()) return {};
    }
    return make_error(Code::kConflict, "nothing was deleted: '/{}' {}", escape_bytes(path.text()),
                      why);
  }

  tasks::TransferService& service_;
  const endpoints::EndpointId endpoint_;
  const std::vector<std::shared_ptr<Copies>> copies_;
  const std::stop_token stop_;
};

Proofs::Proofs(tasks::TransferService& service) : service_(service) {}
Proofs::~Proofs() = default;

Result<void> Proofs::check(const ProofOf& place, std::span<const tasks::TaskId> transfers,
                           std::stop_token stop) {
  TRY(unless_stopped(stop));
  const auto bounded = service_.until(stop);
  tasks::TransferService& service = bounded ? *bounded : service_;
  TRY_ASSIGN(const endpoints::Endpoint endpoint, service.endpoint(place.endpoint));
  TRY_ASSIGN(const RelPath path, read_removable_path(place.path, endpoint));
  std::vector<std::shared_ptr<Copies>> copies;
  for (const tasks::TaskId& id : transfers) {
    copies.push_back(copies_of(id));
    TRY(copies.back()->read(service, id, stop), "task {}", id);
  }
  make_room();
  return Check(service, endpoint.id, std::move(copies), std::move(stop)).check(path);
}

std::shared_ptr<Proofs::Copies> Proofs::copies_of(const tasks::TaskId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(id);
  if (found != kept_.end()) return found->second;
  return kept_.emplace(id, std::make_shared<Copies>()).first->second;
}

// All go: what a later check needs is asked for again.
void Proofs::make_room() {
  const std::lock_guard lock(mutex_);
  std::size_t files = 0;
  for (const auto& [id, copies] : kept_) files += copies->size();
  if (files > kMostKept) kept_.clear();
}

}  // namespace wherry::flow
