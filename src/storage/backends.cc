// SPDX-License-Identifier: Apache-2.0
#include "storage/backends.h"

#include <array>

namespace wherry::storage {
namespace {

struct Backend {
  BackendInfo info;
  Result<std::unique_ptr<Storage>> (*open)(std::string_view rest);  // what follows "scheme:"
};

Result<std::unique_ptr<Storage>> open_posix_url(std::string_view rest) {
  // "posix:///data" or "posix:/data"; a host would be another machine's.
  if (rest.starts_with("//")) rest.remove_prefix(2);
  if (!rest.starts_with('/')) {
    return make_error(Code::kInvalid,
                      "storage URL 'posix:{}' needs an absolute path: posix:///data",
                      escape_bytes(rest));
  }
  return open_posix(std::string(rest));
}

Result<std::unique_ptr<Storage>> open_memory_url(std::string_view rest) {
  if (!rest.empty()) {
    return make_error(Code::kInvalid, "storage URL 'memory:{}': nothing may follow 'memory:'",
                      escape_bytes(rest));
  }
  return open_memory();
}

// The index of all backends. A new one is a line here.
constexpr Backend kBackends[] = {
    {{"posix", "posix:///DIRECTORY",
      "A directory of this host. Nothing leads out of it: no path, symlink or race."},
     open_posix_url},
    {{"memory", "memory:", "Files in the memory of the process, for tests. Gone when it ends."},
     open_memory_url},
};

std::string known_schemes() {
  std::string list;
  for (const Backend& backend : kBackends) {
    if (!list.empty()) list += ", ";
    list += backend.info.url_form;
  }
  return list;
}

}  // namespace

std::span<const BackendInfo> backends() {
  static const auto kInfos = [] {
    std::array<BackendInfo, std::size(kBackends)> infos;
    for (std::size_t i = 0; i < infos.size(); ++i) infos[i] = kBackends[i].info;
    return infos;
  }();
  return kInfos;
}

Result<std::unique_ptr<Storage>> open_storage(std::string_view url) {
  if (url.starts_with('/')) return open_posix(std::string(url));
  const std::size_t colon = url.find(':');
  for (const Backend& backend : kBackends) {
    if (colon != std::string_view::npos && url.substr(0, colon) == backend.info.scheme)
      return backend.open(url.substr(colon + 1));
  }
  return make_error(Code::kInvalid,
                    "'{}' is no storage URL; known are {}, or an absolute path of this host",
                    escape_bytes(url), known_schemes());
}

}  // namespace wherry::storage
