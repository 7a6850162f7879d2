// SPDX-License-Identifier: Apache-2.0
#include "cli/batch_file.h"

#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/options.h"
#include "base/path.h"
#include "tasks/types.h"

namespace wherry::cli {
namespace {

constexpr ByteCount kBatchLimit = 1ULL << 30;

// Reads one word from the front of `rest`, up to white space.
class WordReader {
 public:
  explicit WordReader(std::string_view line) : rest_(line) {}

  // Nothing at the end of the line or before a comment.
  Result<std::optional<std::string>> next() {
    while (!rest_.empty() && is_space(rest_[0])) rest_.remove_prefix(1);
    if (rest_.empty() || rest_[0] == '#') return std::optional<std::string>();
    std::string word;
    while (!rest_.empty() && !is_space(rest_[0])) TRY(piece(word));
    return std::optional<std::string>(std::move(word));
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

  char take() {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  Result<void> piece(std::string& word) {
    const char c = take();
    if (c == '\'') return single_quoted(word);
    if (c == '"') return double_quoted(word);
    if (c != '\\') {
      word += c;
      return {};
    }
    if (rest_.empty()) return make_error(Code::kInvalid, "a backslash ends the line");
    word += take();
    return {};
  }

  Result<void> single_quoted(std::string& word) {
    const std::size_t end = rest_.find('\'');
    if (end == rest_.npos) return make_error(Code::kInvalid, "a ' is not closed");
    word += rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return {};
  }

  // A backslash takes only a quote or another backslash literally; before others it stays.
  Result<void> double_quoted(std::string& word) {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '"') return {};
      const bool escapes = c == '\\' && !rest_.empty() && (rest_[0] == '"' || rest_[0] == '\\');
      word += escapes ? take() : c;
    }
    return make_error(Code::kInvalid, "a \" is not closed");
  }

  std::string_view rest_;
};

// The options of a line. `at` stands on an option and is left on its last word.
Result<void> read_option(const std::vector<std::string>& words, std::size_t& at, BatchLine& line) {
  static const std::vector<std::string> known = {"--recursive", "--external-checksum",
                                                 "--checksum-algorithm"};
  std::string name = words[at];
  std::optional<std::string> value;
  if (const std::size_t equals = name.find('='); equals != name.npos) {
    value = name.substr(equals + 1);
    name.resize(equals);
  }
  if (name == "--recursive" || name == "-r") {
    if (value) return make_error(Code::kInvalid, "{} takes no value", name);
    line.recursive = true;
    return {};
  }
  if (name != "--external-checksum" && name != "--checksum-algorithm") {
    const auto best = nearest(name, known);
    return make_error(Code::kInvalid, "unknown option '{}'{}", escape_bytes(name),
                      best ? fmt::format("; did you mean '{}'?", *best)
                           : " (a name that begins with '-' goes after '--')");
  }
  if (!value) {
    if (at + 1 == words.size()) return make_error(Code::kInvalid, "{} wants a value", name);
    value = words[++at];
  }
  (name == "--external-checksum" ? line.checksum : line.checksum_algorithm) = std::move(*value);
  return {};
}

Result<BatchLine> parse_words(const std::vector<std::string>& words, BatchKind kind) {
  BatchLine line;
  std::vector<std::string> paths;
  bool options_ended = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_option = !options_ended && words[i].size() > 1 && words[i][0] == '-';
    if (is_option && words[i] == "--") {
      options_ended = true;
    } else if (is_option && kind == BatchKind::kTransfer) {
      TRY(read_option(words, i, line));
    } else {
      paths.push_back(words[i]);
    }
  }
  const std::size_t expected = kind == BatchKind::kTransfer ? 2 : 1;
  if (paths.size() != expected) {
    return make_error(Code::kInvalid, "{} path{}, expected {} (quote names that hold spaces)",
                      paths.size(), paths.size() == 1 ? "" : "s",
                      kind == BatchKind::kTransfer ? "SOURCE TARGET" : "one");
  }
  line.source = paths[0];
  if (kind == BatchKind::kTransfer) line.target = paths[1];
  return line;
}

Result<std::string> read_input() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read standard input");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kBatchLimit)
      return make_error(Code::kInvalid, "standard input is larger than 1 GiB");
  }
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  WordReader reader(line);
  std::vector<std::string> words;
  while (true) {
    TRY_ASSIGN(auto word, reader.next());
    if (!word) return words;
    words.push_back(std::move(*word));
  }
}

Result<std::vector<BatchLine>> parse_batch(std::string_view text, BatchKind kind) {
  std::vector<BatchLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    TRY_ASSIGN(const auto words, split_words(text.substr(0, end)), "batch line {}", number);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    TRY_ASSIGN(BatchLine line, parse_words(words, kind), "batch line {}", number);
    if (lines.size() == tasks::kMaxItems) {
      return make_error(Code::kInvalid,
                        "batch line {}: more than {} items; split the file into several tasks",
                        number, tasks::kMaxItems);
    }
    line.number = number;
    lines.push_back(std::move(line));
  }
  if (lines.empty()) return make_error(Code::kInvalid, "the batch has no items");
  return lines;
}

Result<std::string> read_batch(const std::string& path) {
  TRY_ASSIGN(std::string text, path == "-" ? read_input() : read_file(path, kBatchLimit));
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

}  // namespace wherry::cli
