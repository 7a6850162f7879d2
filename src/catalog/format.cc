// SPDX-License-Identifier: Apache-2.0
#include "catalog/format.h"

#include "base/check.h"

namespace wherry::catalog {
namespace {

// The zigzag numbers of a column under one transform, without storing them.
class Numbers {
 public:
  Numbers(Transform transform, std::span<const std::uint64_t> values,
          std::span<const std::uint64_t> reference)
      : transform_(transform), values_(values), reference_(reference) {}

  std::uint64_t at(std::size_t i) const {
    switch (transform_) {
      case Transform::kValue:
        return zigzag(values_[i]);
      case Transform::kDelta:
        return zigzag(values_[i] - (i == 0 ? 0 : values_[i - 1]));
      case Transform::kOffset:
        return zigzag(values_[i] - reference_[i]);
    }
    CHECK(false);
  }
  // The end of the run of equal numbers that begins at `i`.
  std::size_t run_end(std::size_t i) const {
    const std::uint64_t number = at(i);
    do {
      ++i;
    } while (i < values_.size() && at(i) == number);
    return i;
  }

 private:
  Transform transform_;
  std::span<const std::uint64_t> values_;
  std::span<const std::uint64_t> reference_;
};

struct Form {
  Transform transform = Transform::kValue;
  bool runs = false;
  std::size_t size = 0;
};

Form smaller_of(const Form& a, const Form& b) { return b.size < a.size ? b : a; }

// The better of plain numbers and runs for one transform.
Form best_layout(Transform transform, const Numbers& numbers, std::size_t count) {
  Form plain{transform, false, 0};
  Form runs{transform, true, 0};
  for (std::size_t i = 0; i < count;) {
    const std::size_t end = numbers.run_end(i);
    const std::size_t size = varint_size(numbers.at(i));
    plain.size += size * (end - i);
    runs.size += size + varint_size(end - i - 1);
    i = end;
  }
  return smaller_of(plain, runs);
}

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

std::size_t varint_size(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

void append_column(std::string& out, std::span<const std::uint64_t> values,
                   std::span<const std::uint64_t> reference) {
  CHECK(reference.empty() || reference.size() == values.size());
  if (values.empty()) return;
  const auto form_of = [&](Transform transform) {
    return best_layout(transform, Numbers(transform, values, reference), values.size());
  };
  Form form = smaller_of(form_of(Transform::kValue), form_of(Transform::kDelta));
  if (!reference.empty()) form = smaller_of(form, form_of(Transform::kOffset));

  const Numbers numbers(form.transform, values, reference);
  out += static_cast<char>(static_cast<std::uint8_t>(form.transform) | (form.runs ? kRunsBit : 0));
  for (std::size_t i = 0; i < values.size();) {
    const std::size_t end = form.runs ? numbers.run_end(i) : i + 1;
    if (form.runs) append_varint(out, end - i - 1);
    append_varint(out, numbers.at(i));
    i = end;
  }
}

}  // namespace wherry::catalog
