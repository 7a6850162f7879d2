// SPDX-License-Identifier: Apache-2.0
#include "cli/location.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "base/file.h"

namespace wherry::cli {
namespace {

struct Free {
  void operator()(char* text) const { std::free(text); }
};

Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  if (!real) return errno_error(errno, fmt::format("find '{}'", escape_bytes(path)));
  return std::string(real.get());
}

// Where the last ".." component ends, or 0.
std::size_t end_of_last_parent_step(std::string_view path) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (path.substr(at, slash - at) == "..") end = slash;
    at = slash + 1;
  }
  return end;
}

// `text` is a word without colon: when an endpoint bears the name, the user forgot the colon.
std::string forgotten_colon(endpoints::Endpoints& endpoints, const std::string& text) {
  if (text.find('/') != text.npos || !endpoints.resolve(text)) return "";
  return fmt::format(" (for the endpoint of that name, write '{}:/')", escape_bytes(text));
}

Result<RelPath> local_path(endpoints::Endpoints& endpoints, const std::string& text) {
  auto absolute = absolute_local_path(text);
  if (!absolute) {
    absolute.error().message += forgotten_colon(endpoints, text);
    return std::move(absolute).error();
  }
  return RelPath::parse(absolute.value());
}

}  // namespace

std::string Place::shown() const {
  const std::string absolute = "/" + escape_bytes(path.text());
  if (endpoint.id == endpoints::kLocalId) return absolute;
  return escape_bytes(endpoint.display_name) + ":" + absolute;
}

Result<Location> parse_location(std::string_view text) {
  if (text.empty()) return make_error(Code::kInvalid, "the path is empty");
  Location location;
  location.ends_in_slash = text.ends_with('/');
  const std::size_t colon = text.find(':');
  if (colon == text.npos || text.substr(0, colon).find('/') != text.npos) {
    location.path = text;
    return location;
  }
  if (colon == 0) {
    return make_error(Code::kInvalid,
                      "'{}' names no endpoint before the colon; write ENDPOINT:/path",
                      escape_bytes(text));
  }
  location.endpoint = text.substr(0, colon);
  location.path = text.substr(colon + 1);
  return location;
}

Result<std::string> absolute_local_path(std::string_view path) {
  std::string absolute(path);
  if (!path.starts_with('/')) {
    char buffer[PATH_MAX];
    if (::getcwd(buffer, sizeof buffer) == nullptr)
      return errno_error(errno, "find the working directory");
    absolute = std::string(buffer) + "/" + std::string(path);
  }
  // Symlinks before a ".." decide where it leads; the last component itself may be a symlink that
  // is meant (rm, rename) and stays as it is.
  const std::size_t end = end_of_last_parent_step(absolute);
  if (end == 0) return absolute;
  TRY_ASSIGN(std::string real, real_path(absolute.substr(0, end)));
  return real + absolute.substr(end);
}

Result<RelPath> resolve_path(const endpoints::Endpoint& endpoint, std::string_view path) {
  const std::string name = escape_bytes(endpoint.display_name);
  if (path.empty()) return make_error(Code::kInvalid, "a path on endpoint '{}' is empty", name);
  if (path.starts_with('/')) {
    TRY_ASSIGN(RelPath absolute, RelPath::parse(path), "path on endpoint '{}'", name);
    return absolute;
  }
  if (endpoint.id == endpoints::kLocalId) {
    TRY_ASSIGN(const std::string absolute, absolute_local_path(path));
    return RelPath::parse(absolute);
  }
  if (endpoint.default_directory.empty()) {
    return make_error(
        Code::kInvalid,
        "path '{}' on endpoint '{}' is relative; write '{}:/{}', counted from the"
        " endpoint's root, or set a directory to count from: wherry endpoint update {}"
        " --default-directory /DIRECTORY",
        escape_bytes(path), name, name, escape_bytes(path), name);
  }
  const std::string joined = endpoint.default_directory + "/" + std::string(path);
  TRY_ASSIGN(RelPath below, RelPath::parse(joined), "path on endpoint '{}'", name);
  return below;
}

namespace {

Result<Place> place_elsewhere(tasks::TransferService& service, std::string_view text) {
  TRY_ASSIGN(const Location location, parse_location(text));
  if (!location.endpoint) {
    return make_error(Code::kInvalid,
                      "'{}' is a path of this machine, which the service does not know; write"
                      " ENDPOINT:/path",
                      escape_bytes(text));
  }
  Place place;
  place.ends_in_slash = location.ends_in_slash;
  TRY_ASSIGN(place.endpoint, service.endpoint(*location.endpoint));
  TRY_ASSIGN(place.path, resolve_path_elsewhere(place.endpoint, location.path));
  return place;
}

}  // namespace

Result<RelPath> resolve_path_elsewhere(const endpoints::Endpoint& endpoint, std::string_view path) {
  std::string_view below = path;
  if (below.starts_with("/~")) below.remove_prefix(1);
  const bool has_tilde = below == "~" || below.starts_with("~/");
  if (!has_tilde && !path.empty()) return resolve_path(endpoint, path);
  if (has_tilde) below.remove_prefix(std::min<std::size_t>(2, below.size()));
  if (endpoint.default_directory.empty() && has_tilde) {
    return make_error(Code::kInvalid,
                      "the service does not tell where '~' is on endpoint '{}'; write the path from"
                      " the endpoint's root",
                      escape_bytes(endpoint.display_name));
  }
  return RelPath::parse(fmt::format("{}/{}", endpoint.default_directory, below));
}

Result<Place> resolve_place(Context& context, std::string_view text) {
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (elsewhere) {
    TRY_ASSIGN(tasks::TransferService * service, context.service());
    return place_elsewhere(*service, text);
  }
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  return resolve_place(wherry->endpoints(), text);
}

Result<Place> resolve_place(endpoints::Endpoints& endpoints, std::string_view text) {
  TRY_ASSIGN(Location location, parse_location(text));
  Place place;
  place.ends_in_slash = location.ends_in_slash;
  if (!location.endpoint) {
    TRY_ASSIGN(place.endpoint, endpoints.resolve(endpoints::kLocalId));
    TRY_ASSIGN(place.path, local_path(endpoints, location.path));
    return place;
  }
  TRY_ASSIGN(place.endpoint, endpoints.resolve(*location.endpoint));
  if (location.path.empty()) {
    TRY_ASSIGN(place.path, RelPath::parse(place.endpoint.default_directory));
    return place;
  }
  TRY_ASSIGN(place.path, resolve_path(place.endpoint, location.path));
  return place;
}

}  // namespace wherry::cli
