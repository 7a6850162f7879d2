// SPDX-License-Identifier: Apache-2.0
#include "engine/test_support.h"

#include <gtest/gtest.h>

namespace wherry::engine {

using storage::CreateTemporary;
using storage::Entry;
using storage::EntryType;
using storage::Replace;
using storage::Storage;
using storage::TemporaryFile;
using storage::Visit;

namespace {

void make_parents(Storage& storage, const RelPath& at) {
  if (at.is_root()) return;
  make_parents(storage, at.parent());
  if (auto made = storage.make_directory(at, 0755); made)
    storage.flush_directories(std::vector{at.parent()}).value();
}

// Long content by its checksum, so that a failed comparison can be read.
std::string brief(const std::string& content) {
  if (content.size() <= 40) return content;
  return fmt::format("{} bytes {}", content.size(), hash_bytes(HashAlgorithm::kXxh3_128, content));
}

}  // namespace

void put_file(Storage& storage, std::string_view at, std::string_view content, std::uint32_t mode) {
  const RelPath target = path(at);
  make_parents(storage, target.parent());
  CreateTemporary request;
  request.target = target;
  request.temporary_name = "put";
  request.mode = mode;
  auto file = storage.create_temporary(request).value();
  if (!content.empty()) file->write(0, content).value();
  file->finish({content.size(), mode, std::nullopt}).value();
  TemporaryFile* const one = file.get();
  storage.flush({&one, 1}).value();
  storage.commit(*file).value();
  storage.flush_directories(std::vector{target.parent()}).value();
}

void put_directory(Storage& storage, std::string_view at, std::uint32_t mode) {
  make_parents(storage, path(at));
  storage.set_attributes(path(at), {mode, std::nullopt}).value();
}

void put_symlink(Storage& storage, std::string_view at, std::string_view target) {
  make_parents(storage, path(at).parent());
  storage.make_symlink(path(at), target, Replace::kYes).value();
}

std::string content_of(Storage& storage, std::string_view at) {
  auto file = storage.open_read(path(at)).value();
  std::string content(file->attributes().value().size, '\0');
  content.resize(file->read(0, content).value());
  return content;
}

bool exists(Storage& storage, std::string_view at) {
  return storage.stat(path(at), Storage::Follow::kNo).has_value();
}

std::map<std::string, std::string> tree_of(Storage& storage, std::string_view at) {
  std::map<std::string, std::string> tree;
  const std::function<void(const RelPath&, const RelPath&)> visit = [&](const RelPath& directory,
                                                                        const RelPath& below) {
    std::vector<Entry> entries;
    storage
        .list(directory,
              [&](const Entry& entry) {
                entries.push_back(entry);
                return Visit::kContinue;
              })
        .value();
    for (const Entry& entry : entries) {
      const RelPath child = directory.child(entry.name);
      std::string& shown = tree[below.child(entry.name).text()];
      switch (entry.attributes.type) {
        case EntryType::kDirectory:
          shown = fmt::format("d {:o}", entry.attributes.mode);
          visit(child, below.child(entry.name));
          break;
        case EntryType::kFile:
          shown = fmt::format("f {:o} {}", entry.attributes.mode,
                              brief(content_of(storage, child.text())));
          break;
        case EntryType::kSymlink:
          shown = "l " + entry.symlink_target;
          break;
        case EntryType::kOther:
          shown = "other";
          break;
      }
    }
  };
  visit(path(at), RelPath());
  return tree;
}

std::string random_bytes(std::size_t count, std::uint64_t seed) {
  SeededRandom random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next() & 255);
  return bytes;
}

void put_random_tree(Storage& storage, std::string_view at, std::uint64_t seed) {
  SeededRandom random(seed);
  put_directory(storage, at);
  std::vector<RelPath> directories{path(at)};
  const std::size_t entries = 20 + random.below(60);
  for (std::size_t i = 0; i < entries; ++i) {
    const RelPath& parent = directories[random.below(directories.size())];
    std::string name = fmt::format("{}{}", "ab -\n\xff%"[random.below(7)], i);
    if (random.below(12) == 0) name.resize(kMaxNameBytes, 'n');
    const RelPath child = parent.child(name);
    if (child.text().size() > 2000) continue;
    switch (random.below(6)) {
      case 0:
      case 1:
        put_directory(storage, child.text(), random.below(5) == 0 ? 0700 : 0755);
        directories.push_back(child);
        break;
      case 2:
        put_symlink(storage, child.text(), fmt::format("target{}", i));
        break;
      case 3:
        put_file(storage, child.text(), random_bytes(random.below(3 << 20), random.next()), 0600);
        break;
      default:
        put_file(storage, child.text(), random_bytes(random.below(20000), random.next()),
                 random.below(2) == 0 ? 0644 : 0440);
    }
  }
}

// RecordingObserver ------------------------------------------------------------------------------

namespace {

std::string key_of(std::uint64_t item, std::string_view below) {
  return fmt::format("{}:{}", item, below);
}

}  // namespace

Result<void> RecordingObserver::record(std::span<const Outcome> recorded) {
  if (on_record) TRY(on_record(recorded));
  records.push_back(recorded.size());
  for (const Outcome& outcome : recorded) {
    const std::string key = key_of(outcome.item, outcome.below.text());
    // What is removed to make room for something has the path of what takes its room.
    const auto [at, is_new] = outcomes.try_emplace(key, outcome);
    if (!is_new) {
      EXPECT_EQ(at->second.kind, OperationKind::kRemove) << "two outcomes for " << key;
      at->second = outcome;
    }
  }
  return {};
}

void RecordingObserver::fault(const Operation&, Side, const Error& error) {
  faults.push_back(error.message);
}

Result<bool> RecordingObserver::is_done(std::uint64_t item_ordinal, const RelPath& below) {
  const auto at = outcomes.find(key_of(item_ordinal, below.text()));
  return at != outcomes.end() && at->second.result != Outcome::Result::kFailed &&
         at->second.kind != OperationKind::kRemove;
}

const Outcome& RecordingObserver::of(std::uint64_t item_ordinal, std::string_view below) const {
  const auto at = outcomes.find(key_of(item_ordinal, below));
  CHECK(at != outcomes.end());
  return at->second;
}

std::size_t RecordingObserver::count(Outcome::Result result) const {
  std::size_t found = 0;
  for (const auto& [key, outcome] : outcomes) found += outcome.result == result ? 1 : 0;
  return found;
}

// Run --------------------------------------------------------------------------------------------

RunContext TestRun::context() {
  return {"task", recovering, deadline, limits, clock, random, stop.get_token(), admit};
}

RunReport TestRun::transfer(Storage& source, Storage& target, std::vector<TransferItem> items) {
  ItemList<TransferItem> list(std::move(items));
  return run_transfer(source, target, list, options, context(), observer, *progress).value();
}

RunReport TestRun::remove(Storage& storage, std::vector<std::string_view> paths) {
  std::vector<DeleteItem> items;
  for (const std::string_view text : paths) items.push_back({path(text)});
  ItemList<DeleteItem> list(std::move(items));
  return run_delete(storage, list, delete_options, context(), observer, *progress).value();
}

}  // namespace wherry::engine
