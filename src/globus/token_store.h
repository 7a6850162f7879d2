// SPDX-License-Identifier: Apache-2.0
// The file of tokens, docs/formats/tokens.md: who is logged in where, and with what. Shared by all
// processes of a state directory.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/types.h"

namespace wherry::globus {

struct Token {
  std::string access;
  std::string refresh;  // empty: none; then the client's secret gets the next one
  std::string scope;
  TimePoint expires;
  std::string refreshing = {};  // names the exchange that was begun; empty: none was
  friend bool operator==(const Token&, const Token&) = default;
};

// A person who has logged in, or a client that acts for itself.
struct Login {
  // Its key. Each service knows one person, and any number of clients.
  std::string service;  // address of its Auth
  std::string client;   // id of the client that acts for itself; empty: a person

  std::string client_id;                // with which a person logged in
  std::string client_secret;            // of one that registered itself; empty: it has none
  std::vector<std::string> scopes;      // that were asked for beyond the usual
  std::map<std::string, Token> tokens;  // by resource server
  friend bool operator==(const Login&, const Login&) = default;
};

struct LoginKey {
  std::string service;
  std::string client;
};

// Safe for concurrent calls, of several processes too.
class TokenStore {
 public:
  TokenStore(std::string path, Clock& clock) : path_(std::move(path)), clock_(clock) {}

  // Nothing if nobody is logged in so. Sees at once what another process has stored.
  Result<std::optional<Login>> find(const LoginKey& key);
  // Calls `change` with what is stored (an empty login if nothing is), and stores what it makes of
  // it unless it fails. Only one caller of all processes is in `change` at a time.
  Result<void> update(const LoginKey& key, const std::function<Result<void>(Login&)>& change,
                      std::stop_token stop);
  Result<void> remove(const LoginKey& key, std::stop_token stop);

 private:
  Result<std::vector<Login>> read();
  Result<void> write(const std::vector<Login>& logins);
  Result<UniqueFd> lock_file(const std::stop_token& stop);

  const std::string path_;
  Clock& clock_;
  std::mutex mutex_;  // taken before the file's lock
};

// The content of the file.
std::string format_logins(const std::vector<Login>& logins);
Result<std::vector<Login>> parse_logins(std::string_view text);

}  // namespace wherry::globus
