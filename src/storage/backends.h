// SPDX-License-Identifier: Apache-2.0
// The storages that exist. Each is a factory; the classes behind are nobody's business. backends.cc
// holds the table from URL scheme to factory, from which docs/reference/backends.md is generated.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "storage/storage.h"

namespace wherry::storage {

// A directory of this host. No path, symlink or race leaves it (openat2, RESOLVE_BENEATH); an
// absolute symlink whose target lies in the directory is followed. kNotFound or kInvalid if
// `directory` is no directory.
Result<std::unique_ptr<Storage>> open_posix(const std::string& directory);

// Files in memory, for tests and simulation. Distinguishes what was flushed from what was not.
struct MemoryOptions {
  ByteCount capacity = UINT64_MAX;
  const Clock* clock = nullptr;  // stamps mtime and ctime; the system's clock if null
};
std::unique_ptr<Storage> open_memory(const MemoryOptions& options = {});
// What a power cut leaves of a memory storage: durable content and names only.
void lose_power(Storage& memory);

struct BackendInfo {
  std::string_view scheme;  // "posix"
  std::string_view url_form;
  std::string_view doc;
};
std::span<const BackendInfo> backends();
// "posix:///data", "memory:" or an absolute path (posix). kInvalid names the known schemes.
Result<std::unique_ptr<Storage>> open_storage(std::string_view url);

// Decorators own the storage that they wrap.

// Tries again what failed with Retry::kLater: `attempts` in all, waiting base, 2·base, 4·base …,
// each with up to half as much again of jitter, at most `longest`.
struct RetryPolicy {
  int attempts = 4;
  Duration base = std::chrono::milliseconds(100);
  Duration longest = std::chrono::seconds(10);
};
std::unique_ptr<Storage> make_retrying(std::unique_ptr<Storage> inner, const RetryPolicy& policy,
                                       Clock& clock, Random& random);

// Bounds bytes per second (reads and writes together) and operations per second; 0 means no bound.
struct ThrottlePolicy {
  ByteCount bytes_per_second = 0;
  std::uint64_t operations_per_second = 0;
};
// What bounds storages together, that of a subdirectory with that above it. Outlived by `clock`.
class Throttle;
std::shared_ptr<Throttle> make_throttle(const ThrottlePolicy& policy, Clock& clock);
// Once a stop is requested nothing waits any more: what is under way ends at once, and who had it
// stopped asks for little else. It counts all the same for those who share the throttle.
std::unique_ptr<Storage> make_throttled(std::shared_ptr<Storage> inner,
                                        std::shared_ptr<Throttle> throttle,
                                        std::stop_token stop = {});

}  // namespace wherry::storage
