// SPDX-License-Identifier: Apache-2.0
// wherry login, logout, whoami, session consent: who one is at a service on another machine.
#include "base/path.h"
#include "cli/commands.h"
#include "cli/login_here.h"

namespace wherry::cli {
namespace {

Result<int> log_in(Context& context, const Arguments& arguments,
                   const std::vector<std::string>& scopes) {
  TRY_ASSIGN(app::RemoteService * remote, context.remote());
  return log_in_here(context, *remote,
                     arguments.has("no-local-server") ? Browser::kElsewhere : Browser::kHere,
                     scopes);
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
