// SPDX-License-Identifier: Apache-2.0
// Endpoints: named places that hold files. Records in the state database, names resolved to ids,
// and the open storage behind each.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/path.h"
#include "base/random.h"
#include "base/result.h"
#include "storage/storage.h"

namespace wherry::endpoints {

using EndpointId = std::string;  // a UUID in lower case

// The built-in endpoint "local": the whole machine with the caller's own rights.
inline constexpr std::string_view kLocalId = "00000000-0000-4000-8000-00006c6f6361";
inline constexpr std::string_view kLocalName = "local";

enum class Access { kRead, kReadWrite };

// What the owner tells people about an endpoint; Wherry keeps it and does nothing with it.
struct EndpointInfo {
  std::string department;
  std::string contact_email;
  std::string contact_info;
  std::string info_link;
  std::string user_message;
  std::string user_message_link;
  friend bool operator==(const EndpointInfo&, const EndpointInfo&) = default;
};
// Its texts by their names in documents; stored in this order, so append only.
struct EndpointInfoText {
  std::string_view name;
  std::string EndpointInfo::*text;
};
inline constexpr EndpointInfoText kEndpointInfoTexts[] = {
    {"department", &EndpointInfo::department},
    {"contact_email", &EndpointInfo::contact_email},
    {"contact_info", &EndpointInfo::contact_info},
    {"info_link", &EndpointInfo::info_link},
    {"user_message", &EndpointInfo::user_message},
    {"user_message_link", &EndpointInfo::user_message_link},
};

struct Endpoint {
  EndpointId id;
  std::string display_name;
  std::string storage_url;  // "posix:///data"; see storage/backends.h
  Access access = Access::kReadWrite;
  std::string owner;
  std::string description;
  std::string organization;
  std::vector<std::string> keywords;
  std::string default_directory;   // absolute within the endpoint; empty means "/"
  ByteCount daily_quota = 0;       // bytes written to it in any 24 hours; 0: no bound
  ByteCount bytes_per_second = 0;  // bandwidth bound; 0: none
  std::uint64_t operations_per_second = 0;
  bool is_public = false;  // everybody may know of it; what they may do, access rules say
  // Who uses it through the service must have consented to `data_access` on it. Not of guest
  // collections, nor asked of whoever works here.
  bool requires_data_access = false;
  EndpointInfo info;
  // Of a guest collection: the endpoint whose directory it is. Storage, limits and quota are the
  // host's; `access` is kRead if either is read-only.
  EndpointId host_endpoint;
  RelPath host_path;
  TimePoint created;

  bool is_guest() const { return !host_endpoint.empty(); }
  // Whose daily quota what is written here counts against.
  const EndpointId& quota_endpoint() const { return is_guest() ? host_endpoint : id; }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct NewEndpoint {
  std::string display_name;
  std::string location;  // an absolute directory of this host, or a storage URL
  // Instead of a location, for a guest collection: a directory of another endpoint, which is no
  // guest itself nor the built-in one. It takes its limits from there; give none.
  EndpointId host_endpoint = {};
  RelPath host_path = {};
  Access access = Access::kReadWrite;
  std::string owner;
  std::string description;
  std::string organization;
  std::vector<std::string> keywords;
  std::string default_directory;
  ByteCount daily_quota = 0;
  ByteCount bytes_per_second = 0;
  std::uint64_t operations_per_second = 0;
  bool is_public = false;
  bool requires_data_access = false;
  EndpointInfo info = {};
};

// Fields that are set are changed.
struct EndpointChange {
  std::optional<std::string> display_name;
  std::optional<Access> access;
  std::optional<std::string> description;
  std::optional<std::string> organization;
  std::optional<std::vector<std::string>> keywords;
  std::optional<std::string> default_directory;
  std::optional<ByteCount> daily_quota;
  std::optional<ByteCount> bytes_per_second;
  std::optional<std::uint64_t> operations_per_second;
  std::optional<bool> is_public;
  std::optional<bool> requires_data_access = {};
  struct InfoText {
    std::string EndpointInfo::*which = nullptr;
    std::string text;  // empty clears it
  };
  std::vector<InfoText> info = {};
};

// Safe for concurrent calls. Knows the built-in endpoint as well as the stored ones.
class Endpoints {
 public:
  // `database` must outlive it and is migrated by the caller with endpoint_migrations().
  Endpoints(Database& database, Clock& clock, Random& random);
  ~Endpoints();

  // kInvalid for a bad name (1 to 128 bytes of UTF-8, no '/' or ':', not a UUID), a location that
  // is no absolute directory or unknown URL; kAlreadyExists if the owner has one of that name.
  // Whether the owner may use a host endpoint is the caller's to ask (permissions.h).
  Result<Endpoint> create(const NewEndpoint& request);
  Result<Endpoint> update(const EndpointId& id, const EndpointChange& change);
  // With its rules of any kind, roles and guest collections; the data stays. kDenied for the
  // built-in one.
  Result<void> remove(const EndpointId& id);

  Result<Endpoint> get(const EndpointId& id);
  // A UUID or a display name. kNotFound names the nearest existing name; kConflict when several
  // endpoints bear the name lists their ids.
  Result<Endpoint> resolve(std::string_view name_or_id);
  // Sorted by name. `text` is looked for in name, description, organization and keywords, without
  // regard to case; empty finds all.
  Result<std::vector<Endpoint>> search(std::string_view text, std::size_t limit,
                                       std::size_t offset);

  // The open storage, throttled as the record says; the same one for repeated calls while the
  // record is unchanged. One that is throttled is a new object each time, which shares the throttle
  // and waits for it until `stop`. So is that of a guest collection, confined to its directory.
  // Valid as long as the pointer is held.
  // kUnavailable if the endpoint is not connected: its directory was removed, say, or unmounted.
  // The message does not tell where that is, which is for local users alone; see place_of().
  Result<std::shared_ptr<storage::Storage>> open(const Endpoint& endpoint,
                                                 std::stop_token stop = {});
  // Puts `storage` behind an endpoint in place of what its URL says (tests and simulation).
  void substitute(const EndpointId& id, std::shared_ptr<storage::Storage> storage);

 private:
  Result<void> check_host(const NewEndpoint& request);
  Result<std::shared_ptr<storage::Storage>> open_guest(const Endpoint& endpoint,
                                                       std::stop_token stop);

  struct State;
  std::unique_ptr<State> state_;
};

// Where the endpoint is, for messages to local users: "'lab' (posix:///data/lab)".
std::string place_of(const Endpoint& endpoint);

// kUnavailable: the endpoint is there and its files are away.
Error not_connected(std::string_view display_name, std::string_view why);
// kNotFound, in the same words wherever an id leads nowhere.
Error no_such_endpoint(const EndpointId& id);

std::span<const Migration> endpoint_migrations();

}  // namespace wherry::endpoints
