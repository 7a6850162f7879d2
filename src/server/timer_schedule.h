// SPDX-License-Identifier: Apache-2.0
// When a timer runs: pure decisions. Times are Clock::now(), since clients name them.
//
// Not SyncSchedule (sync/schedule.h): that one counts from the end of a pass on a clock that never
// jumps and looks at directories; a timer keeps to a grid of wall-clock times over restarts and
// counts its runs.
#pragma once

#include <optional>

#include "api/timer_documents.h"

namespace wherry::server {

// When the run after the one that was due at `due` is due, when `runs` are over and it is `now`.
// Nothing: the timer has ended. The runs that `now` is past are left out, so that after a pause or
// a down time one run makes up for all of them; and no time is given twice, even if the clock went
// back.
std::optional<TimePoint> run_after(const api::TimerSchedule& schedule, TimePoint due,
                                   std::uint64_t runs, TimePoint now);

}  // namespace wherry::server
