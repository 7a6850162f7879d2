// SPDX-License-Identifier: Apache-2.0
#include "catalog/test_tree.h"

#include <algorithm>
#include <filesystem>
#include <limits>

namespace wherry::catalog {

TestFolder::~TestFolder() {
  std::error_code ignored;  // a folder left in /tmp fails no test
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TestFolder::names() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  return found;
}

std::string random_name(Random& random) {
  static const std::string kHostile[] = {"\n",
                                         "\xff\xfe",
                                         " ",
                                         "...",
                                         ".a",
                                         "\\x41",
                                         "a\tb",
                                         "\x01",
                                         "-rf",
                                         "caf\xc3\xa9",
                                         "caf\xe9",
                                         std::string(255, 'n'),
                                         std::string(254, 'n') + "\x80",
                                         std::string(300, '\xff')};
  const std::uint64_t kind = random.below(10);
  if (kind == 0) return kHostile[random.below(std::size(kHostile))];
  if (kind < 7) return fmt::format("sample_{:05}.tif", random.below(3000));
  std::string name;
  for (std::uint64_t size = 1 + random.below(12); size > 0; --size) {
    const auto byte = static_cast<char>(1 + random.below(255));
    name += byte == '/' || byte == '.' ? '_' : byte;
  }
  return name;
}

Observation random_observation(Random& random) {
  using Times = std::numeric_limits<std::int64_t>;
  Observation seen;
  seen.type = static_cast<EntryType>(random.below(8) < 5 ? 0 : random.below(4));
  seen.mode = random.below(4) == 0 ? static_cast<std::uint32_t>(random.next()) : 0644;
  seen.size = random.below(3) == 0 ? random.next() >> random.below(64) : 4 << 20;
  seen.inode = random.below(9) == 0 ? random.next() : 1000 + random.below(50);
  const std::int64_t extremes[] = {0, -1, 1, Times::min(), Times::max(), -62135596800000000};
  const auto some_time = [&] {
    return random.below(6) == 0
               ? extremes[random.below(std::size(extremes))]
               : static_cast<std::int64_t>(1539601563000000000u + random.below(1000000000));
  };
  seen.mtime_ns = some_time();
  seen.ctime_ns = random.below(2) == 0 ? seen.mtime_ns : some_time();
  return seen;
}

TestTree random_tree(std::uint64_t seed) {
  SeededRandom random(seed);
  TestTree tree;
  tree[""] = {};
  std::vector<std::string> paths{""};
  for (std::uint64_t count = random.below(200); count > 0; --count) {
    const std::string& parent = paths[random.below(paths.size())];
    const std::string path = (parent.empty() ? "" : parent + "/") + random_name(random);
    if (path.size() > 2000 || !tree.try_emplace(path).second) continue;
    paths.push_back(path);
  }
  for (auto& [path, directory] : tree) {
    directory.observation = random_observation(random);
    directory.observation.type = EntryType::kDirectory;
    directory.trusted = random.below(2) == 0;
    const std::uint64_t limit = random.below(20) == 0 ? 6000 : 30;
    for (std::uint64_t count = random.below(limit); count > 0; --count) {
      OwnedEntry& entry = directory.entries[random_name(random)];
      entry.observation = random_observation(random);
      entry.symlink_target =
          entry.observation.type == EntryType::kSymlink ? "../" + random_name(random) : "";
    }
  }
  return tree;
}

TestTree small_tree() {
  constexpr std::int64_t kTime = 1539601563000000000;  // 2018-10-15 11:06:03 UTC
  TestTree tree;
  tree[""].entries["run42"] = {{EntryType::kDirectory, 0755, 0, kTime, kTime, 11}, ""};
  TestDirectory& run = tree["run42"];
  run.observation = {EntryType::kDirectory, 0755, 4096, kTime + 900, kTime + 900, 11};
  run.trusted = true;
  run.entries["img_0001.tif"] = {{EntryType::kFile, 0644, 4194304, kTime + 1, kTime + 1, 12}, ""};
  run.entries["img_0002.tif"] = {{EntryType::kFile, 0644, 4194304, kTime + 777, kTime + 777, 13},
                                 ""};
  run.entries["img_0003.tif"] = {{EntryType::kFile, 0644, 4194304, kTime + 801, kTime + 990, 14},
                                 ""};
  run.entries["latest"] = {{EntryType::kSymlink, 0777, 12, kTime + 802, kTime + 802, 15},
                           "img_0003.tif"};
  run.entries["pipe\xff"] = {{EntryType::kOther, 0600, 0, -1, 0, 0}, ""};
  tree["run42/empty"] = {};
  return tree;
}

TestTree wide_tree() {
  constexpr std::int64_t kTime = 1539601563000000000;
  TestTree tree;
  for (std::uint64_t i = 0; i < 4200; ++i) {
    const auto time = kTime + static_cast<std::int64_t>(i * 1'000'003);
    tree[""].entries[fmt::format("frame_{:06}.cbf", i)] = {
        {EntryType::kFile, 0640, i % 100 == 0 ? 12u : 6229760u, time, time, 5000 + i}, ""};
  }
  for (std::uint64_t i = 0; i < 70; ++i) {
    const std::string name = fmt::format("sample_{:02}", i);
    const auto time = kTime - static_cast<std::int64_t>(i * i);
    const Observation seen{EntryType::kDirectory, 0755, 4096, time, time, 100 + i};
    tree[""].entries[name] = {{EntryType::kDirectory, 0755, 0, 0, 0, 100 + i}, ""};
    tree[name].observation = seen;
    tree[name].trusted = i % 2 == 0;
  }
  return tree;
}

}  // namespace wherry::catalog
