// SPDX-License-Identifier: Apache-2.0
// Comma-separated values as RFC 4180 has them; lines may end with LF alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::cli {

// The text outlives the reader.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  struct Row {
    std::size_t line = 0;  // where it begins, from 1
    std::vector<std::string> fields;
  };
  // The next row that is not empty; nothing at the end. kInvalid for a quote that is not closed or
  // stands within a field.
  Result<std::optional<Row>> next();

 private:
  Result<std::string> field();
  Result<std::string> quoted_field();
  bool take(char c);
  bool take_line_end();

  std::string_view rest_;
  std::size_t line_ = 1;
};

}  // namespace wherry::cli
