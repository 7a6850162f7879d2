// SPDX-License-Identifier: Apache-2.0
#include "globus/token_store.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>

#include "api/json.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;
using api::Members;

constexpr std::string_view kFormat = "wherry-tokens";
constexpr std::uint64_t kVersion = 1;
constexpr ByteCount kMaxFile = ByteCount{16} << 20U;
// Longer than any refresh takes that is still going to succeed.
constexpr Duration kLockPatience = std::chrono::minutes(5);
constexpr Duration kLockInterval = std::chrono::milliseconds(50);

json::object token_document(const Token& token) {
  json::object document = {{"access_token", token.access},
                           {"refresh_token", token.refresh},
                           {"scope", token.scope},
                           {"expires", format_time(token.expires)}};
  if (!token.refreshing.empty()) document["refreshing"] = token.refreshing;
  return document;
}

json::object login_document(const Login& login) {
  json::object tokens;
  for (const auto& [server, token] : login.tokens) tokens[server] = token_document(token);
  return {{"service", login.service},
          {"client", login.client},
          {"client_id", login.client_id},
          {"client_secret", login.client_secret},
          {"scopes", json::array(login.scopes.begin(), login.scopes.end())},
          {"tokens", std::move(tokens)}};
}

Result<Token> read_token(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return make_error(Code::kInvalid, "a token must be an object");
  const Members members(*object);
  Token token;
  TRY(members.require("access_token", token.access));
  TRY(members.get("refresh_token", token.refresh));
  TRY(members.get("scope", token.scope));
  TRY(members.require("expires", token.expires));
  TRY(members.get("refreshing", token.refreshing));
  return token;
}

Result<Login> read_login(const json::object& object) {
  const Members members(object);
  Login login;
  TRY(members.require("service", login.service));
  TRY(members.get("client", login.client));
  TRY(members.get("client_id", login.client_id));
  TRY(members.get("client_secret", login.client_secret));
  TRY_ASSIGN(const json::array* scopes, members.array("scopes"));
  if (scopes != nullptr) {
    for (const json::value& scope : *scopes) {
      const json::string* text = scope.if_string();
      if (text == nullptr) return members.error("scopes", "must hold strings");
      login.scopes.emplace_back(text->data(), text->size());
    }
  }
  TRY_ASSIGN(const json::object* tokens, members.object("tokens"));
  if (tokens != nullptr) {
    for (const auto& [server, value] : *tokens) {
      TRY_ASSIGN(login.tokens[std::string(server)], read_token(value), "token '{}'",
                 escape_bytes(std::string_view(server)));
    }
  }
  return login;
}

std::string checksum_of(const json::array& logins) {
  return hash_bytes(HashAlgorithm::kXxh3_128, json::serialize(logins));
}

Result<std::vector<Login>> read_document(const json::object& document) {
  const Members members(document);
  std::string format, checksum;
  std::uint64_t version = 0;
  TRY(members.require("format", format));
  TRY(members.require("version", version));
  if (format != kFormat) return members.error("format", "is not wherry-tokens");
  if (version != kVersion)
    return make_error(Code::kUnsupported, "version {} is of a newer Wherry", version);
  TRY(members.require("checksum", checksum));
  TRY_ASSIGN(const json::array* rows, members.array("logins"));
  if (rows == nullptr) return members.error("logins", "is missing");
  if (checksum != checksum_of(*rows)) return members.error("checksum", "does not fit the logins");
  std::vector<Login> logins;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    TRY_ASSIGN(const json::object* row, api::object_at(*rows, i, "logins"));
    TRY_ASSIGN(Login login, read_login(*row));
    logins.push_back(std::move(login));
  }
  return logins;
}

auto find_in(std::vector<Login>& logins, const LoginKey& key) {
  return std::find_if(logins.begin(), logins.end(), [&](const Login& login) {
    return login.service == key.service && login.client == key.client;
  });
}

}  // namespace

std::string format_logins(const std::vector<Login>& logins) {
  json::array rows;
  for (const Login& login : logins) rows.push_back(login_document(login));
  const std::string checksum = checksum_of(rows);
  return json::serialize(json::object{{"format", kFormat},
                                      {"version", kVersion},
                                      {"checksum", checksum},
                                      {"logins", std::move(rows)}}) +
         "\n";
}

Result<std::vector<Login>> parse_logins(std::string_view text) {
  const auto document = api::parse_object(text);
  auto logins = document ? read_document(*document) : Result<std::vector<Login>>(document.error());
  if (!logins && logins.error().code == Code::kInvalid) logins.error().code = Code::kCorrupt;
  return logins;
}

Result<std::vector<Login>> TokenStore::read() {
  const auto text = read_file(path_, kMaxFile);
  if (!text) {
    if (text.error().code == Code::kNotFound) return std::vector<Login>();
    return text.error();
  }
  TRY_ASSIGN(std::vector<Login> logins, parse_logins(*text),
             "tokens '{}' (remove the file and log in again)", escape_bytes(path_));
  return logins;
}

Result<void> TokenStore::write(const std::vector<Login>& logins) {
  return durable_write_file(path_, format_logins(logins), 0600);
}

// The lock is on a file of its own, because the tokens' file is replaced.
Result<UniqueFd> TokenStore::lock_file(const std::stop_token& stop) {
  const std::string path = path_ + ".lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  const Duration until = clock_.monotonic() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return errno_error(errno, fmt::format("lock '{}'", escape_bytes(path)));
    if (clock_.monotonic() >= until) {
      return make_error(Code::kUnavailable, "another process has held '{}' for {} minutes",
                        escape_bytes(path), kLockPatience / std::chrono::minutes(1));
    }
    if (!clock_.sleep(kLockInterval, stop))
      return make_error(Code::kCancelled, "waiting for '{}' was stopped", escape_bytes(path));
  }
  return fd;
}

Result<std::optional<Login>> TokenStore::find(const LoginKey& key) {
  TRY_ASSIGN(std::vector<Login> logins, read());
  const auto found = find_in(logins, key);
  if (found == logins.end()) return std::optional<Login>();
  return std::optional<Login>(std::move(*found));
}

Result<void> TokenStore::update(const LoginKey& key,
                                const std::function<Result<void>(Login&)>& change,
                                std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const UniqueFd held, lock_file(stop));
  TRY_ASSIGN(std::vector<Login> logins, read());
  auto found = find_in(logins, key);
  if (found == logins.end()) {
    Login fresh;
    fresh.service = key.service;
    fresh.client = key.client;
    found = logins.insert(found, std::move(fresh));
  }
  const Login before = *found;
  TRY(change(*found));
  return *found == before ? Result<void>() : write(logins);
}

Result<void> TokenStore::remove(const LoginKey& key, std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const UniqueFd held, lock_file(stop));
  TRY_ASSIGN(std::vector<Login> logins, read());
  const auto found = find_in(logins, key);
  if (found == logins.end()) return {};
  logins.erase(found);
  return write(logins);
}

}  // namespace wherry::globus
