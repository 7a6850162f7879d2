// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "catalog/writer.h"
#include "sync/plan.h"
#include "sync/save.h"
#include "sync/scan.h"
#include "sync/verify.h"

namespace wherry::sync {
namespace {

using catalog::Entry;
using catalog::EntryType;

// Some storages keep whole seconds only.
bool same_time(std::int64_t source_ns, std::int64_t target_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (source_ns == target_ns) return true;
  return target_ns % kSecond == 0 && source_ns - target_ns >= 0 && source_ns - target_ns < kSecond;
}

bool is_confirmed(const Entry& source, const Entry& target) {
  if (source.observation.type != target.observation.type) return false;
  switch (source.observation.type) {
    case EntryType::kDirectory:
      return true;
    case EntryType::kSymlink:
      return source.symlink_target == target.symlink_target;
    default:
      return source.observation.size == target.observation.size &&
             same_time(source.observation.mtime_ns, target.observation.mtime_ns);
  }
}

// Walks both sides together, depth first, and writes what they agree on.
class Rebuilder {
 public:
  Rebuilder(SourceTree& source, SourceTree& target, catalog::Writer& writer, const Clock& clock,
            std::stop_token stop)
      : source_(source), target_(target), writer_(writer), clock_(clock), stop_(std::move(stop)) {}

  Result<void> write(const std::string& path) {
    if (stop_.stop_requested()) return make_error(Code::kCancelled, "the rebuild was stopped");
    std::vector<std::string> children;
    TRY(write_one(path, children));
    for (const std::string& name : children) TRY(write(join(path, name)));
    return {};
  }

  RebuildReport report;

 private:
  Result<void> write_one(const std::string& path, std::vector<std::string>& children) {
    const TimePoint began = clock_.now();
    // One that cannot be read has no entries: all that is in it is due.
    auto read = source_.read(path, nullptr, Trust::kNothing, now_);
    if (!read && path.empty()) return read;
    if (!read) now_.clear();
    if (!target_.read(path, nullptr, Trust::kNothing, there_)) there_.clear();
    std::vector<Entry> entries;
    bool complete = read.has_value() && now_.problems.empty();
    std::size_t t = 0;
    for (const Entry& entry : now_.entries) {
      while (t < there_.entries.size() && there_.entries[t].name < entry.name) ++t;
      const bool confirmed = t < there_.entries.size() && there_.entries[t].name == entry.name &&
                             is_confirmed(entry, there_.entries[t]);
      const bool is_directory = entry.observation.type == EntryType::kDirectory;
      complete = complete && confirmed;
      if (!is_directory) ++(confirmed ? report.confirmed : report.due);
      if (!confirmed) continue;
      entries.push_back(entry);
      if (is_directory) children.emplace_back(entry.name);
    }
    ++report.directories;
    catalog::Directory directory;
    directory.path = path;
    directory.observation = now_.directory;
    const std::int64_t youngest = std::max(now_.directory.mtime_ns, now_.directory.ctime_ns);
    directory.trusted = complete && source_.keeps_directory_times() &&
                        TimePoint(Duration(youngest)) + kTimesMargin <= began;
    return writer_.add(directory, entries);
  }

  SourceTree& source_;
  SourceTree& target_;
  catalog::Writer& writer_;
  const Clock& clock_;
  std::stop_token stop_;
  Listing now_;
  Listing there_;
};

}  // namespace

Result<RebuildReport> rebuild_sync(const PassParts& given, const SyncDefinition& definition,
                                   std::stop_token stop) {
  if (!definition.preserve_mtime) {
    return make_error(Code::kUnsupported,
                      "sync '{}' does not preserve modification times, so nothing tells what the "
                      "target has; remove its catalog, and the next pass sends everything",
                      definition.name);
  }
  TRY_ASSIGN(const PassParts parts, parts_for(given, definition));
  TRY_ASSIGN(const tasks::Claim claim, parts.claims.acquire(kSyncClaim, definition.name));
  const Rules rules{definition.symlinks, definition.filters};
  TRY_ASSIGN(const auto source, open_source(parts.service, definition.source, rules),
             "open the source");
  // At the target a symlink is a symlink, however it came.
  const Rules all{engine::SymlinkPolicy::kKeep, {}};
  TRY_ASSIGN(const auto target, open_source(parts.service, definition.target, all),
             "open the target");
  const CatalogNote note{definition.name, 0, rules.fingerprint()};
  TRY_ASSIGN(const auto writer,
             catalog::Writer::create(parts.files.catalog(definition.name), {note.format(), 1}));
  Rebuilder rebuilder(*source, *target, *writer, parts.clock, std::move(stop));
  TRY(rebuilder.write(""), "rebuild the catalog of sync '{}'", definition.name);
  TRY(writer->finish());
  // Of the old catalog; the next pass would put it aside.
  ::unlink(parts.files.journal(definition.name).c_str());
  log_info("sync {}: catalog rebuilt, {} confirmed, {} due", definition.name,
           rebuilder.report.confirmed, rebuilder.report.due);
  return rebuilder.report;
}

}  // namespace wherry::sync
