// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <vector>

#include "base/path.h"
#include "storage/testing/content.h"

namespace wherry::sim {

using storage::path_of;
using storage::Storage;

namespace {

constexpr std::size_t kDepth = 3;
constexpr std::size_t kSmall = 300;     // bytes
constexpr std::size_t kLarge = 40'000;  // more than a range of the engine

// Few, so that they meet again and again as different things; odd, because bytes are bytes.
std::vector<std::string> names() {
  return {"a",           "b",
          "c",           "d e",
          ".hidden",     "new\nline",
          "-dash*",      "\xff\xfe\x80",
          "back\\slash", std::string(kMaxNameBytes, 'n')};
}

}  // namespace

Source::Source(Storage& memory, FakeClock& clock, Random& random, Links links)
    : memory_(memory), clock_(clock), random_(random), links_(links) {
  memory_.make_directory(path_of(kData), 0755).value();
  observe();
}

std::string Source::random_path() {
  static const std::vector<std::string> all = names();
  RelPath path = path_of(kData);
  for (std::uint64_t depth = 1 + random_.below(kDepth); depth > 0; --depth)
    path = path.child(all[random_.below(all.size())]);
  return path.text();
}

std::string Source::any_path() {
  const Tree& tree = now(Links::kAsTheyAre);
  if (tree.empty() || random_.below(8) == 0) return random_path();
  auto node = tree.begin();
  std::advance(node, static_cast<std::ptrdiff_t>(random_.below(tree.size())));
  return node->first;
}

// No two contents are equal, but for those that are too short to be told apart.
std::string Source::new_content() {
  const std::uint64_t kind = random_.below(16);
  if (kind == 0) return "";
  const std::size_t size = 12 + random_.below(kind == 1 ? kLarge : kSmall);
  std::string content = fmt::format("v{}:", changes_);
  while (content.size() < size) content += static_cast<char>(random_.below(256));
  return content;
}

std::string Source::change() {
  clock_.advance(std::chrono::milliseconds(1 + random_.below(50)));
  ++changes_;
  std::string done;
  const std::uint64_t kind = random_.below(20);
  if (kind < 9)
    done = write(random_.below(3) == 0 ? any_path() : random_path());
  else if (kind < 11)
    done = make_directory(random_path());
  else if (kind < 13)
    done = make_symlink(random_path());
  else if (kind < 16)
    done = rename(any_path());
  else if (kind < 18)
    done = remove(any_path());
  else
    done = change_attributes(any_path());
  observe();
  return done;
}

// Makes the directories above, and takes away what is in the way; false where that is the tree
// itself.
bool Source::make_room(const std::string& path) {
  if (path == kData) return false;
  RelPath above;
  const RelPath parent = path_of(path).parent();
  for (std::size_t end = 0; end != std::string::npos;) {
    end = parent.text().find('/', end == 0 ? 0 : end + 1);
    above = path_of(parent.text().substr(0, end));
    const auto there = memory_.stat(above, Storage::Follow::kNo);
    if (there && there->attributes.type == storage::EntryType::kDirectory) continue;
    if (there) memory_.remove_file(above).value();
    memory_.make_directory(above, 0755).value();
  }
  if (storage::exists(memory_, path)) remove_tree(path);
  return true;
}

void Source::remove_tree(const std::string& path) {
  const RelPath at = path_of(path);
  if (memory_.stat(at, Storage::Follow::kNo)->attributes.type != storage::EntryType::kDirectory) {
    memory_.remove_file(at).value();
    return;
  }
  for (const std::string& name : storage::names_in(memory_, path))
    remove_tree(at.child(name).text());
  memory_.remove_directory(at).value();
}

std::string Source::write(const std::string& path) {
  if (!make_room(path)) return "nothing";
  const std::string content = new_content();
  storage::put_file(memory_, path, content, random_.below(4) == 0 ? 0600 : 0644);
  return fmt::format("write {} bytes to '{}'", content.size(), escape_bytes(path));
}

std::string Source::make_directory(const std::string& path) {
  if (!make_room(path)) return "nothing";
  memory_.make_directory(path_of(path), random_.below(4) == 0 ? 0700 : 0755).value();
  return fmt::format("make directory '{}'", escape_bytes(path));
}

std::string Source::make_symlink(const std::string& path) {
  if (!make_room(path)) return "nothing";
  // To a name beside it, whether that exists or not.
  std::string target(RelPath::from_normal(random_path()).name());
  const RelPath beside = path_of(path).parent().child(target);
  if (links_ == Links::kFollowed && !storage::exists(memory_, beside.text())) return "nothing";
  memory_.make_symlink(path_of(path), target, storage::Replace::kNo).value();
  return fmt::format("symlink '{}' to '{}'", escape_bytes(path), escape_bytes(target));
}

std::string Source::rename(const std::string& from) {
  const std::string to = random_path();
  if (from == kData || !storage::exists(memory_, from) || is_within(to, from) ||
      is_within(from, to))
    return "nothing";
  make_room(to);
  if (!storage::exists(memory_, from)) return "nothing";  // it was in the way
  memory_.rename(path_of(from), path_of(to), storage::Replace::kNo).value();
  return fmt::format("rename '{}' to '{}'", escape_bytes(from), escape_bytes(to));
}

std::string Source::remove(const std::string& path) {
  if (path == kData || !storage::exists(memory_, path)) return "nothing";
  remove_tree(path);
  return fmt::format("remove '{}'", escape_bytes(path));
}

std::string Source::change_attributes(const std::string& path) {
  const auto node = now(Links::kAsTheyAre).find(path);
  if (node == now(Links::kAsTheyAre).end() || !node->second.is_file()) return "nothing";
  Storage::SetAttributes attributes;
  if (random_.below(2) == 0)
    attributes.mode = node->second.attributes.mode ^ 0040;
  else
    attributes.mtime = clock_.now();
  memory_.set_attributes(path_of(path), attributes).value();
  return fmt::format("set attributes of '{}'", escape_bytes(path));
}

void Source::remove_broken_links() {
  clock_.advance(std::chrono::milliseconds(1));
  ++changes_;
  for (;;) {
    std::string broken;
    for (const auto& [path, node] : now(Links::kAsTheyAre)) {
      if (node.is_symlink() && !now(Links::kFollowed).contains(path)) broken = path;
    }
    if (broken.empty()) return;
    memory_.remove_file(path_of(broken)).value();
    observe();
  }
}

void Source::observe() {
  observe(views_[index(Links::kAsTheyAre)], Links::kAsTheyAre);
  observe(views_[index(Links::kFollowed)], Links::kFollowed);
  for (const auto& [path, node] : now(Links::kFollowed)) {
    if (!node.is_file()) continue;
    had_[path].insert(node.content);
    contents_.insert(node.content);
  }
}

void Source::observe(View& view, Links links) {
  Tree tree = read_tree(memory_, links);
  // A directory has changed when it is another one; its times are those of its names.
  const auto same = [](const Node& a, const Node& b) {
    if (!a.is_directory() || !b.is_directory()) return a == b;
    return a.attributes.inode == b.attributes.inode && a.attributes.mode == b.attributes.mode;
  };
  for (const auto& [path, node] : tree) {
    const auto before = view.tree.find(path);
    if (before == view.tree.end() || !same(before->second, node)) view.changed[path] = changes_;
  }
  for (const auto& [path, node] : view.tree) {
    if (!tree.contains(path)) view.changed[path] = changes_;
  }
  view.tree = std::move(tree);
}

std::uint64_t Source::changed_at(const std::string& path, Links links) const {
  const auto& changed = views_[index(links)].changed;
  const auto found = changed.find(path);
  return found == changed.end() ? 0 : found->second;
}

bool Source::had(const std::string& path, const std::string& content) const {
  const auto found = had_.find(path);
  return found != had_.end() && found->second.contains(content);
}

}  // namespace wherry::sim
