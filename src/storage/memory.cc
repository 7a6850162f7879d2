// SPDX-License-Identifier: Apache-2.0
// The memory storage: complete, so that tests and the simulation exercise the same code as disks
// do, and with a power switch. It is stricter than most disks: what was not flushed is always lost.
#include <algorithm>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/thread_annotations.h"
#include "storage/backends.h"
#include "storage/memory_tree.h"

namespace wherry::storage {
namespace {

using Place = MemoryTree::Place;

Error no_such(std::string_view doing, const RelPath& path) {
  return memory_error(Code::kNotFound, doing, path, "no such file or directory");
}

Error exists(std::string_view doing, const RelPath& path) {
  return memory_error(Code::kAlreadyExists, doing, path, "it exists");
}

bool is_directory(const MemoryNodePointer& node) {
  return node && node->type == EntryType::kDirectory;
}

class MemoryStorage : public Storage {
 public:
  explicit MemoryStorage(const MemoryOptions& options);

  const Traits& traits() const override { return traits_; }
  Result<void> list(const RelPath& directory,
                    const std::function<Visit(const Entry&)>& visit) override;
  Result<Entry> stat(const RelPath& path, Follow follow) override;
  Result<std::unique_ptr<ReadFile>> open_read(const RelPath& path) override;
  Result<std::unique_ptr<TemporaryFile>> create_temporary(const CreateTemporary& request) override;
  Result<void> flush(std::span<TemporaryFile* const> files) override;
  Result<void> commit(TemporaryFile& file) override;
  Result<void> flush_directories(std::span<const RelPath> directories) override;
  Result<void> remove_file(const RelPath& path) override;
  Result<void> remove_directory(const RelPath& path) override;
  Result<void> make_directory(const RelPath& path, std::uint32_t mode) override;
  Result<void> rename(const RelPath& from, const RelPath& to, Replace replace) override;
  Result<void> make_symlink(const RelPath& path, std::string_view target, Replace replace) override;
  Result<void> set_attributes(const RelPath& path, const SetAttributes& attributes) override;
  Result<Space> space() override;
  Result<std::string> checksum(const RelPath& path, HashAlgorithm algorithm) override;
  Result<void> clone_from(Storage& source, const RelPath& path, TemporaryFile& file) override;

  void lose_power();

 private:
  friend class MemoryReadFile;
  friend class MemoryTemporary;

  Result<MemoryNodePointer> find_file(const RelPath& path) REQUIRES_LOCK(mutex_);
  Result<void> check_space(ByteCount growth, const RelPath& path) REQUIRES_LOCK(mutex_);

  const ByteCount capacity_;
  Traits traits_;
  std::mutex mutex_;
  MemoryTree tree_ GUARDED_BY(mutex_);
  // How often power was lost. Temporaries of an earlier life are gone, whoever still holds them.
  std::uint64_t lives_ GUARDED_BY(mutex_) = 0;
};

class MemoryReadFile : public ReadFile {
 public:
  MemoryReadFile(MemoryStorage& storage, MemoryNodePointer node)
      : storage_(storage), node_(std::move(node)) {}

  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    const std::lock_guard lock(storage_.mutex_);
    return node_->content->read(offset, buffer);
  }
  Result<Attributes> attributes() override {
    const std::lock_guard lock(storage_.mutex_);
    return node_->attributes();
  }
  Result<std::optional<Extent>> next_data(ByteCount offset) override {
    const std::lock_guard lock(storage_.mutex_);
    return node_->content->next_data(offset);
  }

 private:
  MemoryStorage& storage_;
  const MemoryNodePointer node_;
};

class MemoryTemporary : public TemporaryFile {
 public:
  enum class State { kWriting, kFinished, kCommitted, kKept };

  MemoryTemporary(MemoryStorage& storage, const CreateTemporary& request,
                  MemoryNodePointer directory, MemoryNodePointer node)
      : storage_(storage),
        target_(request.target),
        name_(request.temporary_name),
        wanted_mode_(request.mode & 07777U),
        existing_size_(node->content->size()),
        life_(storage.lives_),
        directory_(std::move(directory)),
        node_(std::move(node)) {}

  ~MemoryTemporary() override {
    const std::lock_guard lock(storage_.mutex_);
    if (state_ == State::kCommitted || state_ == State::kKept || !still_there()) return;
    storage_.tree_.erase(*directory_, name_);
  }

  const RelPath& target() const override { return target_; }
  ByteCount existing_size() const override { return existing_size_; }

  Result<void> write(ByteCount offset, std::span<const char> bytes) override {
    const std::lock_guard lock(storage_.mutex_);
    TRY(check_alive("write"));
    TRY(storage_.check_space(node_->content->growth(offset, bytes.size()), target_));
    node_->writable_content().write(offset, bytes);
    storage_.tree_.touch(*node_);
    return {};
  }

  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    const std::lock_guard lock(storage_.mutex_);
    TRY(check_alive("read back"));
    return node_->content->read(offset, buffer);
  }

  Result<void> finish(const Finish& finish) override {
    const std::lock_guard lock(storage_.mutex_);
    TRY(check_alive("finish"));
    CHECK(state_ == State::kWriting);
    if (finish.size != node_->content->size()) {
      node_->writable_content().resize(finish.size);
      storage_.tree_.touch(*node_);
    }
    node_->mode = finish.mode.value_or(wanted_mode_) & 07777U;
    if (finish.mtime) node_->mtime = *finish.mtime;
    storage_.tree_.touch_status(*node_);
    state_ = State::kFinished;
    return {};
  }

  void keep() override {
    CHECK(state_ != State::kCommitted);
    state_ = State::kKept;
  }

 private:
  friend class MemoryStorage;

  Result<void> check_alive(std::string_view doing) const {
    if (life_ == storage_.lives_) return {};
    return memory_error(Code::kUnavailable, doing, target_, "the power was lost meanwhile");
  }
  bool still_there() const {
    if (life_ != storage_.lives_) return false;
    const auto entry = directory_->entries.find(name_);
    return entry != directory_->entries.end() && entry->second == node_;
  }

  MemoryStorage& storage_;
  const RelPath target_;
  const std::string name_;
  const std::uint32_t wanted_mode_;
  const ByteCount existing_size_;
  const std::uint64_t life_;
  const MemoryNodePointer directory_;
  const MemoryNodePointer node_;
  State state_ = State::kWriting;
};

MemoryTemporary& memory_temporary(TemporaryFile& file) {
  auto* temporary = dynamic_cast<MemoryTemporary*>(&file);
  CHECK(temporary != nullptr);
  return *temporary;
}

MemoryStorage::MemoryStorage(const MemoryOptions& options)
    : capacity_(options.capacity),
      tree_(options.clock != nullptr ? *options.clock : system_clock()) {
  traits_.atomic_replace = traits_.durable = traits_.symlinks = traits_.modes = true;
  traits_.mtimes = traits_.inodes = traits_.sparse = true;
}

Result<void> MemoryStorage::check_space(ByteCount growth, const RelPath& path) {
  if (capacity_ == UINT64_MAX) return {};
  const ByteCount stored = tree_.stored();
  if (growth <= capacity_ - std::min(stored, capacity_)) return {};
  return memory_error(Code::kNoSpace, "write", path, "no space left on device");
}

Result<MemoryNodePointer> MemoryStorage::find_file(const RelPath& path) {
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kYes));
  if (!place.node) return no_such("open", path);
  if (place.node->type != EntryType::kFile)
    return memory_error(Code::kInvalid, "open", path, "not a regular file");
  return place.node;
}

Result<void> MemoryStorage::list(const RelPath& directory,
                                 const std::function<Visit(const Entry&)>& visit) {
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(const MemoryNodePointer node, tree_.find_directory(directory));
    for (const auto& [name, child] : node->entries)
      entries.push_back({name, child->attributes(), child->symlink_target});
  }
  for (const Entry& entry : entries) {  // unlocked: the visitor may use the storage
    if (visit(entry) == Visit::kStop) break;
  }
  return {};
}

Result<Entry> MemoryStorage::stat(const RelPath& path, Follow follow) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, follow));
  if (!place.node) return no_such("stat", path);
  return Entry{std::string(path.name()), place.node->attributes(), place.node->symlink_target};
}

Result<std::unique_ptr<ReadFile>> MemoryStorage::open_read(const RelPath& path) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(MemoryNodePointer node, find_file(path));
  return std::make_unique<MemoryReadFile>(*this, std::move(node));
}

Result<std::unique_ptr<TemporaryFile>> MemoryStorage::create_temporary(
    const CreateTemporary& request) {
  if (request.target.is_root())
    return memory_error(Code::kInvalid, "create", request.target, "it is the root");
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const MemoryNodePointer directory, tree_.find_directory(request.target.parent()));
  const auto entry = directory->entries.find(request.temporary_name);
  MemoryNodePointer node = entry == directory->entries.end() ? nullptr : entry->second;
  if (is_directory(node))
    return memory_error(Code::kInvalid, "create a temporary for", request.target,
                        "a directory has its name");
  const bool resumed = node && node->type == EntryType::kFile &&
                       request.existing == CreateTemporary::Existing::kResume;
  if (!resumed) {
    node = tree_.make_node(EntryType::kFile, request.mode);
    tree_.put(*directory, request.temporary_name, node);
  }
  return std::make_unique<MemoryTemporary>(*this, request, directory, std::move(node));
}

Result<void> MemoryStorage::flush(std::span<TemporaryFile* const> files) {
  const std::lock_guard lock(mutex_);
  for (TemporaryFile* file : files) {
    MemoryTemporary& temporary = memory_temporary(*file);
    TRY(temporary.check_alive("flush"));
    CHECK(temporary.state_ == MemoryTemporary::State::kFinished);
    MemoryNode& node = *temporary.node_;
    node.durable = {node.content, node.mode, node.mtime};
  }
  return {};
}

Result<void> MemoryStorage::commit(TemporaryFile& file) {
  const std::lock_guard lock(mutex_);
  MemoryTemporary& temporary = memory_temporary(file);
  TRY(temporary.check_alive("commit"));
  CHECK(temporary.state_ == MemoryTemporary::State::kFinished);
  MemoryNode& directory = *temporary.directory_;
  const std::string_view name = temporary.target_.name();
  if (!temporary.still_there() || directory.removed) return no_such("commit", temporary.target_);
  const auto taken = directory.entries.find(name);
  if (taken != directory.entries.end() && is_directory(taken->second))
    return exists("commit", temporary.target_);
  tree_.erase(directory, temporary.name_);
  tree_.put(directory, name, temporary.node_);
  temporary.state_ = MemoryTemporary::State::kCommitted;
  return {};
}

Result<void> MemoryStorage::flush_directories(std::span<const RelPath> directories) {
  const std::lock_guard lock(mutex_);
  for (const RelPath& path : directories) {
    TRY_ASSIGN(const MemoryNodePointer directory, tree_.find_directory(path));
    directory->durable_entries = directory->entries;
  }
  return {};
}

Result<void> MemoryStorage::remove_file(const RelPath& path) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kNo));
  if (!place.node) return no_such("remove", path);
  if (is_directory(place.node))
    return memory_error(Code::kInvalid, "remove", path, "is a directory");
  tree_.touch_status(*place.node);
  tree_.erase(*place.parent, place.name);
  return {};
}

Result<void> MemoryStorage::remove_directory(const RelPath& path) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kNo));
  if (!place.node) return no_such("remove directory", path);
  if (!is_directory(place.node) || !place.parent)
    return memory_error(Code::kInvalid, "remove directory", path,
                        place.parent ? "not a directory" : "it is the root");
  if (!place.node->entries.empty())
    return memory_error(Code::kAlreadyExists, "remove directory", path, "directory not empty");
  place.node->removed = true;
  tree_.erase(*place.parent, place.name);
  return {};
}

Result<void> MemoryStorage::make_directory(const RelPath& path, std::uint32_t mode) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kNo));
  if (place.node) return exists("make directory", path);
  tree_.put(*place.parent, place.name, tree_.make_node(EntryType::kDirectory, mode));
  return {};
}

Result<void> MemoryStorage::rename(const RelPath& from, const RelPath& to, Replace replace) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place source, tree_.find(from, Follow::kNo));
  TRY_ASSIGN(const Place target, tree_.find(to, Follow::kNo));
  if (!source.parent || !target.parent)
    return memory_error(Code::kInvalid, "rename", from, "the root of the storage itself is meant");
  if (!source.node) return no_such("rename", from);
  if (target.node && replace == Replace::kNo) return exists("rename to", to);
  if (target.node == source.node) return {};
  if (target.node) {
    const bool fits = is_directory(source.node) == is_directory(target.node);
    if (!fits || !target.node->entries.empty()) return exists("rename to", to);
    target.node->removed = is_directory(target.node);
  }
  if (is_directory(source.node)) {
    // The target's parent may be inside by any path: look for it below the source.
    std::vector<const MemoryNode*> left = {source.node.get()};
    while (!left.empty()) {
      const MemoryNode* node = left.back();
      left.pop_back();
      if (node == target.parent.get())
        return memory_error(Code::kInvalid, "rename", from, "into itself");
      for (const auto& [name, child] : node->entries) left.push_back(child.get());
    }
  }
  const MemoryNodePointer node = source.node;
  tree_.erase(*source.parent, source.name);
  tree_.put(*target.parent, target.name, node);
  return {};
}

Result<void> MemoryStorage::make_symlink(const RelPath& path, std::string_view target,
                                         Replace replace) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kNo));
  if (!place.parent) return memory_error(Code::kInvalid, "make symlink", path, "it is the root");
  if (place.node && (replace == Replace::kNo || is_directory(place.node)))
    return exists("make symlink", path);
  const MemoryNodePointer node = tree_.make_node(EntryType::kSymlink, 0777);
  node->symlink_target = target;
  tree_.put(*place.parent, place.name, node);
  return {};
}

Result<void> MemoryStorage::set_attributes(const RelPath& path, const SetAttributes& attributes) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const Place place, tree_.find(path, Follow::kNo));
  if (!place.node) return no_such("set attributes of", path);
  if (attributes.mode && place.node->type == EntryType::kSymlink)
    return memory_error(Code::kUnsupported, "set the mode of", path, "a symlink has none");
  if (attributes.mode) place.node->mode = *attributes.mode & 07777U;
  if (attributes.mtime) place.node->mtime = *attributes.mtime;
  tree_.touch_status(*place.node);
  return {};
}

Result<Storage::Space> MemoryStorage::space() {
  const std::lock_guard lock(mutex_);
  return Space{capacity_ - std::min(capacity_, tree_.stored()), capacity_};
}

Result<std::string> MemoryStorage::checksum(const RelPath& path, HashAlgorithm algorithm) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const MemoryNodePointer node, find_file(path));
  const auto hasher = make_hasher(algorithm);
  std::vector<char> buffer(64 << 10);
  for (ByteCount offset = 0; offset < node->content->size(); offset += buffer.size())
    hasher->update(std::span(buffer).first(node->content->read(offset, buffer)));
  return hasher->finish();
}

Result<void> MemoryStorage::clone_from(Storage& source, const RelPath& path, TemporaryFile& file) {
  auto* memory = dynamic_cast<MemoryStorage*>(&source);
  if (memory == nullptr) return Storage::clone_from(source, path, file);
  std::shared_ptr<MemoryContent> content;
  {
    const std::lock_guard lock(memory->mutex_);
    TRY_ASSIGN(const MemoryNodePointer node, memory->find_file(path));
    content = std::make_shared<MemoryContent>(*node->content);  // never shared under two locks
  }
  const std::lock_guard lock(mutex_);
  MemoryTemporary& temporary = memory_temporary(file);
  TRY(temporary.check_alive("clone"));
  TRY(check_space(content->stored(), temporary.target_));
  temporary.node_->content = std::move(content);
  tree_.touch(*temporary.node_);
  return {};
}

void MemoryStorage::lose_power() {
  const std::lock_guard lock(mutex_);
  ++lives_;
  tree_.lose_power();
}

}  // namespace

std::unique_ptr<Storage> open_memory(const MemoryOptions& options) {
  return std::make_unique<MemoryStorage>(options);
}

void lose_power(Storage& memory) {
  auto* storage = dynamic_cast<MemoryStorage*>(&memory);
  CHECK(storage != nullptr);
  storage->lose_power();
}

}  // namespace wherry::storage
