// SPDX-License-Identifier: Apache-2.0
// Bookmarks: names that somebody gave to directories of endpoints, for himself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "endpoints/endpoint.h"

namespace wherry::endpoints {

struct Bookmark {
  std::string id;  // a UUID in lower case
  std::string owner;
  std::string name;
  EndpointId endpoint;  // which may be gone by now
  std::string path;     // bytes, as the owner wrote them: "/run42/", "/~/"
  friend bool operator==(const Bookmark&, const Bookmark&) = default;
};

struct NewBookmark {
  std::string name;
  EndpointId endpoint;
  std::string path;
};

inline constexpr std::size_t kMaxBookmarks = 1000;  // of one owner

std::span<const Migration> bookmark_migrations();

// Safe for concurrent calls. To somebody else than its owner a bookmark does not exist.
class Bookmarks {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
  };
  explicit Bookmarks(const Parts& parts) : parts_(parts) {}

  // kAlreadyExists if the owner has one of that name (upper and lower case differ); kInvalid for a
  // name that is empty, over 128 bytes, not printable or a UUID, or a path that is empty or over
  // 4096 bytes. Whether the endpoint exists is the caller's to know.
  Result<Bookmark> create(const std::string& owner, const NewBookmark& request);
  Result<Bookmark> get(const std::string& owner, std::string_view id);
  Result<Bookmark> find(const std::string& owner, std::string_view name_or_id);
  Result<std::vector<Bookmark>> list(const std::string& owner);  // by name
  Result<Bookmark> rename(const std::string& owner, std::string_view id, const std::string& name);
  Result<void> remove(const std::string& owner, std::string_view id);

 private:
  Parts parts_;
};

}  // namespace wherry::endpoints
