// SPDX-License-Identifier: Apache-2.0
#include "cli/site_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/scratch_directory.h"
#include "tasks/local_service.h"

namespace wherry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = SiteChange::Kind;

// The smallest app that is valid.
constexpr const char* kTrue = "command: /bin/true\n";

class SiteFilesTest : public ::testing::Test {
 protected:
  SiteFilesTest() : path_(scratch_.file("site")) {
    database_ = Database::open({.path = ":memory:"}).value();
    std::vector<Migration> migrations(tasks::task_migrations().begin(),
                                      tasks::task_migrations().end());
    for (const Migration& migration : jobs::job_migrations()) migrations.push_back(migration);
    database_->migrate(migrations).value();
    stores_ = std::make_unique<jobs::Stores>(*database_, clock_);
    lay_out_site(path_).value();
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
  }
  jobs::Site make_site() {
    const SiteFiles files = read_site_files(path_).value();
    const jobs::Site site =
        stores_->sites.create("beamline", path_, "somebody", files.settings).value();
    apply_site_files(*stores_, site, files).value();
    return stores_->sites.get(site.id).value();
  }
  std::vector<std::pair<std::string, Kind>> apply(const jobs::Site& site) {
    std::vector<std::pair<std::string, Kind>> changes;
    const SiteFiles files = read_site_files(path_).value();
    const auto applied = apply_site_files(*stores_, site, files).value();
    for (const SiteChange& change : applied) changes.emplace_back(change.what, change.kind);
    return changes;
  }
  std::string complaint() {
    const auto files = read_site_files(path_);
    EXPECT_FALSE(files);
    return files ? "" : files.error().message;
  }

  ScratchDirectory scratch_;
  std::string path_;
  FakeClock clock_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<jobs::Stores> stores_;
};

TEST_F(SiteFilesTest, ANewSiteHasASampleAppAndSettingsThatAreValid) {
  const auto files = read_site_files(path_);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->apps.size(), 1u);
  for (const char* directory : {"apps", "data", "log"})
    EXPECT_TRUE(std::filesystem::is_directory(path_ + "/" + directory)) << directory;
}

TEST_F(SiteFilesTest, WhatIsThereStaysAsItIs) {
  write("settings.yml", "# mine\n");
  std::filesystem::remove(path_ + "/apps/compress.yml");
  std::filesystem::remove(path_ + "/log");
  ASSERT_TRUE(lay_out_site(path_));
  EXPECT_EQ(read_site_files(path_)->settings, "# mine\n");
  EXPECT_TRUE(read_site_files(path_)->apps.empty());
  EXPECT_TRUE(std::filesystem::is_directory(path_ + "/log"));
}

TEST_F(SiteFilesTest, ADirectoryWithOtherThingsInItIsNoPlaceForASite) {
  std::filesystem::create_directories(scratch_.file("home/photos"));
  const auto made = lay_out_site(scratch_.file("home"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kAlreadyExists);
  EXPECT_THAT(made.error().message, HasSubstr("photos"));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("home/data")));
}

TEST_F(SiteFilesTest, ApplyTellsWhatChanged) {
  std::filesystem::remove(path_ + "/apps/compress.yml");
  write("apps/hash.yml", kTrue);
  const jobs::Site site = make_site();
  EXPECT_THAT(apply(site),
              ElementsAre(std::pair("settings", Kind::kSame), std::pair("app hash", Kind::kSame)));
  write("apps/hash.yml", "command: /bin/false\n");
  write("apps/zip.yaml", kTrue);
  write("settings.yml", "# nothing but defaults\n");
  EXPECT_THAT(apply(site), ElementsAre(std::pair("settings", Kind::kChanged),
                                       std::pair("app hash", Kind::kChanged),
                                       std::pair("app zip", Kind::kAdded)));
  EXPECT_EQ(stores_->apps.find(site.id, "hash")->command, "/bin/false");
  EXPECT_EQ(stores_->sites.get(site.id)->settings, "# nothing but defaults\n");
}

TEST_F(SiteFilesTest, AnAppWhoseFileIsGoneStays) {
  std::filesystem::remove(path_ + "/apps/compress.yml");
  write("apps/hash.yml", kTrue);
  const jobs::Site site = make_site();
  std::filesystem::remove(path_ + "/apps/hash.yml");
  EXPECT_THAT(apply(site), ElementsAre(std::pair("settings", Kind::kSame),
                                       std::pair("app hash", Kind::kWithoutFile)));
  EXPECT_TRUE(stores_->apps.find(site.id, "hash"));
}

TEST_F(SiteFilesTest, AnAppKeepsItsNumberWhenItChanges) {
  write("apps/hash.yml", kTrue);
  const jobs::Site site = make_site();
  const jobs::AppId before = stores_->apps.find(site.id, "hash")->id;
  write("apps/hash.yml", "command: /bin/false\n");
  apply(site);
  EXPECT_EQ(stores_->apps.find(site.id, "hash")->id, before);
}

TEST_F(SiteFilesTest, OneBadFileIsNamedAndNothingIsRead) {
  write("apps/bad.yml", "command: /bin/true\ncomand: x\n");
  EXPECT_THAT(complaint(), HasSubstr("apps/bad.yml"));
  EXPECT_THAT(complaint(), HasSubstr("line 2"));
}

TEST_F(SiteFilesTest, BadSettingsAreNamedByFileAndLine) {
  write("settings.yml", "transfers:\n  transfer_batch_sise: 3\n");
  EXPECT_THAT(complaint(), HasSubstr("settings.yml"));
  EXPECT_THAT(complaint(), HasSubstr("line 2"));
}

TEST_F(SiteFilesTest, TwoFilesCannotHoldOneApp) {
  write("apps/a.yml", std::string("name: same\n") + kTrue);
  write("apps/b.yml", std::string("name: same\n") + kTrue);
  EXPECT_THAT(complaint(), HasSubstr("b.yml"));
  EXPECT_THAT(complaint(), HasSubstr("a.yml"));
}

TEST_F(SiteFilesTest, OtherFilesBesideAppsAreLeftAlone) {
  write("apps/notes.txt", "no app");
  write("apps/.hash.yml.swp", "no app");
  EXPECT_TRUE(read_site_files(path_));
}

}  // namespace
}  // namespace wherry::cli
