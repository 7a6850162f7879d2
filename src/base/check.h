// SPDX-License-Identifier: Apache-2.0
// CHECK: an assertion that stays on in every build. It is for bugs, never for what the world can do
// to a program (that is Result, in result.h).
#pragma once

namespace wherry::internal {
// Prints the failed condition with its place and aborts. Never returns.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace wherry::internal

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::wherry::internal::check_failed(#condition, __FILE__, __LINE__))
