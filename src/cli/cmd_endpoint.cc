// SPDX-License-Identifier: Apache-2.0
// wherry endpoint: named places that hold files.
#include "base/clock.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "endpoints/quota.h"

namespace wherry::cli {
namespace {

using endpoints::Access;
using endpoints::Endpoint;

std::vector<std::string> keywords_of(const std::string& text) {
  std::vector<std::string> keywords;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) keywords.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return keywords;
}

// A service elsewhere, which does not tell where an endpoint's files are, does not tell this
// either.
std::string access_text(const Endpoint& endpoint) {
  if (endpoint.storage_url.empty() && !endpoint.is_guest()) return {};
  return endpoint.access == Access::kRead ? "read-only" : "read-write";
}

Record endpoint_record(const Endpoint& endpoint) {
  return {
      "endpoint",
      {{"display_name", "Display Name", Bytes{endpoint.display_name}},
       {"id", "ID", endpoint.id},
       {"storage_url", "Storage", Bytes{endpoint.storage_url}, shown_if(!endpoint.is_guest())},
       {"host_endpoint_id", "Host Endpoint", endpoint.host_endpoint, shown_if(endpoint.is_guest())},
       {"host_path", "Host Path", Bytes{endpoint.is_guest() ? '/' + endpoint.host_path.text() : ""},
        shown_if(endpoint.is_guest())},
       {"public", "Public", endpoint.is_public},
       {"requires_data_access", "Requires Data Access", endpoint.requires_data_access,
        shown_if(endpoint.requires_data_access)},
       {"access", "Access", access_text(endpoint), shown_if(!access_text(endpoint).empty())},
       {"owner_string", "Owner", endpoint.owner},
       {"description", "Description", endpoint.description},
       {"organization", "Organization", endpoint.organization},
       {"keywords", "Keywords", endpoint.keywords},
       {"default_directory", "Default Directory",
        Bytes{endpoint.default_directory.empty() ? "/" : endpoint.default_directory}},
       {"daily_quota", "Daily Quota", Size{endpoint.daily_quota},
        shown_if(endpoint.daily_quota > 0)},
       {"bytes_per_second", "Bytes Per Second", Size{endpoint.bytes_per_second},
        shown_if(endpoint.bytes_per_second > 0)},
       {"operations_per_second", "Operations Per Second", endpoint.operations_per_second,
        shown_if(endpoint.operations_per_second > 0)}}};
}

// Of a guest collection, its place in its host.
std::string storage_text(const Endpoint& endpoint) {
  if (!endpoint.is_guest()) return endpoint.storage_url;
  return fmt::format("{}:/{}", endpoint.host_endpoint, endpoint.host_path.text());
}

Result<void> show_endpoints(Context& context, const std::vector<Endpoint>& found) {
  Output::Table table(context.output(), "endpoint_list",
                      {{"display_name", "Display Name"},
                       {"id", "ID"},
                       {"access", "Access"},
                       {"storage_url", "Storage"},
                       {"owner_string", "Owner", Shown::kNotInText},
                       {"description", "Description"}});
  for (const Endpoint& endpoint : found) {
    table.row({Bytes{endpoint.display_name}, endpoint.id, access_text(endpoint),
               Bytes{storage_text(endpoint)}, endpoint.owner, endpoint.description});
  }
  table.finish();
  return {};
}

// A directory of this machine may be typed relative to the working directory.
Result<std::string> location_of(const std::string& typed) {
  const std::size_t colon = typed.find(':');
  const bool is_url = colon != typed.npos && typed.substr(0, colon).find('/') == typed.npos;
  if (is_url) return typed;
  return absolute_local_path(typed);
}

Result<void> check_opposites(const Arguments& arguments) {
  constexpr std::pair<std::string_view, std::string_view> kOpposites[] = {
      {"public", "private"},
      {"read-only", "read-write"},
      {"data-access-consent", "no-data-access-consent"}};
  for (const auto& [one, other] : kOpposites) {
    if (arguments.has(one) && arguments.has(other))
      return make_error(Code::kInvalid, "--{} and --{} exclude each other", one, other);
  }
  return {};
}

// A location of its own, or a directory of another endpoint.
Result<void> set_place(app::Wherry& wherry, const Arguments& arguments,
                       endpoints::NewEndpoint& request) {
  const auto host = arguments.optional_text("host");
  const auto location = arguments.optional_text("LOCATION");
  if (host.has_value() == location.has_value()) {
    return make_error(Code::kInvalid,
                      "give either a LOCATION, or --host for a guest collection of an endpoint");
  }
  if (location) {
    TRY_ASSIGN(request.location, location_of(*location));
    return {};
  }
  TRY_ASSIGN(const Place place, resolve_place(wherry.endpoints(), *host));
  request.host_endpoint = place.endpoint.id;
  request.host_path = place.path;
  return {};
}

// The id of a user (by name or id) or client of the service.
Result<std::string> owner_of(app::Wherry& wherry, const std::string& typed) {
  const auto user = wherry.identities().find_user(typed);
  if (user) return user->id;
  if (user.error().code != Code::kNotFound) return user.error();
  const auto client = wherry.identities().find_client(typed);
  if (client) return client->id;
  if (client.error().code != Code::kNotFound) return client.error();
  return make_error(Code::kNotFound,
                    "no user and no client is called '{}'; `wherry user list` and `wherry client "
                    "list` tell who there is",
                    escape_bytes(typed));
}

Result<int> create_endpoint(Context& context, const Arguments& arguments) {
  TRY(check_opposites(arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.here("endpoints"));
  endpoints::NewEndpoint request;
  request.display_name = arguments.text("NAME");
  TRY(set_place(*wherry, arguments, request));
  request.is_public = arguments.has("public");
  request.requires_data_access = arguments.has("data-access-consent");
  request.access = arguments.has("read-only") ? Access::kRead : Access::kReadWrite;
  request.owner = wherry->owner();
  if (const auto owner = arguments.optional_text("owner")) {
    TRY_ASSIGN(request.owner, owner_of(*wherry, *owner));
  }
  request.description = arguments.text("description");
  request.organization = arguments.text("organization");
  request.keywords = keywords_of(arguments.text("keywords"));
  request.default_directory = arguments.text("default-directory");
  request.daily_quota = arguments.bytes("daily-quota").value_or(0);
  request.bytes_per_second = arguments.bytes("bandwidth").value_or(0);
  request.operations_per_second =
      static_cast<std::uint64_t>(arguments.integer("operations").value_or(0));
  const bool is_guest = !request.host_endpoint.empty();
  TRY_ASSIGN(
      const Endpoint endpoint,
      is_guest ? wherry->permissions().create_guest(request) : wherry->endpoints().create(request),
      "create endpoint '{}'", escape_bytes(request.display_name));
  if (context.output().format() == Format::kText) {
    context.output().raw(fmt::format("Endpoint '{}' created: {}\n",
                                     escape_bytes(endpoint.display_name), endpoint.id));
  } else {
    context.output().record(endpoint_record(endpoint));
  }
  return kExitDone;
}

constexpr std::size_t kPage = 1000;

Result<std::vector<Endpoint>> find_all(Context& context, const std::string& text,
                                       std::size_t limit) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  std::vector<Endpoint> all;
  while (all.size() < limit) {
    const std::size_t wanted = std::min(kPage, limit - all.size());
    TRY_ASSIGN(auto page, service->search_endpoints(text, wanted, all.size()));
    const bool is_last = page.size() < wanted;
    for (Endpoint& endpoint : page) all.push_back(std::move(endpoint));
    if (is_last) break;
  }
  return all;
}

Result<int> list_endpoints(Context& context, const Arguments&) {
  TRY_ASSIGN(const auto found, find_all(context, "", SIZE_MAX));
  TRY(show_endpoints(context, found));
  return kExitDone;
}

Result<int> search(Context& context, const Arguments& arguments) {
  const auto limit = static_cast<std::size_t>(arguments.integer("limit").value_or(25));
  TRY_ASSIGN(const auto found, find_all(context, arguments.text("TEXT"), limit));
  TRY(show_endpoints(context, found));
  return kExitDone;
}

Result<int> show_endpoint(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Endpoint endpoint, service->endpoint(arguments.text("ENDPOINT")));
  Record record = endpoint_record(endpoint);
  if (endpoint.daily_quota > 0) {
    TRY_ASSIGN(app::Wherry * wherry, context.wherry());
    endpoints::QuotaLedger ledger(wherry->database(), system_clock());
    TRY_ASSIGN(const ByteCount used, ledger.used(endpoint));
    record.fields.push_back({"daily_quota_used", "Used In 24 Hours", Size{used}});
  }
  context.output().record(record);
  return kExitDone;
}

Result<int> update_endpoint(Context& context, const Arguments& arguments) {
  TRY(check_opposites(arguments));
  if (arguments.in_order().empty())
    return make_error(Code::kInvalid,
                      "nothing to change; `wherry endpoint update --help` lists what can be");
  TRY_ASSIGN(app::Wherry * wherry, context.here("endpoints"));
  TRY_ASSIGN(const Endpoint before, wherry->endpoints().resolve(arguments.text("ENDPOINT")));
  endpoints::EndpointChange change;
  change.display_name = arguments.optional_text("name");
  if (arguments.has("read-only")) change.access = Access::kRead;
  if (arguments.has("read-write")) change.access = Access::kReadWrite;
  if (arguments.has("public")) change.is_public = true;
  if (arguments.has("private")) change.is_public = false;
  if (arguments.has("data-access-consent")) change.requires_data_access = true;
  if (arguments.has("no-data-access-consent")) change.requires_data_access = false;
  change.description = arguments.optional_text("description");
  change.organization = arguments.optional_text("organization");
  if (const auto keywords = arguments.optional_text("keywords"))
    change.keywords = keywords_of(*keywords);
  change.default_directory = arguments.optional_text("default-directory");
  change.daily_quota = arguments.bytes("daily-quota");
  change.bytes_per_second = arguments.bytes("bandwidth");
  if (const auto operations = arguments.integer("operations"))
    change.operations_per_second = static_cast<std::uint64_t>(*operations);
  TRY_ASSIGN(const Endpoint after, wherry->endpoints().update(before.id, change),
             "update endpoint '{}'", escape_bytes(before.display_name));
  if (context.output().format() == Format::kText) {
    context.output().message("Updated", "The endpoint has been updated");
  } else {
    context.output().record(endpoint_record(after));
  }
  return kExitDone;
}

Result<int> remove_endpoint(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.here("endpoints"));
  TRY_ASSIGN(const Endpoint endpoint, wherry->endpoints().resolve(arguments.text("ENDPOINT")));
  TRY(wherry->endpoints().remove(endpoint.id), "delete endpoint '{}'",
      escape_bytes(endpoint.display_name));
  context.output().message("Deleted",
                           "The endpoint has been deleted; its files stay where they are");
  return kExitDone;
}

const PositionalSpec kEndpoint = {
    .name = "ENDPOINT", .kind = ValueKind::kEndpoint, .help = "Name or id of the endpoint."};

// What `create` and `update` share.
const OptionSpec kPublic = {.name = "public",
                            .help =
                                "All users of the service may know of it; what they may do "
                                "with it, access rules say."};
const OptionSpec kDataAccess = {
    .name = "data-access-consent",
    .help =
        "Clients of `wherry serve` may use its files only if their user has consented to "
        "data_access on it; its guest collections ask for nothing."};
const OptionSpec kDescription = {.name = "description", .value = "TEXT", .help = "What it is for."};
const OptionSpec kOrganization = {.name = "organization", .value = "TEXT", .help = "Whose it is."};
const OptionSpec kKeywords = {.name = "keywords",
                              .value = "A,B,...",
                              .help = "Words that `wherry endpoint search` finds it by."};
const OptionSpec kDefaultDirectory = {.name = "default-directory",
                                      .value = "/PATH",
                                      .help = "Where ENDPOINT: and relative paths begin."};
const OptionSpec kDailyQuota = {.name = "daily-quota",
                                .value = "SIZE",
                                .help =
                                    "Write at most this much to it in any 24 hours, e.g. 750GB; "
                                    "what exceeds it waits. 0: no bound.",
                                .kind = ValueKind::kBytes};
const OptionSpec kBandwidth = {
    .name = "bandwidth",
    .value = "SIZE",
    .help = "Move at most this much per second, e.g. 100MiB. 0: no bound.",
    .kind = ValueKind::kBytes};
const OptionSpec kOperations = {.name = "operations",
                                .value = "N",
                                .help = "At most N file operations per second. 0: no bound.",
                                .kind = ValueKind::kInteger};

}  // namespace

std::span<const Command> endpoint_commands() {
  static const Command commands[] = {
      {.name = "endpoint create",
       .summary = "Give a directory or another place that holds files a name.",
       .description = "Afterwards NAME:/path is a file below it. No path, symlink or race leaves "
                      "the directory.",
       .positionals = {{.name = "NAME",
                        .help = "How you will call it: 1 to 128 bytes, no '/' or ':'."},
                       {.name = "LOCATION",
                        .kind = ValueKind::kFile,
                        .help = "A directory of this machine, or a storage URL.",
                        .count = PositionalSpec::Count::kOptional}},
       .options = {{.name = "read-only", .help = "Nothing may be written to it."},
                   {.name = "host",
                    .value = "ENDPOINT:PATH",
                    .help = "Instead of LOCATION: a guest collection, which is a directory of "
                            "another endpoint with rules of its own and the limits of its host.",
                    .kind = ValueKind::kLocation},
                   kPublic,
                   {.name = "private", .help = "Only those whom roles and rules name (default)."},
                   kDataAccess,
                   {.name = "owner",
                    .value = "USER|CLIENT",
                    .help = "A user (name or id) or client (id) of `wherry serve`; default: you."},
                   kDailyQuota,
                   kBandwidth,
                   kOperations,
                   kDefaultDirectory,
                   kDescription,
                   kOrganization,
                   kKeywords},
       .handler = create_endpoint,
       .examples =
           {"wherry endpoint create lab /data --read-only",
            "wherry endpoint create drive /mnt/drive --daily-quota 750GB --bandwidth 100MiB",
            "wherry endpoint create run42 --host lab:/run42"}},
      {.name = "endpoint list", .summary = "List all endpoints.", .handler = list_endpoints},
      {.name = "endpoint search",
       .summary =
           "List the endpoints whose name, description, organization or keywords contain a text.",
       .positionals = {{.name = "TEXT", .help = "Upper and lower case are the same."}},
       .options = {{.name = "limit",
                    .value = "N",
                    .help = "At most N of them (25).",
                    .kind = ValueKind::kInteger}},
       .handler = search},
      {.name = "endpoint show",
       .summary = "Show what is known of an endpoint.",
       .positionals = {kEndpoint},
       .handler = show_endpoint},
      {.name = "endpoint update",
       .summary = "Change an endpoint.",
       .positionals = {kEndpoint},
       .options = {{.name = "name", .value = "NAME", .help = "Call it so from now on."},
                   {.name = "read-only", .help = "Nothing may be written to it."},
                   {.name = "read-write", .help = "It may be written to."},
                   kPublic,
                   {.name = "private",
                    .help = "For the service's users it exists if roles or rules name them."},
                   kDataAccess,
                   {.name = "no-data-access-consent", .help = "No consent is needed (default)."},
                   kDailyQuota,
                   kBandwidth,
                   kOperations,
                   kDefaultDirectory,
                   kDescription,
                   kOrganization,
                   kKeywords},
       .handler = update_endpoint},
      {.name = "endpoint delete",
       .summary = "Forget an endpoint; its files stay.",
       .positionals = {kEndpoint},
       .handler = remove_endpoint},
  };
  return commands;
}

}  // namespace wherry::cli
