// SPDX-License-Identifier: Apache-2.0
#include "globus/credentials.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/errors.h"
#include "api/json.h"
#include "base/path.h"
#include "globus/documents_only.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;

// A token is not used any more when it has less than this to live.
constexpr Duration kMargin = std::chrono::seconds(60);

// Without what a service may say about itself: the answer could quote what was sent.
Error refused(const HttpAnswer& answer) {
  return api::error_from_answer(answer.status, answer.body);
}

std::string scope_of(std::string_view resource_server, const Login& login) {
  std::string scope(resource_server == kAuthServer ? kAuthScopes : kTransferScope);
  if (resource_server == kTransferServer) {
    for (const std::string& more : login.scopes) scope += " " + more;
  }
  return scope;
}

Result<void> take_token(const json::object& document, TimePoint now, Login& login) {
  const api::Members members(document);
  std::string server;
  std::uint64_t lifetime = 0;
  Token token;
  TRY(members.require("resource_server", server));
  TRY(members.require("access_token", token.access));
  TRY(members.require("expires_in", lifetime));
  TRY(members.get("refresh_token", token.refresh));
  TRY(members.get("scope", token.scope));
  constexpr std::uint64_t kLongest = 365 * 86400;
  token.expires = now + std::chrono::seconds(std::min(lifetime, kLongest));
  // A refresh may answer without a new refresh token: then the old one goes on.
  if (token.refresh.empty()) token.refresh = login.tokens[server].refresh;
  login.tokens[server] = std::move(token);
  return {};
}

}  // namespace

Result<std::optional<ClientSecret>> client_of(const Environment& environment) {
  for (const std::string_view prefix : {"WHERRY_CLIENT_", "GLOBUS_CLI_CLIENT_"}) {
    const std::string id_name = std::string(prefix) + "ID";
    const std::string secret_name = std::string(prefix) + "SECRET";
    const std::string id = environment(id_name).value_or("");
    const std::string secret = environment(secret_name).value_or("");
    if (id.empty() && secret.empty()) continue;
    if (id.empty() || secret.empty())
      return make_error(Code::kInvalid, "set both {} and {}, or neither", id_name, secret_name);
    return std::optional<ClientSecret>({id, secret});
  }
  return std::optional<ClientSecret>();
}

Sent send_with_retries(const Network& network, const HttpRequest& request,
                       const std::stop_token& stop) {
  int times_sent = 0;
  for (int attempt = 1;; ++attempt) {
    auto outcome = network.http.send(request, stop);
    times_sent += outcome ? outcome->times_sent : 1;
    const auto wait = wait_before_retry(network.retry, attempt, outcome, network.random);
    if (!wait) return {std::move(outcome), times_sent};
    if (!network.clock.sleep(*wait, stop))
      return {make_error(Code::kCancelled, "the request was stopped"), times_sent};
  }
}

Result<std::string> post_form(const Network& network, const std::string& url, const Fields& form,
                              const ClientSecret* client, const std::stop_token& stop) {
  HttpRequest request{"POST", url, {}, form_text(form)};
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  if (client != nullptr) {
    request.headers.emplace_back("Authorization",
                                 "Basic " + base64(client->id + ":" + client->secret));
  }
  DocumentsOnly documents(network.http);
  const Network asked{documents, network.clock, network.random, network.retry};
  TRY_ASSIGN(HttpAnswer answer, send_with_retries(asked, request, stop).outcome, "POST {}", url);
  if (answer.status >= 300) return refused(answer).with_context("POST " + url);
  return std::move(answer.body);
}

Result<void> take_tokens(std::string_view document, TimePoint now, Login& login) {
  const auto corrupt = [](Error error) {
    error.code = Code::kCorrupt;
    return std::move(error).with_context("the answer of Auth is no token document");
  };
  const auto parsed = api::parse_object(document);
  if (!parsed) return corrupt(parsed.error());
  if (auto done = take_token(*parsed, now, login); !done) return corrupt(done.error());
  const auto others = api::Members(*parsed).array("other_tokens");
  if (!others) return corrupt(others.error());
  if (*others == nullptr) return {};
  for (std::size_t i = 0; i < (*others)->size(); ++i) {
    const auto other = api::object_at(**others, i, "other_tokens");
    if (!other) return corrupt(other.error());
    if (auto done = take_token(**other, now, login); !done) return corrupt(done.error());
  }
  return {};
}

bool Credentials::is_fresh(const Token& token) const {
  return !token.access.empty() && token.expires - parts_.network.clock.now() > kMargin;
}

Error Credentials::login_needed(std::string_view why) const {
  return make_error(Code::kLoginNeeded, "{} at {}; log in with: wherry login{}", why, parts_.auth,
                    service_option());
}

// Logging in would not help: a client acts for itself.
Error Credentials::client_refused(const Error& refusal) const {
  return make_error(Code::kLoginNeeded, "{} does not know client {} with this secret ({}); see {}",
                    parts_.auth, parts_.client->id, refusal.message, kClientVariables);
}

std::string Credentials::service_option() const {
  return parts_.service.empty() ? "" : " --service " + parts_.service;
}

// Another Wherry exchanges a refresh token once: asked for a second time, it looks stolen, and all
// that came with it ends. If the answer was lost, asking again must be known as the same exchange.
// So that gets a name, which is stored before the first request: for this process or another.
Result<void> Credentials::name_refresh(std::string_view rejected,
                                       const std::string& resource_server,
                                       const std::stop_token& stop) {
  if (parts_.client) return {};
  const auto change = [&](Login& login) -> Result<void> {
    const auto found = login.tokens.find(resource_server);
    // Where Wherry could not register itself is no Wherry: there nothing unusual is sent.
    if (found == login.tokens.end() || login.client_secret.empty()) return {};
    Token& token = found->second;
    const bool is_good = is_fresh(token) && token.access != rejected;
    if (is_good || token.refresh.empty() || !token.refreshing.empty()) return {};
    token.refreshing = new_uuid(parts_.network.random);
    return {};
  };
  return parts_.store.update(key(), change, stop);
}

// Called with the store locked.
Result<void> Credentials::refresh(Login& login, const std::string& resource_server,
                                  const std::stop_token& stop) {
  const std::string url = parts_.auth + "/v2/oauth2/token";
  const Token old = login.tokens[resource_server];
  const ClientSecret registered{login.client_id, login.client_secret};
  Fields form;
  const ClientSecret* client = nullptr;
  if (parts_.client) {
    client = &*parts_.client;
    form = {{"grant_type", "client_credentials"}, {"scope", scope_of(resource_server, login)}};
  } else if (old.refresh.empty()) {
    return login_needed("nobody is logged in");
  } else {
    form = {{"grant_type", "refresh_token"}, {"refresh_token", old.refresh}};
    if (!old.refreshing.empty()) form.emplace_back("attempt", old.refreshing);
    if (login.client_secret.empty()) {
      form.emplace_back("client_id", login.client_id);
    } else {
      client = &registered;
    }
  }
  const auto answer = post_form(parts_.network, url, form, client, stop);
  if (answer) return take_tokens(*answer, parts_.network.clock.now(), login);
  // Better the last minute of an old token than nothing, while Auth is away.
  if (answer.error().retry == Retry::kLater && old.expires > parts_.network.clock.now() &&
      !old.access.empty())
    return {};
  if (answer.error().code == Code::kLoginNeeded) {
    return parts_.client ? client_refused(answer.error())
                         : login_needed("the login has expired or was revoked");
  }
  return answer.error();
}

Result<std::string> Credentials::token(std::string_view resource_server, std::stop_token stop) {
  TRY_ASSIGN(const auto login, parts_.store.find(key()));
  if (login) {
    const auto found = login->tokens.find(std::string(resource_server));
    if (found != login->tokens.end() && is_fresh(found->second)) return found->second.access;
  }
  return token_instead_of("", resource_server, std::move(stop));
}

Result<std::string> Credentials::token_instead_of(std::string_view rejected,
                                                  std::string_view resource_server,
                                                  std::stop_token stop) {
  const std::string server(resource_server);
  std::string access;
  const auto change = [&](Login& login) -> Result<void> {
    Token& token = login.tokens[server];
    // Somebody was quicker?
    if (!is_fresh(token) || token.access == rejected) {
      // Even if Auth is away, what was refused is of no use.
      if (token.access == rejected) token.expires = TimePoint();
      TRY(refresh(login, server, stop));
    }
    access = login.tokens[server].access;
    return {};
  };
  TRY(name_refresh(rejected, server, stop));
  TRY(parts_.store.update(key(), change, stop));
  return access;
}

Result<bool> Credentials::consent(std::string_view scopes, std::string_view resource_server,
                                  std::stop_token stop) {
  if (!parts_.client) return false;
  const std::string wanted(scopes);
  TRY(parts_.store.update(
      key(),
      [&](Login& login) -> Result<void> {
        if (std::find(login.scopes.begin(), login.scopes.end(), wanted) == login.scopes.end())
          login.scopes.push_back(wanted);
        return refresh(login, std::string(resource_server), stop);
      },
      stop));
  return true;
}

}  // namespace wherry::globus
