// SPDX-License-Identifier: Apache-2.0
// A temporary of the posix storage. What is large goes through a small part of the page cache.
// Between finish() and commit() it holds no descriptor of its own, so that thousands may wait for
// one flush.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "storage/posix_directories.h"
#include "storage/storage.h"

namespace wherry::storage {

class PosixTemporary : public TemporaryFile {
 public:
  static Result<std::unique_ptr<PosixTemporary>> create(PosixDirectories& directories,
                                                        const CreateTemporary& request);
  ~PosixTemporary() override;

  const RelPath& target() const override { return target_; }
  ByteCount existing_size() const override { return existing_size_; }
  Result<void> write(ByteCount offset, std::span<const char> bytes) override;
  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override;
  Result<void> finish(const Finish& finish) override;
  void keep() override;

  // Makes this file alone durable. kDenied if its mode forbids even its owner to open it again.
  Result<void> flush();
  Result<void> commit();
  // Shares the blocks of `source`; kUnsupported where the file system cannot.
  Result<void> clone_from(int source, const RelPath& path);

  // Where the temporary is, opened again if it had to be given back.
  Result<std::shared_ptr<OpenDirectory>> directory();
  // kUnavailable if a flush failed that may have been about this file.
  Result<void> check_not_lost() const;
  FileSystem& file_system() { return *file_system_; }

 private:
  enum class State { kWriting, kFinished, kCommitted, kKept };

  PosixTemporary(PosixDirectories& directories, const CreateTemporary& request,
                 std::shared_ptr<OpenDirectory> directory);
  Result<void> open(const CreateTemporary& request);
  void give_name_back();
  bool open_existing();
  Result<void> open_new();
  // `how`: flags of sync_file_range.
  Result<void> write_out(ByteCount offset, ByteCount size, unsigned how);
  Result<void> release_pages(ByteCount offset, ByteCount size);
  void forget_pages(int directory) const;
  void extend_to(ByteCount end);
  Result<void> close_writable();

  PosixDirectories& directories_;
  const RelPath target_;
  const std::string name_;
  std::optional<PosixDirectories::NameKey> taken_;  // while this is the one that has the name
  const std::uint32_t wanted_mode_;
  std::uint32_t mode_ = 0;  // that the file has now
  std::shared_ptr<OpenDirectory> directory_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::uint64_t failures_before_;  // of the file system's flushes
  UniqueFd fd_;
  std::atomic<ByteCount> end_{0};
  ByteCount existing_size_ = 0;
  State state_ = State::kWriting;
};

}  // namespace wherry::storage
