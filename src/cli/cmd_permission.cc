// SPDX-License-Identifier: Apache-2.0
// `wherry endpoint permission` and `wherry endpoint role`: who of the service's users may do what.
#include "base/path.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "endpoints/permissions.h"
#include "server/identities.h"

namespace wherry::cli {
namespace {

using endpoints::Access;
using endpoints::AccessRule;
using endpoints::Endpoint;
using endpoints::Role;

std::string permissions_of(const AccessRule& rule) {
  return rule.access == Access::kReadWrite ? "rw" : "r";
}

// As people know it; the id stands for itself if nobody has it any more.
std::string principal_name(app::Wherry& wherry, const std::string& id) {
  if (const auto user = wherry.identities().find_user(id)) return user->username;
  if (const auto client = wherry.identities().find_client(id)) return client->username();
  return id;
}

std::string shown_principal(app::Wherry& wherry, const AccessRule& rule) {
  switch (rule.whom) {
    case AccessRule::Whom::kIdentity:
      return principal_name(wherry, rule.principal);
    case AccessRule::Whom::kGroup:
      return "group " + rule.principal;
    case AccessRule::Whom::kAllAuthenticated:
      return "all users";
    case AccessRule::Whom::kAnonymous:
      return "everybody";
  }
  return "?";
}

// A user by name or id, or a client by id. What has the form of an id may be of another service.
Result<std::string> identity_of(app::Wherry& wherry, const std::string& typed) {
  const auto user = wherry.identities().find_user(typed);
  if (user) return user->id;
  if (user.error().code != Code::kNotFound) return user.error();
  if (is_uuid(typed)) return typed;
  return make_error(Code::kNotFound, "no user '{}'; `wherry user list` shows them all",
                    escape_bytes(typed));
}

Result<Endpoint> endpoint_of(app::Wherry& wherry, const Arguments& arguments) {
  return wherry.endpoints().resolve(arguments.text("ENDPOINT"));
}

int count_of(const Arguments& arguments, std::initializer_list<std::string_view> options) {
  int count = 0;
  for (const std::string_view option : options) count += arguments.has(option) ? 1 : 0;
  return count;
}

// ---- permission

Record rule_record(app::Wherry& wherry, const AccessRule& rule) {
  Record record{"access",
                {{"id", "Rule ID", rule.id},
                 {"principal_type", "Principal Type", std::string(to_string(rule.whom))},
                 {"principal", "Principal ID", rule.principal},
                 {"principal_name", "Principal", shown_principal(wherry, rule)},
                 {"path", "Path", Bytes{'/' + rule.path.text()}},
                 {"permissions", "Permissions", permissions_of(rule)},
                 {"create_time", "Created", rule.created}}};
  if (rule.expires) record.fields.push_back({"expiration_date", "Expires", *rule.expires});
  return record;
}

Result<void> set_principal(app::Wherry& wherry, const Arguments& arguments, AccessRule& rule) {
  if (count_of(arguments, {"identity", "group", "all-authenticated"}) != 1) {
    return make_error(Code::kInvalid,
                      "say for whom, with one of --identity, --group and --all-authenticated");
  }
  if (const auto identity = arguments.optional_text("identity")) {
    TRY_ASSIGN(rule.principal, identity_of(wherry, *identity));
  } else if (const auto group = arguments.optional_text("group")) {
    rule.whom = AccessRule::Whom::kGroup;
    rule.principal = *group;
  } else {
    rule.whom = AccessRule::Whom::kAllAuthenticated;
  }
  return {};
}

Result<int> create_rule(Context& context, const Arguments& arguments) {
  const auto permissions = arguments.optional_text("permissions");
  if (!permissions)
    return make_error(Code::kInvalid, "say what may be done: --permissions r or rw");
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Place place,
             resolve_place(wherry->endpoints(), arguments.text("ENDPOINT:PATH")));
  AccessRule rule;
  rule.endpoint = place.endpoint.id;
  rule.path = place.path;
  rule.access = *permissions == "rw" ? Access::kReadWrite : Access::kRead;
  rule.expires = arguments.time("expiration-date");
  TRY(set_principal(*wherry, arguments, rule));
  TRY_ASSIGN(const AccessRule made, wherry->permissions().create_rule(rule), "'{}'", place.shown());
  if (context.output().format() == Format::kText)
    context.output().raw(fmt::format("Rule ID: {}\n", made.id));
  else
    context.output().record(rule_record(*wherry, made));
  return kExitDone;
}

Result<int> list_rules(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY_ASSIGN(const auto rules, wherry->permissions().rules(endpoint.id));
  Output::Table table(context.output(), "access_list",
                      {{"id", "Rule ID"},
                       {"permissions", "Permissions"},
                       {"path", "Path"},
                       {"principal_name", "Shared With"},
                       {"principal_type", "Principal Type", Shown::kNotInText},
                       {"principal", "Principal ID", Shown::kNotInText}});
  for (const AccessRule& rule : rules) {
    table.row({rule.id, permissions_of(rule), Bytes{'/' + rule.path.text()},
               shown_principal(*wherry, rule), std::string(to_string(rule.whom)), rule.principal});
  }
  table.finish();
  return kExitDone;
}

Result<int> show_rule(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY_ASSIGN(const AccessRule rule,
             wherry->permissions().rule(endpoint.id, arguments.text("RULE")));
  context.output().record(rule_record(*wherry, rule));
  return kExitDone;
}

Result<int> update_rule(Context& context, const Arguments& arguments) {
  endpoints::AccessRuleChange change;
  if (const auto permissions = arguments.optional_text("permissions"))
    change.access = *permissions == "rw" ? Access::kReadWrite : Access::kRead;
  if (const auto expires = arguments.time("expiration-date")) change.expires.emplace(expires);
  if (!change.access && !change.expires)
    return make_error(Code::kInvalid, "nothing to change; give --permissions or --expiration-date");
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY(wherry->permissions().update_rule(endpoint.id, arguments.text("RULE"), change));
  context.output().message("Updated", "The access rule has been updated");
  return kExitDone;
}

Result<int> remove_rule(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY(wherry->permissions().remove_rule(endpoint.id, arguments.text("RULE")));
  context.output().message("Deleted",
                           "The access rule has been deleted; tasks that need it will fail");
  return kExitDone;
}

// ---- role

Record role_record(app::Wherry& wherry, const Role& role) {
  const bool is_group = role.whom == Role::Whom::kGroup;
  return {"role",
          {{"id", "Role ID", role.id},
           {"principal_type", "Principal Type", std::string(to_string(role.whom))},
           {"principal", "Principal ID", role.principal},
           {"principal_name", "Principal",
            is_group ? "group " + role.principal : principal_name(wherry, role.principal)},
           {"role", "Role", std::string(to_string(role.kind))}}};
}

Result<int> create_role(Context& context, const Arguments& arguments) {
  const auto kind = endpoints::parse_role_kind(arguments.text("role"));
  if (!kind) {
    return make_error(Code::kInvalid,
                      "say which: --role administrator, access_manager, activity_manager or "
                      "activity_monitor");
  }
  if (count_of(arguments, {"identity", "group"}) != 1)
    return make_error(Code::kInvalid, "say for whom, with either --identity or --group");
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  Role role;
  role.endpoint = endpoint.id;
  role.kind = *kind;
  if (const auto group = arguments.optional_text("group")) {
    role.whom = Role::Whom::kGroup;
    role.principal = *group;
  } else {
    TRY_ASSIGN(role.principal, identity_of(*wherry, arguments.text("identity")));
  }
  TRY_ASSIGN(const Role made, wherry->permissions().create_role(role), "endpoint '{}'",
             escape_bytes(endpoint.display_name));
  if (context.output().format() == Format::kText)
    context.output().raw(fmt::format("ID: {}\n", made.id));
  else
    context.output().record(role_record(*wherry, made));
  return kExitDone;
}

Result<int> list_roles(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY_ASSIGN(const auto roles, wherry->permissions().roles(endpoint.id));
  Output::Table table(context.output(), "role_list",
                      {{"principal_type", "Principal Type"},
                       {"id", "Role ID"},
                       {"principal_name", "Principal"},
                       {"principal", "Principal ID", Shown::kNotInText},
                       {"role", "Role"}});
  for (const Role& role : roles) {
    const bool is_group = role.whom == Role::Whom::kGroup;
    table.row({std::string(to_string(role.whom)), role.id,
               is_group ? role.principal : principal_name(*wherry, role.principal), role.principal,
               std::string(to_string(role.kind))});
  }
  table.finish();
  return kExitDone;
}

Result<int> show_role(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY_ASSIGN(const Role role, wherry->permissions().role(endpoint.id, arguments.text("ROLE")));
  context.output().record(role_record(*wherry, role));
  return kExitDone;
}

Result<int> remove_role(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("rules and roles"));
  TRY_ASSIGN(const Endpoint endpoint, endpoint_of(*wherry, arguments));
  TRY(wherry->permissions().remove_role(endpoint.id, arguments.text("ROLE")));
  context.output().message("Deleted", "The role has been deleted");
  return kExitDone;
}

const PositionalSpec kOfEndpoint = {
    .name = "ENDPOINT", .kind = ValueKind::kEndpoint, .help = "Name or id of the endpoint."};
const PositionalSpec kRule = {.name = "RULE", .help = "Id of the access rule."};
const PositionalSpec kRole = {.name = "ROLE", .help = "Id of the role."};
const OptionSpec kIdentityOption = {
    .name = "identity", .value = "USER", .help = "A user by name or id, or a client by id."};
const OptionSpec kGroup = {.name = "group", .value = "ID", .help = "The members of a group."};
const OptionSpec kPermissions = {.name = "permissions",
                                 .value = "r|rw",
                                 .help = "To read, or to read and write.",
                                 .kind = ValueKind::kChoice,
                                 .choices = {"r", "rw"}};
const OptionSpec kExpires = {.name = "expiration-date",
                             .value = "TIME",
                             .help = "Until then, e.g. 2030-01-01T12:00:00 (UTC).",
                             .kind = ValueKind::kTime};

const Command kCreateRule = {
    .name = "endpoint permission create",
    .summary = "Let users of the service read or write a directory and everything below it.",
    .description =
        "A rule is about what is in the directory. No symlink leads out of it, and what is above "
        "it cannot be listed. The owner and administrators of an endpoint, and whoever runs this "
        "command, need no rule.",
    .positionals = {{.name = "ENDPOINT:PATH",
                     .kind = ValueKind::kLocation,
                     .help = "The directory; ENDPOINT:/ for everything."}},
    .options = {kPermissions,
                kIdentityOption,
                kGroup,
                {.name = "all-authenticated", .help = "Everybody who has logged in."},
                kExpires},
    .handler = create_rule,
    .examples = {
        "wherry endpoint permission create lab:/run42 --permissions r --identity ada@example.org",
        "wherry endpoint permission create lab:/inbox --permissions rw --all-authenticated"}};

}  // namespace

std::span<const Command> permission_commands() {
  static const Command commands[] = {
      kCreateRule,
      {.name = "endpoint permission list",
       .summary = "List the access rules of an endpoint.",
       .positionals = {kOfEndpoint},
       .handler = list_rules},
      {.name = "endpoint permission show",
       .summary = "Show an access rule.",
       .positionals = {kOfEndpoint, kRule},
       .handler = show_rule},
      {.name = "endpoint permission update",
       .summary = "Change what an access rule grants, or until when.",
       .positionals = {kOfEndpoint, kRule},
       .options = {kPermissions, kExpires},
       .handler = update_rule},
      {.name = "endpoint permission delete",
       .summary = "Take away what an access rule grants, also from tasks that run.",
       .positionals = {kOfEndpoint, kRule},
       .handler = remove_rule},
      {.name = "endpoint role create",
       .summary = "Let a user of the service look after an endpoint.",
       .description =
           "An administrator may do everything with it; an access_manager manages access rules; an "
           "activity_manager sees, pauses and cancels its tasks; an activity_monitor sees them.",
       .positionals = {kOfEndpoint},
       .options = {{.name = "role",
                    .value = "ROLE",
                    .help = "What they become.",
                    .kind = ValueKind::kChoice,
                    .choices = {"administrator", "access_manager", "activity_manager",
                                "activity_monitor"}},
                   kIdentityOption,
                   kGroup},
       .handler = create_role,
       .examples = {"wherry endpoint role create lab --role administrator --identity "
                    "ada@example.org"}},
      {.name = "endpoint role list",
       .summary = "List the roles of an endpoint.",
       .positionals = {kOfEndpoint},
       .handler = list_roles},
      {.name = "endpoint role show",
       .summary = "Show a role.",
       .positionals = {kOfEndpoint, kRole},
       .handler = show_role},
      {.name = "endpoint role delete",
       .summary = "Take a role away.",
       .positionals = {kOfEndpoint, kRole},
       .handler = remove_role},
  };
  return commands;
}

}  // namespace wherry::cli
