// SPDX-License-Identifier: Apache-2.0
// The place where files are made: a random writer, and the memory of all that it ever did, against
// which the targets are judged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "storage/storage.h"
#include "tree.h"

namespace wherry::sim {

// Everything is below this directory of the source.
inline constexpr std::string_view kData = "data";

// For one thread at a time.
class Source {
 public:
  // `links`: how those that run the source's transfers see symlinks; where they are followed, none
  // is made that leads nowhere.
  Source(storage::Storage& memory, FakeClock& clock, Random& random, Links links);

  // Makes one random change and says which. Time goes on by at least a millisecond, so that each
  // state of a file has its own times.
  std::string change();
  // Removes symlinks that lead nowhere any more.
  void remove_broken_links();

  // How many changes there were. A path that changed has the number of its last change.
  std::uint64_t changes() const { return changes_; }
  const Tree& now(Links links) const { return views_[index(links)].tree; }
  // 0 if it was never anything.
  std::uint64_t changed_at(const std::string& path, Links links) const;

  // A path of the tree or, now and then, of nothing. Starts with kData.
  std::string any_path();
  // Whether a file of that path, seen with symlinks followed, ever had that content.
  bool had(const std::string& path, const std::string& content) const;
  bool is_known(const std::string& content) const { return contents_.contains(content); }

 private:
  struct View {
    Tree tree;
    std::map<std::string, std::uint64_t> changed;
  };
  static std::size_t index(Links links) { return static_cast<std::size_t>(links); }

  std::string random_path();
  std::string new_content();
  std::string write(const std::string& path);
  std::string make_directory(const std::string& path);
  std::string make_symlink(const std::string& path);
  std::string rename(const std::string& from);
  std::string remove(const std::string& path);
  std::string change_attributes(const std::string& path);
  bool make_room(const std::string& path);
  void remove_tree(const std::string& path);
  void observe();
  void observe(View& view, Links links);

  storage::Storage& memory_;
  FakeClock& clock_;
  Random& random_;
  const Links links_;
  std::uint64_t changes_ = 0;
  std::array<View, 2> views_;
  std::map<std::string, std::set<std::string>> had_;
  std::set<std::string> contents_;
};

}  // namespace wherry::sim
