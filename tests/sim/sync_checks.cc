// SPDX-License-Identifier: Apache-2.0
#include "sync_checks.h"

#include "completion.h"

namespace wherry::sim {

using sync::PassEnd;

namespace {

const std::string kTop(kSync);  // the sync's directory at the target

std::string below(const std::string& top, const std::string& path) {
  return path.empty() ? top : top + "/" + path;
}

bool is_archived(const std::string& path) {
  return is_within(path, below(kTop, std::string(sync::kArchiveDirectory)));
}

std::int64_t to_ns(TimePoint time) { return time.time_since_epoch().count(); }

bool is_observed(const catalog::Observation& seen, const storage::Attributes& now) {
  return seen.size == now.size && seen.mtime_ns == to_ns(now.mtime) &&
         seen.ctime_ns == to_ns(now.ctime) && seen.inode == now.inode;
}

}  // namespace

Links Checks::SyncChecks::links() const {
  return definition_.symlinks == engine::SymlinkPolicy::kCopy ? Links::kFollowed
                                                              : Links::kAsTheyAre;
}

Checks::SyncChecks::Catalog Checks::SyncChecks::read_catalog() {
  Catalog known;
  const auto opened = catalog::Reader::open(world_.sync_observer().catalog_file(kSync));
  if (!opened) {
    if (opened.error().code != Code::kNotFound)
      violation_.report("the catalog cannot be read: {}", opened.error().message);
    return known;
  }
  const catalog::Reader& reader = **opened;
  if (const auto good = reader.check(); !good)
    violation_.report("the catalog is damaged: {}", good.error().message);
  catalog::DirectoryEntries entries;
  for (std::uint64_t i = 0; i < reader.directory_count(); ++i) {
    reader.read(i, entries).value();
    for (const catalog::Entry& entry : entries.entries) {
      const RelPath path = RelPath::from_normal(entries.directory.path).child(entry.name);
      known[path.text()] = {entry.observation, std::string(entry.symlink_target)};
    }
  }
  return known;
}

bool Checks::SyncChecks::is_interrupted() {
  return world_.sync_observer().status(kSync).value().interrupted.has_value();
}

void Checks::SyncChecks::check_catalog(const Tree& target) {
  if (is_interrupted()) return;
  const Tree& source = source_.now(links());
  for (const auto& [path, known] : read_catalog()) {
    const auto now = source.find(below(std::string(kData), path));
    if (now == source.end()) continue;
    const std::string at_target = below(kTop, path);
    const auto there = target.find(at_target);
    bool good = there != target.end();
    switch (known.observation.type) {
      case catalog::EntryType::kFile:
        // What has changed since is due, whatever the target has.
        if (!now->second.is_file() || !is_observed(known.observation, now->second.attributes))
          continue;
        good = good && looks_same(there->second, now->second);
        break;
      case catalog::EntryType::kSymlink:
        if (!now->second.is_symlink() || known.symlink_target != now->second.content) continue;
        good = good && looks_same(there->second, now->second);
        break;
      case catalog::EntryType::kDirectory:
        if (!now->second.is_directory() || known.observation.inode != now->second.attributes.inode)
          continue;
        good = good && there->second.is_directory();
        break;
      case catalog::EntryType::kOther:
        continue;
    }
    if (good) continue;
    violation_.report(
        "the catalog says that '{}' is at the target as it is at the source, which is"
        " {}; found {}",
        escape_bytes(at_target), describe(source, now->first), describe(target, at_target));
  }
}

void Checks::SyncChecks::begin_pass(const sync::PassOptions& options) {
  options_ = options;
  known_ = read_catalog();
  before_ = read_tree(world_.memory(Place::kArchive));
  changes_ = source_.changes();
  was_interrupted_ = is_interrupted();
}

void Checks::SyncChecks::end_pass(const Result<sync::PassReport>& report) {
  const Tree target = read_tree(world_.memory(Place::kArchive));
  if (options_.dry_run) return check_unchanged(target, "a dry run");
  if (source_.changes() != changes_) return;  // whatever was seen, it is not that any more
  if (!was_interrupted_) {
    if (report && report->end == PassEnd::kStopped)
      check_unchanged(target, "a pass that was stopped");
    check_brake(target, report ? report->problems : std::vector<sync::Problem>());
  }
  const bool all = report && report->end == PassEnd::kDone && report->counts.not_quiet == 0 &&
                   report->counts.delayed == 0;
  if (all) check_mirror(target);
}

void Checks::SyncChecks::check_unchanged(const Tree& target, std::string_view why) {
  const auto same = [](const auto& a, const auto& b) {
    return a.first == b.first && looks_same(a.second, b.second);
  };
  if (!std::equal(target.begin(), target.end(), before_.begin(), before_.end(), same))
    violation_.report("{} changed the target", why);
}

// Whether something has taken the place of a directory above `path`: while that is not quiet, what
// was there stays.
bool Checks::SyncChecks::has_given_way(const std::string& path) const {
  const Tree& source = source_.now(links());
  for (RelPath above = RelPath::from_normal(path).parent(); !above.is_root();
       above = above.parent()) {
    const auto node = source.find(below(std::string(kData), above.text()));
    if (node == source.end()) continue;
    // A symlink that is left out takes nobody's place.
    if (node->second.is_symlink()) return definition_.symlinks != engine::SymlinkPolicy::kIgnore;
    return !node->second.is_directory();
  }
  return false;
}

// Whether a directory above `path` has gone elsewhere at the source, and has something of that name
// there: what was written anew on the way has changed, and is not gone.
bool Checks::SyncChecks::has_moved(const std::string& path) const {
  for (RelPath above = RelPath::from_normal(path).parent(); !above.is_root();
       above = above.parent()) {
    const auto known = known_.find(above.text());
    if (known == known_.end()) continue;
    for (const auto& [now, node] : source_.now(links())) {
      if (node.is_directory() && node.attributes.inode == known->second.observation.inode &&
          source_.now(links()).contains(moved(path, above.text(), now)))
        return true;
    }
  }
  return false;
}

// At least that many percent of the catalog's files are nowhere at the source any more; where
// deletions are kept, of those alone that gave way to something. What a directory has lost that
// could not be read, a pass cannot know.
double Checks::SyncChecks::share_gone(const std::vector<sync::Problem>& problems) const {
  std::set<std::uint64_t> inodes;
  for (const auto& [path, node] : source_.now(links())) {
    if (node.is_file()) inodes.insert(node.attributes.inode);
  }
  std::uint64_t files = 0;
  std::uint64_t gone = 0;
  for (const auto& [path, known] : known_) {
    if (known.observation.type == catalog::EntryType::kDirectory) continue;
    ++files;
    const bool is_file = known.observation.type == catalog::EntryType::kFile;
    const bool is_there = source_.now(links()).contains(below(std::string(kData), path));
    const bool counts = has_given_way(path) ? definition_.settle == Duration(0)
                                            : definition_.deletions != sync::Deletions::kKeep;
    const bool is_hidden = std::any_of(
        problems.begin(), problems.end(),
        [&path = path](const sync::Problem& problem) { return is_within(path, problem.path); });
    if (is_file && !is_there && counts && !is_hidden && !inodes.contains(known.observation.inode) &&
        !has_moved(path))
      ++gone;
  }
  return files == 0 ? 0 : 100.0 * static_cast<double>(gone) / static_cast<double>(files);
}

void Checks::SyncChecks::check_brake(const Tree& target,
                                     const std::vector<sync::Problem>& problems) {
  const double limit = options_.max_delete.value_or(definition_.max_delete);
  const double share = share_gone(problems);
  if (options_.allow_deletions || share <= limit) return;
  std::set<std::string> contents;
  for (const auto& [path, node] : target) {
    if (!is_archived(path)) contents.insert(node.content);
  }
  for (const auto& [path, node] : before_) {
    if (!node.is_file() || is_archived(path) || target.contains(path)) continue;
    if (contents.contains(node.content)) continue;  // renamed
    violation_.report("{:.0f} % of the files are gone, {:.0f} % are allowed: '{}' was deleted",
                      share, limit, escape_bytes(path));
  }
}

void Checks::SyncChecks::check_mirror(const Tree& target) {
  const Tree& source = source_.now(links());
  const std::string data(kData);
  for (const auto& [path, node] : source) {
    if (path == data || is_excluded(definition_.filters, source, data, path)) continue;
    if (node.is_symlink() && definition_.symlinks == engine::SymlinkPolicy::kIgnore) continue;
    const std::string at_target = moved(path, data, kTop);
    const auto there = target.find(at_target);
    const bool good =
        there != target.end() &&
        (node.is_directory() ? there->second.is_directory() : looks_same(there->second, node));
    if (good) continue;
    violation_.report("the pass is done, and '{}' is {} at the source and {} at the target",
                      escape_bytes(path), describe(source, path), describe(target, at_target));
  }
  if (definition_.deletions == sync::Deletions::kKeep) return;
  for (const auto& [path, known] : known_) {
    const std::string at_target = below(kTop, path);
    if (source_.now(Links::kAsTheyAre).contains(below(data, path)) ||
        source.contains(below(data, path)))
      continue;
    // Something of another type is not what the catalog knew: it may have been brought by a run
    // that did not live to record it, and then the source lost it.
    const auto there = target.find(at_target);
    const bool was_directory = known.observation.type == catalog::EntryType::kDirectory;
    if (there == target.end() || there->second.is_directory() != was_directory) continue;
    violation_.report("the pass is done, and '{}', which has gone from the source, is still there",
                      escape_bytes(at_target));
  }
}

}  // namespace wherry::sim
