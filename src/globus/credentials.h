// SPDX-License-Identifier: Apache-2.0
// Valid access tokens, whoever asks: from the store, refreshed shortly before they expire. However
// many threads and processes ask at that moment, one refreshes and the others get what it got.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "globus/retry.h"
#include "globus/token_store.h"
#include "globus/url.h"

namespace wherry::globus {

inline constexpr std::string_view kAuthServer = "auth.globus.org";
inline constexpr std::string_view kTransferServer = "transfer.api.globus.org";
// What the usual login asks for.
inline constexpr std::string_view kAuthScopes = "openid profile email";
inline constexpr std::string_view kTransferScope =
    "urn:globus:auth:scope:transfer.api.globus.org:all";

// A client that acts for itself.
struct ClientSecret {
  std::string id;
  std::string secret;
};
// WHERRY_CLIENT_ID and _SECRET, or GLOBUS_CLI_CLIENT_ID and _SECRET; kInvalid for one without the
// other.
Result<std::optional<ClientSecret>> client_of(const Environment& environment);
// For messages about them.
inline constexpr std::string_view kClientVariables =
    "WHERRY_CLIENT_ID and WHERRY_CLIENT_SECRET (or GLOBUS_CLI_CLIENT_ID and"
    " GLOBUS_CLI_CLIENT_SECRET)";

// What it takes to ask a service: all of it outlives those who use it.
struct Network {
  HttpClient& http;
  Clock& clock;
  Random& random;
  RetryPolicy retry = {};
};
// Sends until the outcome is final; waits in between.
struct Sent {
  Result<HttpAnswer> outcome;
  int times_sent = 1;  // in all: more than once may have been done more than once
};
Sent send_with_retries(const Network& network, const HttpRequest& request,
                       const std::stop_token& stop);

// POST of a form to Auth: /v2/oauth2/token and others. `client` signs it, unless null.
Result<std::string> post_form(const Network& network, const std::string& url, const Fields& form,
                              const ClientSecret* client, const std::stop_token& stop);

// Enters every token of a token document into `login`. kCorrupt if it is none.
Result<void> take_tokens(std::string_view document, TimePoint now, Login& login);

// Safe for concurrent calls.
class Credentials {
 public:
  struct Parts {
    Network network;
    TokenStore& store;
    std::string auth;                    // address of Auth
    std::optional<ClientSecret> client;  // none: the person who has logged in
    std::string service = {};            // as --service has it, for commands in messages
  };
  explicit Credentials(Parts parts) : parts_(std::move(parts)) {}

  // kLoginNeeded if nobody is logged in, or the login has been revoked.
  Result<std::string> token(std::string_view resource_server, std::stop_token stop);
  // As token(), when the service has refused `rejected`.
  Result<std::string> token_instead_of(std::string_view rejected, std::string_view resource_server,
                                       std::stop_token stop);
  // A client consents by itself: its next token has `scopes`, too. False for a person.
  Result<bool> consent(std::string_view scopes, std::string_view resource_server,
                       std::stop_token stop);

  const Parts& parts() const { return parts_; }
  // " --service NAME", behind a command in a message: the reader's shell may know of no service.
  std::string service_option() const;
  LoginKey key() const { return {parts_.auth, parts_.client ? parts_.client->id : ""}; }

 private:
  bool is_fresh(const Token& token) const;
  Result<void> name_refresh(std::string_view rejected, const std::string& resource_server,
                            const std::stop_token& stop);
  Result<void> refresh(Login& login, const std::string& resource_server,
                       const std::stop_token& stop);
  Error login_needed(std::string_view why) const;
  Error client_refused(const Error& refusal) const;

  Parts parts_;
};

}  // namespace wherry::globus
