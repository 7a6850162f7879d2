// SPDX-License-Identifier: Apache-2.0
#include "server/scopes.h"

#include <algorithm>

#include "base/path.h"
#include "base/random.h"

namespace wherry::server {
namespace {

constexpr std::size_t kMaxBytes = 16 << 10;
constexpr int kMaxDepth = 8;

bool is_name_letter(char c) {
  return c > ' ' && c < '\x7f' && c != '[' && c != ']' && c != '*' && c != '"' && c != '\\';
}

void merge(std::vector<Scope>& list, Scope scope) {
  const auto same = std::find_if(list.begin(), list.end(),
                                 [&](const Scope& other) { return other.name == scope.name; });
  if (same == list.end()) {
    list.push_back(std::move(scope));
    return;
  }
  same->is_optional = same->is_optional && scope.is_optional;
  for (Scope& dependent : scope.dependents) merge(same->dependents, std::move(dependent));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<std::vector<Scope>> parse_all() {
    TRY_ASSIGN(auto scopes, parse_list(1));
    if (!rest_.empty()) return bad("']' without '['");
    return scopes;
  }

 private:
  static Error bad(std::string_view why) { return make_error(Code::kInvalid, "scope: {}", why); }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Result<std::vector<Scope>> parse_list(int depth) {
    if (depth > kMaxDepth) return bad("nested too deeply");
    std::vector<Scope> scopes;
    while (true) {
      while (take(' ')) {
      }
      if (rest_.empty() || rest_.front() == ']') break;
      TRY_ASSIGN(Scope scope, parse_one(depth));
      merge(scopes, std::move(scope));
      if (!rest_.empty() && rest_.front() != ' ' && rest_.front() != ']')
        return bad("a blank is missing between two scopes");
    }
    if (scopes.empty()) return bad("a list is empty");
    return scopes;
  }

  Result<Scope> parse_one(int depth) {
    Scope scope;
    scope.is_optional = take('*');
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_name_letter);
    scope.name.assign(rest_.begin(), end);
    rest_.remove_prefix(scope.name.size());
    if (scope.name.empty()) return bad("a name is missing or has a character that none may have");
    if (take('[')) {
      TRY_ASSIGN(scope.dependents, parse_list(depth + 1));
      if (!take(']')) return bad("'[' without ']'");
    }
    return scope;
  }

  std::string_view rest_;
};

}  // namespace

Result<std::vector<Scope>> parse_scopes(std::string_view text) {
  if (text.size() > kMaxBytes)
    return make_error(Code::kInvalid, "scope: longer than {} bytes", kMaxBytes);
  return Parser(text).parse_all();
}

std::string format_scopes(const std::vector<Scope>& scopes) {
  std::string text;
  for (const Scope& scope : scopes) {
    if (!text.empty()) text += ' ';
    if (scope.is_optional) text += '*';
    text += scope.name;
    if (!scope.dependents.empty()) text += '[' + format_scopes(scope.dependents) + ']';
  }
  return text;
}

std::string top_level_names(const std::vector<Scope>& scopes) {
  std::string text;
  for (const Scope& scope : scopes) {
    if (!text.empty()) text += ' ';
    text += scope.name;
  }
  return text;
}

std::vector<std::string> flatten_scopes(const std::vector<Scope>& scopes) {
  std::vector<std::string> flat;
  for (const Scope& scope : scopes) {
    flat.push_back(scope.name);
    for (const std::string& dependent : flatten_scopes(scope.dependents)) {
      // Of deeper levels each step is told by its own pair: "b[c]" stands as it is.
      const bool is_pair = dependent.find('[') != std::string::npos;
      flat.push_back(is_pair ? dependent : scope.name + '[' + dependent + ']');
    }
  }
  return flat;
}

Result<std::string> resource_server_of(std::string_view name) {
  constexpr std::string_view kUrn = "urn:globus:auth:scope:";
  constexpr std::string_view kUrl = "https://auth.globus.org/scopes/";
  constexpr std::string_view kFlowsId = "eec9b274-0c81-4334-bdc2-54e90e689b9a";
  if (name == kOpenId || name == "profile" || name == "email") return std::string(kAuthServer);
  if (name == kJobScope) return std::string(kJobServer);
  const bool is_urn = name.starts_with(kUrn);
  if (is_urn || name.starts_with(kUrl)) {
    const std::string_view rest = name.substr(is_urn ? kUrn.size() : kUrl.size());
    const std::size_t end = rest.find(is_urn ? ':' : '/');
    const std::string_view server = rest.substr(0, end);
    const bool is_known = is_uuid(server) || (is_urn && server.ends_with(".globus.org"));
    if (end != rest.npos && end + 1 < rest.size() && is_known)
      return std::string(server == kFlowsId ? "flows.globus.org" : server);
  }
  return make_error(Code::kInvalid, "scope '{}' is of no known service", escape_bytes(name));
}

}  // namespace wherry::server
