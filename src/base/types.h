// SPDX-License-Identifier: Apache-2.0
// The few scalar words that every module shares.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wherry {

using ByteCount = std::uint64_t;

// A moment in UTC with nanoseconds: file times, deadlines, events. Reaches from 1677 to 2262.
using TimePoint = std::chrono::sys_time<std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

// What stands under a name. The numbers are those of catalogs and journals.
enum class EntryType : std::uint8_t { kFile, kDirectory, kSymlink, kOther };  // kOther: a device…

constexpr std::string_view to_string(EntryType type) {
  constexpr std::string_view kNames[] = {"file", "dir", "symlink", "other"};
  return kNames[static_cast<std::size_t>(type)];
}

namespace literals {
constexpr ByteCount operator""_KiB(unsigned long long n) { return n << 10; }
constexpr ByteCount operator""_MiB(unsigned long long n) { return n << 20; }
constexpr ByteCount operator""_GiB(unsigned long long n) { return n << 30; }
}  // namespace literals

}  // namespace wherry
