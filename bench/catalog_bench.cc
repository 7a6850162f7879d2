// SPDX-License-Identifier: Apache-2.0
// Prints size and speed of the catalog for the reference tree: 1,289,344 files in 723 directories,
// gaps in their numbers, distinct mtimes with jitter (24 random bits each), inodes in sequence,
// ctimes in writing order with the granularity of the kernel's tick. Memory only holds one
// directory of it at a time, so the peak that is printed is the catalog's own.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/path.h"
#include "base/random.h"
#include "catalog/reader.h"
#include "catalog/writer.h"
#include "peak_memory.h"

namespace wherry::catalog {
namespace {

constexpr std::uint64_t kFiles = 1'289'344;
constexpr std::uint64_t kLeaves = 717;  // 723 directories less those above them
constexpr std::uint64_t kSamples = 179;
constexpr std::int64_t kTick = 4'000'000;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

enum class Sizes { kOne, kVaried };

// Makes the tree's directories in path order, one at a time.
class ReferenceTree {
 public:
  explicit ReferenceTree(Sizes sizes) : sizes_(sizes) { plan(); }

  std::size_t directory_count() const { return paths_.size(); }
  const std::string& path(std::size_t i) const { return paths_[i]; }

  // Fills the entries of directory `i`; `names` is what they point into.
  void entries(std::size_t i, std::vector<std::string>& names, std::vector<Entry>& out) {
    names.clear();
    out.clear();
    if (!is_leaf(i)) {
      fill_parent(i, names, out);
    } else {
      fill_leaf(i, names, out);
    }
  }

 private:
  bool is_leaf(std::size_t i) const { return paths_[i].find("sample_") != std::string::npos; }

  void plan() {
    paths_ = {"", "xmasdata"};
    for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
      if (leaf % kSamples == 0) paths_.push_back(experiment(leaf));
      paths_.push_back(experiment(leaf) + fmt::format("/sample_{:04}", leaf));
    }
    CHECK(paths_.size() == 2 + kLeaves + (kLeaves + kSamples - 1) / kSamples);
  }

  static std::string experiment(std::uint64_t leaf) {
    return fmt::format("xmasdata/experiment_{}", leaf / kSamples);
  }

  void fill_parent(std::size_t i, std::vector<std::string>& names, std::vector<Entry>& out) {
    for (std::size_t below = i + 1; below < paths_.size(); ++below) {
      const RelPath child = RelPath::from_normal(paths_[below]);
      if (child.parent().text() == paths_[i]) names.emplace_back(child.name());
    }
    for (const std::string& name : names)
      out.push_back({name, {EntryType::kDirectory, 0755, 0, 0, 0, ++inode_}, {}});
  }

  void fill_leaf(std::size_t i, std::vector<std::string>& names, std::vector<Entry>& out) {
    const std::string prefix(RelPath::from_normal(paths_[i]).name());
    const std::uint64_t left = kFiles - files_;
    const std::uint64_t count = leaves_left_ == 1 ? left : 1700 + random_.below(197);
    --leaves_left_;
    std::uint64_t number = 0;
    for (std::uint64_t file = 0; file < count; ++file) {
      number += random_.below(20) == 0 ? 2 + random_.below(5) : 1;
      names.push_back(fmt::format("{}_{:05}.tif", prefix, number));
    }
    for (const std::string& name : names) out.push_back({name, next_file(), {}});
    files_ += count;
  }

  Observation next_file() {
    mtime_ += 1'000'000 + static_cast<std::int64_t>(random_.below(1u << 24));
    made_ += 15'000 + static_cast<std::int64_t>(random_.below(20'000));
    // Ticks are not exactly even: the clock is steered.
    const std::int64_t tick = made_ / kTick;
    const std::int64_t ctime = tick * kTick + tick % 7;
    const std::uint64_t size =
        sizes_ == Sizes::kOne ? 4u << 20 : (4u << 20) + random_.below(4u << 20);
    return {EntryType::kFile, 0644, size, mtime_, ctime, ++inode_};
  }

  Sizes sizes_;
  SeededRandom random_{2018};
  std::vector<std::string> paths_;
  std::uint64_t files_ = 0;
  std::uint64_t leaves_left_ = kLeaves;
  std::uint64_t inode_ = 1'000'000;
  std::int64_t mtime_ = 1'539'601'563'000'000'000;
  std::int64_t made_ = 1'700'000'000'000'000'000;
};

// Seconds in the writer alone, without making the tree.
double write_all(const std::string& path, Sizes sizes) {
  ReferenceTree tree(sizes);
  std::vector<std::string> names;
  std::vector<Entry> entries;
  const auto writer = Writer::create(path, {}).value();
  double seconds = 0;
  for (std::size_t i = 0; i < tree.directory_count(); ++i) {
    tree.entries(i, names, entries);
    const Stopwatch watch;
    writer->add({tree.path(i), {}, false, 0}, entries).value();
    seconds += watch.seconds();
  }
  const Stopwatch watch;
  writer->finish().value();
  return seconds + watch.seconds();
}

double read_all(const Reader& reader) {
  const Stopwatch watch;
  DirectoryEntries entries;
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < reader.directory_count(); ++i) {
    reader.read(i, entries).value();
    count += entries.entries.size();
  }
  CHECK(count >= kFiles);
  return watch.seconds();
}

double copy_all(const std::string& path, const Reader& reader) {
  const Stopwatch watch;
  const auto writer = Writer::create(path, {}).value();
  for (std::uint64_t i = 0; i < reader.directory_count(); ++i)
    writer->copy(reader, i, reader.directory(i).value()).value();
  writer->finish().value();
  return watch.seconds();
}

// Seconds for one look-up of a random file: its directory, then its name.
double look_up(const Reader& reader) {
  constexpr int kLookups = 2000;
  SeededRandom random(7);
  DirectoryEntries entries;
  const Stopwatch watch;
  for (int i = 0; i < kLookups; ++i) {
    const std::uint64_t leaf = random.below(kLeaves);
    const std::string path =
        fmt::format("xmasdata/experiment_{}/sample_{:04}", leaf / kSamples, leaf);
    const auto position = reader.find(path).value();
    CHECK(position.has_value());
    reader.read(*position, entries).value();
    const std::string name = fmt::format("sample_{:04}_{:05}.tif", leaf, 1 + random.below(1700));
    const auto place =
        std::lower_bound(entries.entries.begin(), entries.entries.end(), name,
                         [](const Entry& entry, const std::string& n) { return entry.name < n; });
    CHECK(place != entries.entries.end());
  }
  return watch.seconds() / kLookups;
}

template <class Measure>
double median_of_5(Measure measure) {
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) seconds.push_back(measure());
  std::sort(seconds.begin(), seconds.end());
  return seconds[2];
}

void run(const std::string& folder, Sizes sizes) {
  const std::string path = folder + "/reference.catalog";
  const double encode = median_of_5([&] { return write_all(path, sizes); });
  const double open = median_of_5([&] {
    const Stopwatch watch;
    (void)Reader::open(path).value();
    return watch.seconds();
  });
  const auto reader = Reader::open(path).value();
  const double decode = median_of_5([&] { return read_all(*reader); });
  const double copy = median_of_5([&] { return copy_all(folder + "/copy.catalog", *reader); });
  const double lookup = median_of_5([&] { return look_up(*reader); });
  const auto size = static_cast<double>(std::filesystem::file_size(path));
  fmt::print("{:8} {:8.2f} {:8.2f} {:9.3f} {:9.3f} {:9.3f} {:8.2f} {:10.1f}\n",
             sizes == Sizes::kOne ? "one" : "varied", size / 1e6,
             size / static_cast<double>(reader->totals().files), encode, decode, copy, open * 1e3,
             lookup * 1e6);
  ::unlink(path.c_str());
  ::unlink((folder + "/copy.catalog").c_str());
}

}  // namespace
}  // namespace wherry::catalog

// An argument names the folder to work in, default the current one.
int main(int argc, char** argv) {
  using namespace wherry::catalog;  // NOLINT: main only
  const std::string folder = argc > 1 ? argv[1] : ".";
  fmt::print("{:8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8} {:>10}\n", "sizes", "MB", "B/file",
             "encode s", "decode s", "copy s", "open ms", "look-up us");
  run(folder, Sizes::kOne);
  run(folder, Sizes::kVaried);
  fmt::print("peak memory {} KiB, with file-backed pages\n", wherry::peak_kib());
}
