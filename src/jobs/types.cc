// SPDX-License-Identifier: Apache-2.0
#include "jobs/types.h"

#include "base/path.h"

namespace wherry::jobs {

std::string_view to_string(Direction direction) {
  return direction == Direction::kIn ? "in" : "out";
}

Result<Direction> parse_direction(std::string_view text) {
  if (text == "in") return Direction::kIn;
  if (text == "out") return Direction::kOut;
  return make_error(Code::kInvalid, "'{}' is no direction; they are in and out",
                    escape_bytes(text));
}

Result<void> check_remote_path(const RemotePath& place) {
  if (place.location_alias.empty())
    return make_error(Code::kInvalid, "the path '{}' is at no location: write ALIAS:/PATH",
                      escape_bytes(place.path));
  if (!place.path.starts_with('/'))
    return make_error(Code::kInvalid, "the path '{}' at location '{}' does not begin with '/'",
                      escape_bytes(place.path), escape_bytes(place.location_alias));
  TRY(RelPath::parse(place.path), "path at location '{}'", escape_bytes(place.location_alias));
  return {};
}

Result<RemotePath> parse_remote_path(std::string_view text) {
  // B10: only the first colon means something; names may hold more of them.
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return make_error(Code::kInvalid, "'{}' is not of the form ALIAS:/PATH", escape_bytes(text));
  RemotePath place{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  TRY(check_remote_path(place));
  return place;
}

std::string_view to_string(JobMode mode) { return mode == JobMode::kSerial ? "serial" : "mpi"; }

Result<JobMode> parse_job_mode(std::string_view text) {
  if (text == "serial") return JobMode::kSerial;
  if (text == "mpi") return JobMode::kMpi;
  return make_error(Code::kInvalid, "'{}' is no job mode; they are serial and mpi",
                    escape_bytes(text));
}

}  // namespace wherry::jobs
