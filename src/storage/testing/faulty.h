// SPDX-License-Identifier: Apache-2.0
// A storage that goes wrong on purpose: the test decorator of choice, in place of mocks. The test
// keeps a Faults, into which it writes what is to go wrong, and from which it reads what was done:
//
//   Faults faults;
//   faults.at(7, {.kind = Fault::Kind::kFail});               // the seventh operation fails
//   faults.on(Operation::kCommit, {.kind = Fault::Kind::kDie});  // killed at the first commit
//   const auto target = make_faulty(*memory, faults, clock);
//
// To try every point of failure of something, run it once, read operations(), then run it again on
// fresh storages with at(1), at(2), … up to that number. A power cut at an operation is a kDie
// there, and lose_power(memory) afterwards.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "storage/decorator.h"

namespace wherry::storage {

struct Fault {
  enum class Kind {
    kFail,       // fails with `code`, and nothing was done
    kFailAfter,  // it is done, and yet answers `code`, as when a connection breaks before the
                 // answer
    kDelay,      // takes `delay` longer, by the clock
    kTruncate,   // a read brings half of its bytes; a write stores half of them and fails with
                 // `code`; any other operation fails as by kFail
    kFlip,       // the lowest bit of the middle byte of what is read or written is turned over,
                 // silently; other operations are not affected
    kNoSpace,    // fails with kNoSpace, and nothing was done
    kDie,        // fails, as does every later call: the process was killed before this operation
  };
  Kind kind = Kind::kFail;
  Code code = Code::kUnavailable;
  Duration delay{0};
};

// What is to go wrong, and what happened. Operations are numbered from 1 in the order in which they
// begin; those of several storages may share one Faults. Safe for concurrent calls.
class Faults {
 public:
  // At the operation of that number.
  void at(std::uint64_t number, const Fault& fault);
  // At the next `times` operations of that kind, and after `skip` of them.
  void on(Operation operation, const Fault& fault, std::uint64_t times = 1, std::uint64_t skip = 0);
  // At every operation with that probability, one of `faults`; the seed alone decides.
  void randomly(std::uint64_t seed, double probability, std::vector<Fault> faults);
  // From now on every call fails with kUnavailable, and reaches nothing. Temporaries stay behind.
  void die();
  // Forgets all faults, also that it died. The counters stay.
  void clear();

  std::uint64_t operations() const;
  std::uint64_t count(Operation operation) const;
  bool dead() const;
  // How many faults struck.
  std::uint64_t struck() const;

 private:
  friend class FaultyStorage;
  struct Numbered {
    std::uint64_t number = 0;
    std::optional<Fault> fault;
  };
  Numbered begin(Operation operation);
  std::optional<Fault> choose(Operation operation, std::uint64_t number);

  struct OfKind {
    Operation operation;
    Fault fault;
    std::uint64_t times;
    std::uint64_t skip;
  };
  mutable std::mutex mutex_;
  std::multimap<std::uint64_t, Fault> at_;
  std::vector<OfKind> of_kind_;
  std::optional<SeededRandom> random_;
  double probability_ = 0;
  std::vector<Fault> random_faults_;
  std::map<Operation, std::uint64_t> counts_;
  std::uint64_t operations_ = 0;
  std::uint64_t struck_ = 0;
  bool dead_ = false;
};

// `faults` and `clock` (and a lent `inner`) outlive the storage.
std::unique_ptr<Storage> make_faulty(std::unique_ptr<Storage> inner, Faults& faults, Clock& clock);
std::unique_ptr<Storage> make_faulty(Storage& inner, Faults& faults, Clock& clock);

}  // namespace wherry::storage
