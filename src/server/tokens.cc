// SPDX-License-Identifier: Apache-2.0
#include "server/tokens.h"

#include <soci/soci.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "server/secrets.h"
#include "server/stored_time.h"

namespace wherry::server {
namespace {

using std::chrono::seconds;

constexpr std::string_view kAccess = "access";
constexpr std::string_view kRefresh = "refresh";
// Expired rows are kept for a while, so that "expired" can be told from "unknown".
constexpr seconds kKeepExpired = std::chrono::hours(24 * 7);

Error bad_token(std::string_view why) { return make_error(Code::kDenied, "the token is {}", why); }

struct Grant {
  std::string id;
  std::string client;
  std::string identity;
};

struct TokenRow {
  Grant grant;
  std::string kind, resource_server, scope, username, spent_by;
  long long issued = 0, expires = 0;
  int is_spent = 0, is_revoked = 0, is_client_known = 0;

  bool is_known_identity() const { return !username.empty() && is_client_known != 0; }
};

struct CodeRow {
  Grant grant;
  std::string scope, redirect_uri, challenge;
  long long expires = 0;
  int is_offline = 0, is_spent = 0, is_revoked = 0;
};

std::optional<TokenRow> load_token(soci::session& sql, const std::string& digest) {
  TokenRow row;
  sql << "select t.kind, t.grant_id, t.resource_server, t.scope, t.issued, t.expires, t.is_spent,"
         " g.client, g.identity, g.is_revoked, coalesce(u.username, ''),"
         " (select count(*) from identity_client c where c.id = g.client), t.spent_by"
         " from auth_token t join auth_grant g on g.id = t.grant_id"
         " left join identity_user u on u.id = g.identity where t.digest = :digest",
      soci::use(digest), soci::into(row.kind), soci::into(row.grant.id),
      soci::into(row.resource_server), soci::into(row.scope), soci::into(row.issued),
      soci::into(row.expires), soci::into(row.is_spent), soci::into(row.grant.client),
      soci::into(row.grant.identity), soci::into(row.is_revoked), soci::into(row.username),
      soci::into(row.is_client_known), soci::into(row.spent_by);
  if (!sql.got_data()) return std::nullopt;
  if (row.grant.identity == row.grant.client)
    row.username = row.grant.client + "@clients.auth.globus.org";
  return row;
}

std::optional<CodeRow> load_code(soci::session& sql, const std::string& digest) {
  CodeRow row;
  sql << "select c.grant_id, c.redirect_uri, c.challenge, c.is_offline, c.expires, c.is_spent,"
         " g.client, g.identity, g.scope, g.is_revoked"
         " from auth_code c join auth_grant g on g.id = c.grant_id where c.digest = :digest",
      soci::use(digest), soci::into(row.grant.id), soci::into(row.redirect_uri),
      soci::into(row.challenge), soci::into(row.is_offline), soci::into(row.expires),
      soci::into(row.is_spent), soci::into(row.grant.client), soci::into(row.grant.identity),
      soci::into(row.scope), soci::into(row.is_revoked);
  if (!sql.got_data()) return std::nullopt;
  return row;
}

void revoke_grant(soci::session& sql, const std::string& id) {
  sql << "update auth_grant set is_revoked = 1 where id = :id", soci::use(id);
}

void prune(soci::session& sql, TimePoint now) {
  const long long before = stored(now - kKeepExpired);
  sql << "delete from auth_token where expires < :before", soci::use(before);
  sql << "delete from auth_code where expires < :before", soci::use(before);
  sql << "delete from auth_grant where expires < :before", soci::use(before);
}

void insert_grant(soci::session& sql, const Grant& grant, const std::string& scope, TimePoint now) {
  const long long created = stored(now);
  const long long expires = stored(now + kCodeLifetime);  // later, once tokens are issued
  sql << "insert into auth_grant"
         " (id, client, identity, scope, created, last_used, expires, is_revoked)"
         " values (:id, :client, :identity, :scope, :created, :created, :expires, 0)",
      soci::use(grant.id, "id"), soci::use(grant.client, "client"),
      soci::use(grant.identity, "identity"), soci::use(scope, "scope"),
      soci::use(created, "created"), soci::use(expires, "expires");
}

struct NewToken {
  std::string_view kind;
  std::string resource_server;
  std::string scope;
  seconds lifetime;
};

std::string insert_token(soci::session& sql, const Grant& grant, const NewToken& token,
                         TimePoint now) {
  std::string text = random_secret();
  const std::string digest = token_digest(text);
  const std::string kind(token.kind);
  const long long issued = stored(now);
  const long long expires = stored(now + token.lifetime);
  sql << "insert into auth_token"
         " (digest, grant_id, kind, resource_server, scope, issued, expires, is_spent)"
         " values (:digest, :grant, :kind, :server, :scope, :issued, :expires, 0)",
      soci::use(digest), soci::use(grant.id), soci::use(kind), soci::use(token.resource_server),
      soci::use(token.scope), soci::use(issued), soci::use(expires);
  sql << "update auth_grant set last_used = :now, expires = max(expires, :expires) where id = :id",
      soci::use(issued, "now"), soci::use(expires, "expires"), soci::use(grant.id, "id");
  return text;
}

// Scopes of one resource server, in the order in which the servers were first named.
struct Share {
  std::string resource_server;
  std::vector<Scope> scopes;
};

Result<std::vector<Share>> share_out(const std::vector<Scope>& scopes) {
  std::vector<Share> shares;
  for (const Scope& scope : scopes) {
    TRY_ASSIGN(const std::string server, resource_server_of(scope.name));
    auto share = std::find_if(shares.begin(), shares.end(),
                              [&](const Share& one) { return one.resource_server == server; });
    if (share == shares.end()) share = shares.insert(share, {server, {}});
    share->scopes.push_back(scope);
  }
  if (shares.empty()) return make_error(Code::kInvalid, "no scope was asked for");
  return shares;
}

enum class Refresh { kNo, kYes };

IssuedTokens issue_shares(soci::session& sql, const Grant& grant, const std::vector<Share>& shares,
                          Refresh refresh, TimePoint now) {
  IssuedTokens issued{grant.identity, grant.client, {}};
  for (const Share& share : shares) {
    const std::string scope = format_scopes(share.scopes);
    IssuedToken token;
    token.resource_server = share.resource_server;
    token.scope = top_level_names(share.scopes);
    token.access_token =
        insert_token(sql, grant, {kAccess, share.resource_server, scope, kAccessLifetime}, now);
    if (refresh == Refresh::kYes) {
      token.refresh_token =
          insert_token(sql, grant, {kRefresh, share.resource_server, scope, kRefreshLifetime}, now);
    }
    issued.tokens.push_back(std::move(token));
  }
  return issued;
}

// Why a code cannot be used; empty if it can.
std::string_view problem_of(const CodeRow& row, const CodeUse& use, TimePoint now) {
  if (row.is_revoked != 0) return "revoked";
  if (row.expires <= stored(now)) return "expired";
  if (row.redirect_uri != use.redirect_uri) return "for another redirect URI";
  if (row.challenge.empty()) return use.verifier.empty() ? "" : "not bound to a verifier";
  return equal_in_constant_time(pkce_challenge(use.verifier), row.challenge)
             ? std::string_view()
             : "for another verifier";
}

// A refusal that must not roll back what was written is a value, not an error, inside of the
// transaction.
struct Decision {
  std::optional<IssuedTokens> issued;
  std::string refusal;
};

Result<IssuedTokens> outcome(Result<Decision> decision, std::string_view what) {
  if (!decision) return std::move(decision).error();
  if (decision->issued) return std::move(*decision->issued);
  return make_error(Code::kDenied, "the {} is {}", what, decision->refusal);
}

Result<void> end_token(Database& database, std::string_view token,
                       const std::function<bool(const Grant&)>& may_end) {
  const std::string digest = token_digest(token);
  return database.write([&](soci::session& sql) -> Result<void> {
    const auto row = load_token(sql, digest);
    if (!row || !may_end(row->grant)) return {};
    if (row->kind == kAccess) {
      sql << "delete from auth_token where digest = :digest", soci::use(digest);
    } else {
      sql << "delete from auth_token where grant_id = :grant and resource_server = :server",
          soci::use(row->grant.id), soci::use(row->resource_server);
    }
    return {};
  });
}

}  // namespace

Result<IssuedTokens> Tokens::issue(const Client& client, const std::vector<Scope>& scopes) {
  TRY_ASSIGN(const auto shares, share_out(scopes));
  const Grant grant{new_uuid(parts_.random), client.id, client.id};
  const TimePoint now = parts_.clock.now();
  return parts_.database.write([&](soci::session& sql) -> Result<IssuedTokens> {
    prune(sql, now);
    insert_grant(sql, grant, format_scopes(scopes), now);
    return issue_shares(sql, grant, shares, Refresh::kNo, now);
  });
}

Result<std::string> Tokens::issue_code(const CodeRequest& request) {
  TRY(share_out(request.scopes));
  const Grant grant{new_uuid(parts_.random), request.client, request.identity};
  const TimePoint now = parts_.clock.now();
  std::string code = random_secret();
  TRY(parts_.database.write([&](soci::session& sql) -> Result<void> {
    insert_grant(sql, grant, format_scopes(request.scopes), now);
    const std::string digest = token_digest(code);
    const int is_offline = request.is_offline ? 1 : 0;
    const long long expires = stored(now + kCodeLifetime);
    sql << "insert into auth_code"
           " (digest, grant_id, redirect_uri, challenge, is_offline, expires, is_spent)"
           " values (:digest, :grant, :uri, :challenge, :offline, :expires, 0)",
        soci::use(digest), soci::use(grant.id), soci::use(request.redirect_uri),
        soci::use(request.challenge), soci::use(is_offline), soci::use(expires);
    return {};
  }));
  return code;
}

Result<IssuedTokens> Tokens::redeem(const CodeUse& use) {
  const std::string digest = token_digest(use.code);
  const TimePoint now = parts_.clock.now();
  return outcome(parts_.database.write([&](soci::session& sql) -> Result<Decision> {
    const auto row = load_code(sql, digest);
    if (!row || row->grant.client != use.client) return Decision{{}, "unknown"};
    if (row->is_spent != 0) {
      revoke_grant(sql, row->grant.id);
      return Decision{{}, "used already; what it bought is revoked"};
    }
    // One try: whoever stole a code cannot guess at what belongs to it.
    sql << "update auth_code set is_spent = 1 where digest = :digest", soci::use(digest);
    const std::string_view problem = problem_of(*row, use, now);
    if (!problem.empty()) return Decision{{}, std::string(problem)};
    prune(sql, now);
    TRY_ASSIGN(const auto scopes, parse_scopes(row->scope));
    TRY_ASSIGN(const auto shares, share_out(scopes));
    const Refresh refresh = row->is_offline != 0 ? Refresh::kYes : Refresh::kNo;
    return Decision{issue_shares(sql, row->grant, shares, refresh, now), {}};
  }),
                 "code");
}

Result<IssuedTokens> Tokens::refresh(std::string_view refresh_token, std::string_view client,
                                     std::string_view attempt) {
  const std::string digest = token_digest(refresh_token);
  const std::string spent_by = attempt.empty() ? std::string() : token_digest(attempt);
  const TimePoint now = parts_.clock.now();
  return outcome(parts_.database.write([&](soci::session& sql) -> Result<Decision> {
    const auto row = load_token(sql, digest);
    if (!row || row->kind != kRefresh || row->grant.client != client)
      return Decision{{}, "unknown"};
    const bool is_repeated = !attempt.empty() && equal_in_constant_time(row->spent_by, spent_by);
    if (row->is_spent != 0 && !is_repeated) {
      revoke_grant(sql, row->grant.id);
      return Decision{{}, "used already; all that came with it is revoked"};
    }
    if (row->is_revoked != 0 || !row->is_known_identity()) return Decision{{}, "revoked"};
    if (row->expires <= stored(now)) return Decision{{}, "expired"};
    sql << "update auth_token set is_spent = 1, spent_by = :attempt where digest = :digest",
        soci::use(spent_by), soci::use(digest);
    TRY_ASSIGN(auto scopes, parse_scopes(row->scope));
    return Decision{issue_shares(sql, row->grant, {{row->resource_server, std::move(scopes)}},
                                 Refresh::kYes, now),
                    {}};
  }),
                 "refresh token");
}

Result<void> Tokens::revoke(std::string_view token, std::string_view client) {
  return end_token(parts_.database, token,
                   [client](const Grant& grant) { return grant.client == client; });
}

Result<void> Tokens::revoke_by_holder(std::string_view token) {
  return end_token(parts_.database, token, [](const Grant&) { return true; });
}

Result<TokenInfo> Tokens::inspect(std::string_view token) {
  const std::string digest = token_digest(token);
  const long long now = stored(parts_.clock.now());
  return parts_.database.read([&](soci::session& sql) -> Result<TokenInfo> {
    TokenInfo info;
    const auto row = load_token(sql, digest);
    if (!row) return info;
    info.is_active = row->is_spent == 0 && row->is_revoked == 0 && row->expires > now &&
                     row->is_known_identity();
    info.is_refresh = row->kind == kRefresh;
    info.resource_server = row->resource_server;
    info.scope = row->scope;
    info.client = row->grant.client;
    info.identity = row->grant.identity;
    info.username = row->username;
    info.issued = restored(row->issued);
    info.expires = restored(row->expires);
    return info;
  });
}

Result<Caller> Tokens::authenticate(std::string_view token) {
  const std::string digest = token_digest(token);
  TRY_ASSIGN(const auto known, known_.get(digest, [&] { return load_caller(digest); }));
  if (known->expires <= parts_.clock.now()) return bad_token("expired");
  return *known;
}

Result<Caller> Tokens::load_caller(const std::string& digest) {
  return parts_.database.read([&](soci::session& sql) -> Result<Caller> {
    const auto row = load_token(sql, digest);
    if (!row || row->kind != kAccess) return bad_token("unknown");
    if (row->is_revoked != 0 || !row->is_known_identity()) return bad_token("revoked");
    TRY_ASSIGN(const auto scopes, parse_scopes(row->scope));
    return Caller{.identity = row->grant.identity,
                  .username = row->username,
                  .client = row->grant.client,
                  .scopes = flatten_scopes(scopes),
                  .groups = {},
                  .expires = restored(row->expires)};
  });
}

}  // namespace wherry::server
