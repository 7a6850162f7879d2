// SPDX-License-Identifier: Apache-2.0
#include "endpoints/confined.h"

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/thread_annotations.h"

namespace wherry::endpoints {
namespace {

using storage::Attributes;
using storage::CreateTemporary;
using storage::Entry;
using storage::ReadFile;
using storage::Replace;
using storage::Storage;
using storage::TemporaryFile;
using storage::Traits;
using storage::Visit;

// A storage of one granted directory.
struct Granted {
  std::vector<RelPath> steps;  // to it from the base, each through the one before
  RelPath directory;           // of the base
  std::shared_ptr<Storage> storage;
  std::uint64_t inode = 0;  // of the directory; 0 where the storage knows none
};

class ConfinedTemporary : public TemporaryFile {
 public:
  ConfinedTemporary(std::unique_ptr<TemporaryFile> inner, RelPath target, Granted& granted)
      : inner_(std::move(inner)), target_(std::move(target)), granted_(granted) {}

  const RelPath& target() const override { return target_; }
  ByteCount existing_size() const override { return inner_->existing_size(); }
  Result<void> write(ByteCount offset, std::span<const char> bytes) override {
    return inner_->write(offset, bytes);
  }
  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    return inner_->read(offset, buffer);
  }
  Result<void> finish(const Finish& finish) override { return inner_->finish(finish); }
  void keep() override { inner_->keep(); }

  TemporaryFile& inner() { return *inner_; }
  Granted& granted() { return granted_; }

 private:
  const std::unique_ptr<TemporaryFile> inner_;
  const RelPath target_;
  Granted& granted_;
};

ConfinedTemporary& ours(TemporaryFile& file) {
  auto* temporary = dynamic_cast<ConfinedTemporary*>(&file);
  CHECK(temporary != nullptr);
  return *temporary;
}

class ConfinedStorage : public Storage {
 public:
  explicit ConfinedStorage(Confinement confinement)
      : base_(std::move(confinement.base)),
        root_(std::move(confinement.root)),
        grants_(std::move(confinement.grants)) {}

  const Traits& traits() const override { return base_->traits(); }
  Result<void> list(const RelPath& directory,
                    const std::function<Visit(const Entry&)>& visit) override {
    TRY_ASSIGN(const Place place, place_of(directory, Right::kRead));
    return place.granted->storage->list(place.path, visit);
  }
  Result<Entry> stat(const RelPath& path, Follow follow) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kRead));
    TRY_ASSIGN(Entry entry, place.granted->storage->stat(place.path, follow));
    entry.name = path.name();
    return entry;
  }
  Result<std::unique_ptr<ReadFile>> open_read(const RelPath& path) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kRead));
    return place.granted->storage->open_read(place.path);
  }
  Result<std::unique_ptr<TemporaryFile>> create_temporary(const CreateTemporary& request) override;
  Result<void> flush(std::span<TemporaryFile* const> files) override;
  Result<void> commit(TemporaryFile& file) override {
    ConfinedTemporary& temporary = ours(file);
    return temporary.granted().storage->commit(temporary.inner());
  }
  Result<void> flush_directories(std::span<const RelPath> directories) override;
  Result<void> remove_file(const RelPath& path) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kWrite));
    return place.granted->storage->remove_file(place.path);
  }
  Result<void> remove_directory(const RelPath& path) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kWrite));
    return place.granted->storage->remove_directory(place.path);
  }
  Result<void> make_directory(const RelPath& path, std::uint32_t mode) override;
  Result<void> rename(const RelPath& from, const RelPath& to, Replace replace) override;
  Result<void> make_symlink(const RelPath& path, std::string_view target,
                            Replace replace) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kWrite));
    return place.granted->storage->make_symlink(place.path, target, replace);
  }
  Result<void> set_attributes(const RelPath& path, const SetAttributes& attributes) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kWrite));
    return place.granted->storage->set_attributes(place.path, attributes);
  }
  Result<Space> space() override { return base_->space(); }
  Result<std::string> checksum(const RelPath& path, HashAlgorithm algorithm) override {
    TRY_ASSIGN(const Place place, place_of(path, Right::kRead));
    return place.granted->storage->checksum(place.path, algorithm);
  }
  Result<void> clone_from(Storage& source, const RelPath& path, TemporaryFile& file) override;
  std::optional<std::string> host_directory() const override {
    auto directory = base_->host_directory();
    if (directory && !root_.is_root()) *directory += (*directory == "/" ? "" : "/") + root_.text();
    return directory;
  }

 private:
  // A path as the storage of the directory that grants it knows it.
  struct Place {
    Granted* granted = nullptr;
    RelPath path;
  };
  using Steps = std::vector<RelPath>;

  Result<Steps> steps_to(const RelPath& path, Right right);
  Result<Place> place_of(const RelPath& path, Right right);
  Result<Granted*> open(const Steps& steps);
  Result<std::shared_ptr<Storage>> walk(const Steps& steps);
  Result<void> check_still_there(Granted& granted);
  void forget(const Granted& granted);

  const std::shared_ptr<Storage> base_;
  const RelPath root_;
  const GrantsNow grants_;
  std::mutex mutex_;
  // Never destroyed before this: files that they opened may be in use. Of each directory, the last.
  std::deque<Granted> opened_ GUARDED_BY(mutex_);
  std::map<Steps, Granted*> current_ GUARDED_BY(mutex_);
};

// The directories of the base through which a path is reached, from above: what the owner of a
// guest collection is granted at the host, the collection, and what the rule grants.
Result<ConfinedStorage::Steps> ConfinedStorage::steps_to(const RelPath& path, Right right) {
  auto grants = grants_();
  if (grants) {
    if (auto checked = (*grants)->check(path, right); !checked) grants = std::move(checked).error();
  }
  if (!grants) {
    Error error = std::move(grants).error();
    if (error.code != Code::kNotFound) return error;
    return make_error_string(Code::kDenied, std::move(error.message));  // it was there at first
  }
  Steps steps;
  const auto add = [&](const RelPath& directory) {
    if (steps.empty() ? !directory.is_root()
                      : directory != steps.back() && directory.is_within(steps.back()))
      steps.push_back(directory);
  };
  if (const auto above = (*grants)->granted_at_host(path, right)) add(*above);
  add(root_);
  add(root_.join(*(*grants)->granted_directory(path, right)));
  return steps;
}

Result<std::shared_ptr<Storage>> ConfinedStorage::walk(const Steps& steps) {
  std::shared_ptr<Storage> storage = base_;
  RelPath here;
  for (const RelPath& step : steps) {
    auto below = storage->subdirectory(step.relative_to(here));
    if (!below) {
      const bool is_of_guest = root_.is_within(step);  // it, or what its owner is granted above
      if (below.error().code == Code::kNotFound && is_of_guest)
        return make_error(Code::kUnavailable, "the directory of the guest collection is away");
      return std::move(below).error();
    }
    storage = std::move(below).value();
    here = step;
  }
  return storage;
}

Result<Granted*> ConfinedStorage::open(const Steps& steps) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = current_.find(steps);
    if (known != current_.end()) return known->second;
  }
  Granted granted;
  granted.steps = steps;
  if (!steps.empty()) granted.directory = steps.back();
  TRY_ASSIGN(granted.storage, walk(steps));
  if (!steps.empty() && granted.storage->traits().inodes) {
    TRY_ASSIGN(const Entry entry, granted.storage->stat(RelPath(), Follow::kNo));
    granted.inode = entry.attributes.inode;
  }
  const std::lock_guard lock(mutex_);
  const auto known = current_.find(steps);  // another thread may have been quicker
  if (known != current_.end()) return known->second;
  Granted* stored = &opened_.emplace_back(std::move(granted));
  current_.emplace(steps, stored);
  return stored;
}

Result<ConfinedStorage::Place> ConfinedStorage::place_of(const RelPath& path, Right right) {
  TRY_ASSIGN(const Steps steps, steps_to(path, right));
  TRY_ASSIGN(Granted * granted, open(steps), "'{}'", escape_bytes(path.text()));
  return Place{granted, root_.join(path).relative_to(granted->directory)};
}

Result<std::unique_ptr<TemporaryFile>> ConfinedStorage::create_temporary(
    const CreateTemporary& request) {
  TRY_ASSIGN(Place place, place_of(request.target, Right::kWrite));
  CreateTemporary below = request;
  below.target = std::move(place.path);
  TRY_ASSIGN(auto file, place.granted->storage->create_temporary(below));
  return std::unique_ptr<TemporaryFile>(
      std::make_unique<ConfinedTemporary>(std::move(file), request.target, *place.granted));
}

Result<void> ConfinedStorage::flush(std::span<TemporaryFile* const> files) {
  std::map<Granted*, std::vector<TemporaryFile*>> groups;
  for (TemporaryFile* file : files) groups[&ours(*file).granted()].push_back(&ours(*file).inner());
  for (const auto& [granted, inner] : groups) {
    TRY(granted->storage->flush(inner));
    TRY(check_still_there(*granted));
  }
  return {};
}

// A directory that somebody else put aside meanwhile has our files with it: they are not at the
// place that their names say.
Result<void> ConfinedStorage::check_still_there(Granted& granted) {
  if (granted.inode == 0) return {};
  const auto now = walk(granted.steps);
  if (now) {
    TRY_ASSIGN(const Entry entry, (*now)->stat(RelPath(), Follow::kNo));
    if (entry.attributes.inode == granted.inode) return {};
  } else if (now.error().code != Code::kNotFound && now.error().code != Code::kUnavailable) {
    return now.error();
  }
  forget(granted);
  return Error{Code::kConflict, Retry::kLater,
               fmt::format("directory '{}' was replaced while files were written into it",
                           escape_bytes(granted.directory.text()))};
}

void ConfinedStorage::forget(const Granted& granted) {
  const std::lock_guard lock(mutex_);
  const auto known = current_.find(granted.steps);
  if (known != current_.end() && known->second == &granted) current_.erase(known);
}

// Directories above what is granted are flushed as well: their new names may be those of granted
// ones.
Result<void> ConfinedStorage::flush_directories(std::span<const RelPath> directories) {
  std::map<Storage*, std::vector<RelPath>> groups;
  for (const RelPath& directory : directories) {
    const auto place = place_of(directory, Right::kWrite);
    if (place)
      groups[place->granted->storage.get()].push_back(place->path);
    else
      groups[base_.get()].push_back(root_.join(directory));
  }
  for (const auto& [storage, paths] : groups) TRY(storage->flush_directories(paths));
  return {};
}

Result<void> ConfinedStorage::make_directory(const RelPath& path, std::uint32_t mode) {
  TRY_ASSIGN(Steps steps, steps_to(path, Right::kWrite));
  const auto granted = open(steps);
  if (granted) {
    return (*granted)->storage->make_directory(root_.join(path).relative_to((*granted)->directory),
                                               mode);
  }
  // The granted directory itself, which is not there yet.
  const RelPath whole = root_.join(path);
  const bool is_missing = granted.error().code == Code::kNotFound && !path.is_root() &&
                          !steps.empty() && steps.back() == whole;
  if (!is_missing) return granted.error();
  steps.pop_back();
  TRY_ASSIGN(Granted * above, open(steps));
  return above->storage->make_directory(whole.relative_to(above->directory), mode);
}

Result<void> ConfinedStorage::rename(const RelPath& from, const RelPath& to, Replace replace) {
  TRY_ASSIGN(const Place source, place_of(from, Right::kWrite));
  TRY_ASSIGN(const Place target, place_of(to, Right::kWrite));
  if (source.granted != target.granted) {
    return make_error(Code::kDenied,
                      "'{}' and '{}' are granted by different access rules: transfer it, then "
                      "delete it",
                      escape_bytes(from.text()), escape_bytes(to.text()));
  }
  return source.granted->storage->rename(source.path, target.path, replace);
}

Result<void> ConfinedStorage::clone_from(Storage& source, const RelPath& path,
                                         TemporaryFile& file) {
  ConfinedTemporary& temporary = ours(file);
  Storage& target = *temporary.granted().storage;
  auto* confined = dynamic_cast<ConfinedStorage*>(&source);
  if (confined == nullptr) return target.clone_from(source, path, temporary.inner());
  TRY_ASSIGN(const Place place, confined->place_of(path, Right::kRead));
  return target.clone_from(*place.granted->storage, place.path, temporary.inner());
}

}  // namespace

std::shared_ptr<storage::Storage> make_confined(Confinement confinement) {
  return std::make_shared<ConfinedStorage>(std::move(confinement));
}

}  // namespace wherry::endpoints
