// SPDX-License-Identifier: Apache-2.0
#include "server/consents.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>

#include "base/hash.h"
#include "server/scopes.h"
#include "server/stored_time.h"

namespace wherry::server {
namespace {

// A good token, and the grant that it comes from.
struct GoodTokenRow {
  std::string client, scope, kind;
  long long created = 0, last_used = 0;
};

constexpr std::string_view kGoodTokens =
    " from auth_grant g join auth_token t on t.grant_id = g.id"
    " where g.identity = :identity and g.is_revoked = 0 and t.is_spent = 0 and t.expires > :now";

// 52 bits of the digest of what it is of: numbers that JSON readers keep.
std::uint64_t consent_id(std::string_view identity, std::string_view client,
                         std::string_view names) {
  const std::string digest =
      hash_bytes(HashAlgorithm::kSha256, fmt::format("{} {} {}", identity, client, names));
  return std::stoull(digest.substr(0, 13), nullptr, 16);
}

// The consents of one identity, in the making.
class Forest {
 public:
  explicit Forest(const std::string& identity) : identity_(identity) {}

  void add(const GoodTokenRow& row, const std::vector<Scope>& scopes) { add(row, scopes, {}, ""); }
  std::vector<Consent> consents() && { return std::move(consents_); }

 private:
  void add(const GoodTokenRow& row, const std::vector<Scope>& scopes,
           const std::vector<std::uint64_t>& above, const std::string& names_above) {
    for (const Scope& scope : scopes) {
      const std::string names = names_above + ' ' + scope.name;
      const std::uint64_t id = consent_id(identity_, row.client, names);
      std::vector<std::uint64_t> path = above;
      path.push_back(id);
      merge(row, scope, path);
      add(row, scope.dependents, path, names);
    }
  }

  // The same may be agreed to more than once: that is one consent.
  void merge(const GoodTokenRow& row, const Scope& scope, const std::vector<std::uint64_t>& path) {
    const TimePoint created = restored(row.created), used = restored(row.last_used);
    const bool refreshes = row.kind == "refresh";
    const auto same = std::find_if(consents_.begin(), consents_.end(),
                                   [&](const Consent& one) { return one.id == path.back(); });
    if (same == consents_.end()) {
      consents_.push_back({path.back(), row.client, scope.name, path, scope.is_optional, refreshes,
                           created, created, used});
      return;
    }
    same->is_optional = same->is_optional && scope.is_optional;
    same->allows_refresh = same->allows_refresh || refreshes;
    same->created = std::min(same->created, created);
    same->updated = std::max(same->updated, created);
    same->last_used = std::max(same->last_used, used);
  }

  const std::string& identity_;
  std::vector<Consent> consents_;
};

}  // namespace

Result<std::vector<Consent>> Consents::of(const std::string& identity) {
  const long long now = stored(clock_.now());
  return database_.read([&](soci::session& sql) -> Result<std::vector<Consent>> {
    GoodTokenRow row;
    Forest forest(identity);
    soci::statement statement =
        (sql.prepare << "select g.client, t.scope, t.kind, g.created, g.last_used" << kGoodTokens
                     << " order by g.client, g.created, t.resource_server, t.kind",
         soci::use(identity, "identity"), soci::use(now, "now"), soci::into(row.client),
         soci::into(row.scope), soci::into(row.kind), soci::into(row.created),
         soci::into(row.last_used));
    statement.execute();
    while (statement.fetch()) {
      TRY_ASSIGN(const auto scopes, parse_scopes(row.scope));
      forest.add(row, scopes);
    }
    return std::move(forest).consents();
  });
}

Result<bool> Consents::covers(const Caller& caller, std::string_view scope,
                              std::string_view dependent) {
  const std::string pair = fmt::format("{}[{}]", scope, dependent);
  if (caller.has_scope(pair)) return true;
  const long long now = stored(clock_.now());
  const std::string wanted(dependent);
  return database_.read([&](soci::session& sql) -> Result<bool> {
    std::string text;
    soci::statement statement =
        (sql.prepare << "select distinct t.scope" << kGoodTokens
                     << " and g.client = :client and instr(t.scope, :wanted) > 0",
         soci::use(caller.identity, "identity"), soci::use(now, "now"),
         soci::use(caller.client, "client"), soci::use(wanted, "wanted"), soci::into(text));
    statement.execute();
    while (statement.fetch()) {
      TRY_ASSIGN(const auto scopes, parse_scopes(text));
      const std::vector<std::string> flat = flatten_scopes(scopes);
      if (std::find(flat.begin(), flat.end(), pair) != flat.end()) return true;
    }
    return false;
  });
}

}  // namespace wherry::server
