// SPDX-License-Identifier: Apache-2.0
// Makes the reference tree of the benchmarks: what a beamline's detectors leave behind. By default
// 1,289,344 files ROOT/2018/<experiment>/<sample>/<sample>_00001.tif in 723 directories, about
// 1,800 in each leaf; gaps in the numbers, and mtimes in nanoseconds that ascend with jitter. A
// seed makes the same tree again.
//
// Files are empty or sparse unless --data asks for random bytes: the scan and the catalog see
// names, sizes and times only, and 1.3 million files of content fit on no test disk.
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"
#include "base/worker_pool.h"

namespace wherry {
namespace {

constexpr std::uint64_t kReferenceFiles = 1'289'344;
constexpr std::uint64_t kReferenceLeaves = 715;  // with 7 experiments and the year: 723 directories
constexpr std::uint64_t kFilesPerLeaf = kReferenceFiles / kReferenceLeaves;
constexpr std::uint64_t kLeavesPerExperiment = 103;
constexpr std::int64_t kFirstMtimeNs = 1'538'352'000'000'000'000;  // 2018-10-01
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

struct Settings {
  std::string root;
  std::uint64_t files = kReferenceFiles;
  ByteCount size = 0;
  bool varied_sizes = false;
  bool data = false;
  std::uint64_t seed = 1;
  std::optional<std::uint64_t> changes;  // change an existing tree instead of making one
};

std::uint64_t leaf_count(std::uint64_t files) {
  return std::max<std::uint64_t>(1, (files + kFilesPerLeaf) / (kFilesPerLeaf + 1));
}

std::string sample_name(std::uint64_t leaf) {
  return fmt::format("sample{:04}_th0.{:03}_10.00s", leaf, 80 + leaf % 240);
}

std::string leaf_path(std::uint64_t leaf) {
  return fmt::format("2018/experiment{:02}/{}", leaf / kLeavesPerExperiment, sample_name(leaf));
}

std::string file_name(std::uint64_t leaf, std::uint64_t number) {
  return fmt::format("{}_{:05}.tif", sample_name(leaf), number);
}

// Keeps the first error of many workers.
class FirstError {
 public:
  void note(Result<void> result) {
    if (result) return;
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(result).error();
  }
  Result<void> take() {
    if (error_) return *std::move(error_);
    return {};
  }

 private:
  std::mutex mutex_;
  std::optional<Error> error_;
};

// Runs `work(leaf)` for every leaf on two threads.
Result<void> for_each_leaf(std::uint64_t leaves,
                           const std::function<Result<void>(std::uint64_t)>& work) {
  FirstError first_error;
  {
    WorkerPool pool({.threads = 2, .queue_limit = 16});
    for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
      pool.submit([&, leaf] { first_error.note(work(leaf)); });
    }
  }
  return first_error.take();
}

class TreeMaker {
 public:
  explicit TreeMaker(const Settings& settings) : settings_(settings) {}

  Result<void> make() {
    const std::uint64_t leaves = leaf_count(settings_.files);
    return for_each_leaf(leaves, [&](std::uint64_t leaf) -> Result<void> {
      const std::uint64_t share = settings_.files / leaves;
      return fill_leaf(leaf, share + (leaf < settings_.files % leaves ? 1 : 0));
    });
  }

 private:
  Result<void> fill_leaf(std::uint64_t leaf, std::uint64_t files) const {
    const std::string path = settings_.root + "/" + leaf_path(leaf);
    TRY(make_directories(path, kDirectoryMode));
    const UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return errno_error(errno, "open '" + path + "'");
    SeededRandom random(settings_.seed * 1'000'003 + leaf);
    std::uint64_t number = 0;
    // A leaf is a measurement of about an hour, a file every two seconds.
    std::int64_t mtime_ns = kFirstMtimeNs + static_cast<std::int64_t>(leaf) * 3'700'000'000'000;
    for (std::uint64_t i = 0; i < files; ++i) {
      number += random.below(50) == 0 ? 2 + random.below(9) : 1;
      mtime_ns += 1'500'000'000 + static_cast<std::int64_t>(random.below(1'000'000'000));
      TRY(make_file(directory.get(), file_name(leaf, number), mtime_ns, random), "in '{}'", path);
    }
    return {};
  }

  Result<void> make_file(int directory, const std::string& name, std::int64_t mtime_ns,
                         Random& random) const {
    const UniqueFd file(
        ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
    if (!file) return errno_error(errno, "create '" + name + "'");
    const ByteCount size = settings_.varied_sizes
                               ? settings_.size / 2 + random.below(settings_.size + 1)
                               : settings_.size;
    if (settings_.data) {
      TRY(write_random(file.get(), size, random), "'{}'", name);
    } else if (size > 0 && ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
      return errno_error(errno, "set the size of '" + name + "'");
    }
    const timespec times[2] = {
        {.tv_sec = 0, .tv_nsec = UTIME_OMIT},
        {.tv_sec = mtime_ns / 1'000'000'000, .tv_nsec = mtime_ns % 1'000'000'000}};
    if (::futimens(file.get(), times) != 0) return errno_error(errno, "set the time of " + name);
    return {};
  }

  static Result<void> write_random(int file, ByteCount size, Random& random) {
    std::string block(1 << 16, '\0');
    for (ByteCount offset = 0; offset < size; offset += block.size()) {
      for (std::size_t i = 0; i < block.size(); i += sizeof(std::uint64_t)) {
        const std::uint64_t value = random.next();
        std::memcpy(&block[i], &value, sizeof value);
      }
      const auto length = std::min<ByteCount>(block.size(), size - offset);
      TRY(write_fully(file, std::span<const char>(block.data(), length), offset));
    }
    return {};
  }

  const Settings& settings_;
};

std::vector<std::filesystem::path> find_leaves(const std::string& root) {
  std::vector<std::filesystem::path> leaves;
  for (const auto& experiment : std::filesystem::directory_iterator(root + "/2018")) {
    for (const auto& sample : std::filesystem::directory_iterator(experiment)) {
      leaves.push_back(sample.path());
    }
  }
  std::sort(leaves.begin(), leaves.end());
  return leaves;
}

Result<void> append_byte(const std::string& path, int flags) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | flags, kFileMode));
  if (!file) return errno_error(errno, "open '" + path + "'");
  if (::write(file.get(), "!", 1) != 1) return errno_error(errno, "write '" + path + "'");
  return {};
}

// Grows `count` files of a leaf: every other one is an existing file, the rest are new.
Result<void> change_leaf(const std::filesystem::path& leaf, std::uint64_t count, Random& random) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(leaf)) {
    names.push_back(file.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i % 2 == 0 && i / 2 < names.size()) {
      const std::uint64_t stride = std::max<std::uint64_t>(1, names.size() / ((count + 1) / 2));
      TRY(append_byte(leaf / names[i / 2 * stride], 0));
    } else {
      const std::string name = fmt::format("{}_late{:08x}.tif", leaf.filename().string(),
                                           static_cast<std::uint32_t>(random.next()));
      TRY(append_byte(leaf / name, O_CREAT | O_EXCL));
    }
  }
  return {};
}

// Spreads the changes evenly over the leaves.
Result<void> change_tree(const Settings& settings) {
  const auto leaves = find_leaves(settings.root);
  if (leaves.empty()) return make_error(Code::kNotFound, "'{}' holds no tree", settings.root);
  SeededRandom random(settings.seed);
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::uint64_t until = *settings.changes * (i + 1) / leaves.size();
    TRY(change_leaf(leaves[i], until - done, random), "change '{}'", leaves[i].string());
    done = until;
  }
  return {};
}

constexpr char kUsage[] =
    "wherry_make_tree [--files N] [--size BYTES] [--varied-sizes] [--data] [--seed N] ROOT\n"
    "wherry_make_tree --change N [--seed N] ROOT\n"
    "  --files N        how many files (default 1289344)\n"
    "  --size BYTES     of each file, e.g. 16KiB (default 0); sparse unless --data\n"
    "  --varied-sizes   from half to one and a half times --size\n"
    "  --data           fill the files with random bytes\n"
    "  --change N       in an existing tree, grow or add N files, spread over its directories\n"
    "  --seed N         another tree, or other changes (default 1)\n";

Result<std::uint64_t> parse_count(std::string_view text) { return parse_bytes(text); }

Result<Settings> parse(int argc, char** argv) {
  const option options[] = {{"files", required_argument, nullptr, 'f'},
                            {"size", required_argument, nullptr, 's'},
                            {"varied-sizes", no_argument, nullptr, 'v'},
                            {"data", no_argument, nullptr, 'd'},
                            {"seed", required_argument, nullptr, 'r'},
                            {"change", required_argument, nullptr, 'c'},
                            {}};
  Settings settings;
  for (int option; (option = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    switch (option) {
      case 'f': {
        TRY_ASSIGN(settings.files, parse_count(optarg), "--files");
        break;
      }
      case 's': {
        TRY_ASSIGN(settings.size, parse_bytes(optarg), "--size");
        break;
      }
      case 'v':
        settings.varied_sizes = true;
        break;
      case 'd':
        settings.data = true;
        break;
      case 'r': {
        TRY_ASSIGN(settings.seed, parse_count(optarg), "--seed");
        break;
      }
      case 'c': {
        TRY_ASSIGN(settings.changes, parse_count(optarg), "--change");
        break;
      }
      default:
        return make_error(Code::kInvalid, "unknown option");
    }
  }
  if (optind + 1 != argc) return make_error(Code::kInvalid, "one ROOT is needed");
  settings.root = argv[optind];
  return settings;
}

int run(int argc, char** argv) {
  const auto settings = parse(argc, argv);
  if (!settings) {
    fmt::print(stderr, "wherry_make_tree: {}\n{}", settings.error().message, kUsage);
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto made = settings->changes ? change_tree(*settings) : TreeMaker(*settings).make();
  if (!made) {
    fmt::print(stderr, "wherry_make_tree: {}\n", made.error().message);
    return 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (settings->changes) {
    fmt::print("{} files changed or added in {:.1f} s\n", *settings->changes, seconds.count());
  } else {
    const std::uint64_t leaves = leaf_count(settings->files);
    const std::uint64_t experiments = (leaves + kLeavesPerExperiment - 1) / kLeavesPerExperiment;
    fmt::print("{} files in {} directories in {:.1f} s\n", settings->files,
               leaves + experiments + 1, seconds.count());
  }
  return 0;
}

}  // namespace
}  // namespace wherry

int main(int argc, char** argv) { return wherry::run(argc, argv); }
