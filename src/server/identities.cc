// SPDX-License-Identifier: Apache-2.0
#include "server/identities.h"

#include <soci/soci.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/path.h"
#include "base/text.h"

namespace wherry::server {
namespace {

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMinPassword = 8;
constexpr std::size_t kMaxPassword = 1024;
constexpr std::size_t kMaxUri = 1024;

constexpr Migration kIdentityMigrations[] = {
    {"identity", 1,
     "create table identity_user ("
     " id text primary key, username text not null unique, name text not null,"
     " email text not null, password_hash text not null, created integer not null) strict;"
     "create table identity_client ("
     " id text primary key, name text not null, is_native integer not null,"
     " is_local integer not null, redirect_uris text not null, secret_hash text not null,"
     " created integer not null) strict;"
     // One login, or one use of a client's secret. What was issued for it ends with it.
     "create table auth_grant ("
     " id text primary key, client text not null, identity text not null, scope text not null,"
     " created integer not null, last_used integer not null, expires integer not null,"
     " is_revoked integer not null) strict;"
     "create index auth_grant_identity on auth_grant (identity);"
     "create index auth_grant_expires on auth_grant (expires);"
     "create table auth_token ("
     " digest text primary key, grant_id text not null, kind text not null,"
     " resource_server text not null, scope text not null, issued integer not null,"
     " expires integer not null, is_spent integer not null) strict, without rowid;"
     "create index auth_token_expires on auth_token (expires);"
     "create table auth_code ("
     " digest text primary key, grant_id text not null, redirect_uri text not null,"
     " challenge text not null, is_offline integer not null, expires integer not null,"
     " is_spent integer not null) strict, without rowid;"
     "create index auth_code_expires on auth_code (expires);"},
    {"identity", 2, "create index auth_token_grant on auth_token (grant_id);"},
    // Digest of the name under which a refresh token was exchanged.
    {"identity", 3, "alter table auth_token add column spent_by text not null default '';"},
};

Result<void> check_text(std::string_view field, std::string_view text) {
  if (text.size() > kMaxName)
    return make_error(Code::kInvalid, "{} is longer than {} bytes", field, kMaxName);
  if (escape_bytes(text) != text) {
    return make_error(Code::kInvalid,
                      "{} '{}' has control characters, backslashes or bytes that are not UTF-8",
                      field, escape_bytes(text));
  }
  return {};
}

Result<void> check_username(std::string_view username) {
  const std::size_t at = username.find('@');
  const bool is_plain = std::all_of(username.begin(), username.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("@._+-").find(c) != std::string_view::npos;
  });
  if (is_plain && username.size() <= kMaxName && at != 0 && at != username.npos &&
      at + 1 < username.size() && username.find('@', at + 1) == username.npos)
    return {};
  return make_error(Code::kInvalid,
                    "user name '{}' is not of the form ada@example.org (letters, digits, . _ + -)",
                    escape_bytes(username));
}

Result<void> check_new_password(std::string_view password) {
  if (password.size() >= kMinPassword && password.size() <= kMaxPassword) return {};
  return make_error(Code::kInvalid, "a password has {} to {} bytes", kMinPassword, kMaxPassword);
}

Result<void> check_redirect_uri(std::string_view uri) {
  const bool is_web = uri.starts_with("https://") || uri.starts_with("http://");
  const bool is_plain =
      std::all_of(uri.begin(), uri.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (is_web && is_plain && uri.size() <= kMaxUri && uri.find('#') == uri.npos) return {};
  return make_error(Code::kInvalid,
                    "redirect URI '{}' is not an http or https address without fragment",
                    escape_bytes(uri));
}

std::string join_lines(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

struct StoredUser {
  User user;
  std::string hash;
};

struct StoredClient {
  Client client;
  std::string hash;
};

Result<std::vector<StoredUser>> load_users(Database& database, std::string_view condition,
                                           const std::string& key) {
  return database.read([&](soci::session& sql) -> Result<std::vector<StoredUser>> {
    StoredUser row;
    long long created = 0;
    soci::statement statement =
        (sql.prepare << "select id, username, name, email, password_hash, created from"
                        " identity_user where "
                     << condition << " order by username",
         soci::use(key, "key"), soci::into(row.user.id), soci::into(row.user.username),
         soci::into(row.user.name), soci::into(row.user.email), soci::into(row.hash),
         soci::into(created));
    std::vector<StoredUser> found;
    statement.execute();
    while (statement.fetch()) {
      row.user.created = TimePoint(Duration(created));
      found.push_back(row);
    }
    return found;
  });
}

Result<std::vector<StoredClient>> load_clients(Database& database, std::string_view condition,
                                               const std::string& key) {
  return database.read([&](soci::session& sql) -> Result<std::vector<StoredClient>> {
    StoredClient row;
    std::string uris;
    int is_native = 0, is_local = 0;
    long long created = 0;
    soci::statement statement =
        (sql.prepare << "select id, name, is_native, is_local, redirect_uris, secret_hash, created"
                        " from identity_client where "
                     << condition << " order by name, id",
         soci::use(key, "key"), soci::into(row.client.id), soci::into(row.client.name),
         soci::into(is_native), soci::into(is_local), soci::into(uris), soci::into(row.hash),
         soci::into(created));
    std::vector<StoredClient> found;
    statement.execute();
    while (statement.fetch()) {
      row.client.kind = is_native != 0 ? ClientKind::kNative : ClientKind::kConfidential;
      row.client.is_local = is_local != 0;
      row.client.redirect_uris = split_lines(uris);
      row.client.created = TimePoint(Duration(created));
      found.push_back(row);
    }
    return found;
  });
}

// Conditions take the parameter :key.
constexpr std::string_view kAll = ":key = ''";
constexpr std::string_view kById = "id = :key";
constexpr std::string_view kByIdOrName = "(id = :key or username = :key)";

Result<StoredUser> load_user(Database& database, std::string_view id_or_name) {
  TRY_ASSIGN(auto found, load_users(database, kByIdOrName, lower_case(id_or_name)));
  if (found.empty()) {
    return make_error(Code::kNotFound, "no user '{}'; `wherry user list` shows them all",
                      escape_bytes(id_or_name));
  }
  return std::move(found.front());
}

Result<StoredClient> load_client(Database& database, std::string_view id) {
  TRY_ASSIGN(auto found, load_clients(database, kById, lower_case(id)));
  if (found.empty()) {
    return make_error(Code::kNotFound,
                      "no client has the id '{}'; `wherry client list` shows them all",
                      escape_bytes(id));
  }
  return std::move(found.front());
}

// The grants of an identity or client go with it, so that its tokens end.
Result<void> remove_identity(Database& database, std::string_view table, const std::string& id) {
  return database.write([&](soci::session& sql) -> Result<void> {
    sql << "delete from " << table << " where id = :id", soci::use(id);
    sql << "update auth_grant set is_revoked = 1 where identity = :id or client = :id",
        soci::use(id, "id");
    return {};
  });
}

Result<void> insert_user(soci::session& sql, const User& user, const std::string& hash) {
  int taken = 0;
  sql << "select count(*) from identity_user where username = :name", soci::use(user.username),
      soci::into(taken);
  if (taken != 0) {
    return make_error(Code::kAlreadyExists,
                      "there is a user '{}' already; `wherry user rotate` gives a new password",
                      user.username);
  }
  const long long created = user.created.time_since_epoch().count();
  sql << "insert into identity_user (id, username, name, email, password_hash, created)"
         " values (:id, :username, :name, :email, :hash, :created)",
      soci::use(user.id), soci::use(user.username), soci::use(user.name), soci::use(user.email),
      soci::use(hash), soci::use(created);
  return {};
}

void insert_client(soci::session& sql, const Client& client, const std::string& hash) {
  const int is_native = client.kind == ClientKind::kNative ? 1 : 0;
  const int is_local = client.is_local ? 1 : 0;
  const std::string uris = join_lines(client.redirect_uris);
  const long long created = client.created.time_since_epoch().count();
  sql << "insert into identity_client"
         " (id, name, is_native, is_local, redirect_uris, secret_hash, created)"
         " values (:id, :name, :native, :local, :uris, :hash, :created)",
      soci::use(client.id), soci::use(client.name), soci::use(is_native), soci::use(is_local),
      soci::use(uris), soci::use(hash), soci::use(created);
}

}  // namespace

std::span<const Migration> identity_migrations() { return kIdentityMigrations; }

Identities::Identities(const Parts& parts)
    : parts_(parts), nobody_(hash_secret(random_secret(), parts.cost)) {}

Result<User> Identities::create_user(const NewUser& request) {
  User user;
  user.username = lower_case(request.username);
  user.name = request.name.empty() ? user.username : request.name;
  user.email = request.email.empty() ? user.username : request.email;
  TRY(check_username(user.username));
  TRY(check_text("name", user.name));
  TRY(check_text("email", user.email));
  TRY(check_new_password(request.password));
  user.id = new_uuid(parts_.random);
  user.created = parts_.clock.now();
  const std::string hash = hash_secret(request.password, parts_.cost);
  TRY(parts_.database.write([&](soci::session& sql) { return insert_user(sql, user, hash); }));
  return user;
}

Result<std::vector<User>> Identities::users() {
  TRY_ASSIGN(const auto stored, load_users(parts_.database, kAll, ""));
  std::vector<User> users;
  for (const StoredUser& one : stored) users.push_back(one.user);
  return users;
}

Result<User> Identities::find_user(std::string_view id_or_name) {
  TRY_ASSIGN(StoredUser stored, load_user(parts_.database, id_or_name));
  return std::move(stored.user);
}

Result<void> Identities::set_password(std::string_view id_or_name, std::string_view password) {
  TRY(check_new_password(password));
  TRY_ASSIGN(const User user, find_user(id_or_name));
  const std::string hash = hash_secret(password, parts_.cost);
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    sql << "update identity_user set password_hash = :hash where id = :id", soci::use(hash),
        soci::use(user.id);
    // Whoever knew the old password loses what he got with it.
    sql << "update auth_grant set is_revoked = 1 where identity = :id", soci::use(user.id);
    return {};
  });
}

Result<void> Identities::remove_user(std::string_view id_or_name) {
  TRY_ASSIGN(const User user, find_user(id_or_name));
  return remove_identity(parts_.database, "identity_user", user.id);
}

Result<User> Identities::check_password(std::string_view username, std::string_view password) {
  auto stored = load_user(parts_.database, username);
  if (!stored && stored.error().code != Code::kNotFound) return std::move(stored).error();
  const bool matches =
      password.size() <= kMaxPassword && secret_matches(password, stored ? stored->hash : nobody_);
  if (!stored || !matches) return make_error(Code::kDenied, "wrong user name or password");
  return std::move(stored->user);
}

Result<CreatedClient> Identities::create_client(const NewClient& request) {
  if (request.name.empty()) return make_error(Code::kInvalid, "a client needs a name");
  TRY(check_text("client name", request.name));
  for (const std::string& uri : request.redirect_uris) TRY(check_redirect_uri(uri));
  const bool is_native = request.kind == ClientKind::kNative;
  CreatedClient created;
  created.client.id = new_uuid(parts_.random);
  created.client.name = request.name;
  created.client.kind = request.kind;
  created.client.redirect_uris = request.redirect_uris;
  created.client.is_local = is_native || request.is_local;
  created.client.created = parts_.clock.now();
  if (!is_native) created.secret = random_secret();
  const std::string hash = is_native ? std::string() : hash_secret(created.secret, parts_.cost);
  TRY(parts_.database.write([&](soci::session& sql) -> Result<void> {
    insert_client(sql, created.client, hash);
    return {};
  }));
  return created;
}

Result<std::vector<Client>> Identities::clients() {
  TRY_ASSIGN(const auto stored, load_clients(parts_.database, kAll, ""));
  std::vector<Client> clients;
  for (const StoredClient& one : stored) clients.push_back(one.client);
  return clients;
}

Result<Client> Identities::find_client(std::string_view id) {
  TRY_ASSIGN(StoredClient stored, load_client(parts_.database, id));
  return std::move(stored.client);
}

Result<std::string> Identities::rotate_secret(std::string_view id) {
  TRY_ASSIGN(const Client client, find_client(id));
  if (client.kind == ClientKind::kNative)
    return make_error(Code::kInvalid, "client '{}' is native: it has no secret", client.id);
  std::string secret = random_secret();
  const std::string hash = hash_secret(secret, parts_.cost);
  TRY(parts_.database.write([&](soci::session& sql) -> Result<void> {
    sql << "update identity_client set secret_hash = :hash where id = :id", soci::use(hash),
        soci::use(client.id);
    // Whoever knew the old secret loses what he got with it.
    sql << "update auth_grant set is_revoked = 1 where identity = :id", soci::use(client.id);
    return {};
  }));
  return secret;
}

Result<void> Identities::remove_client(std::string_view id) {
  TRY_ASSIGN(const Client client, find_client(id));
  return remove_identity(parts_.database, "identity_client", client.id);
}

Result<Client> Identities::check_secret(std::string_view id, std::string_view secret) {
  auto stored = load_client(parts_.database, id);
  if (!stored && stored.error().code != Code::kNotFound) return std::move(stored).error();
  const bool has_secret = stored && stored->client.kind == ClientKind::kConfidential;
  const bool matches =
      secret.size() <= kMaxPassword && secret_matches(secret, has_secret ? stored->hash : nobody_);
  if (!has_secret || !matches) return make_error(Code::kDenied, "wrong client id or secret");
  return std::move(stored->client);
}

}  // namespace wherry::server
