// SPDX-License-Identifier: Apache-2.0
#include "cli/site_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/file.h"
#include "base/path.h"
#include "jobs/app_file.h"
#include "jobs/site_settings.h"

namespace wherry::cli {
namespace {

using jobs::App;
using Kind = SiteChange::Kind;

constexpr ByteCount kMaxFile = 1 << 20;

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

Result<std::vector<std::string>> entries(const std::string& directory) {
  std::error_code failed;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed))
    names.push_back(entry->path().filename().string());
  if (failed) return errno_error(failed.value(), fmt::format("list '{}'", escape_bytes(directory)));
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> write_if_missing(const std::string& path, const std::string& text) {
  if (exists(path)) return {};
  return durable_write_file(path, text, 0644);
}

// "compress" of "apps/compress.yml"; nothing for other files.
std::optional<std::string> app_name(const std::string& file) {
  if (file.starts_with('.')) return std::nullopt;
  for (const std::string_view ending : {".yml", ".yaml"}) {
    if (file.size() > ending.size() && file.ends_with(ending))
      return file.substr(0, file.size() - ending.size());
  }
  return std::nullopt;
}

Result<SiteChange> apply_app(jobs::Apps& apps, App wanted,
                             const std::map<std::string, App>& known) {
  const auto found = known.find(wanted.name);
  SiteChange change{"app " + wanted.name, found == known.end() ? Kind::kAdded : Kind::kChanged};
  if (found != known.end()) {
    wanted.id = found->second.id;
    if (wanted == found->second) {
      change.kind = Kind::kSame;
      return change;
    }
  }
  TRY(apps.put(wanted), "app '{}'", escape_bytes(wanted.name));
  return change;
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kAdded:
      return "added";
    case Kind::kChanged:
      return "changed";
    case Kind::kSame:
      return "as before";
    case Kind::kWithoutFile:
      return "without file";
  }
  return "";
}

Result<void> lay_out_site(const std::string& path) {
  const std::string settings = path + "/settings.yml";
  if (exists(path) && !exists(settings)) {
    TRY_ASSIGN(const auto names, entries(path));
    if (!names.empty() && names != std::vector<std::string>{"apps"}) {
      return make_error(Code::kAlreadyExists,
                        "'{}' holds something else (no settings.yml, but '{}'): choose a new or"
                        " empty directory",
                        escape_bytes(path), escape_bytes(names.front()));
    }
  }
  const bool is_new = !exists(path + "/apps");
  for (const std::string_view below : {"/apps", "/data", "/log"})
    TRY(make_directories(path + std::string(below), 0755));
  if (is_new) TRY(write_if_missing(path + "/apps/compress.yml", jobs::sample_app()));
  return write_if_missing(settings, jobs::sample_site_settings());
}

Result<App> read_app_file(const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  TRY_ASSIGN(const std::string text, read_file(path, kMaxFile));
  return jobs::parse_app(text, app_name(file).value_or(file));
}

Result<SiteFiles> read_site_files(const std::string& path) {
  SiteFiles files;
  const std::string settings = path + "/settings.yml";
  TRY_ASSIGN(files.settings, read_file(settings, kMaxFile));
  TRY(jobs::parse_site_settings(files.settings), "'{}'", escape_bytes(settings));
  TRY_ASSIGN(const auto names, entries(path + "/apps"));
  std::map<std::string, std::string> file_of;
  for (const std::string& name : names) {
    if (!app_name(name)) continue;
    const std::string file = path + "/apps/" + name;
    TRY_ASSIGN(App app, read_app_file(file), "'{}'", escape_bytes(file));
    const auto [other, is_new] = file_of.emplace(app.name, name);
    if (!is_new) {
      return make_error(Code::kInvalid, "'{}': the app is called '{}', as that of '{}'",
                        escape_bytes(file), escape_bytes(app.name), escape_bytes(other->second));
    }
    files.apps.push_back(std::move(app));
  }
  return files;
}

Result<std::vector<SiteChange>> apply_site_files(jobs::Stores& stores, const jobs::Site& site,
                                                 const SiteFiles& files) {
  TRY_ASSIGN(const auto stored, stores.apps.list({&site.id, 1}));
  std::map<std::string, App> known;
  for (const App& app : stored) known[app.name] = app;
  std::vector<SiteChange> changes;
  SiteChange settings{"settings", Kind::kSame};
  if (files.settings != site.settings) {
    TRY(stores.sites.set_settings(site.id, files.settings));
    settings.kind = Kind::kChanged;
  }
  changes.push_back(settings);
  for (const App& app : files.apps) {
    App wanted = app;
    wanted.site = site.id;
    TRY_ASSIGN(const SiteChange change, apply_app(stores.apps, std::move(wanted), known));
    changes.push_back(change);
    known.erase(app.name);
  }
  for (const auto& [name, app] : known) changes.push_back({"app " + name, Kind::kWithoutFile});
  return changes;
}

}  // namespace wherry::cli
