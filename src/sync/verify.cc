// SPDX-License-Identifier: Apache-2.0
#include "sync/verify.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/hash.h"
#include "base/worker_pool.h"
#include "catalog/diff.h"
#include "catalog/reader.h"
#include "storage/backends.h"
#include "sync/plan.h"

namespace wherry::sync {
namespace {

using catalog::Entry;
using catalog::EntryType;

constexpr std::size_t kReadSize = std::size_t{1} << 20;

// One side, read directly if this process can.
struct Side {
  Place place;
  std::unique_ptr<storage::Storage> storage;  // null: only through the service
  std::unique_ptr<SourceTree> tree;
};

Result<Side> open_side(tasks::TransferService& service, const Place& place, const Rules& rules) {
  Side side;
  side.place = place;
  TRY_ASSIGN(auto root, service.host_directory(place.endpoint));
  if (!place.host.empty()) {
    root = place.host;
    side.place.path = RelPath();
  }
  if (root) {
    TRY_ASSIGN(side.storage, storage::open_posix(*root));
  }
  TRY_ASSIGN(side.tree, open_source(service, place, rules));
  return side;
}

class Verifier {
 public:
  Verifier(const Side& source, const Side& target, const catalog::Reader& catalog,
           std::stop_token stop)
      : source_(source), target_(target), catalog_(catalog), stop_(std::move(stop)) {
    report_.by_content = source.storage != nullptr && target.storage != nullptr;
  }

  Result<VerifyReport> run(std::size_t threads) {
    {
      WorkerPool pool({std::max<std::size_t>(1, threads), threads});
      for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i)
        pool.submit([this] { work(); });
    }
    if (stop_.stop_requested()) return make_error(Code::kCancelled, "the verification was stopped");
    if (error_) return std::move(*error_);
    return report_;
  }

 private:
  // What one thread uses again and again.
  struct Scratch {
    catalog::DirectoryEntries known;
    Listing source;
    Listing target;
    std::string buffer;
  };

  void work() {
    Scratch scratch;
    scratch.buffer.resize(kReadSize);
    for (;;) {
      const std::uint64_t position = next_.fetch_add(1);
      if (position >= catalog_.directory_count() || stop_.stop_requested()) return;
      if (auto done = verify_directory(position, scratch); !done) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::move(done).error();
        next_ = catalog_.directory_count();
        return;
      }
    }
  }

  Result<void> verify_directory(std::uint64_t position, Scratch& scratch) {
    TRY(catalog_.read(position, scratch.known));
    const std::string& path = scratch.known.directory.path;
    auto source = source_.tree->read(path, nullptr, Trust::kNothing, scratch.source);
    if (!source) {
      if (source.error().code == Code::kNotFound) return {};  // gone: due anyway
      return add_problem(path, &VerifyReport::unreadable, source.error().message);
    }
    auto target = target_.tree->read(path, nullptr, Trust::kNothing, scratch.target);
    if (!target) scratch.target.clear();
    if (!target && target.error().code == Code::kNotFound)
      return add_problem(path, &VerifyReport::missing, "the directory is missing at the target");
    if (!target) return add_problem(path, &VerifyReport::unreadable, target.error().message);
    std::size_t s = 0;
    std::size_t t = 0;
    for (const Entry& known : scratch.known.entries) {
      const Entry* now = find(scratch.source.entries, s, known.name);
      const Entry* there = find(scratch.target.entries, t, known.name);
      if (stop_.stop_requested()) return {};
      TRY(verify_entry(path, known, now, there, scratch));
    }
    return {};
  }

  static const Entry* find(const std::vector<Entry>& entries, std::size_t& i,
                           std::string_view name) {
    while (i < entries.size() && entries[i].name < name) ++i;
    return i < entries.size() && entries[i].name == name ? &entries[i] : nullptr;
  }

  Result<void> verify_entry(const std::string& directory, const Entry& known, const Entry* now,
                            const Entry* there, Scratch& scratch) {
    const EntryType type = known.observation.type;
    if (type == EntryType::kDirectory) return {};
    const std::string path = join(directory, known.name);
    if (now == nullptr || catalog::differing_fields(known, *now) != 0) {
      const std::lock_guard lock(mutex_);
      ++report_.changed;
      return {};
    }
    if (there == nullptr)
      return add_problem(path, &VerifyReport::missing, "it is missing at the target");
    if (there->observation.type != type)
      return add_problem(path, &VerifyReport::differing,
                         "the target has something of another type");
    if (type == EntryType::kSymlink) {
      if (there->symlink_target != known.symlink_target)
        return add_problem(path, &VerifyReport::differing, "the symlink leads somewhere else");
      const std::lock_guard lock(mutex_);
      ++report_.links;
      return {};
    }
    if (there->observation.size != known.observation.size) {
      return add_problem(path, &VerifyReport::differing,
                         fmt::format("the target has {} bytes, the source {}",
                                     there->observation.size, known.observation.size));
    }
    return report_.by_content ? verify_content(path, known, scratch) : count(known);
  }

  Result<void> count(const Entry& known) {
    const std::lock_guard lock(mutex_);
    ++report_.files;
    report_.bytes += report_.by_content ? known.observation.size : 0;
    return {};
  }

  Result<void> verify_content(const std::string& path, const Entry& known, Scratch& scratch) {
    auto source = digest(source_, path, scratch.buffer);
    if (!source) return add_problem(path, &VerifyReport::unreadable, source.error().message);
    auto target = digest(target_, path, scratch.buffer);
    if (!target) return add_problem(path, &VerifyReport::unreadable, target.error().message);
    if (*source != *target)
      return add_problem(path, &VerifyReport::differing, "the content differs");
    return count(known);
  }

  static Result<std::string> digest(const Side& side, const std::string& path,
                                    std::string& buffer) {
    TRY_ASSIGN(const auto file,
               side.storage->open_read(side.place.path.join(RelPath::from_normal(path))));
    const auto hasher = make_hasher(HashAlgorithm::kXxh3_128);
    for (ByteCount offset = 0;;) {
      TRY_ASSIGN(const std::size_t size, file->read(offset, buffer));
      hasher->update(std::span<const char>(buffer.data(), size));
      if (size < buffer.size()) return hasher->finish();
      offset += size;
    }
  }

  Result<void> add_problem(const std::string& path, std::uint64_t VerifyReport::*count,
                           std::string message) {
    const std::lock_guard lock(mutex_);
    ++(report_.*count);
    if (report_.problems.size() < kMaxProblems) report_.problems.push_back({path, message});
    return {};
  }

  const Side& source_;
  const Side& target_;
  const catalog::Reader& catalog_;
  std::stop_token stop_;
  std::atomic<std::uint64_t> next_{0};
  std::mutex mutex_;
  VerifyReport report_ GUARDED_BY(mutex_);
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace

Result<VerifyReport> verify_sync(const PassParts& all, const SyncDefinition& definition,
                                 std::size_t threads, std::stop_token stop) {
  TRY_ASSIGN(const PassParts parts, parts_for(all, definition));
  TRY_ASSIGN(const auto catalog, catalog::Reader::open(parts.files.catalog(definition.name)),
             "verify sync '{}'", definition.name);
  TRY_ASSIGN(const Side source,
             open_side(parts.service, definition.source, {definition.symlinks, definition.filters}),
             "open the source");
  TRY_ASSIGN(const Side target,
             open_side(parts.service, definition.target, {engine::SymlinkPolicy::kKeep, {}}),
             "open the target");
  return Verifier(source, target, *catalog, std::move(stop)).run(threads);
}

}  // namespace wherry::sync
