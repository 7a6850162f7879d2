// SPDX-License-Identifier: Apache-2.0
// Any bytes as a settings file, and each of its lines as a unit or a time: refused with a message
// that names the file, or read; what is written out again means the same.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "base/options.h"

namespace {

const wherry::OptionDeclaration kDeclarations[] = {
    {"log.level", wherry::OptionKind::kChoice, "info", "what is logged", {"debug", "info"}},
    {"transfer.workers", wherry::OptionKind::kInteger, "2", "threads that copy", {}, 1, 64},
    {"transfer.chunk", wherry::OptionKind::kBytes, "1MiB", "bytes in one read", {}, 1},
    {"sync.settle", wherry::OptionKind::kDuration, "10s", "how long a file is quiet"},
    {"sync.max_delete", wherry::OptionKind::kPercent, "50%", "the brake", {}, 0, 100},
    {"sync.renames", wherry::OptionKind::kSwitch, "on", "whether renames are looked for"},
    {"state.directory", wherry::OptionKind::kText, "/tmp", "where state is kept"},
};

void load_as_settings(std::string_view bytes) {
  const wherry::UniqueFd file(::memfd_create("settings", MFD_CLOEXEC));
  CHECK(file && wherry::write_fully(file.get(), bytes, 0));
  wherry::Options::Sources sources;
  sources.file = "/proc/self/fd/" + std::to_string(file.get());
  sources.environment = [](std::string_view) { return std::nullopt; };
  const auto options = wherry::Options::load(kDeclarations, sources);
  if (!options) {
    CHECK(options.error().message.find(sources.file) != std::string::npos);
    return;
  }
  const std::int64_t workers = options->integer("transfer.workers");
  CHECK(workers >= 1 && workers <= 64);
  CHECK(options->all().size() == std::size(kDeclarations));
}

void read_as_units(std::string_view text) {
  (void)wherry::parse_bytes(text);
  (void)wherry::parse_duration(text);
  (void)wherry::parse_percent(text);
  (void)wherry::parse_switch(text);
  if (const auto time = wherry::parse_time(text)) {
    const std::string written = wherry::format_time(*time);
    CHECK(wherry::format_time(wherry::parse_time(written).value()) == written);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  load_as_settings(bytes);
  read_as_units(bytes);
  return 0;
}
