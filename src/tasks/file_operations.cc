// SPDX-License-Identifier: Apache-2.0
#include "tasks/file_operations.h"

#include <grp.h>
#include <pwd.h>

#include <map>

#include "base/path.h"

namespace wherry::tasks {
namespace {

using storage::Entry;
using storage::EntryType;
using storage::Storage;

constexpr std::uint32_t kDirectoryMode = 0755;
constexpr std::size_t kNameBuffer = 16'384;

Result<void> check_writable(const OpenEndpoint& opened) {
  if (opened.endpoint.access == endpoints::Access::kReadWrite) return {};
  return make_error(Code::kDenied, "endpoint '{}' is read-only", opened.endpoint.display_name);
}

// Names of users and groups, each asked once. Numbers of other hosts mean nothing here.
class Names {
 public:
  explicit Names(const Storage& storage) : on_host_(storage.host_directory().has_value()) {}

  std::string user(std::uint32_t id) {
    return known(users_, id, [id] {
      passwd entry{};
      passwd* found = nullptr;
      std::vector<char> buffer(kNameBuffer);
      ::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found);
      return found != nullptr ? std::string(found->pw_name) : std::to_string(id);
    });
  }
  std::string group(std::uint32_t id) {
    return known(groups_, id, [id] {
      ::group entry{};
      ::group* found = nullptr;
      std::vector<char> buffer(kNameBuffer);
      ::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found);
      return found != nullptr ? std::string(found->gr_name) : std::to_string(id);
    });
  }

 private:
  using Map = std::map<std::uint32_t, std::string>;

  template <class Ask>
  std::string known(Map& names, std::uint32_t id, const Ask& ask) {
    if (!on_host_) return "";
    const auto found = names.find(id);
    return found != names.end() ? found->second : names.emplace(id, ask()).first->second;
  }

  const bool on_host_;
  Map users_;
  Map groups_;
};

FileInfo describe(Storage& storage, const RelPath& path, const Entry& entry, Names& names) {
  FileInfo info;
  info.name = entry.name;
  info.attributes = entry.attributes;
  if (entry.attributes.type == EntryType::kSymlink) {
    info.is_link = true;
    info.link_target = entry.symlink_target;
    info.link_attributes = entry.attributes;
    info.link_user = names.user(entry.attributes.owner_id);
    info.link_group = names.group(entry.attributes.group_id);
    const auto target = storage.stat(path, Storage::Follow::kYes);
    info.link_is_broken = !target;
    if (target) info.attributes = target->attributes;
  }
  info.user = names.user(info.attributes.owner_id);
  info.group = names.group(info.attributes.group_id);
  return info;
}

}  // namespace

Result<OpenEndpoint> open_endpoint(endpoints::Endpoints& endpoints, const EndpointId& id) {
  OpenEndpoint opened;
  TRY_ASSIGN(opened.endpoint, endpoints.get(id));
  TRY_ASSIGN(opened.storage, endpoints.open(opened.endpoint), "open endpoint {}",
             endpoints::place_of(opened.endpoint));
  return opened;
}

Result<OpenEndpoint> open_endpoint(endpoints::Permissions& permissions,
                                   const endpoints::Principal& who,
                                   const endpoints::Endpoint& endpoint) {
  TRY_ASSIGN(auto storage, permissions.open(who, endpoint), "open endpoint '{}'",
             endpoint.display_name);
  return OpenEndpoint{endpoint, std::move(storage)};
}

Result<std::vector<FileInfo>> list_files(const OpenEndpoint& opened, const RelPath& path) {
  std::vector<Entry> entries;
  TRY(opened.storage->list(path, [&](const Entry& entry) {
    entries.push_back(entry);
    return storage::Visit::kContinue;
  }));
  Names names(*opened.storage);
  std::vector<FileInfo> files;
  files.reserve(entries.size());
  for (const Entry& entry : entries)
    files.push_back(describe(*opened.storage, path.child(entry.name), entry, names));
  return files;
}

Result<FileInfo> stat_file(const OpenEndpoint& opened, const RelPath& path) {
  TRY_ASSIGN(const Entry entry, opened.storage->stat(path, Storage::Follow::kNo));
  Names names(*opened.storage);
  FileInfo info = describe(*opened.storage, path, entry, names);
  info.name = path.name();
  return info;
}

Result<void> make_directory(const OpenEndpoint& opened, const RelPath& path) {
  TRY(check_writable(opened));
  auto made = opened.storage->make_directory(path, kDirectoryMode);
  if (!made && made.error().code != Code::kAlreadyExists) return made;
  // Also one that is there already: who made it may not have lived to flush its name.
  const RelPath parent = path.parent();
  TRY(opened.storage->flush_directories({&parent, 1}));
  return made;
}

Result<void> rename_file(const OpenEndpoint& opened, const RelPath& from, const RelPath& to) {
  TRY(check_writable(opened));
  auto renamed = opened.storage->rename(from, to, storage::Replace::kNo);
  const bool may_be_done = renamed || renamed.error().code == Code::kNotFound ||
                           renamed.error().code == Code::kAlreadyExists;
  if (!may_be_done) return renamed;
  // Also when it was done before: by somebody who may not have lived to flush the names.
  for (const RelPath& parent : {to.parent(), from.parent()}) {
    auto flushed = opened.storage->flush_directories({&parent, 1});
    if (!flushed && (renamed || flushed.error().code != Code::kNotFound)) return flushed;
  }
  return renamed;
}

Result<void> make_symlink(const OpenEndpoint& opened, const RelPath& path,
                          std::string_view target) {
  TRY(check_writable(opened));
  TRY(opened.storage->make_symlink(path, target, storage::Replace::kNo));
  const RelPath parent = path.parent();
  return opened.storage->flush_directories({&parent, 1});
}

}  // namespace wherry::tasks
