// SPDX-License-Identifier: Apache-2.0
#include "catalog/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "base/hash.h"
#include "base/worker_pool.h"
#include "catalog/format.h"
#include "catalog/test_tree.h"

namespace wherry::catalog {
namespace {

using ::testing::HasSubstr;

std::string bytes_of(const TestTree& tree, int zstd_level = 1) {
  const TestFolder folder;
  CHECK(write_tree(folder / "a.catalog", tree, {.note = "note", .zstd_level = zstd_level}));
  return read_file(folder / "a.catalog", 1 << 30).value();
}

// Opens, checks and reads everything, as far as it goes.
Result<void> use(std::string bytes) {
  TRY_ASSIGN(const auto reader, Reader::from_bytes(std::move(bytes), "state/beam.catalog"));
  TRY(reader->find("run42"));
  TRY(read_tree(*reader));
  return reader->check();
}

TEST(Reader, FindsDirectoriesByPath) {
  const TestTree tree = random_tree(3);
  const auto reader = Reader::from_bytes(bytes_of(tree), "a").value();
  std::uint64_t position = 0;
  for (const auto& [path, directory] : tree) {
    EXPECT_EQ(reader->find(path).value(), position);
    EXPECT_EQ(reader->directory(position).value().path, path);
    EXPECT_EQ(reader->directory(position).value().entry_count, directory.entries.size());
    EXPECT_EQ(reader->find(path + "!missing").value(), std::nullopt);
    ++position;
  }
}

TEST(Reader, ReadsOneDirectoryWithoutLookingAtTheOthers) {
  std::string bytes = bytes_of(small_tree());
  bytes[sizeof(FileHeader) + sizeof(BlockHeader)] ^= 1;  // the root's block
  const auto reader = Reader::from_bytes(bytes, "a").value();
  DirectoryEntries entries;
  EXPECT_FALSE(reader->read(0, entries));
  EXPECT_TRUE(entries.entries.empty());
  ASSERT_TRUE(reader->read(reader->find("run42").value().value(), entries));
  EXPECT_TRUE(owned(entries) == small_tree()["run42"]);
}

TEST(Reader, MovedEntriesKeepTheirNames) {
  const auto reader = Reader::from_bytes(bytes_of(small_tree()), "a").value();
  DirectoryEntries entries;
  ASSERT_TRUE(reader->read(0, entries));  // one short name
  const DirectoryEntries moved = std::move(entries);
  EXPECT_EQ(moved.entries.at(0).name, "run42");
  EXPECT_EQ(moved.entries.at(0).name.data(), moved.names.data());
}

TEST(Reader, AnEmptyCatalogIsValid) {
  const std::string bytes = bytes_of({});
  const auto reader = Reader::from_bytes(bytes, "a").value();
  EXPECT_EQ(reader->directory_count(), 0u);
  EXPECT_EQ(reader->find("").value(), std::nullopt);
  EXPECT_TRUE(reader->check());
}

TEST(Reader, SeveralThreadsReadAtOnce) {
  const TestTree tree = random_tree(21);
  const auto reader = Reader::from_bytes(bytes_of(tree), "a").value();
  std::atomic<int> same{0};
  {
    WorkerPool pool({.threads = 4, .queue_limit = 8});
    for (int i = 0; i < 8; ++i)
      pool.submit([&] { same += read_tree(*reader).value() == tree ? 1 : 0; });
  }
  EXPECT_EQ(same, 8);
}

TEST(Reader, TwoReadersInOneThreadDoNotMixTheirPages) {
  TestTree other = small_tree();
  other["run43"] = other["run42"];
  const auto a = Reader::from_bytes(bytes_of(small_tree()), "a").value();
  const auto b = Reader::from_bytes(bytes_of(other), "b").value();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(a->find("run43").value(), std::nullopt);
    EXPECT_EQ(b->find("run43").value(), 3u);
  }
}

TEST(Reader, AMissingFileIsNotFound) {
  const TestFolder folder;
  const auto reader = Reader::open(folder / "none.catalog");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Code::kNotFound);
}

TEST(Reader, ANewerVersionIsUnsupportedAndSaysSo) {
  std::string bytes = bytes_of(small_tree());
  auto header = load<FileHeader>(bytes);
  header.version = kVersion + 1;
  header.checksum = checksum64(record_bytes(header, 0, offsetof(FileHeader, checksum)));
  std::memcpy(bytes.data(), &header, sizeof header);
  const auto result = use(bytes);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUnsupported);
  EXPECT_THAT(result.error().message, HasSubstr("newer Wherry"));
}

TEST(Reader, EveryChangedByteIsNoticed) {
  for (const int zstd_level : {0, 1}) {
    const std::string good = bytes_of(small_tree(), zstd_level);
    ASSERT_TRUE(use(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const int mask : {0x01, 0x80, 0xff}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ mask);
        const auto result = use(bad);
        ASSERT_FALSE(result) << "byte " << i << " mask " << mask;
        EXPECT_EQ(result.error().code, Code::kCorrupt) << result.error().message;
      }
    }
  }
}

TEST(Reader, EveryCutAndEveryAddedByteIsNoticed) {
  const std::string good = bytes_of(small_tree());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(use(good.substr(0, size)));
  EXPECT_FALSE(use(good + '\0'));
  EXPECT_FALSE(use('\0' + good));
}

TEST(Reader, DamageIsReportedWithFilePlaceAndRemedy) {
  std::string bytes = bytes_of(small_tree());
  bytes[sizeof(FileHeader) + 30] ^= 1;
  const auto result = use(bytes);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("'state/beam.catalog' is damaged at byte 24"));
  EXPECT_THAT(result.error().message, HasSubstr("`wherry sync rebuild beam`"));
}

// Damage behind checksums that hold: what a hostile writer can make. Whatever comes back must be an
// error or a tree whose names are possible and in order.
TEST(Reader, HostileBlocksWithGoodChecksumsAreHarmless) {
  const std::string good = bytes_of(small_tree(), 0);
  const std::size_t root_block = sizeof(FileHeader);
  const std::size_t size = sizeof(BlockHeader) +
                           load<BlockHeader>(std::string_view(good).substr(root_block)).stored_size;
  const std::size_t begin = root_block + size;  // the block of run42
  const auto header = load<BlockHeader>(std::string_view(good).substr(begin));
  const std::size_t end = begin + sizeof header + header.stored_size;
  int refused = 0;
  for (std::size_t i = begin + sizeof header.checksum; i < end; ++i) {
    for (int mask = 1; mask < 256; ++mask) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      const std::uint64_t checksum =
          checksum64(std::string_view(bad).substr(begin + 8, end - begin - 8));
      std::memcpy(bad.data() + begin, &checksum, sizeof checksum);
      const auto reader = Reader::from_bytes(bad, "a").value();
      DirectoryEntries entries;
      if (!reader->read(1, entries)) {
        ++refused;
        EXPECT_TRUE(entries.entries.empty());
        continue;
      }
      for (std::size_t e = 0; e < entries.entries.size(); ++e) {
        const std::string_view name = entries.entries[e].name;
        EXPECT_TRUE(!name.empty() && name != "." && name != "..");
        EXPECT_EQ(name.find_first_of(std::string_view("/\0", 2)), std::string_view::npos);
        EXPECT_TRUE(e == 0 || entries.entries[e - 1].name < name);
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Reader, HostilePagesWithGoodChecksumsAreHarmless) {
  const std::string good = bytes_of(small_tree(), 0);
  const auto footer = load<Footer>(std::string_view(good).substr(good.size() - sizeof(Footer)));
  const std::size_t begin = sizeof(FileHeader) + footer.data_size;
  const std::size_t size = footer.index_size;
  int refused = 0;
  for (std::size_t i = begin + sizeof(std::uint64_t); i < begin + size; ++i) {
    for (int mask = 1; mask < 256; ++mask) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      const std::uint64_t checksum = checksum64(std::string_view(bad).substr(begin + 8, size - 8));
      std::memcpy(bad.data() + begin, &checksum, sizeof checksum);
      if (!use(bad)) ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Reader, AZstdFrameThatClaimsTooMuchIsRefused) {
  std::string bytes = bytes_of(wide_tree());
  const std::size_t begin = sizeof(FileHeader);
  auto header = load<BlockHeader>(std::string_view(bytes).substr(begin));
  ASSERT_EQ(header.codec, Codec::kZstd);
  for (const std::uint32_t raw_size : {0u, header.raw_size - 1, header.raw_size + 1, 0xffffffffu}) {
    header.raw_size = raw_size;
    std::memcpy(bytes.data() + begin, &header, sizeof header);
    const std::uint64_t checksum = checksum64(
        std::string_view(bytes).substr(begin + 8, sizeof header - 8 + header.stored_size));
    std::memcpy(bytes.data() + begin, &checksum, sizeof checksum);
    const auto result = use(bytes);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kCorrupt);
  }
}

// A file of tests/data, what it holds, and how it is compressed.
struct GoldenFile {
  std::string path;
  TestTree tree;
  int zstd_level;
};

std::vector<GoldenFile> golden_files() {
  const std::string folder = std::string(WHERRY_TEST_DATA) + "/catalog/v1/";
  return {{folder + "small.catalog", small_tree(), 0}, {folder + "wide.catalog", wide_tree(), 1}};
}

TEST(Golden, Version1FilesStillRead) {
  if (std::getenv("WHERRY_ACCEPT") != nullptr) {
    for (const GoldenFile& file : golden_files())
      ASSERT_TRUE(durable_write_file(file.path, bytes_of(file.tree, file.zstd_level), 0644));
    GTEST_SKIP() << "golden files rewritten";
  }
  for (const GoldenFile& file : golden_files()) {
    const auto reader = Reader::open(file.path);
    ASSERT_TRUE(reader) << reader.error().message;
    ASSERT_TRUE((*reader)->check());
    EXPECT_TRUE(read_tree(**reader).value() == file.tree) << file.path;
    EXPECT_EQ((*reader)->note(), "note");
  }
}

TEST(Golden, TheWideFileIsCompressed) {
  if (std::getenv("WHERRY_ACCEPT") != nullptr) GTEST_SKIP() << "golden files are being rewritten";
  const std::string bytes = read_file(golden_files().at(1).path, 1 << 20).value();
  EXPECT_EQ(load<BlockHeader>(std::string_view(bytes).substr(sizeof(FileHeader))).codec,
            Codec::kZstd);
}

// Of uncompressed files only: releases of zstd may compress differently.
TEST(Golden, Version1IsWrittenByteForByte) {
  if (std::getenv("WHERRY_ACCEPT") != nullptr) GTEST_SKIP() << "golden files are being rewritten";
  const GoldenFile file = golden_files().at(0);
  EXPECT_EQ(read_file(file.path, 1 << 20).value(), bytes_of(file.tree, file.zstd_level));
}

}  // namespace
}  // namespace wherry::catalog
