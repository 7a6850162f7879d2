// SPDX-License-Identifier: Apache-2.0
// Any bytes as a list of scopes: what is accepted is written back in a form that reads the same.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "server/scopes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto scopes = wherry::server::parse_scopes(bytes);
  if (scopes) {
    const std::string text = wherry::server::format_scopes(*scopes);
    CHECK(text.size() <= size);
    const auto again = wherry::server::parse_scopes(text);
    CHECK(again && *again == *scopes);
    CHECK(wherry::server::flatten_scopes(*scopes).size() >= scopes->size());
    for (const auto& scope : *scopes) (void)wherry::server::resource_server_of(scope.name);
  }
  (void)wherry::server::resource_server_of(bytes);
  return 0;
}
