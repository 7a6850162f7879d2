// SPDX-License-Identifier: Apache-2.0
// The five fields of crontab(5): when a sync looks at everything.
#pragma once

#include <bitset>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace wherry::sync {

class CronSchedule {
 public:
  // "minute hour day-of-month month day-of-week": *, lists, ranges, steps, names of months and
  // days; or @hourly, @daily, @weekly, @monthly. As in crontab(5), if both day fields are
  // restricted, either one is enough. kInvalid names the field and what it takes; a line that never
  // fires (31 February) is refused as well.
  static Result<CronSchedule> parse(std::string_view line);

  // The first whole minute after `time` that fits, in the local time zone. A minute that the zone
  // skips fires when the clock goes on; one that it repeats fires once.
  TimePoint next_after(TimePoint time) const;

 private:
  bool fits_day(int month, int day_of_month, int day_of_week) const;
  bool ever_fires() const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // 1 to 31
  std::bitset<13> months_;   // 1 to 12
  std::bitset<7> weekdays_;  // 0 is Sunday
  bool any_day_ = false;     // the field is "*"
  bool any_weekday_ = false;
};

}  // namespace wherry::sync
