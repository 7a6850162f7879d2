// SPDX-License-Identifier: Apache-2.0
// Says which mutex guards a field, and which functions need it held: for the reader. The compiler
// does not check it, because libstdc++'s std::mutex lacks the annotations that clang's analysis
// goes by; the tsan preset does.
#pragma once

#define GUARDED_BY(mutex)
#define REQUIRES_LOCK(mutex)
