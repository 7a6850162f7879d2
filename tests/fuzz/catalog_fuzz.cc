// SPDX-License-Identifier: Apache-2.0
// Any bytes as a catalog: the reader refuses them or gives a tree whose names and paths are
// possible and in order. A fuzzing build takes every checksum, so that mutations reach the
// decoders.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/path.h"
#include "catalog/format.h"
#include "catalog/reader.h"

namespace {

using wherry::catalog::DirectoryEntries;
using wherry::catalog::Entry;
using wherry::catalog::EntryType;
using wherry::catalog::Reader;

void check_entries(const DirectoryEntries& decoded) {
  const std::string& names = decoded.names;
  const auto lies_in_names = [&](std::string_view text) {
    return text.empty() || (text.data() >= names.data() &&
                            text.data() + text.size() <= names.data() + names.size());
  };
  std::string_view before;
  for (const Entry& entry : decoded.entries) {
    CHECK(before < entry.name);
    CHECK(entry.name != "." && entry.name != "..");
    CHECK(entry.name.find('/') == std::string_view::npos);
    CHECK(entry.name.find('\0') == std::string_view::npos);
    CHECK(lies_in_names(entry.name) && lies_in_names(entry.symlink_target));
    CHECK(entry.observation.type == EntryType::kSymlink || entry.symlink_target.empty());
    before = entry.name;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  wherry::catalog::takes_every_checksum = true;
#endif
  const auto opened =
      Reader::from_bytes({reinterpret_cast<const char*>(data), size}, "fuzz.catalog");
  if (!opened) return 0;
  const Reader& reader = **opened;
  const bool sound = reader.check().has_value();
  DirectoryEntries decoded;
  for (std::uint64_t position = 0; position < reader.directory_count(); ++position) {
    const auto read = reader.read(position, decoded);
    CHECK(read || !sound);
    if (!read) continue;
    check_entries(decoded);
    CHECK(decoded.entries.size() == decoded.directory.entry_count);
    const auto path = wherry::RelPath::parse(decoded.directory.path);
    CHECK(path && path->text() == decoded.directory.path);
    const auto found = reader.find(decoded.directory.path);
    CHECK(!sound || (found && *found == position));
    (void)reader.stored(position);
  }
  (void)reader.find("no/such/directory");
  return 0;
}
