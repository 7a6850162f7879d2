// SPDX-License-Identifier: Apache-2.0
#include "globus/login.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/errors.h"
#include "api/json.h"
#include "base/hash.h"
#include "globus/documents_only.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;

// By it a service knows a command line that registers itself.
constexpr std::string_view kAppTemplate = "95fdeba8-fac2-42bd-a357-e068d82ff78e";

// 43 letters, digits, '-' and '_': 256 bits.
std::string secret_text(Random& random) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t word = random.next();
    for (unsigned shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(word >> shift);
  }
  return base64url(bytes);
}

// base64url(sha256(verifier)): method S256 of RFC 7636.
std::string challenge_of(const std::string& verifier) {
  const std::string hex = hash_bytes(HashAlgorithm::kSha256, verifier);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return base64url(bytes);
}

// Sends a document to Auth, or none, and reads one.
Result<json::object> ask(const Network& network, HttpRequest request, const std::stop_token& stop) {
  request.headers.emplace_back("Accept", "application/json");
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  const std::string what = request.method + " " + request.url;
  DocumentsOnly documents(network.http);
  const Network asked{documents, network.clock, network.random, network.retry};
  TRY_ASSIGN(const HttpAnswer answer, send_with_retries(asked, request, stop).outcome, "{}", what);
  if (answer.status >= 300)
    return api::error_from_answer(answer.status, answer.body).with_context(what);
  return documents.take();
}

}  // namespace

std::string LoginFlow::code_page() const { return credentials_.parts().auth + "/v2/web/auth-code"; }

Result<ClientSecret> LoginFlow::register_app(const std::stop_token& stop) {
  const Credentials::Parts& parts = credentials_.parts();
  const json::object wanted = {{"client", {{"template_id", kAppTemplate}, {"name", "Wherry"}}}};
  TRY_ASSIGN(
      const json::object answer,
      ask(parts.network, {"POST", parts.auth + "/v2/api/clients", {}, api::to_text(wanted)}, stop),
      "register with the service");
  const api::Members members(answer);
  TRY_ASSIGN(const json::object* included, members.object("included"));
  if (included == nullptr) return members.error("included", "is missing");
  const api::Members inner(*included, "included");
  TRY_ASSIGN(const json::object* credential, inner.object("client_credential"));
  if (credential == nullptr) return inner.error("client_credential", "is missing");
  ClientSecret app;
  TRY(api::Members(*credential).require("client", app.id));
  TRY(api::Members(*credential).require("secret", app.secret));
  return app;
}

// As whom Wherry asks for tokens of a person.
Result<ClientSecret> LoginFlow::app(const std::stop_token& stop) {
  if (!app_.id.empty()) return ClientSecret{app_.id, ""};
  TRY_ASSIGN(const auto login, credentials_.parts().store.find(credentials_.key()));
  if (login && !login->client_id.empty())
    return ClientSecret{login->client_id, login->client_secret};
  if (!app_.may_register_itself) {
    return make_error(
        Code::kInvalid,
        "Globus must know Wherry as an app first: register one of the kind 'native' at"
        " https://app.globus.org/settings/developers, with the redirect addresses {}"
        " and http://localhost, and set login.client_id (WHERRY_LOGIN_CLIENT_ID) to its"
        " client id",
        code_page());
  }
  return register_app(stop);
}

Result<PendingLogin> LoginFlow::begin(const std::string& redirect_uri,
                                      const std::vector<std::string>& scopes,
                                      std::stop_token stop) {
  const Credentials::Parts& parts = credentials_.parts();
  if (parts.client) {
    return make_error(
        Code::kInvalid,
        "client {} acts for itself and needs no login; to log in as a person, unset {}",
        parts.client->id, kClientVariables);
  }
  PendingLogin pending;
  TRY_ASSIGN(const ClientSecret app, this->app(stop));
  pending.client_id = app.id;
  pending.client_secret = app.secret;
  TRY_ASSIGN(const auto before, parts.store.find(credentials_.key()));
  if (before) pending.scopes = before->scopes;
  for (const std::string& scope : scopes) {
    if (std::find(pending.scopes.begin(), pending.scopes.end(), scope) == pending.scopes.end())
      pending.scopes.push_back(scope);
  }
  pending.redirect_uri = redirect_uri;
  pending.state = secret_text(parts.network.random);
  pending.verifier = secret_text(parts.network.random);
  std::string scope = fmt::format("{} {}", kAuthScopes, kTransferScope);
  for (const std::string& more : pending.scopes) scope += " " + more;
  pending.url = parts.auth + "/v2/oauth2/authorize?" +
                form_text({{"client_id", app.id},
                           {"redirect_uri", redirect_uri},
                           {"scope", scope},
                           {"state", pending.state},
                           {"response_type", "code"},
                           {"access_type", "offline"},
                           {"code_challenge", challenge_of(pending.verifier)},
                           {"code_challenge_method", "S256"},
                           {"prompt", "login"}});
  return pending;
}

Result<void> LoginFlow::finish(const PendingLogin& pending, std::string_view code,
                               std::stop_token stop) {
  const Credentials::Parts& parts = credentials_.parts();
  Fields form = {{"grant_type", "authorization_code"},
                 {"code", std::string(code)},
                 {"redirect_uri", pending.redirect_uri},
                 {"code_verifier", pending.verifier}};
  const ClientSecret app{pending.client_id, pending.client_secret};
  if (app.secret.empty()) form.emplace_back("client_id", app.id);
  TRY_ASSIGN(const std::string answer,
             post_form(parts.network, parts.auth + "/v2/oauth2/token", form,
                       app.secret.empty() ? nullptr : &app, stop),
             "exchange the code");
  return parts.store.update(
      credentials_.key(),
      [&](Login& login) -> Result<void> {
        login.tokens.clear();
        login.client_id = app.id;
        login.client_secret = app.secret;
        login.scopes = pending.scopes;
        return take_tokens(answer, parts.network.clock.now(), login);
      },
      stop);
}

Result<bool> LoginFlow::logout(std::stop_token stop) {
  const Credentials::Parts& parts = credentials_.parts();
  TRY_ASSIGN(const auto login, parts.store.find(credentials_.key()));
  if (!login) return false;
  // First of all, so that a logout without a network is one at least here.
  TRY(parts.store.remove(credentials_.key(), stop));
  ClientSecret client{login->client_id, login->client_secret};
  if (parts.client) client = *parts.client;
  std::optional<Error> failed;
  for (const auto& [server, token] : login->tokens) {
    for (const std::string& secret : {token.refresh, token.access}) {
      // A service that is away is away for the others, too: nobody waits for each.
      if (secret.empty() || (failed && failed->retry == Retry::kLater)) continue;
      Fields form = {{"token", secret}};
      if (client.secret.empty()) form.emplace_back("client_id", client.id);
      const auto done = post_form(parts.network, parts.auth + "/v2/oauth2/token/revoke", form,
                                  client.secret.empty() ? nullptr : &client, stop);
      if (!done && !failed) failed = done.error();
    }
  }
  if (failed) return std::move(*failed).with_context("forgotten here, but not revoked there");
  return true;
}

Result<Person> LoginFlow::whoami(std::stop_token stop) {
  const Credentials::Parts& parts = credentials_.parts();
  const std::string url = parts.auth + "/v2/oauth2/userinfo";
  TRY_ASSIGN(std::string token, credentials_.token(kAuthServer, stop));
  for (bool is_second = false;; is_second = true) {
    auto document =
        ask(parts.network, {"GET", url, {{"Authorization", "Bearer " + token}}, ""}, stop);
    if (!document && document.error().code == Code::kLoginNeeded && !is_second) {
      TRY_ASSIGN(token, credentials_.token_instead_of(token, kAuthServer, stop));
      continue;
    }
    if (!document) return document.error();
    const api::Members members(*document);
    Person person;
    TRY(members.require("sub", person.id));
    TRY(members.get("preferred_username", person.username));
    TRY(members.get("name", person.name));
    TRY(members.get("email", person.email));
    return person;
  }
}

}  // namespace wherry::globus
