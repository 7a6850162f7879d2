// SPDX-License-Identifier: Apache-2.0
#include "sync/test_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.h"
#include "tasks/local_service.h"

namespace wherry::sync {

namespace fs = std::filesystem;

SyncFixture::SyncFixture()
    : clock_(system_clock().now() + std::chrono::hours(1), FakeClock::Sleepers::kAdvance) {
  fs::create_directory(source_);
  fs::create_directory(target_);
  database_ = Database::open({.path = scratch_.file("wherry.db")}).value();
  database_->migrate(tasks::task_migrations()).value();
  database_->migrate(sync_migrations()).value();
  store_ = std::make_unique<Store>(*database_);
  claims_ = std::make_unique<tasks::Claims>(*database_, clock_);
  service_.add_endpoint("lab", source_);
  service_.add_endpoint("archive", target_);
  definition_.name = "mirror";
  definition_.source.endpoint = "lab";
  definition_.target.endpoint = "archive";
  definition_.created = clock_.now();
  store_->add(definition_).value();
}

void SyncFixture::write(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(at_source(path)).parent_path());
  std::ofstream file(at_source(path), std::ios::binary | std::ios::trunc);
  file << content;
  ASSERT_TRUE(file.good());
}

void SyncFixture::make_directory(const std::string& path) {
  fs::create_directories(at_source(path));
}

void SyncFixture::remove(const std::string& path) { fs::remove_all(at_source(path)); }

void SyncFixture::rename(const std::string& from, const std::string& to) {
  fs::create_directories(fs::path(at_source(to)).parent_path());
  fs::rename(at_source(from), at_source(to));
}

void SyncFixture::link(const std::string& path, const std::string& target) {
  fs::create_symlink(target, at_source(path));
}

void SyncFixture::set_mtime(const std::string& path, TimePoint time) {
  const auto ns = time.time_since_epoch().count();
  const timespec stamp{ns / 1'000'000'000, ns % 1'000'000'000};
  const timespec times[2] = {stamp, stamp};
  ASSERT_EQ(::utimensat(AT_FDCWD, at_source(path).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

Result<PassReport> SyncFixture::try_run(const PassOptions& options) {
  const auto service_of = [this](const std::string& name) -> Result<tasks::TransferService*> {
    if (name != "elsewhere") return make_error(Code::kNotFound, "there is none");
    return &service_;
  };
  const PassParts parts{service_,          *store_, *claims_, clock_,
                        {scratch_.path()}, "user",  fault_,   service_of};
  return run_pass(parts, definition_, options, {});
}

PassReport SyncFixture::run(const PassOptions& options) {
  auto report = try_run(options);
  if (!report) {
    ADD_FAILURE() << report.error().message;
    return {};
  }
  return *report;
}

std::vector<std::string> SyncFixture::dry_run() {
  std::vector<std::string> changes;
  PassOptions options;
  options.dry_run = true;
  options.on_change = [&](const Change& change) {
    std::string text = fmt::format("{} {}", to_string(change.kind), change.path);
    if (!change.from.empty()) text += " from " + change.from;
    changes.push_back(text);
  };
  run(options);
  return changes;
}

std::map<std::string, std::string> SyncFixture::tree(const std::string& root) {
  std::map<std::string, std::string> found;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string path = it->path().lexically_relative(root).string();
    if (path == kArchiveDirectory) {
      it.disable_recursion_pending();
    } else if (it->is_symlink()) {
      found[path] = "-> " + fs::read_symlink(it->path()).string();
    } else if (it->is_directory()) {
      found[path] = "<directory>";
    } else {
      found[path] = read_file(it->path().string(), UINT64_MAX).value();
    }
  }
  return found;
}

void SyncFixture::expect_mirrored() { EXPECT_EQ(tree(target_), tree(source_)); }

void SyncFixture::expect_nothing_due() {
  service_.forget();
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_EQ(report.counts.added + report.counts.modified + report.counts.attributes +
                report.counts.removed + report.counts.renamed,
            0u);
  EXPECT_TRUE(service_.transfers.empty());
  EXPECT_TRUE(service_.deletes.empty());
  EXPECT_TRUE(service_.made.empty());
  EXPECT_TRUE(service_.renamed.empty());
}

std::unique_ptr<catalog::Reader> SyncFixture::catalog() {
  return catalog::Reader::open(scratch_.file("mirror.catalog")).value();
}

std::string SyncFixture::catalog_bytes() {
  return read_file(scratch_.file("mirror.catalog"), UINT64_MAX).value();
}

}  // namespace wherry::sync
