// SPDX-License-Identifier: Apache-2.0
// Tokens and the codes they are bought with. All are random text that says nothing by itself; the
// database holds their digests only. What comes from one login, or one use of a client's secret, is
// a grant: it is revoked as a whole when one of its codes or refresh tokens is used a second time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/read_cache.h"
#include "server/caller.h"
#include "server/identities.h"
#include "server/scopes.h"

namespace wherry::server {

inline constexpr std::chrono::seconds kAccessLifetime = std::chrono::hours(48);
inline constexpr std::chrono::seconds kRefreshLifetime = std::chrono::hours(24 * 180);
inline constexpr std::chrono::seconds kCodeLifetime = std::chrono::minutes(10);

// One for each resource server.
struct IssuedToken {
  std::string access_token;
  std::string refresh_token;  // empty: none
  std::string resource_server;
  std::string scope;  // top-level names
};

struct IssuedTokens {
  std::string identity;
  std::string client;
  std::vector<IssuedToken> tokens;  // never empty
};

// What a client asks a user for.
struct CodeRequest {
  std::string client;
  std::string identity;  // who agreed
  std::vector<Scope> scopes;
  std::string redirect_uri;
  std::string challenge;    // of PKCE, method S256; empty: none
  bool is_offline = false;  // with refresh tokens
};

struct CodeUse {
  std::string code;
  std::string client;  // authenticated, or native
  std::string redirect_uri;
  std::string verifier;  // of PKCE; empty: none
};

struct TokenInfo {
  bool is_active = false;  // false: the other fields may be empty
  bool is_refresh = false;
  std::string resource_server;
  std::string scope;  // with the dependent ones
  std::string client;
  std::string identity;
  std::string username;
  TimePoint issued{};
  TimePoint expires{};
};

// Safe for concurrent calls. kDenied: the code or token is no good, which is said without repeating
// it; kInvalid: the scopes are of no known service.
class Tokens : public Authenticator {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
  };
  explicit Tokens(const Parts& parts) : parts_(parts), known_(parts.database) {}

  // The client acts for itself.
  Result<IssuedTokens> issue(const Client& client, const std::vector<Scope>& scopes);
  Result<std::string> issue_code(const CodeRequest& request);
  // Each code buys tokens once, within ten minutes.
  Result<IssuedTokens> redeem(const CodeUse& use);
  // A new access token and a new refresh token; the old refresh token must not be used again: that
  // revokes its grant. But a client whose answer was lost may ask again by the name, a secret of
  // its own, that it gave the exchange (`attempt`; empty: none).
  Result<IssuedTokens> refresh(std::string_view refresh_token, std::string_view client,
                               std::string_view attempt = {});
  // Ends a token of that client, and with a refresh token all of its grant for that resource
  // server. Success, and nothing happens, for a token that is not the client's.
  Result<void> revoke(std::string_view token, std::string_view client);
  // The same for whoever holds the token: all that this is good for is to end it.
  Result<void> revoke_by_holder(std::string_view token);
  Result<TokenInfo> inspect(std::string_view token);

  Result<Caller> authenticate(std::string_view token) override;

 private:
  Result<Caller> load_caller(const std::string& digest);

  Parts parts_;
  ReadCache<Caller> known_;  // by digest of the access token
};

}  // namespace wherry::server
