// SPDX-License-Identifier: Apache-2.0
// Files of this machine, durably: the state files of Wherry itself. (Users' data goes through
// storage/storage.h.) This is also the one place that turns errno into an Error.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/types.h"

namespace wherry {

// "<what>: <system's reason>" with the code and retry class that fit `error_number`.
Error errno_error(int error_number, std::string_view what);

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor away.
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// Reads a whole file of at most `limit` bytes; kInvalid if it is larger.
Result<std::string> read_file(const std::string& path, ByteCount limit);

// Replaces `path` so that after a crash it holds the old or the new bytes: 1. write a temporary in
// the same directory, 2. flush it, 3. rename, 4. flush the directory.
Result<void> durable_write_file(const std::string& path, std::string_view bytes, mode_t mode);

// Steps 3 and 4 for a temporary that the caller has written. Flushes `from` first.
Result<void> durable_rename(const std::string& from, const std::string& to);

// Flushes the entries of a directory.
Result<void> sync_directory(const std::string& path);

// Makes `path` and its missing ancestors with `mode`; success if it is already a directory.
Result<void> make_directories(const std::string& path, mode_t mode);

// Writes or reads at an offset until all is done. read_fully returns the bytes before end of file.
Result<void> write_fully(int fd, std::span<const char> bytes, ByteCount offset);
Result<std::size_t> read_fully(int fd, std::span<char> buffer, ByteCount offset);

// A whole file mapped read-only. An empty file gives empty bytes. Reading the bytes of a file that
// somebody truncates meanwhile ends the process (SIGBUS): map only files that are replaced by
// renaming.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

// The home directory of the user who runs the process: $HOME, or the password database.
std::string home_directory();

}  // namespace wherry
