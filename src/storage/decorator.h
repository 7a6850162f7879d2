// SPDX-License-Identifier: Apache-2.0
// What all decorators of a storage share: every call, also of the files that it opens, goes through
// one function, around(). A decorator is therefore that one function.
#pragma once

#include <functional>
#include <memory>

#include "storage/storage.h"

namespace wherry::storage {

// One per call that can fail, of the three interfaces in storage.h.
enum class Operation {
  kList,
  kStat,
  kOpenRead,
  kRead,
  kReadAttributes,
  kNextData,
  kCreateTemporary,
  kWrite,
  kReadBack,  // TemporaryFile::read
  kFinish,
  kFlush,
  kCommit,
  kFlushDirectories,
  kRemoveFile,
  kRemoveDirectory,
  kMakeDirectory,
  kRename,
  kMakeSymlink,
  kSetAttributes,
  kSpace,
  kChecksum,
  kCloneFrom,
};
std::string_view to_string(Operation operation);

// Safe for concurrent calls if around() is. Outlives the files that it opens, as every storage
// does.
class Decorator : public Storage {
 public:
  explicit Decorator(std::unique_ptr<Storage> inner);
  // Lends: `inner` outlives this.
  explicit Decorator(Storage& inner);

  const Traits& traits() const override { return inner_.traits(); }
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
  std::optional<std::string> host_directory() const override { return inner_.host_directory(); }
  bool is_in_place() const override { return inner_.is_in_place(); }

 protected:
  struct Call {
    Operation operation;
    // Moved between caller and storage: of a write from the start, of a read once `body` has run.
    ByteCount bytes = 0;
    // Of a read: what has arrived, once `body` has run. The decorator may change the bytes, and
    // with `bytes` cut them short.
    std::span<char> read = {};
    // Of a write: does what `body` does, with other bytes.
    const std::function<Result<void>(std::span<const char>)>* write_other = nullptr;
    std::span<const char> written = {};
  };
  // Runs `body`, which is the call of the inner storage, as often as it likes. What it returns is
  // returned to the caller; success only if the last run of `body` was one.
  virtual Result<void> around(Call& call, const std::function<Result<void>()>& body) = 0;
  // Whether temporaries that are destroyed stay in place, as those of a killed process do.
  virtual bool keeps_temporaries() const { return false; }
  Storage& inner() { return inner_; }

 private:
  friend class DecoratedReadFile;
  friend class DecoratedTemporary;
  // Runs `function`, which returns a Result, through around().
  template <class Function>
  auto run(Call call, const Function& function) -> decltype(function());

  std::unique_ptr<Storage> owned_;
  Storage& inner_;
};

}  // namespace wherry::storage
