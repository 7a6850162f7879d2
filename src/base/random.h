// SPDX-License-Identifier: Apache-2.0
// Randomness as a constructor argument: identifiers and back-off jitter. A seed replays a run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wherry {

// Safe for concurrent calls. The owner outlives every user.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
};

// The kernel's generator; lives for ever.
Random& system_random();

// A sequence that depends on the seed alone (splitmix64, with atomic state).
class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

// A version 4 UUID in lower case, 36 characters (RFC 9562, section 5.4).
std::string new_uuid(Random& random);
// Whether `text` has the form of a UUID, in either case.
bool is_uuid(std::string_view text);

}  // namespace wherry
