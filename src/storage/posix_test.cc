// SPDX-License-Identifier: Apache-2.0
// What only the posix storage promises: that nothing leads out of its root, that few descriptors
// serve many files, and how it meets what else is on a disk.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/scratch_directory.h"
#include "base/worker_pool.h"
#include "storage/backends.h"
#include "storage/posix_temporary.h"
#include "storage/testing/content.h"

namespace wherry::storage {
namespace {

namespace fs = std::filesystem;
using Follow = Storage::Follow;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::literals;

// A root with an outside next to it:  <scratch>/root  and  <scratch>/outside/secret.
class Posix : public testing::Test {
 protected:
  Posix() {
    fs::create_directory(scratch_.file("root"));
    fs::create_directory(scratch_.file("outside"));
    std::ofstream(scratch_.file("outside/secret")) << "secret";
    storage_ = open_posix(scratch_.file("root")).value();
  }
  std::string root(const std::string& path) { return scratch_.file("root/" + path); }

  Result<std::unique_ptr<TemporaryFile>> create(std::string_view target) {
    CreateTemporary request;
    request.target = path_of(target);
    request.temporary_name = temporary_name("task", request.target);
    return storage_->create_temporary(request);
  }
  std::unique_ptr<TemporaryFile> finished(std::string_view target, std::string_view content) {
    auto file = create(target).value();
    file->write(0, content).value();
    file->finish({.size = content.size(), .mode = {}, .mtime = {}}).value();
    return file;
  }

  ScratchDirectory scratch_;
  std::unique_ptr<Storage> storage_;
};

// --- opening ---

TEST_F(Posix, TwoPathsToOneFileHaveOneTemporaryOneAfterTheOther) {
  storage_->make_directory(path_of("v1"), 0755).value();
  storage_->make_symlink(path_of("current"), "v1", Replace::kNo).value();
  auto first = finished("current/f", "first");
  const auto second = create("v1/f");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().retry, Retry::kLater);
  storage_->commit(*first).value();
  EXPECT_EQ(get_file(*storage_, "v1/f"), "first");
  storage_->commit(*finished("v1/f", "second")).value();
  EXPECT_EQ(get_file(*storage_, "current/f"), "second");
  first = finished("current/f", "third");
  EXPECT_FALSE(create("v1/f"));
  first.reset();
  EXPECT_TRUE(create("v1/f"));
}

TEST_F(Posix, OpensOnlyDirectories) {
  EXPECT_EQ(open_posix(scratch_.file("none")).error().code, Code::kNotFound);
  EXPECT_EQ(open_posix(scratch_.file("outside/secret")).error().code, Code::kInvalid);
}

TEST_F(Posix, IsNamedByUrlOrAbsolutePath) {
  put_file(*storage_, "f", "content");
  for (const std::string& url : {root(""), "posix://" + root(""), "posix:" + root("")})
    EXPECT_EQ(get_file(*open_storage(url).value(), "f"), "content") << url;
  EXPECT_EQ(open_storage("posix:relative").error().code, Code::kInvalid);
  const Error unknown = open_storage("s3://bucket").error();
  EXPECT_EQ(unknown.code, Code::kInvalid);
  EXPECT_THAT(unknown.message, HasSubstr("posix:///"));
  EXPECT_THAT(unknown.message, HasSubstr("memory:"));
}

TEST_F(Posix, TheHostDirectoryIsAbsoluteAndWithoutSymlinks) {
  fs::create_symlink("root", scratch_.file("alias"));
  EXPECT_EQ(open_posix(scratch_.file("alias")).value()->host_directory(),
            fs::canonical(scratch_.file("root")).string());
}

// --- confinement ---

TEST_F(Posix, ASymlinkWithDotsThatStaysInsideIsFollowed) {
  put_file(*storage_, "f", "content");
  fs::create_directories(root("a/b"));
  fs::create_symlink("../../f", root("a/b/up"));
  EXPECT_EQ(get_file(*storage_, "a/b/up"), "content");
}

TEST_F(Posix, ASymlinkWithDotsThatLeavesIsDenied) {
  fs::create_directory(root("a"));
  fs::create_symlink("../../outside", root("a/out"));
  fs::create_symlink("a/out", root("twice"));
  fs::create_symlink("../root", root("out_and_in_again"));
  for (const char* path : {"a/out/secret", "twice/secret", "out_and_in_again/a"}) {
    const auto read = storage_->open_read(path_of(path));
    EXPECT_EQ(read.error().code, Code::kDenied) << path;
    EXPECT_THAT(read.error().message, HasSubstr("leaves the endpoint's root")) << path;
    EXPECT_THAT(read.error().message, HasSubstr(path)) << path;
  }
}

TEST_F(Posix, AnAbsoluteSymlinkThatStaysInsideIsFollowed) {
  fs::create_directory(root("d"));
  put_file(*storage_, "d/f", "content");
  fs::create_symlink(root("d"), root("to_directory"));
  fs::create_symlink(root("d/f"), root("to_file"));
  fs::create_symlink("to_directory", root("by_another"));
  fs::create_symlink(root("to_directory/../d/f"), root("with_dots"));
  fs::create_symlink(scratch_.file("root"), root("to_root"));
  for (const char* path : {"to_directory/f", "to_file", "by_another/f", "with_dots", "to_root/d/f",
                           "to_root/to_root/to_file"})
    EXPECT_EQ(get_file(*storage_, path), "content") << path;
  EXPECT_THAT(names_in(*storage_, "by_another"), ElementsAre("f"));
  put_file(*storage_, "to_directory/new", "new");
  EXPECT_EQ(get_file(*storage_, "d/new"), "new");
  // The last component itself is not followed where it is meant itself.
  EXPECT_EQ(storage_->stat(path_of("to_directory"), Follow::kNo).value().attributes.type,
            EntryType::kSymlink);
  storage_->remove_file(path_of("to_root/to_directory")).value();
  EXPECT_TRUE(fs::exists(root("d/f")));
}

TEST_F(Posix, AnAbsoluteSymlinkMayNameTheRootAsTheUserDid) {
  fs::create_symlink("root", scratch_.file("alias"));
  const auto storage = open_posix(scratch_.file("alias")).value();
  put_file(*storage, "f", "content");
  fs::create_symlink(scratch_.file("alias/f"), root("link"));
  EXPECT_EQ(get_file(*storage, "link"), "content");
}

TEST_F(Posix, AnAbsoluteSymlinkThatLeavesIsDenied) {
  fs::create_directory(scratch_.file("root_of_another"));
  fs::create_symlink(scratch_.file("outside"), root("out"));
  fs::create_symlink(scratch_.file("root_of_another"), root("same_prefix"));
  fs::create_symlink(root("../outside"), root("dots_at_the_root"));
  fs::create_symlink("/", root("slash"));
  for (const char* path : {"out/secret", "same_prefix/x", "dots_at_the_root/secret", "slash/etc"}) {
    EXPECT_EQ(storage_->open_read(path_of(path)).error().code, Code::kDenied) << path;
    EXPECT_EQ(create(path).error().code, Code::kDenied) << path;
    EXPECT_EQ(storage_->remove_file(path_of(path)).error().code, Code::kDenied) << path;
    EXPECT_EQ(storage_->make_directory(path_of(path), 0755).error().code, Code::kDenied) << path;
    EXPECT_EQ(storage_->set_attributes(path_of(path), {.mode = 0777, .mtime = {}}).error().code,
              Code::kDenied)
        << path;
    EXPECT_EQ(storage_->rename(path_of(path), path_of("x"), Replace::kYes).error().code,
              Code::kDenied)
        << path;
  }
  EXPECT_THAT(storage_->open_read(path_of("out/secret")).error().message,
              HasSubstr(scratch_.file("outside")));
}

TEST_F(Posix, NothingLeadsOutOfASubdirectory) {
  fs::create_directories(root("in/deep"));
  std::ofstream(root("top")) << "top";
  std::ofstream(root("in/deep/x")) << "x";
  fs::create_symlink("../top", root("in/up"));
  fs::create_symlink(root("top"), root("in/absolute"));
  fs::create_symlink(root("in/deep"), root("in/inside"));
  fs::create_symlink("in", root("to_in"));
  fs::create_symlink("../outside", root("away"));
  for (const char* name : {"in", "to_in"}) {
    const auto below = storage_->subdirectory(path_of(name)).value();
    EXPECT_TRUE(below->open_read(path_of("deep/x"))) << name;
    EXPECT_TRUE(below->open_read(path_of("inside/x"))) << name;
    EXPECT_EQ(below->open_read(path_of("up")).error().code, Code::kDenied) << name;
    EXPECT_EQ(below->open_read(path_of("absolute")).error().code, Code::kDenied) << name;
    EXPECT_EQ(below->host_directory(), fs::canonical(root("in")).string());
  }
  EXPECT_EQ(storage_->subdirectory(path_of("away")).error().code, Code::kDenied);
  EXPECT_EQ(storage_->subdirectory(path_of("missing")).error().code, Code::kNotFound);
  EXPECT_EQ(storage_->subdirectory(path_of("top")).error().code, Code::kInvalid);
}

TEST_F(Posix, SubdirectoryOutlivesTheStorageThatItIsOf) {
  fs::create_directory(root("in"));
  auto below = storage_->subdirectory(path_of("in")).value();
  storage_.reset();
  EXPECT_TRUE(below->make_directory(path_of("d"), 0755));
  EXPECT_TRUE(fs::is_directory(root("in/d")));
}

TEST_F(Posix, TooManySymlinksAreInvalidAlsoWhenAbsolute) {
  put_file(*storage_, "link0", "content");
  for (int i = 1; i <= 41; ++i)
    fs::create_symlink(root(fmt::format("link{}", i - 1)), root(fmt::format("link{}", i)));
  EXPECT_EQ(get_file(*storage_, "link40"), "content");
  EXPECT_EQ(storage_->open_read(path_of("link41")).error().code, Code::kInvalid);
}

TEST_F(Posix, AMagicLinkIsRefused) {
  const UniqueFd outside(::open(scratch_.file("outside").c_str(), O_PATH | O_DIRECTORY));
  const auto machine = open_posix("/").value();
  const std::string path = fmt::format("proc/self/fd/{}/secret", outside.get());
  ASSERT_TRUE(fs::exists("/" + path));
  EXPECT_EQ(machine->open_read(path_of(path)).error().code, Code::kInvalid);
  EXPECT_FALSE(machine->list(path_of("proc/self/root"), [](const Entry&) { return Visit::kStop; }));
}

TEST_F(Posix, TheMachinesRootFollowsAbsoluteSymlinks) {
  const auto machine = open_posix("/").value();
  fs::create_symlink(scratch_.file("outside"), root("out"));
  EXPECT_EQ(get_file(*machine, root("out/secret")), "secret");
}

// A symlink that is swapped with a directory all the time, while another thread writes and reads
// through it: whatever it meets, nothing outside is read or written.
TEST_F(Posix, NoRaceLeadsOutside) {
  fs::create_directory(root("inside"));
  std::ofstream(root("inside/secret")) << "public";
  for (const std::string& out : {"../outside"s, scratch_.file("outside")}) {
    fs::create_symlink(out, root("swap_link"));
    fs::create_symlink("inside", root("door"));
    std::atomic<bool> done{false};
    WorkerPool swapper({.threads = 1, .queue_limit = 1});
    swapper.submit([&] {
      while (!done) {
        ::renameat2(AT_FDCWD, root("swap_link").c_str(), AT_FDCWD, root("door").c_str(),
                    RENAME_EXCHANGE);
      }
    });
    for (int i = 0; i < 2000; ++i) {
      if (const auto file = storage_->open_read(path_of("door/secret"))) {
        std::string content(6, '.');
        ASSERT_EQ((*file)->read(0, content).value(), 6U);
        ASSERT_EQ(content, "public");
      }
      if (auto file = create("door/new")) {
        (void)(*file)->write(0, "x"sv);
        (void)(*file)->finish({.size = 1, .mode = {}, .mtime = {}});
        (void)storage_->commit(**file);
      }
      (void)storage_->remove_file(path_of("door/new"));
      (void)storage_->make_directory(path_of("door/directory"), 0755);
      (void)storage_->remove_directory(path_of("door/directory"));
    }
    done = true;
    swapper.wait_idle();
    fs::remove(root("swap_link"));
    fs::remove(root("door"));
    std::vector<std::string> outside;
    for (const auto& entry : fs::directory_iterator(scratch_.file("outside")))
      outside.push_back(entry.path().filename());
    EXPECT_THAT(outside, ElementsAre("secret"));
  }
}

TEST_F(Posix, ARootThatIsReplacedIsStillTheOneThatWasOpened) {
  put_file(*storage_, "f", "old");
  fs::rename(scratch_.file("root"), scratch_.file("moved"));
  fs::create_directory(scratch_.file("root"));
  EXPECT_EQ(get_file(*storage_, "f"), "old");
  put_file(*storage_, "g", "new");
  EXPECT_TRUE(fs::exists(scratch_.file("moved/g")));
  EXPECT_TRUE(fs::is_empty(scratch_.file("root")));
}

TEST_F(Posix, ARootThatIsRemovedHasNothing) {
  fs::remove(scratch_.file("root"));
  EXPECT_EQ(create("f").error().code, Code::kNotFound);
  EXPECT_EQ(storage_->stat(path_of("f"), Follow::kNo).error().code, Code::kNotFound);
}

// --- temporaries ---

TEST_F(Posix, ADirectoryThatIsReplacedMeanwhileFailsTheFlush) {
  fs::create_directory(root("d"));
  auto file = finished("d/f", "content");
  fs::rename(root("d"), root("moved"));
  fs::create_directory(root("d"));
  TemporaryFile* const files[] = {file.get()};
  const auto flushed = storage_->flush(files);
  EXPECT_EQ(flushed.error().code, Code::kConflict);
  EXPECT_EQ(flushed.error().retry, Retry::kLater);
  file.reset();
  EXPECT_TRUE(fs::is_empty(root("moved")));
  put_file(*storage_, "d/f", "content");  // and the next attempt reaches the new one
  EXPECT_TRUE(fs::exists(root("d/f")));
}

TEST_F(Posix, AFailedFlushIsEverybodysWhoWroteBeforeIt) {
  const auto before = finished("before", "x");
  // The kernel tells of a failure once: here another thread's flush has just learned of it.
  ++dynamic_cast<PosixTemporary&>(*before).file_system().failures;
  const auto after = finished("after", "x");
  TemporaryFile* const lost[] = {before.get()};
  TemporaryFile* const good[] = {after.get()};
  EXPECT_EQ(storage_->flush(lost).error().code, Code::kUnavailable);
  EXPECT_TRUE(storage_->flush(good));
}

// Runs in a child, because a limit cannot be raised again. Exit code 0: `run` answered true.
bool runs_with_few_descriptors(const std::function<bool()>& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{64, 64};
    ::_exit(::setrlimit(RLIMIT_NOFILE, &limit) == 0 && run() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(Posix, AThousandTemporariesWaitWithFewDescriptors) {
  for (const int directories : {1, 1000}) {
    const std::string directory = root(fmt::format("of_{}", directories));
    const bool good = runs_with_few_descriptors([&] {
      fs::create_directory(directory);
      const auto storage = open_posix(directory).value();
      std::vector<std::unique_ptr<TemporaryFile>> owned;
      std::vector<TemporaryFile*> files;
      std::vector<RelPath> parents;
      for (int i = 0; i < 1000; ++i) {
        const RelPath parent = path_of(std::to_string(i % directories));
        if (i < directories) storage->make_directory(parent, 0755).value();
        CreateTemporary request;
        request.target = parent.child(std::to_string(i));
        request.temporary_name = temporary_name("task", request.target);
        auto file = storage->create_temporary(request);
        if (!file || !(*file)->write(0, "x"sv)) return false;
        if (!(*file)->finish({.size = 1, .mode = {}, .mtime = {}})) return false;
        owned.push_back(std::move(*file));
        files.push_back(owned.back().get());
        parents.push_back(parent);
      }
      if (!storage->flush(files)) return false;
      for (TemporaryFile* file : files)
        if (!storage->commit(*file)) return false;
      return storage->flush_directories(parents).has_value();
    });
    EXPECT_TRUE(good) << directories << " directories";
    EXPECT_TRUE(fs::exists(directory + "/0/0"));
    EXPECT_TRUE(fs::exists(directory + fmt::format("/{}/999", 999 % directories)));
  }
}

TEST_F(Posix, ALeftTemporaryWithASecondNameIsNotResumed) {
  const std::string temporary = temporary_name("task", path_of("f"));
  std::ofstream(root("other")) << "of somebody else";
  fs::create_hard_link(root("other"), root(temporary));
  CreateTemporary request;
  request.target = path_of("f");
  request.temporary_name = temporary;
  request.existing = CreateTemporary::Existing::kResume;
  const auto file = storage_->create_temporary(request).value();
  EXPECT_EQ(file->existing_size(), 0U);
  file->write(0, "mine"sv).value();
  EXPECT_EQ(get_file(*storage_, "other"), "of somebody else");
}

TEST_F(Posix, ASetUserIdBitSurvivesWriting) {
  CreateTemporary request;
  request.target = path_of("f");
  request.temporary_name = temporary_name("task", request.target);
  request.mode = 04755;
  const auto file = storage_->create_temporary(request).value();
  file->write(0, "x"sv).value();
  file->finish({.size = 1, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(storage_->stat(path_of("f"), Follow::kNo).value().attributes.mode, 04755U);
}

TEST_F(Posix, TheUmaskChangesNothing) {
  const mode_t before = ::umask(0077);
  put_file(*storage_, "f", "", 0666);
  storage_->make_directory(path_of("d"), 0777).value();
  ::umask(before);
  EXPECT_EQ(storage_->stat(path_of("f"), Follow::kNo).value().attributes.mode, 0666U);
  EXPECT_EQ(storage_->stat(path_of("d"), Follow::kNo).value().attributes.mode, 0777U);
}

TEST_F(Posix, ADirectoryInheritsTheSetGroupIdBit) {
  storage_->make_directory(path_of("d"), 02755).value();
  storage_->make_directory(path_of("d/e"), 0700).value();
  EXPECT_EQ(storage_->stat(path_of("d/e"), Follow::kNo).value().attributes.mode, 02700U);
}

TEST_F(Posix, ADropBoxThatCannotBeReadTakesFiles) {
  fs::create_directory(root("box"));
  fs::permissions(root("box"), fs::perms::owner_write | fs::perms::owner_exec);
  std::vector<std::unique_ptr<TemporaryFile>> owned;
  std::vector<TemporaryFile*> files;
  for (int i = 0; i < 20; ++i) {
    owned.push_back(finished(fmt::format("box/{}", i), "x"));
    files.push_back(owned.back().get());
  }
  storage_->flush(files).value();
  for (TemporaryFile* file : files) storage_->commit(*file).value();
  const RelPath directories[] = {path_of("box")};
  storage_->flush_directories(directories).value();
  EXPECT_EQ(get_file(*storage_, "box/19"), "x");
}

// --- what else is on a disk ---

TEST_F(Posix, SpecialFilesAreListedAndNeverOpened) {
  ASSERT_EQ(::mkfifo(root("pipe").c_str(), 0644), 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = root("socket");
  ASSERT_LT(name.size(), sizeof address.sun_path);
  name.copy(address.sun_path, name.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("pipe", "socket"));
  for (const char* path : {"pipe", "socket"}) {
    EXPECT_EQ(storage_->stat(path_of(path), Follow::kNo).value().attributes.type,
              EntryType::kOther);
    EXPECT_EQ(storage_->open_read(path_of(path)).error().code, Code::kInvalid) << path;
  }
}

TEST_F(Posix, ALargeDirectoryIsListedCompletely) {
  for (int i = 0; i < 5000; ++i) std::ofstream(root(fmt::format("{:04}", i)));
  const auto names = names_in(*storage_, "");
  ASSERT_EQ(names.size(), 5000U);
  for (std::size_t i = 0; i < names.size(); ++i) ASSERT_EQ(names[i], fmt::format("{:04}", i));
}

// However long the names of the task and of the file are.
TEST(TemporaryName, IsShortAndToldFromThoseOfOthers) {
  const std::string owner = "25bc9374-317b-4c0f-b181-9ff1fd334cb4";
  const std::string name = temporary_name(owner, path_of("a/" + std::string(255, 'x')));
  EXPECT_LT(name.size(), 40U);
  EXPECT_TRUE(is_temporary_name(name, owner));
  EXPECT_TRUE(is_temporary_name(name, ""));
  EXPECT_FALSE(is_temporary_name(name, "25bc9374-317c-4c0f-b181-9ff1fd334cb4"));
  EXPECT_FALSE(is_temporary_name(name, "25bc9374"));
  EXPECT_FALSE(is_temporary_name("." + name, owner));
  EXPECT_NE(name, temporary_name(owner, path_of("a/x")));
}

TEST_F(Posix, APathDeeperThanAnyCallTakesIsAnErrorNotACrash) {
  std::string deep;
  for (int i = 0; i < 2047; ++i) deep += "d/";
  deep += "x";
  EXPECT_EQ(storage_->stat(path_of(deep), Follow::kNo).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace wherry::storage
