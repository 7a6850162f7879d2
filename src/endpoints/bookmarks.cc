// SPDX-License-Identifier: Apache-2.0
#include "endpoints/bookmarks.h"

#include <soci/soci.h>

#include "base/path.h"
#include "base/text.h"

namespace wherry::endpoints {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxPath = 4096;

constexpr Migration kBookmarkMigrations[] = {
    {"bookmark", 1,
     "create table bookmark ("
     " id text primary key, owner text not null, name text not null, endpoint text not null,"
     " path text not null, created integer not null, unique (owner, name)) strict;"},
};

Result<void> check_bookmark_name(const std::string& name) {
  const auto refuse = [&](std::string_view why) {
    return make_error(Code::kInvalid, "bookmark name '{}' {}", escape_bytes(name), why);
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kMaxName) return refuse(fmt::format("is longer than {} bytes", kMaxName));
  if (escape_bytes(name) != name)
    return refuse("has control characters, backslashes or bytes that are not UTF-8");
  if (is_uuid(name)) return refuse("would be taken for an id");
  return {};
}

Result<void> check_path(const std::string& path) {
  if (path.empty()) return make_error(Code::kInvalid, "the path is empty; write / for the root");
  if (path.size() > kMaxPath)
    return make_error(Code::kInvalid, "the path is longer than {} bytes", kMaxPath);
  return {};
}

// `condition` takes :owner and :key.
std::vector<Bookmark> load(soci::session& sql, std::string_view condition, const std::string& owner,
                           const std::string& key) {
  Bookmark row;
  soci::statement statement =
      (sql.prepare
           << "select id, owner, name, endpoint, path from bookmark where owner = :owner and "
           << condition << " order by name",
       soci::use(owner, "owner"), soci::use(key, "key"), soci::into(row.id), soci::into(row.owner),
       soci::into(row.name), soci::into(row.endpoint), soci::into(row.path));
  std::vector<Bookmark> found;
  statement.execute();
  while (statement.fetch()) found.push_back(row);
  return found;
}

Result<Bookmark> load_one(soci::session& sql, const std::string& owner, std::string_view id) {
  std::vector<Bookmark> found = load(sql, "id = :key", owner, lower_case(id));
  if (found.empty()) return make_error(Code::kNotFound, "no bookmark '{}'", escape_bytes(id));
  return std::move(found.front());
}

Result<void> check_free(soci::session& sql, const std::string& owner, const std::string& name) {
  if (load(sql, "name = :key", owner, name).empty()) return {};
  return make_error(Code::kAlreadyExists, "there is a bookmark '{}' already", name);
}

}  // namespace

std::span<const Migration> bookmark_migrations() { return kBookmarkMigrations; }

Result<Bookmark> Bookmarks::create(const std::string& owner, const NewBookmark& request) {
  TRY(check_bookmark_name(request.name));
  TRY(check_path(request.path));
  const Bookmark bookmark{.id = new_uuid(parts_.random),
                          .owner = owner,
                          .name = request.name,
                          .endpoint = request.endpoint,
                          .path = request.path};
  const long long created = parts_.clock.now().time_since_epoch().count();
  return parts_.database.write([&](soci::session& sql) -> Result<Bookmark> {
    TRY(check_free(sql, owner, bookmark.name));
    if (load(sql, ":key = ''", owner, "").size() >= kMaxBookmarks) {
      return make_error(Code::kConflict, "there are {} bookmarks already, and no more are allowed",
                        kMaxBookmarks);
    }
    sql << "insert into bookmark (id, owner, name, endpoint, path, created)"
           " values (:id, :owner, :name, :endpoint, :path, :created)",
        soci::use(bookmark.id), soci::use(owner), soci::use(bookmark.name),
        soci::use(bookmark.endpoint), soci::use(bookmark.path), soci::use(created);
    return bookmark;
  });
}

Result<Bookmark> Bookmarks::get(const std::string& owner, std::string_view id) {
  return parts_.database.read([&](soci::session& sql) { return load_one(sql, owner, id); });
}

Result<Bookmark> Bookmarks::find(const std::string& owner, std::string_view name_or_id) {
  if (is_uuid(name_or_id)) return get(owner, name_or_id);
  return parts_.database.read([&](soci::session& sql) -> Result<Bookmark> {
    std::vector<Bookmark> found = load(sql, "name = :key", owner, std::string(name_or_id));
    if (!found.empty()) return std::move(found.front());
    return make_error(Code::kNotFound, "no bookmark '{}'", escape_bytes(name_or_id));
  });
}

Result<std::vector<Bookmark>> Bookmarks::list(const std::string& owner) {
  return parts_.database.read([&](soci::session& sql) -> Result<std::vector<Bookmark>> {
    return load(sql, ":key = ''", owner, "");
  });
}

Result<Bookmark> Bookmarks::rename(const std::string& owner, std::string_view id,
                                   const std::string& name) {
  TRY(check_bookmark_name(name));
  return parts_.database.write([&](soci::session& sql) -> Result<Bookmark> {
    TRY_ASSIGN(Bookmark bookmark, load_one(sql, owner, id));
    if (bookmark.name == name) return bookmark;
    TRY(check_free(sql, owner, name));
    sql << "update bookmark set name = :name where id = :id", soci::use(name),
        soci::use(bookmark.id);
    bookmark.name = name;
    return bookmark;
  });
}

Result<void> Bookmarks::remove(const std::string& owner, std::string_view id) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const Bookmark bookmark, load_one(sql, owner, id));
    sql << "delete from bookmark where id = :id", soci::use(bookmark.id);
    return {};
  });
}

}  // namespace wherry::endpoints
