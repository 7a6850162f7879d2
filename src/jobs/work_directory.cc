// SPDX-License-Identifier: Apache-2.0
#include "jobs/work_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "base/file.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;

constexpr Duration kKeepShared = std::chrono::hours(24);

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The names in a directory, sorted; nothing if there is no such directory.
Result<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<std::string>();
    return errno_error(errno, fmt::format("read directory '{}'", escape_bytes(path)));
  }
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = ::readdir(directory.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_error(errno, fmt::format("read directory '{}'", escape_bytes(path)));
  std::sort(names.begin(), names.end());
  return names;
}

bool is_real_directory(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Adds what matches components[at...] below directory + "/" + below.
Result<void> walk(const std::string& directory, const std::vector<std::string>& components,
                  std::size_t at, const std::string& below, std::vector<Found>& found) {
  const std::string parent = below.empty() ? directory : directory + "/" + below;
  std::vector<std::string> names{components[at]};
  if (has_wildcards(components[at])) {
    TRY_ASSIGN(names, names_in(parent));
    std::erase_if(names, [&](const std::string& name) {
      return ::fnmatch(components[at].c_str(), name.c_str(), FNM_PERIOD) != 0;
    });
  }
  for (const std::string& name : names) {
    const std::string path = below.empty() ? name : below + "/" + name;
    const std::string host = directory + "/" + path;
    if (at + 1 < components.size()) {
      // Whoever made the work directory's content could lead us anywhere by a symlink.
      if (is_real_directory(host)) TRY(walk(directory, components, at + 1, path, found));
      continue;
    }
    struct stat status;
    if (::stat(host.c_str(), &status) != 0 && ::lstat(host.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      return errno_error(errno, fmt::format("look at '{}'", escape_bytes(host)));
    }
    found.push_back({path, S_ISDIR(status.st_mode)});
  }
  return {};
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> components;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    components.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return components;
}

}  // namespace

Result<std::string> host_directory(const Site& site, std::string_view workdir) {
  TRY_ASSIGN(const RelPath path, RelPath::parse(workdir), "work directory '{}'",
             escape_bytes(workdir));
  return path.is_root() ? site.data_directory() : site.data_directory() + "/" + path.text();
}

bool has_wildcards(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

Result<std::vector<Found>> find_files(const std::string& directory, std::string_view pattern) {
  TRY_ASSIGN(const RelPath path, RelPath::parse(pattern));
  std::vector<Found> found;
  if (path.is_root()) {
    if (is_real_directory(directory)) found.push_back({"", true});
    return found;
  }
  TRY(walk(directory, split(path.text()), 0, "", found));
  return found;
}

Result<void> remove_path(const std::string& path) {
  std::error_code problem;
  fs::remove_all(path, problem);
  if (problem) return errno_error(problem.value(), fmt::format("remove '{}'", escape_bytes(path)));
  return {};
}

Result<void> place_file(const std::string& from, const std::string& to, Place place) {
  const std::string parent = to.substr(0, to.rfind('/'));
  TRY(make_directories(parent, kDirectoryMode));
  const std::string temporary = to + ".wherry-shared";
  ::unlink(temporary.c_str());  // of a process that died
  if (place == Place::kLink && ::link(from.c_str(), temporary.c_str()) == 0) {
    TRY(durable_rename(temporary, to), "link '{}'", escape_bytes(to));
    ::unlink(temporary.c_str());  // rename(2) leaves it where both names are one file
    return {};
  }
  if (place == Place::kLink && errno != EXDEV && errno != EPERM && errno != EMLINK)
    return errno_error(errno, fmt::format("link '{}'", escape_bytes(to)));
  std::error_code problem;
  fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, problem);
  if (problem) return errno_error(problem.value(), fmt::format("copy '{}'", escape_bytes(from)));
  TRY(durable_rename(temporary, to), "copy to '{}'", escape_bytes(to));
  return {};
}

Result<void> clean_shared(const Site& site, TimePoint now) {
  const std::string shared = site.data_directory() + "/" + std::string(kSharedDirectory);
  TRY_ASSIGN(const auto directories, names_in(shared));
  for (const std::string& name : directories) {
    const std::string directory = shared + "/" + name;
    TRY_ASSIGN(const auto files, names_in(directory));
    for (const std::string& file : files) {
      const std::string path = directory + "/" + file;
      struct stat status;
      if (::lstat(path.c_str(), &status) != 0 || status.st_nlink > 1) continue;
      const TimePoint changed{std::chrono::seconds(status.st_ctim.tv_sec)};
      if (now - changed > kKeepShared) TRY(remove_path(path));
    }
    ::rmdir(directory.c_str());  // stays while something is in it
  }
  return {};
}

}  // namespace wherry::jobs
