// SPDX-License-Identifier: Apache-2.0
#include "sync/source_tree.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "storage/storage.h"

namespace wherry::sync {

using engine::FilterRule;
using engine::SymlinkPolicy;

bool Rules::includes(const char* name, bool is_directory) const {
  if (name[0] == '.' && name[1] == 'w' &&
      (storage::is_temporary_name(name, "") || name == kArchiveDirectory))
    return false;
  for (const FilterRule& rule : filters) {
    if (rule.applies == FilterRule::Applies::kFiles && is_directory) continue;
    if (rule.applies == FilterRule::Applies::kDirectories && !is_directory) continue;
    if (::fnmatch(rule.pattern.c_str(), name, 0) == 0)
      return rule.method == FilterRule::Method::kInclude;
  }
  return true;
}

std::string Rules::fingerprint() const {
  std::string text(to_string(symlinks));
  for (const FilterRule& rule : filters) {
    text += fmt::format("\n{} {} {}", static_cast<int>(rule.method), static_cast<int>(rule.applies),
                        escape_bytes(rule.pattern));
  }
  return fmt::format("{:016x}", checksum64(text));
}

void Listing::clear() {
  directory = {};
  same_names = same_files = false;
  entries.clear();
  names_seen = links_skipped = specials_skipped = 0;
  problems.clear();
  names.clear();
  link_targets.clear();
  order.clear();
}

namespace {

class RemoteTree : public SourceTree {
 public:
  RemoteTree(tasks::TransferService& service, Place place, Rules rules)
      : service_(service), place_(std::move(place)), rules_(std::move(rules)) {}

  bool keeps_directory_times() const override { return false; }

  // Every other directory would be asked for, and repeated, in vain.
  bool is_out_of_reach(const Error& error) const override {
    const bool is_away = error.code == Code::kUnavailable && error.retry == Retry::kLater;
    return is_away || SourceTree::is_out_of_reach(error);
  }

  Result<void> read(const std::string& path, const catalog::DirectoryEntries* /*known*/,
                    Trust /*trust*/, Listing& out) override {
    out.clear();
    TRY_ASSIGN(const std::vector<tasks::FileInfo> files,
               service_.list(place_.endpoint, place_.path.join(RelPath::from_normal(path))));
    std::size_t bytes = 0;
    for (const tasks::FileInfo& file : files) bytes += file.name.size() + file.link_target.size();
    out.names.reserve(bytes);  // so that the views stay valid
    out.names_seen = files.size();
    out.directory.type = catalog::EntryType::kDirectory;
    for (const tasks::FileInfo& file : files) add(path, file, out);
    std::sort(out.entries.begin(), out.entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return {};
  }

 private:
  void add(const std::string& path, const tasks::FileInfo& file, Listing& out) {
    const storage::Attributes& attributes = file.attributes;
    const bool as_link = file.is_link && rules_.symlinks == SymlinkPolicy::kKeep;
    const bool is_directory = !as_link && attributes.type == storage::EntryType::kDirectory;
    if (!rules_.includes(file.name.c_str(), is_directory)) return;
    if (file.is_link && rules_.symlinks == SymlinkPolicy::kIgnore) {
      ++out.links_skipped;
      return;
    }
    if (file.is_link && !as_link && file.link_is_broken) {
      out.problems.push_back(
          {path.empty() ? file.name : path + "/" + file.name, "the symlink leads nowhere"});
      return;
    }
    if (!as_link && attributes.type == storage::EntryType::kOther) {
      ++out.specials_skipped;
      return;
    }
    catalog::Entry entry;
    entry.name = keep(file.name, out);
    catalog::Observation& seen = entry.observation;
    seen.mode = attributes.mode;
    seen.inode = attributes.inode;
    seen.type = as_link        ? catalog::EntryType::kSymlink
                : is_directory ? catalog::EntryType::kDirectory
                               : catalog::EntryType::kFile;
    if (as_link) {
      entry.symlink_target = keep(file.link_target, out);
      seen.size = file.link_target.size();
      seen.mode = 0777;
      seen.inode = 0;  // the attributes are those of what it points to
    } else if (!is_directory) {
      seen.size = attributes.size;
      seen.mtime_ns = attributes.mtime.time_since_epoch().count();
      seen.ctime_ns = attributes.ctime.time_since_epoch().count();
    }
    out.entries.push_back(entry);
  }

  static std::string_view keep(std::string_view text, Listing& out) {
    const std::size_t begin = out.names.size();
    out.names += text;
    return std::string_view(out.names).substr(begin, text.size());
  }

  tasks::TransferService& service_;
  Place place_;
  Rules rules_;
};

}  // namespace

std::unique_ptr<SourceTree> open_remote_tree(tasks::TransferService& service, const Place& place,
                                             const Rules& rules) {
  return std::make_unique<RemoteTree>(service, place, rules);
}

}  // namespace wherry::sync
