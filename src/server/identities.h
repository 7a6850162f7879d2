// SPDX-License-Identifier: Apache-2.0
// Who may use the service: people with a password, and programs (clients) with a secret or, for
// programs that cannot keep one, with none. Passwords and secrets are stored as scrypt hashes only.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "server/secrets.h"

namespace wherry::server {

// The client that the Globus command line asks to be registered like.
inline constexpr std::string_view kCliTemplate = "95fdeba8-fac2-42bd-a357-e068d82ff78e";

struct User {
  std::string id;
  std::string username;  // "ada@example.org"
  std::string name;
  std::string email;
  TimePoint created{};
  friend bool operator==(const User&, const User&) = default;
};

struct NewUser {
  std::string username;
  std::string name;   // empty: the user name
  std::string email;  // empty: the user name
  std::string password;
};

enum class ClientKind {
  kConfidential,  // keeps a secret
  kNative,        // runs on its user's machine: proves itself by PKCE alone
};

struct Client {
  std::string id;
  std::string name;
  ClientKind kind = ClientKind::kConfidential;
  std::vector<std::string> redirect_uris;
  // Whether codes may go to a server of the user's own machine, and to the page that shows them.
  bool is_local = false;
  TimePoint created{};

  std::string username() const { return id + "@clients.auth.globus.org"; }
  friend bool operator==(const Client&, const Client&) = default;
};

struct NewClient {
  std::string name;
  ClientKind kind = ClientKind::kConfidential;
  std::vector<std::string> redirect_uris = {};
  bool is_local = false;  // native ones always are
};

struct CreatedClient {
  Client client;
  std::string secret;  // told here once; empty for a native client
};

std::span<const Migration> identity_migrations();

// Safe for concurrent calls. What checks a secret takes tens of milliseconds of processor time, on
// purpose, and as long for a name that is unknown. No error holds a password or secret.
class Identities {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
    SecretCost cost = {};
  };
  explicit Identities(const Parts& parts);

  // kAlreadyExists for a user name that is taken (in either case); kInvalid says what is wrong.
  Result<User> create_user(const NewUser& request);
  // In the order of user names.
  Result<std::vector<User>> users();
  // By id or user name.
  Result<User> find_user(std::string_view id_or_name);
  Result<void> set_password(std::string_view id_or_name, std::string_view password);
  // Its tokens end with it.
  Result<void> remove_user(std::string_view id_or_name);
  // kDenied, in the same words whether the name or the password is wrong.
  Result<User> check_password(std::string_view username, std::string_view password);

  Result<CreatedClient> create_client(const NewClient& request);
  Result<std::vector<Client>> clients();
  Result<Client> find_client(std::string_view id);
  // The new secret. The old one ends, and so do the tokens that the client got for itself with it.
  // kInvalid for a native client.
  Result<std::string> rotate_secret(std::string_view id);
  Result<void> remove_client(std::string_view id);
  // kDenied if there is no confidential client of that id and secret.
  Result<Client> check_secret(std::string_view id, std::string_view secret);

 private:
  Parts parts_;
  std::string nobody_;  // a hash that nothing matches, checked where there is no other
};

}  // namespace wherry::server
