// SPDX-License-Identifier: Apache-2.0
// Says which mutex guards a field; clang's -Wthread-safety checks it, other compilers ignore it.
#pragma once

#if defined(__clang__)
#define GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define REQUIRES_LOCK(mutex) __attribute__((exclusive_locks_required(mutex)))
#else
#define GUARDED_BY(mutex)
#define REQUIRES_LOCK(mutex)
#endif
