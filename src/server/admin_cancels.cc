// SPDX-License-Identifier: Apache-2.0
#include "server/admin_cancels.h"

#include <soci/soci.h>

#include "base/path.h"

namespace wherry::server {
namespace {

constexpr Migration kAdminCancelMigrations[] = {
    {"admin_cancel", 1,
     "create table admin_cancel ("
     " id text not null, identity text not null, task text not null, created integer not null,"
     " primary key (id, task)) strict, without rowid;"
     "create index admin_cancel_created on admin_cancel (created);"},
};
constexpr Duration kKept = std::chrono::hours(24 * 30);

}  // namespace

std::span<const Migration> admin_cancel_migrations() { return kAdminCancelMigrations; }

Result<std::string> AdminCancels::add(const std::string& identity,
                                      std::span<const tasks::TaskId> tasks) {
  const std::string id = new_uuid(parts_.random);
  const TimePoint now = parts_.clock.now();
  const long long created = now.time_since_epoch().count();
  const long long oldest = (now - kKept).time_since_epoch().count();
  return parts_.database.write([&](soci::session& sql) -> Result<std::string> {
    sql << "delete from admin_cancel where created < :oldest", soci::use(oldest);
    for (const tasks::TaskId& task : tasks) {
      sql << "insert or ignore into admin_cancel (id, identity, task, created)"
             " values (:id, :identity, :task, :created)",
          soci::use(id), soci::use(identity), soci::use(task), soci::use(created);
    }
    return id;
  });
}

Result<std::vector<tasks::TaskId>> AdminCancels::tasks(const std::string& identity,
                                                       std::string_view id) {
  const std::string key(id);
  return parts_.database.read([&](soci::session& sql) -> Result<std::vector<tasks::TaskId>> {
    tasks::TaskId task;
    soci::statement statement =
        (sql.prepare << "select task from admin_cancel where id = lower(:id) and identity = :who",
         soci::use(key), soci::use(identity), soci::into(task));
    std::vector<tasks::TaskId> found;
    statement.execute();
    while (statement.fetch()) found.push_back(task);
    if (found.empty()) return make_error(Code::kNotFound, "no request '{}'", escape_bytes(id));
    return found;
  });
}

}  // namespace wherry::server
