// SPDX-License-Identifier: Apache-2.0
#include "catalog/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "catalog/test_tree.h"

namespace wherry::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Writer, RandomTreesComeBackAsTheyWere) {
  const TestFolder folder;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const TestTree tree = random_tree(seed);
    const std::string path = folder / "random.catalog";
    ASSERT_TRUE(write_tree(path, tree, {.note = "", .zstd_level = static_cast<int>(seed % 2)}));
    const auto reader = Reader::open(path);
    ASSERT_TRUE(reader) << reader.error().message;
    const auto checked = (*reader)->check();
    ASSERT_TRUE(checked) << checked.error().message;
    const auto read = read_tree(**reader);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(*read == tree);
  }
}

TEST(Writer, CountsWhatItWrites) {
  const TestFolder folder;
  ASSERT_TRUE(write_tree(folder / "a.catalog", small_tree(), {.note = "pass 7 of run42"}));
  const auto reader = Reader::open(folder / "a.catalog").value();
  EXPECT_EQ(reader->note(), "pass 7 of run42");
  EXPECT_EQ(reader->totals().directories, 3u);
  EXPECT_EQ(reader->totals().files, 3u);
  EXPECT_EQ(reader->totals().symlinks, 1u);
  EXPECT_EQ(reader->totals().bytes, 3u * 4194304);
}

TEST(Writer, ADirectoryOf200000EntriesRoundTrips) {
  const TestFolder folder;
  TestTree tree;
  for (std::int64_t i = 0; i < 200'000; ++i) {
    OwnedEntry& entry = tree[""].entries[fmt::format("frame_{:06}.cbf", i)];
    entry.observation = {EntryType::kFile,
                         0640,
                         1u << 20,
                         1539601563000000000 + i * 1'000'003,
                         1539601563000000000 + i * 1'000'003,
                         100u + static_cast<std::uint64_t>(i)};
  }
  ASSERT_TRUE(write_tree(folder / "wide.catalog", tree));
  const auto reader = Reader::open(folder / "wide.catalog").value();
  ASSERT_TRUE(reader->check());
  EXPECT_TRUE(read_tree(*reader).value() == tree);
}

TEST(Writer, LongNamesSplitADirectoryIntoBlocksOfBoundedText) {
  const TestFolder folder;
  TestTree tree;
  for (int i = 0; i < 700; ++i) {
    OwnedEntry& entry = tree[""].entries[fmt::format("{:04}", i) + std::string(3000, 'x')];
    entry.observation.type = EntryType::kSymlink;
    entry.symlink_target = std::string(4095, static_cast<char>('a' + i % 26));
  }
  ASSERT_TRUE(write_tree(folder / "long.catalog", tree));
  const auto reader = Reader::open(folder / "long.catalog").value();
  ASSERT_TRUE(reader->check());
  EXPECT_TRUE(read_tree(*reader).value() == tree);
}

TEST(Writer, ManyDirectoriesOutgrowTheIndexBufferAndAreFound) {
  const TestFolder folder;
  const auto path_of = [](int i) {
    return fmt::format("{:03}/{:03}/d", i / 997, i % 997) + std::string(60, 'p');
  };
  SeededRandom random(5);
  {
    const auto writer =
        Writer::create(folder / "deep.catalog", {.note = "", .zstd_level = 0}).value();
    ASSERT_TRUE(writer->add({}, {}));
    for (int i = 0; i < 30'000; ++i) {
      Directory directory{path_of(i), random_observation(random), i % 2 == 0, 0};
      ASSERT_TRUE(writer->add(directory, {}));
    }
    EXPECT_THAT(folder.names(), ElementsAre("deep.catalog.tmp"));  // the spilled index has no name
    ASSERT_TRUE(writer->finish());
  }
  const auto reader = Reader::open(folder / "deep.catalog").value();
  ASSERT_TRUE(reader->check());
  ASSERT_EQ(reader->directory_count(), 30'001u);
  for (int i = 0; i < 30'000; i += 7)
    EXPECT_EQ(reader->find(path_of(i)).value(), static_cast<std::uint64_t>(i) + 1);
  EXPECT_EQ(reader->find("000/000").value(), std::nullopt);
  EXPECT_EQ(reader->find("zzz").value(), std::nullopt);
}

TEST(Writer, CopiesAnUnchangedDirectoryBlockForBlock) {
  const TestFolder folder;
  const TestTree tree = random_tree(11);
  ASSERT_TRUE(write_tree(folder / "old.catalog", tree));
  const auto source = Reader::open(folder / "old.catalog").value();
  const auto writer = Writer::create(folder / "new.catalog", {}).value();
  for (std::uint64_t position = 0; position < source->directory_count(); ++position)
    ASSERT_TRUE(writer->copy(*source, position, source->directory(position).value()));
  ASSERT_TRUE(writer->finish());
  const auto copied = Reader::open(folder / "new.catalog").value();
  ASSERT_TRUE(copied->check());
  EXPECT_TRUE(read_tree(*copied).value() == tree);
  EXPECT_EQ(read_file(folder / "old.catalog", 1 << 30).value(),
            read_file(folder / "new.catalog", 1 << 30).value());
}

TEST(Writer, CopiesADirectoryThatMovedWithItsNewRecord) {
  const TestFolder folder;
  ASSERT_TRUE(write_tree(folder / "sync.catalog", small_tree()));
  const auto source = Reader::open(folder / "sync.catalog").value();
  const Observation seen{EntryType::kDirectory, 0700, 1, 2, 3, 4};
  {
    const auto writer = Writer::create(folder / "sync.catalog", {}).value();
    ASSERT_TRUE(writer->add({}, {}));
    const std::uint64_t position = source->find("run42").value().value();
    ASSERT_TRUE(writer->copy(*source, position, {"archive/run42", seen, false, 0}));
    ASSERT_TRUE(writer->finish());
  }
  EXPECT_EQ(source->directory_count(), 3u);  // the replaced file stays readable
  const auto moved = read_tree(*Reader::open(folder / "sync.catalog").value()).value();
  TestDirectory expected = small_tree()["run42"];
  expected.observation = seen;
  expected.trusted = false;
  ASSERT_EQ(moved.count("archive/run42"), 1u);
  EXPECT_TRUE(moved.at("archive/run42") == expected);
}

TEST(Writer, DoesNotCopyADamagedBlock) {
  const TestFolder folder;
  ASSERT_TRUE(write_tree(folder / "a.catalog", small_tree()));
  std::string bytes = read_file(folder / "a.catalog", 1 << 20).value();
  bytes[60] = static_cast<char>(bytes[60] ^ 1);
  const auto source = Reader::from_bytes(bytes, "a.catalog").value();
  const auto writer = Writer::create(folder / "b.catalog", {}).value();
  const auto copied = writer->copy(*source, 0, {});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::kCorrupt);
}

TEST(Writer, AnUnfinishedWriterLeavesNothing) {
  const TestFolder folder;
  ASSERT_TRUE(write_tree(folder / "a.catalog", small_tree()));
  const std::string before = read_file(folder / "a.catalog", 1 << 20).value();
  {
    const auto writer = Writer::create(folder / "a.catalog", {}).value();
    ASSERT_TRUE(writer->add({}, {}));
  }
  EXPECT_THAT(folder.names(), ElementsAre("a.catalog"));
  EXPECT_EQ(read_file(folder / "a.catalog", 1 << 20).value(), before);
}

TEST(Writer, TakesOverWhatAKilledWriterLeft) {
  const TestFolder folder;
  ASSERT_TRUE(durable_write_file(folder / "a.catalog.tmp", std::string(100'000, 'x'), 0600));
  ASSERT_TRUE(write_tree(folder / "a.catalog", small_tree()));
  EXPECT_THAT(folder.names(), ElementsAre("a.catalog"));
  EXPECT_TRUE(Reader::open(folder / "a.catalog").value()->check());
}

TEST(Writer, TwoWritersOfOneCatalogExcludeEachOther) {
  const TestFolder folder;
  auto first = Writer::create(folder / "a.catalog", {});
  ASSERT_TRUE(first);
  const auto second = Writer::create(folder / "a.catalog", {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("another process is writing"));
  first->reset();
  EXPECT_TRUE(Writer::create(folder / "a.catalog", {}));
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Writer, RefusesNamesThatNoDirectoryCanHold) {
  const TestFolder folder;
  const auto writer = Writer::create(folder / "a.catalog", {}).value();
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a\0b", 3), std::string(5000, 'n')}) {
    const Entry entry{name, {}, {}};
    const auto added = writer->add({}, {&entry, 1});
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Code::kInvalid);
    EXPECT_THAT(added.error().message, HasSubstr("no possible file name"));
  }
  const std::string long_target(5000, 't');
  const Entry link{"l", {.type = EntryType::kSymlink}, long_target};
  EXPECT_FALSE(writer->add({}, {&link, 1}));
  EXPECT_FALSE(Writer::create(folder / "b.catalog", {.note = std::string(70'000, 'n')}));
}

TEST(Writer, SaysWhatItCouldNotMake) {
  const TestFolder folder;
  const auto writer = Writer::create(folder / "none/a.catalog", {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, Code::kNotFound);
  EXPECT_THAT(writer.error().message, HasSubstr("none/a.catalog.tmp"));
}

TEST(WriterDeath, DirectoriesOutOfOrderAreABug) {
  const TestFolder folder;
  const auto writer = Writer::create(folder / "a.catalog", {}).value();
  EXPECT_DEATH((void)writer->add({"a", {}, false, 0}, {}), "");  // the root comes first
  ASSERT_TRUE(writer->add({}, {}));
  ASSERT_TRUE(writer->add({"a/b", {}, false, 0}, {}));
  EXPECT_DEATH((void)writer->add({"a", {}, false, 0}, {}), "");
  EXPECT_DEATH((void)writer->add({"a/b", {}, false, 0}, {}), "");
}

TEST(WriterDeath, EntriesOutOfOrderAreABug) {
  const TestFolder folder;
  const auto writer = Writer::create(folder / "a.catalog", {}).value();
  const Entry swapped[] = {{"b", {}, {}}, {"a", {}, {}}};
  const Entry doubled[] = {{"a", {}, {}}, {"a", {}, {}}};
  EXPECT_DEATH((void)writer->add({}, swapped), "");
  EXPECT_DEATH((void)writer->add({}, doubled), "");
}

}  // namespace
}  // namespace wherry::catalog
