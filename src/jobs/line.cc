// SPDX-License-Identifier: Apache-2.0
#include "jobs/line.h"

#include <algorithm>

namespace wherry::jobs {
namespace {

bool is_out_of_patience(const InLine& one, const LineOptions& options) {
  return one.passed_since && options.now - *one.passed_since >= options.patience;
}

}  // namespace

std::vector<std::size_t> next_in_line(Room room, std::span<InLine> line,
                                      const LineOptions& options) {
  std::vector<std::size_t> next;
  std::vector<std::size_t> left;
  bool is_kept = false;  // the rest of the room for somebody who has no room yet
  for (std::size_t place = 0; place < line.size() && !is_kept; ++place) {
    if (room.take(*line[place].resources)) {
      next.push_back(place);
    } else {
      left.push_back(place);
      is_kept = options.patience <= Duration(0) || is_out_of_patience(line[place], options);
    }
  }
  std::size_t ahead = is_kept ? 0 : options.ahead;
  for (const std::size_t place : left) {
    if (ahead == 0) break;
    if (!room.is_no_larger_than_last(*line[place].resources)) continue;
    next.push_back(place);
    --ahead;
  }
  std::vector<bool> goes(line.size());
  for (const std::size_t place : next) goes[place] = true;
  const std::size_t last = next.empty() ? 0 : *std::max_element(next.begin(), next.end());
  for (const std::size_t place : left) {
    if (!goes[place] && place < last && !line[place].passed_since)
      line[place].passed_since = options.now;
  }
  return next;
}

bool is_kept_waiting(std::span<const InLine> line, const LineOptions& options) {
  if (options.patience <= Duration(0)) return !line.empty();
  return std::any_of(line.begin(), line.end(),
                     [&](const InLine& one) { return is_out_of_patience(one, options); });
}

}  // namespace wherry::jobs
