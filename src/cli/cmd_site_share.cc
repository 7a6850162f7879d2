// SPDX-License-Identifier: Apache-2.0
// wherry site share: lets users and clients of the service use a site of this machine.
#include "base/clock.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/site_selector.h"
#include "server/site_users.h"

namespace wherry::cli {
namespace {

using server::SiteRight;
using server::SiteUser;

// A user by name or id, or a client by its id.
Result<std::string> identity_named(app::Wherry& wherry, const std::string& text) {
  const auto user = wherry.identities().find_user(text);
  if (user) return user->id;
  if (user.error().code != Code::kNotFound) return user.error();
  const auto client = wherry.identities().find_client(text);
  if (client) return client->id;
  if (client.error().code != Code::kNotFound) return client.error();
  return make_error(Code::kNotFound,
                    "'{}' is no user and no client of the service: see `wherry user list` and"
                    " `wherry client list`",
                    escape_bytes(text));
}

// What people know an identity by.
std::string name_of(app::Wherry& wherry, const std::string& identity) {
  if (const auto user = wherry.identities().find_user(identity)) return user->username;
  if (const auto client = wherry.identities().find_client(identity)) return client->name;
  return "";
}

Result<int> share(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.here("shares of sites"));
  TRY_ASSIGN(const std::string identity, identity_named(*wherry, arguments.text("IDENTITY")));
  const SiteRight right = arguments.has("manage") ? SiteRight::kManage : SiteRight::kUse;
  server::SiteUsers users(wherry->database(), system_clock());
  TRY(users.put({site.id, identity, right}));
  context.output().message(
      "Shared", fmt::format("{} may {} site '{}' through the service", identity, to_string(right),
                            escape_bytes(site.name)));
  return kExitDone;
}

Result<int> unshare(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.here("shares of sites"));
  // Also of an identity that is gone.
  const auto known = identity_named(*wherry, arguments.text("IDENTITY"));
  const std::string identity = known ? *known : arguments.text("IDENTITY");
  server::SiteUsers users(wherry->database(), system_clock());
  TRY(users.remove(site.id, identity));
  context.output().message("Unshared", fmt::format("Site '{}' is not there for {} any more",
                                                   escape_bytes(site.name), identity));
  return kExitDone;
}

Result<int> list_site_users(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, find_site(context, arguments.text("SITE")));
  TRY_ASSIGN(app::Wherry * wherry, context.here("shares of sites"));
  server::SiteUsers users(wherry->database(), system_clock());
  TRY_ASSIGN(const auto found, users.of_site(site.id));
  Output::Table table(context.output(), "site_user_list",
                      {{"identity", "Identity"}, {"name", "Name"}, {"right", "May"}});
  for (const SiteUser& user : found) {
    table.row({user.identity, name_of(*wherry, user.identity), std::string(to_string(user.right))});
  }
  table.finish();
  return kExitDone;
}

const PositionalSpec kIdentity = {.name = "IDENTITY",
                                  .help =
                                      "A user of the service, by name or id, or the id of a"
                                      " client."};

}  // namespace

std::span<const Command> site_share_commands() {
  static const Command commands[] = {
      {.name = "site share",
       .summary = "Let a user or client of the service use a site.",
       .description = "It sees the site and runs the apps that it has: makes, changes and deletes"
                      " jobs, which run with the rights of whoever started the site, and move files"
                      " from and to all of its locations.",
       .positionals = {named_site_positional(), kIdentity},
       .options = {{.name = "manage",
                    .help = "Also make and change apps: run any command with these rights."}},
       .handler = share,
       .examples = {"wherry site share beamline ada@example.org"}},
      {.name = "site unshare",
       .summary = "End that; jobs that were made go on.",
       .positionals = {named_site_positional(), kIdentity},
       .handler = unshare},
      {.name = "site users",
       .summary = "List the users and clients of the service that may use a site.",
       .positionals = {named_site_positional()},
       .handler = list_site_users},
  };
  return commands;
}

}  // namespace wherry::cli
