// SPDX-License-Identifier: Apache-2.0
// The source of a sync as the scan sees it: one directory at a time, by the fastest honest way
// there is. On a directory of this host that is system calls; elsewhere it is the service's list().
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "catalog/reader.h"
#include "sync/types.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

// Which names a sync follows.
struct Rules {
  engine::SymlinkPolicy symlinks = engine::SymlinkPolicy::kIgnore;
  std::vector<engine::FilterRule> filters;

  // The first rule that matches decides. Temporaries of Wherry and the archive never count.
  bool includes(const char* name, bool is_directory) const;
  // Changes when the rules do: a catalog made under other rules is not trusted to know all names.
  std::string fingerprint() const;
};

// A directory as it is now. Reused between calls, so that the loop over names allocates nothing
// once the buffers have grown.
struct Listing {
  catalog::Observation directory;
  bool same_names = false;  // not listed: `known` still has the right names
  bool same_files = false;  // and its files were not looked at either: `entries` is empty
  std::vector<catalog::Entry>
      entries;                   // sorted by name bytes; directories with mode and inode only
  std::uint64_t names_seen = 0;  // with those that the rules leave out
  std::uint64_t links_skipped = 0;
  std::uint64_t specials_skipped = 0;
  std::vector<Problem> problems;  // names that are left out because of an error

  void clear();

  // What the entries' views point into, unless into `known`.
  std::string names;
  std::deque<std::string> link_targets;
  std::string buffer;  // for the system
  struct Name {
    std::uint32_t offset;
    std::uint16_t size;
    unsigned char type;  // d_type of readdir(3)
  };
  std::vector<Name> order;
};

// How far the directory's own times are trusted.
enum class Trust {
  kNothing,      // list it
  kNames,        // same times: same names; look at each
  kDirectories,  // same times: same files too (misses files that are rewritten in place)
};

// Safe for concurrent calls, each with its own Listing.
class SourceTree {
 public:
  virtual ~SourceTree() = default;
  // `known` is what the catalog has of the directory, or null; for Trust::kDirectories its own
  // record is enough. kNotFound if it is gone.
  virtual Result<void> read(const std::string& path, const catalog::DirectoryEntries* known,
                            Trust trust, Listing& out) = 0;
  // Whether directories have times by which they can be trusted.
  virtual bool keeps_directory_times() const = 0;
  // Whether such an error of read() is one of the whole tree, and not of that directory.
  virtual bool is_out_of_reach(const Error& error) const { return error.code == Code::kCancelled; }
};

// `root` is the host's directory of the endpoint; nothing outside of it is read. kNotFound or
// kInvalid if there is no directory at `base` in it.
Result<std::unique_ptr<SourceTree>> open_host_tree(const std::string& root, const RelPath& base,
                                                   const Rules& rules);
// The service outlives it.
std::unique_ptr<SourceTree> open_remote_tree(tasks::TransferService& service, const Place& place,
                                             const Rules& rules);

}  // namespace wherry::sync
