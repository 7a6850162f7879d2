// SPDX-License-Identifier: Apache-2.0
#include "cli/csv.h"

namespace wherry::cli {

Result<std::optional<CsvReader::Row>> CsvReader::next() {
  while (!rest_.empty() && take_line_end()) {
  }
  if (rest_.empty()) return std::optional<Row>();
  Row row;
  row.line = line_;
  while (true) {
    TRY_ASSIGN(std::string value, field(), "line {}", line_);
    row.fields.push_back(std::move(value));
    if (take(',')) continue;
    if (rest_.empty() || take_line_end()) return std::optional<Row>(std::move(row));
    return make_error(Code::kInvalid, "line {}: a comma is missing behind a closing quote", line_);
  }
}

Result<std::string> CsvReader::field() {
  if (take('"')) return quoted_field();
  std::size_t end = std::min(rest_.find_first_of(",\n\""), rest_.size());
  if (end < rest_.size() && rest_[end] == '"')
    return make_error(Code::kInvalid,
                      "a quote within a field: put all of it in quotes, and double"
                      " the quotes in it");
  std::string value(rest_.substr(0, end));
  if (value.ends_with('\r') && (end == rest_.size() || rest_[end] == '\n')) {
    value.pop_back();
  }
  rest_.remove_prefix(end);
  return value;
}

Result<std::string> CsvReader::quoted_field() {
  std::string value;
  while (true) {
    const std::size_t end = rest_.find('"');
    if (end == rest_.npos) return make_error(Code::kInvalid, "a quote is not closed");
    for (const char c : rest_.substr(0, end)) line_ += c == '\n' ? 1 : 0;
    value += rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (!take('"')) return value;
    value += '"';
  }
}

bool CsvReader::take(char c) {
  if (rest_.empty() || rest_[0] != c) return false;
  rest_.remove_prefix(1);
  return true;
}

bool CsvReader::take_line_end() {
  if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
  if (!take('\n')) return false;
  ++line_;
  return true;
}

}  // namespace wherry::cli
