// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of jobs: an error that says something, or jobs that hold no more than the
// file did.
#include "base/check.h"
#include "cli/job_file.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = wherry::cli::parse_job_file(text);
  if (!lines) {
    CHECK(lines.error().code == wherry::Code::kInvalid);
    CHECK(!lines.error().message.empty());
    return 0;
  }
  CHECK(!lines->empty() && lines->size() <= size);
  std::size_t bytes = 0;
  for (const wherry::cli::JobLine& line : *lines) {
    bytes += line.job.workdir.size() + line.job.app.size();
    for (const auto& [slot, place] : line.job.transfers) {
      CHECK(place.path.starts_with('/'));
      CHECK(!place.location_alias.empty());
      bytes += place.path.size();
    }
    for (const wherry::jobs::JobId parent : line.job.parents) CHECK(parent > 0);
    CHECK(line.resources.over({}).num_nodes >= 0);
  }
  CHECK(bytes <= size);
  return 0;
}
