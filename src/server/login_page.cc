// SPDX-License-Identifier: Apache-2.0
#include "server/login_page.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>

#include "server/forms.h"
#include "server/secrets.h"

namespace wherry::server {
namespace {

constexpr std::string_view kCookie = "wherry_login";
constexpr std::string_view kCodePage = "v2/web/auth-code";
constexpr std::size_t kMaxState = 2048;
// No scope of a service, but another way to say access_type=offline.
constexpr std::string_view kOfflineAccess = "offline_access";
// What the page carries from the address to the form that is sent back.
constexpr std::array<std::string_view, 8> kFields = {
    "client_id",     "redirect_uri", "scope",          "state",
    "response_type", "access_type",  "code_challenge", "code_challenge_method"};

std::string escape_html(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

Response page(unsigned status, std::string_view title, std::string_view body) {
  Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = fmt::format(
      "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>"
      "body{{font:1rem sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}"
      "label,input,button{{display:block;margin:.4rem 0}}code{{overflow-wrap:anywhere}}"
      "</style></head><body><h1>{0}</h1>{1}</body></html>",
      escape_html(title), body);
  // No script, no frame around it, no trace of codes in caches and in what other sites are told.
  response.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"},
      {"X-Frame-Options", "DENY"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-store"}};
  return response;
}

Response refused(std::string_view why) {
  return page(400, "This login cannot go on", "<p>" + escape_html(why) + "</p>");
}

// `uri` is one that is_redirect_allowed().
Response redirect(std::string_view uri, std::string_view parameters, std::string_view state) {
  Response response = page(303, "Back to the program", "");
  std::string target(uri);
  target += target.find('?') == target.npos ? '?' : '&';
  target += parameters;
  if (!state.empty()) target += "&state=" + percent_encode(state);
  response.headers.emplace_back("Location", target);
  return response;
}

std::optional<std::string> cookie_of(const Request& request) {
  const std::string* header = request.header("cookie");
  std::string_view rest = header != nullptr ? std::string_view(*header) : "";
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(kCookie) && one.substr(kCookie.size()).starts_with('='))
      return std::string(one.substr(kCookie.size() + 1));
  }
  return std::nullopt;
}

// What the client asks for, in the order of kFields.
using Asked = std::array<std::string, kFields.size()>;
enum Field {
  kClientId,
  kRedirectUri,
  kScope,
  kState,
  kResponseType,
  kAccessType,
  kChallenge,
  kChallengeMethod
};

// `unredirectable`: nothing may be sent to the address; `redirectable`: it is told the error.
struct Checked {
  Client client;
  std::vector<Scope> scopes;
  bool is_offline = false;  // refresh tokens are asked for
  std::string unredirectable;
  std::string redirectable;
};

class LoginHandlers {
 public:
  explicit LoginHandlers(const AuthParts& parts) : parts_(parts) {}

  Response show(const Request& request) const {
    Asked asked;
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      const std::string* value = request.query_value(kFields[i]);
      if (value != nullptr) asked[i] = *value;
    }
    const Checked checked = check(asked, base_url_of(request));
    if (const auto no = refusal(asked, checked)) return *no;
    return login_form(request, asked, checked, "");
  }

  Response submit(const Request& request) const {
    const auto form = Form::of(request);
    if (!form) return refused(form.error().message);
    Asked asked;
    for (std::size_t i = 0; i < kFields.size(); ++i) asked[i] = (*form)[kFields[i]];
    const Checked checked = check(asked, base_url_of(request));
    if (const auto no = refusal(asked, checked)) return *no;
    // The form must come from a page that this browser got from here: no other site can read the
    // cookie to repeat it.
    const auto cookie = cookie_of(request);
    if (!cookie || cookie->empty() || !equal_in_constant_time(*cookie, (*form)["csrf"]))
      return login_form(request, asked, checked, "The page was out of date. Please try again.");
    if ((*form)["decision"] != "allow")
      return redirect(asked[kRedirectUri], "error=access_denied", asked[kState]);
    const auto user = parts_.identities.check_password((*form)["username"], (*form)["password"]);
    if (!user && user.error().code == Code::kDenied)
      return login_form(request, asked, checked, "The user name or the password is wrong.");
    if (!user) return page(503, "Please try again later", "");
    const auto code =
        parts_.tokens.issue_code({checked.client.id, user->id, checked.scopes, asked[kRedirectUri],
                                  asked[kChallenge], checked.is_offline});
    if (!code) return page(503, "Please try again later", "");
    return redirect(asked[kRedirectUri], "code=" + *code, asked[kState]);
  }

  Response show_code(const Request& request) const {
    const std::string* code = request.query_value("code");
    if (code == nullptr) return refused("The login was not allowed, or there is no code.");
    return page(200, "Your code",
                "<p>Paste this code into the program that asked for it:</p><p><code id=\"code\">" +
                    escape_html(*code) + "</code></p>");
  }

  Response logout(const Request&) const {
    return page(200, "Logged out", "<p>This service keeps no session in your browser.</p>");
  }

 private:
  Checked check(const Asked& asked, const std::string& base_url) const {
    Checked checked;
    auto client = parts_.identities.find_client(asked[kClientId]);
    if (!client) return {{}, {}, false, "The program is not known here.", ""};
    checked.client = std::move(*client);
    if (!is_redirect_allowed(checked.client, asked[kRedirectUri], base_url)) {
      checked.unredirectable =
          "The program asked to be answered at an address that is not its own.";
      return checked;
    }
    auto scopes = parse_scopes(asked[kScope]);
    checked.is_offline = asked[kAccessType] == "offline";
    if (scopes &&
        std::erase_if(*scopes, [](const Scope& scope) { return scope.name == kOfflineAccess; }) > 0)
      checked.is_offline = true;
    bool is_scope_known = scopes.has_value() && !scopes->empty();
    if (scopes) {
      for (const Scope& scope : *scopes)
        is_scope_known = is_scope_known && resource_server_of(scope.name).has_value();
      checked.scopes = std::move(*scopes);
    }
    const bool has_challenge = !asked[kChallenge].empty();
    if (asked[kResponseType] != "code") {
      checked.redirectable = "unsupported_response_type";
    } else if (!is_scope_known) {
      checked.redirectable = "invalid_scope";
    } else if (asked[kState].size() > kMaxState ||
               (has_challenge &&
                (asked[kChallengeMethod] != "S256" || asked[kChallenge].size() != 43)) ||
               (!has_challenge && checked.client.kind == ClientKind::kNative)) {
      checked.redirectable = "invalid_request";
    }
    return checked;
  }

  static std::optional<Response> refusal(const Asked& asked, const Checked& checked) {
    if (!checked.unredirectable.empty()) return refused(checked.unredirectable);
    if (checked.redirectable.empty()) return std::nullopt;
    return redirect(asked[kRedirectUri], "error=" + checked.redirectable,
                    asked[kState].substr(0, kMaxState));
  }

  Response login_form(const Request& request, const Asked& asked, const Checked& checked,
                      std::string_view complaint) const {
    const std::string csrf = random_secret();
    std::string body =
        fmt::format("<p><strong>{}</strong> asks for:</p><ul>", escape_html(checked.client.name));
    for (const std::string& scope : flatten_scopes(checked.scopes))
      body += "<li><code>" + escape_html(scope) + "</code></li>";
    body += "</ul>";
    if (!complaint.empty()) body += fmt::format("<p role=\"alert\">{}</p>", complaint);
    body += "<form method=\"post\" action=\"/v2/oauth2/authorize\">";
    const auto hide = [&](std::string_view name, std::string_view value) {
      body +=
          fmt::format("<input type=\"hidden\" name=\"{}\" value=\"{}\">", name, escape_html(value));
    };
    for (std::size_t i = 0; i < kFields.size(); ++i) hide(kFields[i], asked[i]);
    hide("csrf", csrf);
    body +=
        "<label>User name <input name=\"username\" autocomplete=\"username\" autofocus></label>"
        "<label>Password <input name=\"password\" type=\"password\""
        " autocomplete=\"current-password\"></label>"
        "<button name=\"decision\" value=\"allow\">Log in and allow</button>"
        "<button name=\"decision\" value=\"deny\">Deny</button></form>";
    Response response = page(200, "Log in", body);
    response.headers.emplace_back(
        "Set-Cookie",
        fmt::format("{}={}; Path=/v2/oauth2/authorize; Max-Age=600; HttpOnly; SameSite=Strict{}",
                    kCookie, csrf, request.is_secure ? "; Secure" : ""));
    return response;
  }

  AuthParts parts_;
};

// "http://localhost", with any port and a plain path.
bool is_local_server(std::string_view uri) {
  constexpr std::string_view kLocal = "http://localhost";
  if (!uri.starts_with(kLocal)) return false;
  uri.remove_prefix(kLocal.size());
  if (uri.starts_with(':')) {
    uri.remove_prefix(1);
    const std::size_t digits = std::min(uri.find_first_not_of("0123456789"), uri.size());
    if (digits == 0 || digits > 5) return false;
    uri.remove_prefix(digits);
  }
  if (uri.empty()) return true;
  return uri.front() == '/' && std::all_of(uri.begin(), uri.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                  std::string_view("/-_.~").find(c) != std::string_view::npos;
         });
}

}  // namespace

bool is_redirect_allowed(const Client& client, std::string_view uri, std::string_view base_url) {
  if (std::find(client.redirect_uris.begin(), client.redirect_uris.end(), uri) !=
      client.redirect_uris.end())
    return true;
  if (!client.is_local) return false;
  return uri == std::string(base_url) + std::string(kCodePage) || is_local_server(uri);
}

std::vector<AuthRoute> login_routes(const AuthParts& parts) {
  const auto shared = std::make_shared<const LoginHandlers>(parts);
  const auto bind = [&](Response (LoginHandlers::*handler)(const Request&) const) {
    return [shared, handler](const Request& request) { return (*shared.*handler)(request); };
  };
  return {
      {Method::kGet, "/v2/oauth2/authorize", "The page to log in and agree.",
       bind(&LoginHandlers::show)},
      {Method::kPost, "/v2/oauth2/authorize", "What that page sends.",
       bind(&LoginHandlers::submit)},
      {Method::kGet, "/v2/web/auth-code", "Shows a code to copy.", bind(&LoginHandlers::show_code)},
      {Method::kGet, "/v2/web/logout", "Says that there is no session.",
       bind(&LoginHandlers::logout)},
  };
}

}  // namespace wherry::server
