// SPDX-License-Identifier: Apache-2.0
// Pause rules: what those who look after an endpoint hold back on it for a while. A task that a
// rule holds back waits and goes on when the rule is gone; a file operation is refused.
#pragma once

#include <bitset>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "endpoints/endpoint.h"

namespace wherry::endpoints {

// What a rule can hold back. The numbers are stored.
enum class Pausable {
  kList = 0,
  kMakeDirectory = 1,
  kSymlink = 2,
  kRename = 3,
  kDelete = 4,  // tasks that delete
  kWrite = 5,   // tasks that write to the endpoint
  kRead = 6,    // tasks that read from it
};
inline constexpr std::size_t kPausables = 7;

struct PauseRule {
  std::string id;                       // a UUID in lower case
  EndpointId endpoint;                  // and the guest collections on it
  std::string message;                  // to those who are held back
  std::string identity = {};            // whom it holds back; empty: everybody
  std::optional<TimePoint> start = {};  // from then on; nothing: at once
  std::bitset<kPausables> holds = {};   // by Pausable
  std::string modified_by = {};

  bool holds_back(Pausable what) const { return holds.test(static_cast<std::size_t>(what)); }
  friend bool operator==(const PauseRule&, const PauseRule&) = default;
};

// Who wants to do what.
struct PausableAction {
  const Endpoint& endpoint;
  std::string_view identity;
  Pausable what = Pausable::kList;
};
// Those of `rules` that hold it back, whatever their start.
std::vector<PauseRule> holding(std::span<const PauseRule> rules, const PausableAction& action);

// Fields that are set are changed; an empty start is taken away.
struct PauseRuleChange {
  std::optional<std::string> message;
  std::optional<std::optional<TimePoint>> start;
  std::bitset<kPausables> known = {};  // what of `holds` is changed
  std::bitset<kPausables> holds = {};
  std::string modified_by;
};

inline constexpr std::size_t kMaxPauseRules = 100;  // of one endpoint

// Safe for concurrent calls, in several processes. The database is migrated with
// endpoint_migrations().
class PauseRules {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
  };
  explicit PauseRules(const Parts& parts) : parts_(parts) {}

  // The id is given here. kInvalid for a message that is too long or not printable; kConflict if
  // the endpoint has too many.
  Result<PauseRule> create(PauseRule rule);
  Result<PauseRule> get(std::string_view id);
  Result<PauseRule> update(std::string_view id, const PauseRuleChange& change);
  Result<void> remove(std::string_view id);
  // Of these endpoints, in the order of creation.
  Result<std::vector<PauseRule>> of(std::span<const EndpointId> endpoints);
  // All whose start has come.
  Result<std::vector<PauseRule>> in_force();

  // kConflict, with the message of the rule, if one that is in force holds the action back.
  Result<void> check(const PausableAction& action);

 private:
  Parts parts_;
};

}  // namespace wherry::endpoints
