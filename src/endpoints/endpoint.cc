// SPDX-License-Identifier: Apache-2.0
#include "endpoints/endpoint.h"

#include <soci/soci.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/options.h"
#include "base/path.h"
#include "base/read_cache.h"
#include "base/thread_annotations.h"
#include "storage/backends.h"

namespace wherry::endpoints {
namespace {

constexpr std::size_t kMaxNameLength = 128;

constexpr Migration kMigrations[] = {
    {"endpoints", 1,
     "create table endpoint ("
     " id text primary key, display_name text not null, storage_url text not null,"
     " read_only integer not null, owner text not null, description text not null,"
     " organization text not null, keywords text not null, default_directory text not null,"
     " daily_quota integer not null, bytes_per_second integer not null,"
     " operations_per_second integer not null, created integer not null,"
     " unique (owner, display_name)) strict;"
     "create table quota_use ("
     " endpoint text not null, hour integer not null, bytes integer not null,"
     " primary key (endpoint, hour)) strict, without rowid;"
     "create table quota_wait ("
     " endpoint text not null, task text not null, requested integer not null,"
     " primary key (endpoint, task)) strict, without rowid;"},
    {"endpoints", 2,
     "alter table endpoint add column is_public integer not null default 0;"
     "alter table endpoint add column host_endpoint text not null default '';"
     "alter table endpoint add column host_path text not null default '';"
     "create index endpoint_host on endpoint (host_endpoint) where host_endpoint <> '';"
     "create table access_rule ("
     " id text primary key, endpoint text not null, whom text not null, principal text not null,"
     " path text not null, writable integer not null, created integer not null,"
     " expires integer not null,"
     " unique (endpoint, whom, principal, path)) strict;"
     "create index access_rule_principal on access_rule (principal);"
     "create table endpoint_role ("
     " id text primary key, endpoint text not null, whom text not null, principal text not null,"
     " kind text not null, created integer not null,"
     " unique (endpoint, whom, principal, kind)) strict;"
     "create index endpoint_role_principal on endpoint_role (principal);"},
    {"endpoints", 3,
     "create table pause_rule ("
     " number integer primary key autoincrement, id text not null unique, endpoint text not null,"
     " message text not null, identity text not null, start integer not null,"
     " holds integer not null, modified_by text not null) strict;"
     "create index pause_rule_endpoint on pause_rule (endpoint);"},
    {"endpoints", 4,
     "alter table endpoint add column data_access integer not null default 0;"
     "alter table endpoint add column info text not null default '';"},
};

constexpr std::string_view kColumns =
    "id, display_name, storage_url, read_only, owner, description, organization, keywords,"
    " default_directory, daily_quota, bytes_per_second, operations_per_second, created,"
    " is_public, host_endpoint, host_path, data_access, info";

// One row of the table, as the database holds it.
struct Row {
  std::string id, display_name, storage_url;
  int read_only = 0;
  std::string owner, description, organization, keywords, default_directory;
  long long daily_quota = 0, bytes_per_second = 0, operations_per_second = 0, created = 0;
  int is_public = 0;
  std::string host_endpoint, host_path;
  int data_access = 0;
  std::string info;  // texts in the order of kEndpointInfoTexts, a line each
};

std::string join_words(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, "\n"));
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string info_lines(const EndpointInfo& info) {
  std::vector<std::string> lines;
  for (const EndpointInfoText& each : kEndpointInfoTexts) lines.push_back(info.*each.text);
  return join_words(lines);
}

EndpointInfo info_of_lines(std::string_view text) {
  EndpointInfo info;
  const std::vector<std::string> lines = split_words(text);
  for (std::size_t i = 0; i < std::min(lines.size(), std::size(kEndpointInfoTexts)); ++i)
    info.*kEndpointInfoTexts[i].text = lines[i];
  return info;
}

Row to_row(const Endpoint& endpoint) {
  Row row;
  row.id = endpoint.id;
  row.display_name = endpoint.display_name;
  row.storage_url = endpoint.storage_url;
  row.read_only = endpoint.access == Access::kRead ? 1 : 0;
  row.owner = endpoint.owner;
  row.description = endpoint.description;
  row.organization = endpoint.organization;
  row.keywords = join_words(endpoint.keywords);
  row.default_directory = endpoint.default_directory;
  row.daily_quota = static_cast<long long>(endpoint.daily_quota);
  row.bytes_per_second = static_cast<long long>(endpoint.bytes_per_second);
  row.operations_per_second = static_cast<long long>(endpoint.operations_per_second);
  row.created = endpoint.created.time_since_epoch().count();
  row.is_public = endpoint.is_public ? 1 : 0;
  row.host_endpoint = endpoint.host_endpoint;
  row.host_path = escape_bytes(endpoint.host_path.text());
  row.data_access = endpoint.requires_data_access ? 1 : 0;
  row.info = info_lines(endpoint.info);
  return row;
}

Result<Endpoint> to_endpoint(const Row& row) {
  Endpoint endpoint;
  endpoint.id = row.id;
  endpoint.display_name = row.display_name;
  endpoint.storage_url = row.storage_url;
  endpoint.access = row.read_only != 0 ? Access::kRead : Access::kReadWrite;
  endpoint.owner = row.owner;
  endpoint.description = row.description;
  endpoint.organization = row.organization;
  endpoint.keywords = split_words(row.keywords);
  endpoint.default_directory = row.default_directory;
  endpoint.daily_quota = static_cast<ByteCount>(row.daily_quota);
  endpoint.bytes_per_second = static_cast<ByteCount>(row.bytes_per_second);
  endpoint.operations_per_second = static_cast<std::uint64_t>(row.operations_per_second);
  endpoint.created = TimePoint(Duration(row.created));
  endpoint.is_public = row.is_public != 0;
  endpoint.requires_data_access = row.data_access != 0;
  endpoint.info = info_of_lines(row.info);
  endpoint.host_endpoint = row.host_endpoint;
  TRY_ASSIGN(const std::string host_path, unescape_bytes(row.host_path), "endpoint {}", row.id);
  TRY_ASSIGN(endpoint.host_path, RelPath::parse(host_path), "endpoint {}", row.id);
  return endpoint;
}

soci::details::prepare_temp_type select(soci::session& sql, std::string_view condition, Row& row) {
  return (sql.prepare << "select " << kColumns << " from endpoint " << condition,
          soci::into(row.id), soci::into(row.display_name), soci::into(row.storage_url),
          soci::into(row.read_only), soci::into(row.owner), soci::into(row.description),
          soci::into(row.organization), soci::into(row.keywords), soci::into(row.default_directory),
          soci::into(row.daily_quota), soci::into(row.bytes_per_second),
          soci::into(row.operations_per_second), soci::into(row.created), soci::into(row.is_public),
          soci::into(row.host_endpoint), soci::into(row.host_path), soci::into(row.data_access),
          soci::into(row.info));
}

Result<std::vector<Endpoint>> fetch_all(soci::statement& statement, const Row& row) {
  std::vector<Endpoint> found;
  statement.execute();
  while (statement.fetch()) {
    TRY_ASSIGN(Endpoint endpoint, to_endpoint(row));
    found.push_back(std::move(endpoint));
  }
  return found;
}

Endpoint built_in_local() {
  Endpoint endpoint;
  endpoint.id = kLocalId;
  endpoint.display_name = kLocalName;
  endpoint.storage_url = "posix:///";
  endpoint.description = "this machine, with the rights of whoever runs the command";
  return endpoint;
}

Result<void> check_text(std::string_view field, std::string_view text) {
  if (escape_bytes(text) == text) return {};
  return make_error(Code::kInvalid,
                    "{} '{}' has control characters, backslashes or bytes that are not UTF-8",
                    field, escape_bytes(text));
}

Result<void> check_name(const std::string& name) {
  TRY(check_text("endpoint name", name));
  const auto refuse = [&](std::string_view why) {
    return make_error(Code::kInvalid,
                      "endpoint name '{}' {}; use 1 to {} bytes without '/' and ':'", name, why,
                      kMaxNameLength);
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kMaxNameLength) return refuse(fmt::format("has {} bytes", name.size()));
  if (name.find_first_of("/:") != std::string::npos)
    return refuse("holds '/' or ':', which end a name in a path");
  if (is_uuid(name)) return refuse("has the form of an id");
  if (name == kLocalName) return refuse("belongs to the built-in endpoint of this machine");
  return {};
}

Result<void> check_default_directory(const std::string& directory) {
  if (directory.empty()) return {};
  if (directory.front() != '/') {
    return make_error(Code::kInvalid, "default directory '{}' is not absolute; begin it with '/'",
                      escape_bytes(directory));
  }
  TRY(RelPath::parse(directory), "default directory");
  return {};
}

Result<std::string> storage_url_of(const std::string& location) {
  if (location.find("://") != std::string::npos || location.ends_with(':')) return location;
  if (location.empty() || location.front() != '/') {
    return make_error(
        Code::kInvalid,
        "location '{}' is neither an absolute directory nor a storage URL; write it as /data",
        escape_bytes(location));
  }
  return "posix://" + location;
}

bool contains_ignoring_case(std::string_view text, std::string_view wanted) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::search(text.begin(), text.end(), wanted.begin(), wanted.end(),
                     [&](char a, char b) { return lower(a) == lower(b); }) != text.end();
}

bool matches(const Endpoint& endpoint, std::string_view text) {
  return contains_ignoring_case(endpoint.display_name, text) ||
         contains_ignoring_case(endpoint.description, text) ||
         contains_ignoring_case(endpoint.organization, text) ||
         contains_ignoring_case(join_words(endpoint.keywords), text);
}

Error unknown_endpoint(std::string_view name, const std::vector<Endpoint>& all) {
  std::vector<std::string> names;
  for (const Endpoint& endpoint : all) names.push_back(endpoint.display_name);
  const auto close = nearest(name, names);
  return make_error(Code::kNotFound, "no endpoint '{}'; {}`wherry endpoint list` shows them all",
                    escape_bytes(name),
                    close ? fmt::format("did you mean '{}'? ", *close) : std::string());
}

// There is no such directory, or something else is in its place.
bool is_away(const Error& error) {
  return error.code == Code::kNotFound || error.code == Code::kInvalid;
}

// Why a storage could not be opened, without its place on the host: clients elsewhere read it too.
Error unopened(const Endpoint& endpoint, const Error& cause) {
  const std::string& name = endpoint.display_name;
  if (is_away(cause)) return not_connected(name, "its directory is away");
  if (cause.code == Code::kDenied)
    return not_connected(name, "the service may not open its directory");
  if (cause.code == Code::kUnsupported) {
    return make_error(Code::kUnsupported,
                      "endpoint '{}': the kernel of its host has no openat2 (Linux 5.6), without "
                      "which nothing keeps paths in its directory",
                      name);
  }
  return not_connected(name, "its storage does not answer");
}

// What bounds its host bounds a guest collection.
void add_host(Endpoint& guest, const Endpoint& host) {
  if (host.access == Access::kRead) guest.access = Access::kRead;
  guest.daily_quota = host.daily_quota;
  guest.bytes_per_second = host.bytes_per_second;
  guest.operations_per_second = host.operations_per_second;
}

// Consents are to the mapped collection, whose files they are.
Error host_rules_consents(std::string_view name) {
  return make_error(Code::kInvalid,
                    "'{}' is a guest collection, which needs no data_access consent", name);
}

Error host_rules_limits(std::string_view name) {
  return make_error(Code::kInvalid,
                    "'{}' is a guest collection: its host endpoint sets quota and limits", name);
}

void add_hosts(std::vector<Endpoint>& all) {
  std::map<std::string_view, const Endpoint*> by_id;
  for (const Endpoint& endpoint : all) by_id.emplace(endpoint.id, &endpoint);
  for (Endpoint& endpoint : all) {
    const auto host = by_id.find(endpoint.host_endpoint);
    if (host != by_id.end()) add_host(endpoint, *host->second);
  }
}

Result<std::optional<Endpoint>> find_record(soci::session& sql, const EndpointId& id) {
  Row row;
  soci::statement statement = (select(sql, "where id = :id", row), soci::use(id));
  TRY_ASSIGN(std::vector<Endpoint> rows, fetch_all(statement, row));
  return rows.empty() ? std::optional<Endpoint>() : std::optional(std::move(rows.front()));
}

Result<void> check_name_is_free(soci::session& sql, const Endpoint& endpoint) {
  int taken = 0;
  sql << "select count(*) from endpoint where owner = :owner and display_name = :name and id <> "
         ":id",
      soci::use(endpoint.owner), soci::use(endpoint.display_name), soci::use(endpoint.id),
      soci::into(taken);
  if (taken == 0) return {};
  return make_error(Code::kAlreadyExists,
                    "you have an endpoint '{}' already; choose another name, or `wherry endpoint "
                    "delete` it first",
                    endpoint.display_name);
}

Result<void> insert(soci::session& sql, const Endpoint& endpoint) {
  const Row row = to_row(endpoint);
  sql << "insert into endpoint (" << kColumns
      << ") values (:id, :name, :url, :ro, :owner, :descr, :org, :keys, :dir, :quota, :bps, "
         ":ops, :created, :public, :host, :path, :access, :info)",
      soci::use(row.id), soci::use(row.display_name), soci::use(row.storage_url),
      soci::use(row.read_only), soci::use(row.owner), soci::use(row.description),
      soci::use(row.organization), soci::use(row.keywords), soci::use(row.default_directory),
      soci::use(row.daily_quota), soci::use(row.bytes_per_second),
      soci::use(row.operations_per_second), soci::use(row.created), soci::use(row.is_public),
      soci::use(row.host_endpoint), soci::use(row.host_path), soci::use(row.data_access),
      soci::use(row.info);
  return {};
}

Endpoint record_of(const NewEndpoint& request) {
  Endpoint endpoint;
  endpoint.display_name = request.display_name;
  endpoint.access = request.access;
  endpoint.owner = request.owner;
  endpoint.description = request.description;
  endpoint.organization = request.organization;
  endpoint.keywords = request.keywords;
  endpoint.default_directory = request.default_directory;
  endpoint.daily_quota = request.daily_quota;
  endpoint.bytes_per_second = request.bytes_per_second;
  endpoint.operations_per_second = request.operations_per_second;
  endpoint.is_public = request.is_public;
  endpoint.requires_data_access = request.requires_data_access;
  endpoint.info = request.info;
  endpoint.host_endpoint = request.host_endpoint;
  endpoint.host_path = request.host_path;
  return endpoint;
}

Result<void> check_change(const Endpoint& endpoint, const EndpointChange& change) {
  const bool sets_limits =
      change.daily_quota || change.bytes_per_second || change.operations_per_second;
  if (endpoint.is_guest() && sets_limits) return host_rules_limits(endpoint.display_name);
  if (endpoint.is_guest() && change.requires_data_access.value_or(false))
    return host_rules_consents(endpoint.display_name);
  if (change.display_name && *change.display_name != endpoint.display_name)
    TRY(check_name(*change.display_name));
  if (change.description) TRY(check_text("description", *change.description));
  if (change.organization) TRY(check_text("organization", *change.organization));
  for (const EndpointChange::InfoText& each : change.info)
    TRY(check_text("a text of the endpoint", each.text));
  if (change.default_directory) TRY(check_default_directory(*change.default_directory));
  return {};
}

void apply(const EndpointChange& change, Endpoint& endpoint) {
  const auto set = [](auto& field, const auto& value) {
    if (value) field = *value;
  };
  set(endpoint.display_name, change.display_name);
  set(endpoint.access, change.access);
  set(endpoint.description, change.description);
  set(endpoint.organization, change.organization);
  set(endpoint.keywords, change.keywords);
  set(endpoint.default_directory, change.default_directory);
  set(endpoint.daily_quota, change.daily_quota);
  set(endpoint.bytes_per_second, change.bytes_per_second);
  set(endpoint.operations_per_second, change.operations_per_second);
  set(endpoint.is_public, change.is_public);
  set(endpoint.requires_data_access, change.requires_data_access);
  for (const EndpointChange::InfoText& each : change.info) endpoint.info.*each.which = each.text;
}

}  // namespace

struct Endpoints::State {
  Database& database;
  Clock& clock;
  Random& random;

  struct Opened {
    std::string storage_url;
    ByteCount bytes_per_second = 0;
    std::uint64_t operations_per_second = 0;
    bool substituted = false;
    std::shared_ptr<storage::Storage> storage;
    std::shared_ptr<storage::Throttle> throttle;  // null: without bound
  };
  std::mutex mutex;
  std::map<EndpointId, Opened> opened GUARDED_BY(mutex);
  ReadCache<Endpoint> records{database};

  // What is open as the record says.
  std::optional<Opened> known(const Endpoint& endpoint) REQUIRES_LOCK(mutex) {
    const auto found = opened.find(endpoint.id);
    if (found == opened.end()) return std::nullopt;
    const Opened& one = found->second;
    const bool is_unchanged = one.storage_url == endpoint.storage_url &&
                              one.bytes_per_second == endpoint.bytes_per_second &&
                              one.operations_per_second == endpoint.operations_per_second;
    return one.substituted || is_unchanged ? std::optional(one) : std::nullopt;
  }
  Result<Opened> open(const Endpoint& endpoint);

  Result<std::vector<Endpoint>> stored(std::string_view condition) {
    return database.read([&](soci::session& sql) -> Result<std::vector<Endpoint>> {
      Row row;
      soci::statement statement = select(sql, condition, row);
      return fetch_all(statement, row);
    });
  }
  // As it is stored: of a guest, without what its host adds.
  Result<Endpoint> record(const EndpointId& id) {
    const auto load = [&]() -> Result<Endpoint> {
      const auto find = [&](soci::session& sql) { return find_record(sql, id); };
      TRY_ASSIGN(std::optional<Endpoint> found, database.read(find));
      if (!found) return no_such_endpoint(id);
      return *std::move(found);
    };
    TRY_ASSIGN(const auto endpoint, records.get(id, load));
    return *endpoint;
  }
};

Endpoints::Endpoints(Database& database, Clock& clock, Random& random)
    : state_(new State{database, clock, random, {}, {}}) {}

Endpoints::~Endpoints() = default;

Result<Endpoint> Endpoints::create(const NewEndpoint& request) {
  TRY(check_name(request.display_name));
  TRY(check_text("description", request.description));
  TRY(check_text("organization", request.organization));
  for (const std::string& keyword : request.keywords) TRY(check_text("keyword", keyword));
  for (const EndpointInfoText& each : kEndpointInfoTexts)
    TRY(check_text(each.name, request.info.*each.text));
  TRY(check_default_directory(request.default_directory));
  Endpoint endpoint = record_of(request);
  if (endpoint.is_guest()) {
    TRY(check_host(request), "endpoint '{}'", request.display_name);
  } else {
    TRY_ASSIGN(endpoint.storage_url, storage_url_of(request.location));
    TRY(storage::open_storage(endpoint.storage_url), "endpoint '{}'", request.display_name);
  }
  endpoint.id = new_uuid(state_->random);
  endpoint.created = state_->clock.now();
  const auto store = [&](soci::session& sql) -> Result<void> {
    TRY(check_name_is_free(sql, endpoint));
    return insert(sql, endpoint);
  };
  TRY(state_->database.write(store));
  return endpoint.is_guest() ? get(endpoint.id) : endpoint;
}

Result<void> Endpoints::check_host(const NewEndpoint& request) {
  if (!request.location.empty()) {
    return make_error(Code::kInvalid,
                      "a guest collection is a directory of its host endpoint: it takes no "
                      "location");
  }
  if (request.daily_quota != 0 || request.bytes_per_second != 0 ||
      request.operations_per_second != 0)
    return host_rules_limits(request.display_name);
  if (request.requires_data_access) return host_rules_consents(request.display_name);
  TRY_ASSIGN(const Endpoint host, get(request.host_endpoint), "host endpoint");
  if (host.is_guest() || host.id == kLocalId) {
    return make_error(Code::kInvalid,
                      "'{}' cannot be a host: it is {}; take an endpoint with a directory of its "
                      "own",
                      host.display_name,
                      host.is_guest() ? "a guest collection itself" : "the built-in endpoint");
  }
  TRY_ASSIGN(const auto storage, open(host));
  TRY(storage->subdirectory(request.host_path), "directory of the host endpoint '{}'",
      host.display_name);
  return {};
}

Result<Endpoint> Endpoints::update(const EndpointId& id, const EndpointChange& change) {
  if (id == kLocalId) {
    return make_error(Code::kDenied,
                      "'{}' is the built-in endpoint of this machine and cannot be changed",
                      kLocalName);
  }
  TRY_ASSIGN(Endpoint endpoint, state_->record(id));
  TRY(check_change(endpoint, change));
  apply(change, endpoint);
  const auto store = [&](soci::session& sql) -> Result<void> {
    TRY(check_name_is_free(sql, endpoint));
    const Row row = to_row(endpoint);
    sql << "update endpoint set display_name = :name, read_only = :ro, description = :descr, "
           "organization = :org,"
           " keywords = :keys, default_directory = :dir, daily_quota = :quota, bytes_per_second = "
           ":bps,"
           " operations_per_second = :ops, is_public = :public, data_access = :access,"
           " info = :info where id = :id",
        soci::use(row.display_name), soci::use(row.read_only), soci::use(row.description),
        soci::use(row.organization), soci::use(row.keywords), soci::use(row.default_directory),
        soci::use(row.daily_quota), soci::use(row.bytes_per_second),
        soci::use(row.operations_per_second), soci::use(row.is_public), soci::use(row.data_access),
        soci::use(row.info), soci::use(row.id);
    return {};
  };
  TRY(state_->database.write(store), "update endpoint '{}'", endpoint.display_name);
  return endpoint.is_guest() ? get(id) : endpoint;
}

Result<void> Endpoints::remove(const EndpointId& id) {
  if (id == kLocalId) {
    return make_error(Code::kDenied,
                      "'{}' is the built-in endpoint of this machine and cannot be deleted",
                      kLocalName);
  }
  TRY(get(id));
  return state_->database.write([&](soci::session& sql) -> Result<void> {
    for (const std::string_view table : {"access_rule", "endpoint_role", "pause_rule"}) {
      sql << "delete from " << table
          << " where endpoint = :id or endpoint in (select id from endpoint where host_endpoint ="
             " :host)",
          soci::use(id), soci::use(id);
    }
    sql << "delete from endpoint where id = :id or host_endpoint = :host", soci::use(id),
        soci::use(id);
    sql << "delete from quota_use where endpoint = :id", soci::use(id);
    sql << "delete from quota_wait where endpoint = :id", soci::use(id);
    return {};
  });
}

Result<Endpoint> Endpoints::get(const EndpointId& id) {
  if (id == kLocalId) return built_in_local();
  TRY_ASSIGN(Endpoint endpoint, state_->record(id));
  if (!endpoint.is_guest()) return endpoint;
  // A guest goes with its host, in one transaction: if that is gone by now, so is the guest.
  auto host = state_->record(endpoint.host_endpoint);
  if (!host) return host.error().code == Code::kNotFound ? no_such_endpoint(id) : host.error();
  add_host(endpoint, *host);
  return endpoint;
}

Result<Endpoint> Endpoints::resolve(std::string_view name_or_id) {
  if (is_uuid(name_or_id)) {
    std::string id(name_or_id);
    std::transform(id.begin(), id.end(), id.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    return get(id);
  }
  if (name_or_id == kLocalName) return built_in_local();
  TRY_ASSIGN(std::vector<Endpoint> all, search("", SIZE_MAX, 0));
  std::vector<Endpoint> named;
  for (Endpoint& endpoint : all) {
    if (endpoint.display_name == name_or_id) named.push_back(endpoint);
  }
  if (named.empty()) return unknown_endpoint(name_or_id, all);
  if (named.size() == 1) return std::move(named.front());
  std::string ids;
  for (const Endpoint& endpoint : named)
    ids += fmt::format("\n  {} (of {})", endpoint.id, endpoint.owner);
  return make_error(Code::kConflict, "'{}' names {} endpoints; use an id instead:{}", name_or_id,
                    named.size(), ids);
}

Result<std::vector<Endpoint>> Endpoints::search(std::string_view text, std::size_t limit,
                                                std::size_t offset) {
  TRY_ASSIGN(std::vector<Endpoint> all, state_->stored("order by display_name, id"));
  add_hosts(all);
  all.insert(all.begin(), built_in_local());
  std::stable_sort(all.begin(), all.end(), [](const Endpoint& a, const Endpoint& b) {
    return a.display_name < b.display_name;
  });
  std::vector<Endpoint> found;
  for (Endpoint& endpoint : all) {
    if (!matches(endpoint, text)) continue;
    if (offset > 0) {
      --offset;
    } else if (found.size() < limit) {
      found.push_back(std::move(endpoint));
    }
  }
  return found;
}

Result<Endpoints::State::Opened> Endpoints::State::open(const Endpoint& endpoint) {
  std::optional<Opened> before;
  {
    const std::lock_guard lock(mutex);
    before = known(endpoint);
  }
  // Without the lock: a place that hangs keeps nobody from the others.
  if (before && before->storage->is_in_place()) return *before;
  auto storage = storage::open_storage(endpoint.storage_url);
  if (!storage) return unopened(endpoint, storage.error());
  const storage::ThrottlePolicy policy{endpoint.bytes_per_second, endpoint.operations_per_second};
  Opened fresh{endpoint.storage_url,         policy.bytes_per_second,
               policy.operations_per_second, false,
               std::move(storage).value(),   nullptr};
  if (policy.bytes_per_second != 0 || policy.operations_per_second != 0)
    fresh.throttle = before ? before->throttle : storage::make_throttle(policy, clock);
  const std::lock_guard lock(mutex);
  const auto other = known(endpoint);
  if (other && (!before || other->storage != before->storage)) return *other;  // who was quicker
  opened[endpoint.id] = fresh;
  return fresh;
}

Result<std::shared_ptr<storage::Storage>> Endpoints::open(const Endpoint& endpoint,
                                                          std::stop_token stop) {
  if (endpoint.is_guest()) return open_guest(endpoint, std::move(stop));
  TRY_ASSIGN(const State::Opened opened, state_->open(endpoint));
  if (!opened.throttle) return opened.storage;
  return std::shared_ptr<storage::Storage>(
      storage::make_throttled(opened.storage, opened.throttle, std::move(stop)));
}

Result<std::shared_ptr<storage::Storage>> Endpoints::open_guest(const Endpoint& endpoint,
                                                                std::stop_token stop) {
  TRY_ASSIGN(const Endpoint host, get(endpoint.host_endpoint), "host endpoint of '{}'",
             endpoint.display_name);
  TRY_ASSIGN(const auto storage, open(host, std::move(stop)));
  auto below = storage->subdirectory(endpoint.host_path);
  if (below) return std::shared_ptr<storage::Storage>(std::move(below).value());
  if (is_away(below.error())) return not_connected(endpoint.display_name, "its directory is away");
  return std::move(below).error().with_context(fmt::format("endpoint '{}'", endpoint.display_name));
}

void Endpoints::substitute(const EndpointId& id, std::shared_ptr<storage::Storage> storage) {
  const std::lock_guard lock(state_->mutex);
  state_->opened[id] = {{}, 0, 0, true, std::move(storage), nullptr};
}

std::string place_of(const Endpoint& endpoint) {
  if (endpoint.storage_url.empty()) return fmt::format("'{}'", endpoint.display_name);
  return fmt::format("'{}' ({})", endpoint.display_name, escape_bytes(endpoint.storage_url));
}

Error not_connected(std::string_view display_name, std::string_view why) {
  return make_error(Code::kUnavailable, "endpoint '{}' is not connected: {}", display_name, why);
}

Error no_such_endpoint(const EndpointId& id) {
  return make_error(Code::kNotFound,
                    "no endpoint with the id '{}'; `wherry endpoint list` shows them all",
                    escape_bytes(id));
}

std::span<const Migration> endpoint_migrations() { return kMigrations; }

}  // namespace wherry::endpoints
