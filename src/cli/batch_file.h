// SPDX-License-Identifier: Apache-2.0
// The lines of `wherry transfer --batch` and `wherry delete --batch`, in the grammar of globus-cli:
// words as a shell splits them ('…', "…", backslash), '#' begins a comment, empty lines are
// nothing.
//
//   SOURCE TARGET [--recursive] [--external-checksum HEX] [--checksum-algorithm NAME]
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::cli {

// The words of one line. kInvalid for a quote that is not closed or a backslash at the end. A word
// may hold any bytes but NUL; '#' begins a comment only where a word would begin.
Result<std::vector<std::string>> split_words(std::string_view line);

struct BatchLine {
  std::size_t number = 0;  // from 1
  std::string source;
  std::string target;  // empty in a batch of paths
  bool recursive = false;
  std::optional<std::string> checksum;
  std::optional<std::string> checksum_algorithm;
};

enum class BatchKind { kTransfer, kPaths };  // kPaths: one path a line, no options

// Errors name the line.
Result<std::vector<BatchLine>> parse_batch(std::string_view text, BatchKind kind);

// Reads the file, or standard input for "-", without the byte order mark that editors and
// spreadsheets put before UTF-8: it is no part of the first name. kInvalid if it is larger than 1
// GiB.
Result<std::string> read_batch(const std::string& path);

}  // namespace wherry::cli
