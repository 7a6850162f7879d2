// SPDX-License-Identifier: Apache-2.0
#include "sync/sync.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "sync/cron.h"

namespace wherry::sync {
namespace {

constexpr std::size_t kMaxNameLength = 64;
constexpr Duration kMaxSettle = std::chrono::hours(24);
constexpr Duration kMinEvery = std::chrono::seconds(1);

// The name is that of files, too.
Result<void> check_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxNameLength && name[0] != '.' &&
                    name[0] != '-' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return make_error(Code::kInvalid,
                    "sync name '{}': use 1 to {} letters, digits, '-', '_' and '.', beginning with "
                    "a letter, digit or '_'",
                    escape_bytes(name), kMaxNameLength);
}

Result<void> check_numbers(const SyncDefinition& definition) {
  if (definition.max_delete < 0 || definition.max_delete > 100)
    return make_error(Code::kInvalid, "max-delete: {} is no percentage", definition.max_delete);
  if (definition.settle < Duration(0) || definition.settle > kMaxSettle)
    return make_error(Code::kInvalid, "settle: use a time from 0 to 24h");
  if (definition.batch_size < 1 || definition.batch_size > tasks::kMaxItems) {
    return make_error(Code::kInvalid, "batch size {}: use 1 to {}", definition.batch_size,
                      tasks::kMaxItems);
  }
  if (definition.full_every < Duration(0))
    return make_error(Code::kInvalid, "full-every: a time cannot be negative");
  if (definition.every != Duration(0) && definition.every < kMinEvery)
    return make_error(Code::kInvalid, "every: use at least 1s");
  if (definition.every != Duration(0) && !definition.cron.empty())
    return make_error(Code::kInvalid, "use either every or cron, not both");
  if (!definition.cron.empty()) TRY(CronSchedule::parse(definition.cron));
  if (definition.label_pattern.empty() || definition.label_pattern.size() > 64)
    return make_error(Code::kInvalid, "label pattern: use 1 to 64 bytes, as for strftime(3)");
  for (const engine::FilterRule& rule : definition.filters) {
    if (rule.pattern.empty() || rule.pattern.find('/') != std::string::npos) {
      return make_error(Code::kInvalid, "filter '{}': a pattern is for names, without '/'",
                        escape_bytes(rule.pattern));
    }
  }
  return {};
}

// The host's path of a place, with symlinks resolved as far as it exists; empty if it has none.
Result<std::string> real_path(tasks::TransferService& service, const Place& place) {
  TRY_ASSIGN(auto root, service.host_directory(place.endpoint));
  RelPath existing = place.path;
  if (!place.host.empty()) {
    root = place.host;
    existing = RelPath();
  }
  if (!root) return std::string();
  std::string rest;
  for (;;) {
    const std::string path = existing.is_root() ? *root : *root + "/" + existing.text();
    if (char* resolved = ::realpath(path.c_str(), nullptr); resolved != nullptr) {
      std::string whole = resolved;
      ::free(resolved);
      if (whole == "/") whole.clear();
      return whole + rest;
    }
    if (existing.is_root()) return *root + rest;
    rest = "/" + std::string(existing.name()) + rest;
    existing = existing.parent();
  }
}

bool contains(const std::string& outer, const std::string& inner) {
  return inner.starts_with(outer) && (inner.size() == outer.size() || inner[outer.size()] == '/');
}

}  // namespace

SyncService::SyncService(Parts parts)
    : store_(parts.database),
      claims_(parts.database, parts.clock),
      parts_{parts.service,
             store_,
             claims_,
             parts.clock,
             {std::move(parts.directory)},
             std::move(parts.owner),
             std::move(parts.fault),
             std::move(parts.service_of)} {}

Result<void> SyncService::check_places(SyncDefinition& definition) {
  TRY_ASSIGN(const PassParts parts, parts_for(parts_, definition));
  tasks::TransferService& service = parts.service;
  TRY_ASSIGN(const endpoints::Endpoint source, service.endpoint(definition.source.endpoint));
  TRY_ASSIGN(const endpoints::Endpoint target, service.endpoint(definition.target.endpoint));
  definition.source.endpoint = source.id;
  definition.target.endpoint = target.id;
  if (target.access == endpoints::Access::kRead)
    return make_error(Code::kDenied, "endpoint '{}' is read-only, nothing can be mirrored to it",
                      target.display_name);
  if (!definition.source.path.is_root()) {
    TRY_ASSIGN(const tasks::FileInfo there, service.stat(source.id, definition.source.path),
               "source");
    if (there.attributes.type != storage::EntryType::kDirectory) {
      return make_error(Code::kInvalid, "source '{}:/{}' is no directory", source.display_name,
                        escape_bytes(definition.source.path.text()));
    }
  }
  const auto overlap = [&] {
    return make_error(Code::kInvalid,
                      "source and target overlap: a directory cannot be mirrored into itself");
  };
  if (source.id == target.id && (definition.source.path.is_within(definition.target.path) ||
                                 definition.target.path.is_within(definition.source.path)))
    return overlap();
  TRY_ASSIGN(const std::string from, real_path(service, definition.source));
  TRY_ASSIGN(const std::string to, real_path(service, definition.target));
  if (!from.empty() && !to.empty() && (contains(from, to) || contains(to, from))) return overlap();
  return {};
}

Result<void> SyncService::validate(SyncDefinition& definition) {
  TRY(check_name(definition.name));
  TRY(check_numbers(definition));
  return check_places(definition);
}

Result<SyncDefinition> SyncService::add(SyncDefinition definition) {
  TRY(validate(definition));
  definition.created = parts_.clock.now();
  TRY(store_.add(definition));
  return definition;
}

Result<SyncDefinition> SyncService::update(SyncDefinition definition) {
  TRY_ASSIGN(const SyncDefinition before, store_.get(definition.name));
  TRY(validate(definition));
  if (definition.source != before.source || definition.target != before.target) {
    return make_error(Code::kInvalid,
                      "the source and target of sync '{}' cannot be changed; add another sync",
                      definition.name);
  }
  definition.created = before.created;
  TRY(store_.update(definition));
  return definition;
}

Result<void> SyncService::remove(std::string_view name) {
  TRY(store_.get(name));
  TRY_ASSIGN(const tasks::Claim claim, parts_.claims.acquire(kSyncClaim, name));
  TRY(store_.remove(name));
  for (const std::string& file : {parts_.files.catalog(name), parts_.files.journal(name)})
    ::unlink(file.c_str());
  return {};
}

Result<void> SyncService::set_paused(std::string_view name, bool paused) {
  TRY_ASSIGN(SyncDefinition definition, store_.get(name));
  definition.paused = paused;
  return store_.update(definition);
}

Result<void> SyncService::pause(std::string_view name) { return set_paused(name, true); }
Result<void> SyncService::resume(std::string_view name) { return set_paused(name, false); }

Result<SyncDefinition> SyncService::get(std::string_view name) { return store_.get(name); }
Result<std::vector<SyncDefinition>> SyncService::list() { return store_.list(); }

Result<std::vector<PassRecord>> SyncService::history(std::string_view name, std::size_t limit) {
  TRY(store_.get(name));
  return store_.history(name, limit);
}

Result<SyncStatus> SyncService::status(std::string_view name) {
  SyncStatus status;
  TRY_ASSIGN(status.definition, store_.get(name));
  TRY_ASSIGN(const std::vector<PassRecord> last, store_.history(name, 1));
  if (!last.empty()) status.last = last.front();
  TRY_ASSIGN(status.interrupted, store_.unfinished_pass(name));
  TRY_ASSIGN(status.failures, store_.failures(name));
  TRY_ASSIGN(status.holder, parts_.claims.holder(kSyncClaim, name));
  auto catalog = catalog::Reader::open(parts_.files.catalog(name));
  if (catalog) {
    status.known = (*catalog)->totals();
  } else if (catalog.error().code != Code::kNotFound) {
    return std::move(catalog).error();
  }
  return status;
}

Result<PassReport> SyncService::run(std::string_view name, const PassOptions& options,
                                    std::stop_token stop) {
  TRY_ASSIGN(const SyncDefinition definition, store_.get(name));
  if (definition.paused && !options.dry_run) {
    return make_error(Code::kConflict, "sync '{}' is paused; `wherry sync resume {}` lets it run",
                      name, name);
  }
  return run_pass(parts_, definition, options, std::move(stop));
}

Result<void> SyncService::take_over(std::string_view name) {
  TRY(store_.get(name));
  return claims_.take_from_other_host(kSyncClaim, name);
}

Result<void> SyncService::watch(const WatchOptions& options, std::stop_token stop) {
  return watch_syncs(parts_, options, std::move(stop));
}

Result<VerifyReport> SyncService::verify(std::string_view name, std::size_t threads,
                                         std::stop_token stop) {
  TRY_ASSIGN(const SyncDefinition definition, store_.get(name));
  return verify_sync(parts_, definition, threads, std::move(stop));
}

Result<RebuildReport> SyncService::rebuild(std::string_view name, std::stop_token stop) {
  TRY_ASSIGN(const SyncDefinition definition, store_.get(name));
  return rebuild_sync(parts_, definition, std::move(stop));
}

}  // namespace wherry::sync
