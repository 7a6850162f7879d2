// SPDX-License-Identifier: Apache-2.0
// `wherry user` and `wherry client`: who may use the service. Passwords and secrets are never
// arguments, which every user of the machine could read.
#include <algorithm>

#include "base/file.h"
#include "base/path.h"
#include "cli/commands.h"
#include "server/identities.h"

namespace wherry::cli {
namespace {

using server::Client;
using server::ClientKind;
using server::User;

constexpr ByteCount kMaxPasswordFile = 4096;

Result<server::Identities*> identities_of(Context& context) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("users and clients"));
  return &wherry->identities();
}

// The first line of the file; a random one without a file.
Result<std::string> password_of(const Arguments& arguments) {
  const auto file = arguments.optional_text("password-file");
  if (!file) return server::random_secret();
  TRY_ASSIGN(std::string text, read_file(*file, kMaxPasswordFile), "password file '{}'",
             escape_bytes(*file));
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

Record user_record(const User& user) {
  return {"user",
          {{"id", "ID", user.id},
           {"username", "User Name", user.username},
           {"name", "Name", user.name},
           {"email", "Email", user.email}}};
}

Record client_record(const Client& client) {
  return {"client",
          {{"id", "ID", client.id},
           {"name", "Name", client.name},
           {"public_client", "Native", client.kind == ClientKind::kNative},
           {"redirect_uris", "Redirect URIs", client.redirect_uris}}};
}

// A password that was made up is told once; one of a file is known.
void show_user(Context& context, const Arguments& arguments, const User& user,
               const std::string& password) {
  Record record = user_record(user);
  if (!arguments.has("password-file")) record.fields.push_back({"password", "Password", password});
  context.output().record(record);
}

Result<int> create_user(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const std::string password, password_of(arguments));
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY_ASSIGN(const User user,
             identities->create_user({arguments.text("USERNAME"), arguments.text("name"),
                                      arguments.text("email"), password}));
  show_user(context, arguments, user, password);
  return kExitDone;
}

Result<int> list_users(Context& context, const Arguments&) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY_ASSIGN(const auto users, identities->users());
  Output::Table table(context.output(), "user_list",
                      {{"username", "User Name"},
                       {"id", "ID"},
                       {"name", "Name"},
                       {"email", "Email"},
                       {"created", "Created"}});
  for (const User& user : users)
    table.row({user.username, user.id, user.name, user.email, user.created});
  table.finish();
  return kExitDone;
}

Result<int> rotate_user(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const std::string password, password_of(arguments));
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY_ASSIGN(const User user, identities->find_user(arguments.text("USER")));
  TRY(identities->set_password(user.id, password));
  show_user(context, arguments, user, password);
  return kExitDone;
}

Result<int> remove_user(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY(identities->remove_user(arguments.text("USER")));
  context.output().message("Deleted", "The user has been removed; the tokens are revoked");
  return kExitDone;
}

Result<int> create_client(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  const auto kind = arguments.has("native") ? ClientKind::kNative : ClientKind::kConfidential;
  TRY_ASSIGN(const server::CreatedClient created,
             identities->create_client({.name = arguments.text("NAME"),
                                        .kind = kind,
                                        .redirect_uris = arguments.all("redirect-uri")}));
  Record record = client_record(created.client);
  if (!created.secret.empty()) record.fields.push_back({"secret", "Secret", created.secret});
  context.output().record(record);
  return kExitDone;
}

Result<int> list_clients(Context& context, const Arguments&) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY_ASSIGN(const auto clients, identities->clients());
  Output::Table table(context.output(), "client_list",
                      {{"name", "Name"},
                       {"id", "ID"},
                       {"public_client", "Native"},
                       {"redirect_uris", "Redirect URIs", Shown::kNotInText},
                       {"created", "Created"}});
  for (const Client& client : clients) {
    table.row({client.name, client.id, client.kind == ClientKind::kNative, client.redirect_uris,
               client.created});
  }
  table.finish();
  return kExitDone;
}

Result<int> rotate_client(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY_ASSIGN(const Client client, identities->find_client(arguments.text("CLIENT")));
  TRY_ASSIGN(const std::string secret, identities->rotate_secret(client.id));
  Record record = client_record(client);
  record.fields.push_back({"secret", "Secret", secret});
  context.output().record(record);
  return kExitDone;
}

Result<int> remove_client(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(server::Identities * identities, identities_of(context));
  TRY(identities->remove_client(arguments.text("CLIENT")));
  context.output().message("Deleted", "The client has been removed; its tokens are revoked");
  return kExitDone;
}

const PositionalSpec kUser = {.name = "USER", .help = "User name or id."};
const PositionalSpec kClient = {.name = "CLIENT", .help = "Id of the client."};
const OptionSpec kPasswordFile = {.name = "password-file",
                                  .value = "FILE",
                                  .help = "Take its first line; without, one is made up and shown.",
                                  .kind = ValueKind::kFile};

}  // namespace

std::span<const Command> identity_commands() {
  static const Command commands[] = {
      {.name = "user create",
       .summary = "Add a user of the service.",
       .positionals = {{.name = "USERNAME", .help = "Of the form ada@example.org."}},
       .options = {{.name = "name", .value = "TEXT", .help = "As people write it."},
                   {.name = "email", .value = "ADDRESS", .help = "If it is not the user name."},
                   kPasswordFile},
       .handler = create_user,
       .examples = {"wherry user create ada@example.org --name 'Ada Lovelace'"}},
      {.name = "user list", .summary = "List the users.", .handler = list_users},
      {.name = "user rotate",
       .summary = "Give a user a new password; what the old one opened is revoked.",
       .positionals = {kUser},
       .options = {kPasswordFile},
       .handler = rotate_user},
      {.name = "user remove",
       .summary = "Remove a user and revoke the tokens.",
       .positionals = {kUser},
       .handler = remove_user},
      {.name = "client create",
       .summary = "Add a program that may use the service; its secret is shown once.",
       .positionals = {{.name = "NAME", .help = "What it is called at the login page."}},
       .options = {{.name = "native",
                    .help = "It runs on its users' machines and has no secret (PKCE)."},
                   {.name = "redirect-uri",
                    .value = "URL",
                    .help = "Where a login may return to.",
                    .times = OptionSpec::Times::kMany}},
       .handler = create_client,
       .examples = {"wherry client create pipeline"}},
      {.name = "client list", .summary = "List the clients.", .handler = list_clients},
      {.name = "client rotate",
       .summary = "Give a client a new secret; the old one ends.",
       .positionals = {kClient},
       .handler = rotate_client},
      {.name = "client remove",
       .summary = "Remove a client and revoke its tokens.",
       .positionals = {kClient},
       .handler = remove_client},
  };
  return commands;
}

}  // namespace wherry::cli
