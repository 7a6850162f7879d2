// SPDX-License-Identifier: Apache-2.0
// Any bytes as a path: what is accepted is in normal form, and escaping loses nothing.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/path.h"

namespace {

void check_normal_form(const wherry::RelPath& path) {
  const auto again = wherry::RelPath::parse(path.text());
  CHECK(again && *again == path);
  for (wherry::RelPath step = path; !step.is_root(); step = step.parent()) {
    CHECK(!step.name().empty() && step.name() != "." && step.name() != "..");
    CHECK(step.parent().child(step.name()) == step);
    CHECK(path.is_within(step) && step.join(path.relative_to(step)) == path);
    CHECK(step.parent() < step);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string escaped = wherry::escape_bytes(bytes);
  CHECK(escaped.find('\n') == std::string::npos);
  CHECK(wherry::unescape_bytes(escaped).value() == bytes);
  if (const auto plain = wherry::unescape_bytes(bytes)) CHECK(plain->size() <= size);

  const std::size_t half = size / 2;
  const auto first = wherry::RelPath::parse(bytes.substr(0, half));
  const auto second = wherry::RelPath::parse(bytes.substr(half));
  if (first) check_normal_form(*first);
  if (first && second) {
    CHECK((*first < *second) == (*second > *first));
    CHECK((*first == *second) == ((*first <=> *second) == 0));
  }
  return 0;
}
