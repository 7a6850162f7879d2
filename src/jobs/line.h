// SPDX-License-Identifier: Apache-2.0
// Which of the jobs that wait in line are started next. Pure.
//
// The oldest come first. One for which there is no room is passed by those behind it that have
// room, so that a large job leaves nothing idle while it waits; but not for ever: after `patience`
// nobody passes it any more, and what becomes free is kept for it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/types.h"
#include "jobs/room.h"
#include "jobs/types.h"

namespace wherry::jobs {

struct InLine {
  const Resources* resources = nullptr;
  std::optional<Duration> passed_since = {};  // monotonic: when another was first started before it
};

struct LineOptions {
  // So many more, beside those that have room now, because room is about to be free: only jobs that
  // need no more than what the last one gives back.
  std::size_t ahead = 0;
  Duration now{0};       // monotonic
  Duration patience{0};  // 0: nobody is ever passed
};

// Their places in the line: those that have room, in its order, and then the others. Notes who is
// passed. `room` is a copy: nothing is taken.
std::vector<std::size_t> next_in_line(Room room, std::span<InLine> line,
                                      const LineOptions& options);
// Whether nobody may be added to the line, because somebody in it is not to be passed any more.
bool is_kept_waiting(std::span<const InLine> line, const LineOptions& options);

}  // namespace wherry::jobs
