// SPDX-License-Identifier: Apache-2.0
// Any bytes as a batch file: an error or lines, and what a line holds was written in it.
#include "base/check.h"
#include "cli/batch_file.h"

using wherry::cli::BatchKind;
using wherry::cli::BatchLine;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const BatchKind kind : {BatchKind::kTransfer, BatchKind::kPaths}) {
    const auto lines = wherry::cli::parse_batch(text, kind);
    if (!lines) {
      CHECK(!lines.error().message.empty());
      continue;
    }
    std::size_t last = 0;
    for (const BatchLine& line : *lines) {
      CHECK(line.number > last);
      last = line.number;
      CHECK(line.source.size() + line.target.size() <= size);
      CHECK(line.target.empty() || kind == BatchKind::kTransfer);
    }
  }
  return 0;
}
