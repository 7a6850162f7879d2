// SPDX-License-Identifier: Apache-2.0
#include "server/auth_routes.h"

#include <boost/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/units.h"
#include "server/error_document.h"
#include "server/forms.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kViewIdentities =
    "urn:globus:auth:scope:auth.globus.org:view_identity_set";
constexpr std::string_view kViewIdentitiesOld =
    "urn:globus:auth:scope:auth.globus.org:view_identities";
constexpr std::size_t kMaxIdentities = 100;
// What identities of this service have in common; an id that no other provider has.
constexpr std::string_view kProvider = "6d6f6f72-696e-4720-8173-776865727279";
constexpr std::string_view kProviderName = "Wherry";

Response answer(const json::object& document, unsigned status = 200) {
  Response response;
  response.status = status;
  response.body = json::serialize(document);
  response.headers = {{"Cache-Control", "no-store"}, {"Pragma", "no-cache"}};
  return response;
}

// RFC 6749, section 5.2.
Response oauth_error(unsigned status, std::string_view error, std::string_view description) {
  Response response = answer({{"error", error}, {"error_description", description}}, status);
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"wherry\"");
  return response;
}

Response api_error(const Request& request, unsigned status, std::string_view code,
                   std::string_view detail) {
  const json::object one = {{"status", std::to_string(status)},
                            {"id", request.request_id},
                            {"code", code},
                            {"title", reason_phrase(status)},
                            {"detail", detail}};
  std::string lower(code);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return answer({{"errors", json::array{one}}, {"error", lower}, {"error_description", detail}},
                status);
}

Response unauthorized(const Request& request) {
  return api_error(request, 401, "UNAUTHORIZED", "Call must be authenticated");
}

Response failed(const Request& request, const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return api_error(request, 404, "NOT_FOUND", error.message);
    case Code::kInvalid:
      return api_error(request, 400, "BAD_REQUEST", error.message);
    case Code::kDenied:
      return unauthorized(request);
    case Code::kUnavailable:
    case Code::kTimeout:
      return api_error(request, 503, "SERVICE_UNAVAILABLE", "try again later");
    default:
      return api_error(request, 500, "INTERNAL_ERROR", "the request could not be carried out");
  }
}

Response oauth_failed(const Error& error, std::string_view denied) {
  if (error.code == Code::kDenied)
    return oauth_error(denied == "invalid_scope" ? 400 : 401, denied, error.message);
  if (error.code == Code::kInvalid) return oauth_error(400, "invalid_scope", error.message);
  return oauth_error(error.code == Code::kUnavailable ? 503 : 500, "server_error",
                     "the request could not be carried out");
}

long long unix_seconds(TimePoint time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

json::object token_document(const IssuedToken& token) {
  json::object document = {{"access_token", token.access_token},       {"scope", token.scope},
                           {"expires_in", kAccessLifetime.count()},    {"token_type", "Bearer"},
                           {"resource_server", token.resource_server}, {"state", "_default"}};
  if (!token.refresh_token.empty()) document["refresh_token"] = token.refresh_token;
  return document;
}

bool has_word(std::string_view words, std::string_view wanted) {
  return (" " + std::string(words) + " ").find(" " + std::string(wanted) + " ") !=
         std::string::npos;
}

// What is said of a user, or of a client that acts for itself.
struct Person {
  std::string id, username, name, email;
  bool is_client = false;
};

json::object identity_document(const Person& person) {
  return {{"id", person.id},
          {"username", person.username},
          {"name", person.name},
          {"email", person.email.empty() ? json::value() : json::value(person.email)},
          {"organization", nullptr},
          {"status", "used"},
          {"identity_provider", kProvider},
          {"identity_type", person.is_client ? "service" : "login"}};
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

json::object client_document(const Client& client) {
  json::array uris;
  for (const std::string& uri : client.redirect_uris) uris.emplace_back(uri);
  return {{"id", client.id},
          {"name", client.name},
          {"public_client", client.kind == ClientKind::kNative},
          {"redirect_uris", std::move(uris)},
          {"scopes", json::array()},
          {"grant_types", json::array{"authorization_code", "client_credentials", "refresh_token"}},
          {"visibility", "private"},
          {"required_idp", nullptr},
          {"parent_client", nullptr}};
}

// All routes share one of these.
class AuthHandlers {
 public:
  explicit AuthHandlers(const AuthParts& parts) : parts_(parts) {}

  Response token(const Request& request) const {
    const auto form = Form::of(request);
    if (!form) return oauth_error(400, "invalid_request", form.error().message);
    const std::string& grant = (*form)["grant_type"];
    if (grant != "client_credentials" && grant != "authorization_code" && grant != "refresh_token")
      return oauth_error(400, "unsupported_grant_type", "no such grant_type");
    const auto client = client_of(request, *form);
    if (!client) return oauth_failed(client.error(), "invalid_client");
    if (grant == "client_credentials") return client_token(request, *client, (*form)["scope"]);
    if (grant == "refresh_token")
      return tokens_answer(request,
                           parts_.tokens.refresh((*form)[grant], client->id, (*form)["attempt"]));
    const std::string& verifier = (*form)["code_verifier"];
    // A code of a client that keeps no secret is worth something only with its verifier.
    if (client->kind == ClientKind::kNative && verifier.empty())
      return oauth_error(401, "invalid_grant", "code_verifier is missing");
    return tokens_answer(request, parts_.tokens.redeem({(*form)["code"], client->id,
                                                        (*form)["redirect_uri"], verifier}));
  }

  Response revoke(const Request& request) const {
    const auto form = Form::of(request);
    if (form && !(*form)["token"].empty()) {
      if (auto done = revoke_for(request, *form); !done) return failed(request, done.error());
    }
    return answer({{"active", false}});
  }

  Response validate(const Request& request) const {
    const auto info = inspected(request);
    if (!info) return failed(request, info.error());
    return answer({{"active", info->is_active}});
  }

  Response introspect(const Request& request) const {
    const auto info = inspected(request);
    if (!info) return failed(request, info.error());
    if (!info->is_active) return answer({{"active", false}});
    const auto person = person_of(info->identity);
    if (!person) return failed(request, person.error());
    const auto scopes = parse_scopes(info->scope);
    json::object document = {{"active", true},
                             {"scope", scopes ? top_level_names(*scopes) : info->scope},
                             {"client_id", info->client},
                             {"sub", info->identity},
                             {"username", info->username},
                             {"name", person->name},
                             {"email", person->email},
                             {"exp", unix_seconds(info->expires)},
                             {"iat", unix_seconds(info->issued)},
                             {"nbf", unix_seconds(info->issued)},
                             {"aud", json::array{info->resource_server, info->client}},
                             {"iss", base_url_of(request)},
                             {"token_type", "Bearer"}};
    const auto form = Form::of(request);
    if (form && (*form)["include"].find("session_info") != std::string::npos) {
      const json::object login = {{"auth_time", unix_seconds(info->issued)},
                                  {"idp", kProvider},
                                  {"acr", nullptr},
                                  {"amr", nullptr},
                                  {"custom_claims", json::object()}};
      document["session_info"] = {{"session_id", nullptr},
                                  {"authentications", {{info->identity, login}}}};
    }
    return answer(document);
  }

  Response userinfo(const Request& request) const {
    const auto caller = caller_of(request);
    if (!caller) return failed(request, caller.error());
    if (!caller->has_scope(kOpenId) && !caller->has_scope(kViewIdentities))
      return api_error(request, 403, "FORBIDDEN", "the token lacks the scope openid");
    const auto person = person_of(caller->identity);
    if (!person) return failed(request, person.error());
    json::object one = {{"sub", person->id},
                        {"username", person->username},
                        {"name", person->name},
                        {"email", person->email},
                        {"organization", nullptr},
                        {"identity_provider", kProvider},
                        {"identity_provider_display_name", kProviderName}};
    json::object document = one;
    document["preferred_username"] = person->username;
    document["last_authentication"] = nullptr;
    document["identity_set"] = json::array{one};
    return answer(document);
  }

  Response identity(const Request& request) const {
    if (const auto refused = refuse_to_show_identities(request)) return *refused;
    const std::string_view id = std::string_view(request.path).substr(request.path.rfind('/') + 1);
    const auto person = is_uuid(id) ? person_of(id) : make_error(Code::kNotFound, "that is no id");
    if (!person && person.error().code == Code::kNotFound)
      return api_error(request, 404, "NOT_FOUND", "there is no such identity");
    if (!person) return failed(request, person.error());
    return answer({{"identity", identity_document(*person)}});
  }

  Response identities(const Request& request) const {
    if (const auto refused = refuse_to_show_identities(request)) return *refused;
    const std::string* ids = request.query_value("ids");
    const std::string* names = request.query_value("usernames");
    if ((ids == nullptr) == (names == nullptr))
      return api_error(request, 400, "BAD_REQUEST", "give either ids or usernames");
    const auto wanted = split(ids != nullptr ? *ids : *names);
    if (wanted.size() > kMaxIdentities)
      return api_error(request, 400, "BAD_REQUEST", "more than 100 identities");
    json::array found;
    for (const std::string_view key : wanted) {
      const auto person = person_of(key);
      if (person) {
        if (is_uuid(key) == (ids != nullptr)) found.push_back(identity_document(*person));
      } else if (person.error().code != Code::kNotFound) {
        return failed(request, person.error());
      }
    }
    return answer({{"identities", std::move(found)}});
  }

  Response register_client(const Request& request) const {
    boost::system::error_code problem;
    const json::value body = json::parse(request.body, problem);
    const json::object* document = problem ? nullptr : body.if_object();
    const json::value* wanted = document != nullptr ? document->if_contains("client") : nullptr;
    const json::object* client = wanted != nullptr ? wanted->if_object() : nullptr;
    const auto text_of = [&](std::string_view key) -> std::string {
      const json::value* value = client != nullptr ? client->if_contains(key) : nullptr;
      const json::string* text = value != nullptr ? value->if_string() : nullptr;
      return text != nullptr ? std::string(*text) : std::string();
    };
    // Others are made by the administrator.
    if (text_of("template_id") != kCliTemplate)
      return api_error(request, 400, "BAD_REQUEST", "client.template_id is not that of the CLI");
    const std::string name = text_of("name");
    const auto created = parts_.identities.create_client(
        {.name = name.empty() ? "Globus CLI" : name, .is_local = true});
    if (!created) return failed(request, created.error());
    const json::object credential = {{"id", new_uuid(parts_.random)},
                                     {"name", "secret"},
                                     {"client", created->client.id},
                                     {"secret", created->secret},
                                     {"created", format_time(created->client.created)}};
    return answer({{"client", client_document(created->client)},
                   {"included", {{"client_credential", credential}}}},
                  201);
  }

  // A client removes itself, nobody else.
  Response delete_client(const Request& request) const {
    const auto client = client_of(request, Form());
    if (!client) return failed(request, client.error());
    const std::string_view id = std::string_view(request.path).substr(request.path.rfind('/') + 1);
    if (id != client->id) return api_error(request, 403, "FORBIDDEN", "that is another client");
    if (auto done = parts_.identities.remove_client(client->id); !done)
      return failed(request, done.error());
    return answer({{"client", client_document(*client)}});
  }

  Response openid_configuration(const Request& request) const {
    const std::string base = base_url_of(request);
    return answer({{"issuer", base},
                   {"authorization_endpoint", base + "v2/oauth2/authorize"},
                   {"token_endpoint", base + "v2/oauth2/token"},
                   {"userinfo_endpoint", base + "v2/oauth2/userinfo"},
                   {"revocation_endpoint", base + "v2/oauth2/token/revoke"},
                   {"introspection_endpoint", base + "v2/oauth2/token/introspect"},
                   {"jwks_uri", base + "jwk.json"},
                   {"response_types_supported", json::array{"code"}},
                   {"subject_types_supported", json::array{"public"}},
                   {"scopes_supported", json::array{"openid", "profile", "email"}},
                   {"code_challenge_methods_supported", json::array{"S256"}},
                   {"id_token_signing_alg_values_supported", json::array{"RS256"}}});
  }

  Response key_set(const Request&) const {
    Response response;
    response.body = parts_.key.key_set();
    return response;
  }

 private:
  // The command line logs out in the name of its template, which has no secret.
  Result<void> revoke_for(const Request& request, const Form& form) const {
    const auto client = client_of(request, form);
    if (client) return parts_.tokens.revoke(form["token"], client->id);
    if (client.error().code != Code::kDenied) return client.error();
    if (form["client_id"] == kCliTemplate) return parts_.tokens.revoke_by_holder(form["token"]);
    return {};
  }

  // By HTTP Basic, by the form's client_id and client_secret or, for a native client, by its id.
  Result<Client> client_of(const Request& request, const Form& form) const {
    if (const auto basic = basic_credentials(request))
      return parts_.identities.check_secret(basic->user, basic->password);
    const Error denied = make_error(Code::kDenied, "the client must be authenticated");
    const std::string& id = form["client_id"];
    if (id.empty()) return denied;
    if (!form["client_secret"].empty())
      return parts_.identities.check_secret(id, form["client_secret"]);
    auto client = parts_.identities.find_client(id);
    if (!client && client.error().code != Code::kNotFound) return client;
    if (!client || client->kind != ClientKind::kNative) return denied;
    return client;
  }

  Result<Caller> caller_of(const Request& request) const {
    const auto token = bearer_token(request);
    if (!token) return make_error(Code::kDenied, "there is no token");
    return parts_.tokens.authenticate(*token);
  }

  // For all but clients and tokens that may look at identities.
  std::optional<Response> refuse_to_show_identities(const Request& request) const {
    if (basic_credentials(request)) {
      const auto client = client_of(request, Form());
      if (!client) return failed(request, client.error());
      return std::nullopt;
    }
    const auto caller = caller_of(request);
    if (!caller) return failed(request, caller.error());
    if (caller->has_scope(kViewIdentities) || caller->has_scope(kViewIdentitiesOld))
      return std::nullopt;
    return api_error(request, 403, "FORBIDDEN", "the token lacks a scope to view identities");
  }

  Result<Person> person_of(std::string_view id_or_name) const {
    auto user = parts_.identities.find_user(id_or_name);
    if (user) return Person{user->id, user->username, user->name, user->email, false};
    if (user.error().code != Code::kNotFound) return std::move(user).error();
    const std::string_view id = id_or_name.substr(0, id_or_name.find("@clients.auth.globus.org"));
    TRY_ASSIGN(const Client client, parts_.identities.find_client(id));
    return Person{client.id, client.username(), client.name, "", true};
  }

  Result<TokenInfo> inspected(const Request& request) const {
    TRY_ASSIGN(const Form form, Form::of(request));
    TRY(client_of(request, form));
    return parts_.tokens.inspect(form["token"]);
  }

  Response client_token(const Request& request, const Client& client,
                        const std::string& text) const {
    if (client.kind == ClientKind::kNative)
      return oauth_error(401, "invalid_client", "a native client has no rights of its own");
    const auto scopes = parse_scopes(text);
    if (!scopes) return oauth_error(400, "invalid_scope", scopes.error().message);
    return tokens_answer(request, parts_.tokens.issue(client, *scopes));
  }

  Response tokens_answer(const Request& request, const Result<IssuedTokens>& issued) const {
    if (!issued) return oauth_failed(issued.error(), "invalid_grant");
    // The token that an id_token goes with comes first: clients keep the two together.
    const auto is_openid = [](const IssuedToken& token) { return has_word(token.scope, kOpenId); };
    std::vector<IssuedToken> tokens = issued->tokens;
    std::stable_partition(tokens.begin(), tokens.end(), is_openid);
    json::object document = token_document(tokens.front());
    json::array others;
    for (std::size_t i = 1; i < tokens.size(); ++i) others.push_back(token_document(tokens[i]));
    document["other_tokens"] = std::move(others);
    if (is_openid(tokens.front())) {
      const auto person = person_of(issued->identity);
      if (!person) return oauth_failed(person.error(), "invalid_grant");
      document["id_token"] = id_token(request, *person, issued->client);
    }
    return answer(document);
  }

  std::string id_token(const Request& request, const Person& person,
                       const std::string& client) const {
    const long long now = unix_seconds(parts_.clock.now());
    return parts_.key.sign(
        json::serialize(json::object{{"iss", base_url_of(request)},
                                     {"sub", person.id},
                                     {"aud", client},
                                     {"iat", now},
                                     {"exp", now + kAccessLifetime.count()},
                                     {"name", person.name},
                                     {"email", person.email},
                                     {"preferred_username", person.username},
                                     {"identity_provider", kProvider},
                                     {"identity_provider_display_name", kProviderName}}));
  }

  AuthParts parts_;
};

}  // namespace

std::vector<AuthRoute> auth_routes(const AuthParts& parts) {
  const auto shared = std::make_shared<const AuthHandlers>(parts);
  const auto bind = [&](Response (AuthHandlers::*handler)(const Request&) const) {
    return [shared, handler](const Request& request) { return (*shared.*handler)(request); };
  };
  return {
      {Method::kPost, "/v2/oauth2/token", "Buys tokens: credentials, a code, a refresh token.",
       bind(&AuthHandlers::token)},
      {Method::kPost, "/v2/oauth2/token/revoke", "Ends a token.", bind(&AuthHandlers::revoke)},
      {Method::kPost, "/v2/oauth2/token/validate", "Says whether a token is good.",
       bind(&AuthHandlers::validate)},
      {Method::kPost, "/v2/oauth2/token/introspect", "Tells a client what a token is.",
       bind(&AuthHandlers::introspect)},
      {Method::kGet, "/v2/oauth2/userinfo", "Tells who the caller is.",
       bind(&AuthHandlers::userinfo)},
      {Method::kGet, "/v2/api/identities", "Finds identities by id or user name.",
       bind(&AuthHandlers::identities)},
      {Method::kGet, "/v2/api/identities/{id}", "One identity.", bind(&AuthHandlers::identity)},
      {Method::kPost, "/v2/api/clients", "Registers a command line as a client of its own.",
       bind(&AuthHandlers::register_client)},
      {Method::kDelete, "/v2/api/clients/{id}", "Removes the client that asks.",
       bind(&AuthHandlers::delete_client)},
      {Method::kGet, "/.well-known/openid-configuration", "Where the other routes are.",
       bind(&AuthHandlers::openid_configuration)},
      {Method::kGet, "/jwk.json", "The key that signs id_tokens.", bind(&AuthHandlers::key_set)},
  };
}

}  // namespace wherry::server
