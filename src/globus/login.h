// SPDX-License-Identifier: Apache-2.0
// Logging in and out: the authorization code flow with PKCE, as native apps do it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "globus/credentials.h"

namespace wherry::globus {

// A login that a person is about to make in a browser.
struct PendingLogin {
  std::string url;           // the page to open
  std::string redirect_uri;  // where it sends the browser afterwards
  std::string state;         // comes back from there
  std::string verifier;      // secret
  std::string client_id;
  std::string client_secret;
  std::vector<std::string> scopes;  // beyond the usual
};

struct Person {
  std::string id;
  std::string username;
  std::string name;
  std::string email;
};

// For one service. Its credentials outlive it.
class LoginFlow {
 public:
  // As which app Wherry asks there for a person's tokens.
  struct App {
    std::string id;                   // of a native app that somebody has registered; empty: none
    bool may_register_itself = true;  // then, if there is none
  };
  LoginFlow(Credentials& credentials, App app) : credentials_(credentials), app_(std::move(app)) {}

  // The page that shows a code to copy, for --no-local-server.
  std::string code_page() const;
  // `scopes` are asked for beside the usual ones and those of earlier consents. kInvalid if a
  // client's secret is set: that one needs no login.
  Result<PendingLogin> begin(const std::string& redirect_uri,
                             const std::vector<std::string>& scopes, std::stop_token stop);
  // Exchanges the code for tokens and stores them.
  Result<void> finish(const PendingLogin& pending, std::string_view code, std::stop_token stop);
  // Revokes every token and forgets the login. What could not be revoked is an error; it is
  // forgotten all the same. Answers whether there was a login.
  Result<bool> logout(std::stop_token stop);
  Result<Person> whoami(std::stop_token stop);

 private:
  Result<ClientSecret> app(const std::stop_token& stop);
  Result<ClientSecret> register_app(const std::stop_token& stop);

  Credentials& credentials_;
  App app_;
};

}  // namespace wherry::globus
