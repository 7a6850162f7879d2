// SPDX-License-Identifier: Apache-2.0
#include "cli/login_here.h"

#include <iostream>

#include "base/clock.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/interrupt.h"
#include "globus/redirect_listener.h"

namespace wherry::cli {
namespace {

using globus::LoginFlow;
using globus::PendingLogin;

constexpr Duration kLoginPatience = std::chrono::minutes(15);

Error no_code() {
  return make_error(Code::kLoginNeeded, "no code was given, so nobody is logged in");
}

// The page shows a code, which the person copies.
Result<std::string> code_from_person(Context& context, const PendingLogin& pending) {
  context.err() << fmt::format(
      "Open this page in a browser, log in, and copy the code that it shows:\n\n{}\n\nThe code: ",
      pending.url);
  context.err().flush();
  std::string code;
  std::getline(std::cin, code);
  const auto begin = code.find_first_not_of(" \t\r");
  if (begin == code.npos) return no_code();
  return code.substr(begin, code.find_last_not_of(" \t\r") + 1 - begin);
}

// The page sends the browser to this machine, with the code.
Result<std::string> code_from_browser(Context& context, globus::RedirectListener& listener,
                                      const PendingLogin& pending) {
  context.err() << fmt::format(
      "Open this page in a browser on this machine and log in (from another machine:"
      " --no-local-server):\n\n{}\n\n",
      pending.url);
  std::optional<Result<globus::Fields>> ended;
  run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(listener.wait(pending.state, kLoginPatience, stop));
  });
  TRY_ASSIGN(const globus::Fields fields, *std::move(ended));
  for (const auto& [name, value] : fields) {
    if (name == "code") return value;
  }
  return make_error(Code::kLoginNeeded, "the login was refused");
}

Result<void> finish(LoginFlow& flow, const PendingLogin& pending, const std::string& code) {
  auto done = flow.finish(pending, code, {});
  if (!done && done.error().code == Code::kLoginNeeded)
    done.error().message += "; a code is good once, and not for long: begin again";
  return done;
}

}  // namespace

Result<int> log_in_here(Context& context, app::RemoteService& remote, Browser browser,
                        const std::vector<std::string>& scopes) {
  LoginFlow& flow = remote.login();
  if (browser == Browser::kElsewhere) {
    TRY_ASSIGN(const PendingLogin pending, flow.begin(flow.code_page(), scopes, {}));
    TRY_ASSIGN(const std::string code, code_from_person(context, pending));
    TRY(finish(flow, pending, code));
  } else {
    TRY_ASSIGN(const auto listener, globus::RedirectListener::open(system_clock()));
    TRY_ASSIGN(const PendingLogin pending, flow.begin(listener->redirect_uri(), scopes, {}));
    TRY_ASSIGN(const std::string code, code_from_browser(context, *listener, pending));
    TRY(finish(flow, pending, code));
  }
  TRY_ASSIGN(const globus::Person person, flow.whoami({}));
  context.output().message("LoggedIn", fmt::format("You are logged in as {}", person.username));
  return kExitDone;
}

Result<std::string> data_access_scope(std::string_view endpoint_id) {
  if (!is_uuid(endpoint_id)) {
    return make_error(Code::kInvalid, "'{}' is no id of an endpoint (a UUID)",
                      escape_bytes(endpoint_id));
  }
  return fmt::format(
      "urn:globus:auth:scope:transfer.api.globus.org:all[*https://auth.globus.org/scopes/{}/"
      "data_access]",
      endpoint_id);
}

}  // namespace wherry::cli
