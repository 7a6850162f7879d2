// SPDX-License-Identifier: Apache-2.0
// wherry login, logout, whoami, session consent: who one is at a service on another machine.
#include <iostream>

#include "base/clock.h"
#include "base/path.h"
#include "cli/commands.h"
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

Result<int> log_in(Context& context, const Arguments& arguments,
                   const std::vector<std::string>& scopes) {
  TRY_ASSIGN(app::RemoteService * remote, context.remote());
  LoginFlow& flow = remote->login();
  if (arguments.has("no-local-server")) {
    TRY_ASSIGN(const PendingLogin pending, flow.begin(flow.code_page(), scopes, {}));
    TRY_ASSIGN(const std::string code, code_from_person(context, pending));
    TRY(flow.finish(pending, code, {}));
  } else {
    TRY_ASSIGN(const auto listener, globus::RedirectListener::open(system_clock()));
    TRY_ASSIGN(const PendingLogin pending, flow.begin(listener->redirect_uri(), scopes, {}));
    TRY_ASSIGN(const std::string code, code_from_browser(context, *listener, pending));
    TRY(flow.finish(pending, code, {}));
  }
  TRY_ASSIGN(const globus::Person person, flow.whoami({}));
  context.output().message("LoggedIn", fmt::format("You are logged in as {}", person.username));
  return kExitDone;
}

Result<int> login(Context& context, const Arguments& arguments) {
  return log_in(context, arguments, {});
}

Result<int> consent(Context& context, const Arguments& arguments) {
  return log_in(context, arguments, arguments.all("SCOPE"));
}

Result<int> logout(Context& context, const Arguments&) {
  TRY_ASSIGN(app::RemoteService * remote, context.remote());
  TRY_ASSIGN(const bool was_logged_in, remote->login().logout({}));
  context.output().message("LoggedOut", was_logged_in ? "You are logged out; the tokens are revoked"
                                                      : "Nobody was logged in");
  return kExitDone;
}

Result<int> whoami(Context& context, const Arguments&) {
  TRY_ASSIGN(app::RemoteService * remote, context.remote());
  TRY_ASSIGN(const globus::Person person, remote->login().whoami({}));
  if (context.output().format() == Format::kText) {
    context.output().raw(escape_bytes(person.username) + "\n");
  } else {
    context.output().record({"identity",
                             {{"id", "ID", person.id},
                              {"username", "User Name", person.username},
                              {"name", "Name", person.name},
                              {"email", "Email", person.email}}});
  }
  return kExitDone;
}

const OptionSpec kNoLocalServer = {
    .name = "no-local-server",
    .help = "Log in with a browser on another machine: the page shows a code to paste here."};

}  // namespace

std::span<const Command> login_commands() {
  static const Command commands[] = {
      {.name = "login",
       .summary = "Log in at a service on another machine.",
       .description =
           "Shows the address of a page; the password is typed there and never here. A program"
           " needs no login: give it WHERRY_CLIENT_ID and WHERRY_CLIENT_SECRET.",
       .options = {kNoLocalServer},
       .handler = login,
       .examples = {"wherry login --service globus",
                    "wherry login --service https://wherry.example.org --no-local-server"}},
      {.name = "logout",
       .summary = "Forget the login at a service and revoke its tokens.",
       .handler = logout},
      {.name = "whoami", .summary = "Show who is logged in at a service.", .handler = whoami},
      {.name = "session consent",
       .summary = "Agree that a service may do more, as an error message asked.",
       .positionals = {{.name = "SCOPE",
                        .help = "As the message has it, in quotes.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .options = {kNoLocalServer},
       .handler = consent},
  };
  return commands;
}

}  // namespace wherry::cli
