// SPDX-License-Identifier: Apache-2.0
// Passes that find renamed and moved files, and things that changed their type.
#include <gmock/gmock.h>

#include "base/file.h"
#include "sync/pass.h"
#include "sync/test_fixture.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RenameTest : public SyncFixture {};

TEST_F(RenameTest, ARenamedDirectoryIsOneOperationAndNoBytes) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 200; ++i) write(fmt::format("run/f{}", i), fmt::format("{}", i));
  write("run/sub/x", "x");
  write("other", "o");
  run();
  service_.forget();
  rename("run", "results/2018");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_EQ(report.counts.renamed, 1u);
  EXPECT_EQ(report.counts.removed, 0u);
  EXPECT_THAT(service_.renamed, ElementsAre("run -> results/2018"));
  EXPECT_THAT(service_.copied, IsEmpty());
  EXPECT_THAT(service_.deleted, IsEmpty());
  expect_mirrored();
  expect_nothing_due();
  EXPECT_TRUE(catalog()->check());
}

TEST_F(RenameTest, ChangesInsideARenamedDirectoryAreSentAlone) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 20; ++i) write(fmt::format("run/f{:02}", i), fmt::format("{}", i));
  write("run/sub/x", "x");
  write("run/gone/y", "y");
  run();
  service_.forget();
  rename("run", "moved");
  write("moved/f03", "changed");
  write("moved/new", "new");
  remove("moved/f04");
  remove("moved/gone");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_THAT(service_.copied, ElementsAre("moved/f03", "moved/new"));
  EXPECT_THAT(service_.deleted, ElementsAre("moved/f04", "moved/gone"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, WhatCouldNotBeDeletedBelowARenamedDirectoryIsTriedAgain) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* directory : {"m", "n"}) {
    for (int i = 0; i < 20; ++i) write(fmt::format("{}/f{:02}", directory, i), "f");
    write(fmt::format("{}/gone/deep/y", directory), "y");
    write(fmt::format("{}/gone/z", directory), "z");
  }
  run();
  // One before its old name in the order of a catalog, and one behind.
  rename("m", "before");
  rename("n", "zlast");
  for (const char* directory : {"before/gone", "zlast/gone"}) {
    remove(directory);
    service_.failing_deletes.insert(directory);
  }
  EXPECT_EQ(run().end, PassEnd::kIncomplete);
  EXPECT_TRUE(catalog()->check());
  service_.failing_deletes.clear();
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, AFileIsNotRenamedToANameThatItsDirectoryBringsAlong) {
  for (const char* name : {"run/k1", "run/k2", "run/f", "x"}) write(name, name);
  run();
  remove("run/f");
  run();
  EXPECT_TRUE(fs::exists(at_target("run/f")));  // deletions are kept
  rename("run", "run42");
  rename("x", "run42/f");
  run();
  run();
  EXPECT_EQ(tree(target_)["run42/f"], "x");
  expect_nothing_due();
}

TEST_F(RenameTest, ADirectoryIsNotRenamedToANameThatAnotherBringsAlong) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* name : {"a/k1", "a/k2", "a/sub/old", "c/one", "z/new"}) write(name, name);
  for (int i = 0; i < 20; ++i) write(fmt::format("other{}", i), "o");
  run();
  rename("a", "b");
  rename("c", "d");
  remove("b/sub");
  rename("z", "b/sub");
  run();
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, AMovedFileIsRenamedAtTheTarget) {
  definition_.deletions = Deletions::kPropagate;
  write("a/one", "1");
  write("a/two", "22");
  write("b/three", "333");
  run();
  service_.forget();
  rename("a/two", "b/zwei");
  EXPECT_THAT(dry_run(), ElementsAre("renamed b/zwei from a/two"));
  run();
  EXPECT_THAT(service_.renamed, ElementsAre("a/two -> b/zwei"));
  EXPECT_THAT(service_.copied, IsEmpty());
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, AFileMovedOutOfARemovedDirectoryIsRenamed) {
  definition_.deletions = Deletions::kPropagate;
  write("a/one", "1");
  write("a/two", "22");
  write("a/three", "333");
  for (int i = 0; i < 5; ++i) write(fmt::format("b/{}", i), "x");
  run();
  service_.forget();
  rename("a/two", "b/two");
  remove("a");
  const PassReport report = run();
  EXPECT_EQ(report.counts.removed, 2u);
  EXPECT_THAT(service_.renamed, ElementsAre("a/two -> b/two"));
  EXPECT_THAT(service_.deleted, ElementsAre("a"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, ARenameThatTheTargetDoesNotConfirmIsCopied) {
  definition_.deletions = Deletions::kPropagate;
  write("a", "first");
  write("b", "second");
  write("c", "third");
  run();
  service_.forget();
  fs::remove(at_target("a"));  // somebody meddled
  rename("a", "moved");
  run();
  EXPECT_THAT(service_.renamed, IsEmpty());
  EXPECT_THAT(service_.copied, ElementsAre("moved"));
  expect_mirrored();
  expect_nothing_due();
}

// The new directories above it are there, then: the catalog has them, and what came with the
// rename.
TEST_F(RenameTest, WhatARenameBroughtIsKnownAlthoughItsDirectoryCannotBeMadeAgain) {
  write("d/f", "1");
  write("other", "2");
  ASSERT_EQ(run().end, PassEnd::kDone);
  rename("d", "new/below/d");
  service_.denies_existing = true;
  EXPECT_EQ(run().end, PassEnd::kDone);
  service_.denies_existing = false;
  expect_mirrored();
  expect_nothing_due();
  EXPECT_TRUE(fs::exists(at_target("new/below/d/f")));
}

TEST_F(RenameTest, AnEndpointThatCannotRenameGetsACopyInTheEnd) {
  definition_.deletions = Deletions::kPropagate;
  definition_.renames = false;
  write("a/one", "1");
  write("b", "2");
  write("c", "3");
  run();
  service_.forget();
  rename("a", "z");
  run();
  EXPECT_THAT(service_.copied, ElementsAre("z/one"));
  EXPECT_THAT(service_.deleted, ElementsAre("a"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, ARenameThatFailsIsNotRecordedAndIsCopiedInTheNextPass) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* name : {"run/one", "run/two", "x", "y", "z"}) write(name, name);
  run();
  service_.can_rename = false;
  rename("run", "moved");
  EXPECT_EQ(run().end, PassEnd::kIncomplete);
  EXPECT_TRUE(catalog()->find("run").value().has_value());
  EXPECT_FALSE(catalog()->find("moved").value().has_value());
  service_.forget();
  EXPECT_EQ(run().end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, ElementsAre("moved/one", "moved/two"));
  EXPECT_THAT(service_.deleted, ElementsAre("run"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, AHardLinkIsAFileOfItsOwn) {
  write("a", "shared");
  run();
  fs::create_hard_link(at_source("a"), at_source("b"));
  service_.forget();
  run();
  EXPECT_THAT(service_.renamed, IsEmpty());
  EXPECT_THAT(service_.copied, ElementsAre("b"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, RotatedNamesKeepTheirContents) {
  definition_.deletions = Deletions::kPropagate;
  write("log", "newest");
  write("log.1", "older");
  write("log.2", "oldest!");
  run();
  remove("log.2");
  rename("log.1", "log.2");
  rename("log", "log.1");
  write("log", "fresh");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, SwappedDirectoriesKeepTheirContents) {
  definition_.deletions = Deletions::kPropagate;
  write("a/x", "in a");
  write("b/x", "in b!");
  write("b/only b", "");
  run();
  rename("a", "t");
  rename("b", "a");
  rename("t", "b");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, TypeChangesReplaceWhatWasThere) {
  for (const Deletions deletions : {Deletions::kPropagate, Deletions::kArchive, Deletions::kKeep}) {
    definition_.deletions = deletions;
    definition_.max_delete = 100;
    remove("x");
    remove("y");
    write("x", "a file");
    write("y/inside", "a directory");
    write("anchor", "stays");
    ASSERT_EQ(run().end, PassEnd::kDone);
    remove("x");
    remove("y");
    write("x/inside", "now a directory");
    write("y", "now a file");
    const PassReport report = run();
    EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
    expect_mirrored();
    expect_nothing_due();
  }
}

// Left by a pass whose source changed under it, say.
TEST_F(RenameTest, AnUnknownSymlinkInThePlaceOfANewDirectoryIsNotWrittenThrough) {
  write("b/f", "1");
  run();
  fs::create_symlink("b", at_target("a"));
  write("a/f", "2");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(RenameTest, NoDirectoryIsRenamedThroughAnUnknownSymlink) {
  for (const char* name : {"run/one", "run/two", "run/three", "other/x"}) write(name, name);
  run();
  fs::create_symlink("other", at_target("new"));
  make_directory("new/deep");
  rename("run", "new/deep/run");
  run();
  EXPECT_FALSE(fs::exists(at_target("other/deep")));
  EXPECT_THAT(service_.renamed, Contains("run -> new/deep/run"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(RenameTest, NothingIsWrittenThroughASymlinkThatCannotBePutAside) {
  for (const Deletions deletions : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    SCOPED_TRACE(to_string(deletions));
    definition_.deletions = deletions;
    definition_.symlinks = engine::SymlinkPolicy::kKeep;
    for (const char* top : {"link", "other"}) remove(top);
    for (const char* name : {"other/x", "other/y", "other/z"}) write(name, name);
    link("link", "other");
    ASSERT_EQ(run().end, PassEnd::kDone);
    remove("link");
    write("link/x", "another");
    service_.failing_deletes = {"link"};
    service_.can_rename = false;
    const auto report = try_run();
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error().message, HasSubstr("nothing is written through the symlink 'link'"));
    EXPECT_EQ(read_file(at_target("other/x"), UINT64_MAX).value(), "other/x");
    service_.failing_deletes.clear();
    service_.can_rename = true;
    EXPECT_EQ(run().end, PassEnd::kDone);
    run();
    expect_mirrored();
    expect_nothing_due();
  }
}

TEST_F(RenameTest, WhatChangesItsTypeInARenamedDirectoryIsReplacedInOnePass) {
  for (const Deletions deletions : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    definition_.deletions = deletions;
    write("d/x/f", "1");
    write("d/y", "2");
    write("d/z", "3");
    ASSERT_EQ(run().end, PassEnd::kDone);
    rename("d", "e");
    remove("e/x");
    write("e/x", "a file");
    PassOptions anything;
    anything.allow_deletions = true;
    const PassReport report = run(anything);
    EXPECT_EQ(report.end, PassEnd::kDone) << to_string(deletions);
    EXPECT_EQ(report.counts.renamed, 1u);
    expect_mirrored();
    remove("e");
    fs::remove_all(at_target("e"));
    run(anything);
  }
}

// What was cleared for something that then failed is not at the target any more, whatever the
// catalog knew: the source may go back to it.
TEST_F(RenameTest, WhatGaveWayToSomethingThatFailedIsSentAgain) {
  for (const Deletions deletions : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    definition_.deletions = deletions;
    write("d/f", "1");
    write("other", "2");
    ASSERT_EQ(run().end, PassEnd::kDone);
    rename("d", "aside");
    write("d", "a file");
    service_.failing_targets = {"d"};
    PassOptions anything;
    anything.allow_deletions = true;
    EXPECT_EQ(run(anything).end, PassEnd::kIncomplete);
    service_.failing_targets.clear();
    remove("d");
    rename("aside", "d");
    EXPECT_EQ(run(anything).end, PassEnd::kDone);
    EXPECT_TRUE(fs::exists(at_target("d/f"))) << to_string(deletions);
    remove("d");
    run(anything);
  }
}

TEST_F(RenameTest, WhatAFailedDeletionHasLeftIsNotBelieved) {
  definition_.deletions = Deletions::kPropagate;
  write("d/f", "1");
  write("d/g", "2");
  write("other", "3");
  run();
  rename("d", "../aside");
  service_.failing_deletes = {"d"};
  PassOptions anything;
  anything.allow_deletions = true;
  EXPECT_EQ(run(anything).end, PassEnd::kIncomplete);
  service_.failing_deletes.clear();
  rename("../aside", "d");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

}  // namespace
}  // namespace wherry::sync
