// SPDX-License-Identifier: Apache-2.0
// A sync between two real directories, for tests: the clock stands an hour after all files were
// written, so that everything is quiet unless a test says otherwise.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/scratch_directory.h"
#include "catalog/reader.h"
#include "sync/pass.h"
#include "sync/store.h"
#include "sync/test_service.h"

namespace wherry::sync {

class SyncFixture : public testing::Test {
 protected:
  SyncFixture();

  // --- The source; paths are relative. ---
  void write(const std::string& path, const std::string& content);
  void make_directory(const std::string& path);
  void remove(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void link(const std::string& path, const std::string& target);
  void set_mtime(const std::string& path, TimePoint time);
  std::string at_source(const std::string& path) const { return source_ + "/" + path; }
  std::string at_target(const std::string& path) const { return target_ + "/" + path; }

  Result<PassReport> try_run(const PassOptions& options = {});
  // A pass that must be possible.
  PassReport run(const PassOptions& options = {});
  // A dry run's list: "added a/b", ...
  std::vector<std::string> dry_run();
  // Path to content; "<directory>" for directories, "-> x" for symlinks. Without the archive.
  static std::map<std::string, std::string> tree(const std::string& root);
  void expect_mirrored();
  // Another pass finds nothing and sends nothing.
  void expect_nothing_due();
  std::unique_ptr<catalog::Reader> catalog();
  std::string catalog_bytes();

  ScratchDirectory scratch_;
  std::string source_ = scratch_.file("source");
  std::string target_ = scratch_.file("target");
  std::unique_ptr<Database> database_;
  FakeClock clock_;
  TestService service_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<tasks::Claims> claims_;
  SyncDefinition definition_;
  FaultHook fault_;
};

}  // namespace wherry::sync
