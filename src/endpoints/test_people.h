// SPDX-License-Identifier: Apache-2.0
// Who asks in tests, and for which path.
#pragma once

#include <string_view>

#include "base/path.h"

namespace wherry::endpoints {

inline constexpr const char* kAda = "aaaaaaaa-0000-4000-8000-000000000001";
inline constexpr const char* kBen = "bbbbbbbb-0000-4000-8000-000000000002";
inline constexpr const char* kGroup = "99999999-0000-4000-8000-000000000009";

inline RelPath path(std::string_view text) { return RelPath::parse(text).value(); }

}  // namespace wherry::endpoints
