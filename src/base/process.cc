// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "base/file.h"

namespace wherry {
namespace {

constexpr ByteCount kProcFileLimit = 65536;

struct ProcStat {
  char state = '?';
  std::uint64_t start_time = 0;
};

// Of /proc/<pid>/stat: "pid (name) state ppid ...". The name may hold blanks and parentheses, so
// fields are counted from the last closing one: state is field 3, the start time field 22.
std::optional<ProcStat> parse_stat(std::string_view text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(name_end + 2);
  ProcStat stat;
  stat.state = text[0];
  for (int field = 3; field < 22; ++field) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), stat.start_time);
  if (parsed.ec != std::errc()) return std::nullopt;
  return stat;
}

std::optional<ProcStat> read_stat(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), kProcFileLimit);
  return text ? parse_stat(text.value()) : std::nullopt;
}

std::string read_boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", kProcFileLimit);
  std::string id = std::move(text).value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::string host_name() {
  utsname names;
  CHECK(::uname(&names) == 0);
  return names.nodename;
}

}  // namespace

ProcessIdentity this_process() {
  ProcessIdentity self;
  self.pid = ::getpid();
  self.host = host_name();
  self.boot_id = read_boot_id();
  if (const auto stat = read_stat(self.pid)) self.start_time = stat->start_time;
  return self;
}

Liveness liveness(const ProcessIdentity& process) {
  if (process.pid <= 0) return Liveness::kDead;
  if (process.host != host_name()) return Liveness::kUnknown;
  if (process.boot_id != read_boot_id()) return Liveness::kDead;
  if (const auto stat = read_stat(process.pid)) {
    const bool ended = stat->state == 'Z' || stat->state == 'X';
    return !ended && stat->start_time == process.start_time ? Liveness::kAlive : Liveness::kDead;
  }
  // No entry in /proc: gone, or hidden from this user (mount option hidepid). The pid alone does
  // not say which process it is, so one that is in use proves nothing.
  const bool in_use = ::kill(process.pid, 0) == 0 || errno == EPERM;
  return in_use ? Liveness::kUnknown : Liveness::kDead;
}

}  // namespace wherry
