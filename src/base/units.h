// SPDX-License-Identifier: Apache-2.0
// Quantities and times as people write and read them: settings, flags, reports, JSON documents.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace wherry {

// Each error (kInvalid) quotes the text and says what is accepted.

// "4096", "64MiB", "750 GB", "1.5GiB": KiB, MiB, ... are powers of 1024, KB, MB, ... of 1000, in
// either case. A fraction of a byte is dropped.
Result<ByteCount> parse_bytes(std::string_view text);
// "10s", "1.5h", "2d", "1h30m", "250 ms"; units w, d, h, m, s, ms, us, ns. Of numbers without a
// unit only "0" is accepted.
Result<Duration> parse_duration(std::string_view text);
// true/false, yes/no, on/off, 1/0, in either case.
Result<bool> parse_switch(std::string_view text);
// "50%" is 50.0; from 0% to 100%.
Result<double> parse_percent(std::string_view text);
// "2030-01-01", "2030-01-01 12:00:00", "2030-01-01T12:00:00.5Z", "...+02:00"; without a zone, UTC.
// Refuses days and times that do not exist, and years before 1678 and after 2261.
Result<TimePoint> parse_time(std::string_view text);

// "2018-10-15T11:06:03+00:00"; fractions of a second are dropped.
std::string format_time(TimePoint time);
// "1.5 GiB", "820 B": for people.
std::string format_bytes(ByteCount bytes);
// "3d 4h", "2h 5m", "1m 30s", "0.4 s", "12 ms": for people, in the two largest units.
std::string format_duration(Duration duration);

}  // namespace wherry
