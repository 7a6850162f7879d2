// SPDX-License-Identifier: Apache-2.0
#include "storage/testing/faulty.h"

#include "base/check.h"

namespace wherry::storage {

void Faults::at(std::uint64_t number, const Fault& fault) {
  CHECK(number > 0);
  const std::lock_guard lock(mutex_);
  at_.emplace(number, fault);
}

void Faults::on(Operation operation, const Fault& fault, std::uint64_t times, std::uint64_t skip) {
  const std::lock_guard lock(mutex_);
  of_kind_.push_back({operation, fault, times, skip});
}

void Faults::randomly(std::uint64_t seed, double probability, std::vector<Fault> faults) {
  CHECK(probability >= 0 && probability <= 1 && !faults.empty());
  const std::lock_guard lock(mutex_);
  random_.emplace(seed);
  probability_ = probability;
  random_faults_ = std::move(faults);
}

void Faults::die() {
  const std::lock_guard lock(mutex_);
  dead_ = true;
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  at_.clear();
  of_kind_.clear();
  random_.reset();
  dead_ = false;
}

std::uint64_t Faults::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t Faults::count(Operation operation) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(operation);
  return found == counts_.end() ? 0 : found->second;
}

bool Faults::dead() const {
  const std::lock_guard lock(mutex_);
  return dead_;
}

std::uint64_t Faults::struck() const {
  const std::lock_guard lock(mutex_);
  return struck_;
}

Faults::Numbered Faults::begin(Operation operation) {
  const std::lock_guard lock(mutex_);
  if (dead_) return {operations_, Fault{.kind = Fault::Kind::kDie}};
  ++operations_;
  ++counts_[operation];
  Numbered numbered{operations_, choose(operation, operations_)};
  if (numbered.fault) ++struck_;
  if (numbered.fault && numbered.fault->kind == Fault::Kind::kDie) dead_ = true;
  return numbered;
}

std::optional<Fault> Faults::choose(Operation operation, std::uint64_t number) {
  if (const auto found = at_.find(number); found != at_.end()) return found->second;
  for (OfKind& rule : of_kind_) {
    if (rule.operation != operation || rule.times == 0) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    --rule.times;
    return rule.fault;
  }
  if (random_) {
    constexpr std::uint64_t kParts = 1U << 30;
    const bool strikes =
        random_->below(kParts) < static_cast<std::uint64_t>(probability_ * double{kParts});
    if (strikes) return random_faults_[random_->below(random_faults_.size())];
  }
  return std::nullopt;
}

class FaultyStorage : public Decorator {
 public:
  FaultyStorage(std::unique_ptr<Storage> inner, Faults& faults, Clock& clock)
      : Decorator(std::move(inner)), faults_(faults), clock_(clock) {}
  FaultyStorage(Storage& inner, Faults& faults, Clock& clock)
      : Decorator(inner), faults_(faults), clock_(clock) {}

 protected:
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    const auto [number, fault] = faults_.begin(call.operation);
    if (!fault) return body();
    const auto error = [&, operation_number = number](Code code) {
      return make_error(code, "injected fault at operation {} ({})", operation_number,
                        to_string(call.operation));
    };
    switch (fault->kind) {
      case Fault::Kind::kFail:
        return error(fault->code);
      case Fault::Kind::kFailAfter:
        TRY(body());
        return error(fault->code);
      case Fault::Kind::kDelay:
        (void)clock_.sleep(fault->delay, {});
        return body();
      case Fault::Kind::kTruncate:
        return truncate(call, body, error(fault->code));
      case Fault::Kind::kFlip:
        return flip(call, body);
      case Fault::Kind::kNoSpace:
        return error(Code::kNoSpace);
      case Fault::Kind::kDie:
        return error(Code::kUnavailable);
    }
    return error(Code::kBug);
  }
  bool keeps_temporaries() const override { return faults_.dead(); }

 private:
  static bool is_read(const Call& call) {
    return call.operation == Operation::kRead || call.operation == Operation::kReadBack;
  }

  static Result<void> truncate(Call& call, const std::function<Result<void>()>& body, Error error) {
    if (is_read(call)) {
      TRY(body());
      call.bytes /= 2;
      return {};
    }
    if (call.operation == Operation::kWrite)
      TRY((*call.write_other)(call.written.first(call.written.size() / 2)));
    return error;
  }

  static Result<void> flip(Call& call, const std::function<Result<void>()>& body) {
    if (call.operation == Operation::kWrite && !call.written.empty()) {
      std::string wrong(call.written.begin(), call.written.end());
      wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] ^ 1);
      return (*call.write_other)(wrong);
    }
    TRY(body());
    if (is_read(call) && !call.read.empty()) {
      char& byte = call.read[call.read.size() / 2];
      byte = static_cast<char>(byte ^ 1);
    }
    return {};
  }

  Faults& faults_;
  Clock& clock_;
};

std::unique_ptr<Storage> make_faulty(std::unique_ptr<Storage> inner, Faults& faults, Clock& clock) {
  return std::make_unique<FaultyStorage>(std::move(inner), faults, clock);
}

std::unique_ptr<Storage> make_faulty(Storage& inner, Faults& faults, Clock& clock) {
  return std::make_unique<FaultyStorage>(inner, faults, clock);
}

}  // namespace wherry::storage
