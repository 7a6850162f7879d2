// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <algorithm>
#include <vector>

#include "base/path.h"

namespace wherry {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Walks over a command as sh reads it, as far as it takes to know where quotes begin and end, and
// rewrites its placeholders.
class Template {
 public:
  Template(std::string_view text, const WritePlaceholder& write) : text_(text), write_(write) {}

  Result<std::string> rewrite() {
    while (at_ < text_.size()) {
      if (text_.substr(at_).starts_with("{{")) {
        TRY(placeholder());
      } else if (text_[at_] == '\'' && inside_ != Inside::kDoubleQuotes) {
        TRY(single_quotes());
      } else {
        step();
      }
    }
    return std::move(written_);
  }

 private:
  enum class Inside { kCommand, kParentheses, kBackquotes, kDoubleQuotes };

  void copy(std::size_t count) {
    written_ += text_.substr(at_, count);
    at_ += count;
  }
  void enter(Inside what) {
    around_.push_back(inside_);
    inside_ = what;
  }
  void leave() {
    inside_ = around_.back();
    around_.pop_back();
  }

  Result<void> placeholder() {
    const std::size_t end = text_.find("}}", at_);
    if (end == std::string_view::npos)
      return make_error(Code::kInvalid, "the placeholder '{}' is not closed with '}}}}'",
                        escape_bytes(text_.substr(at_, 40)));
    TRY_ASSIGN(const std::string words, write_(trimmed(text_.substr(at_ + 2, end - at_ - 2))));
    if (inside_ == Inside::kDoubleQuotes) return within_quotes(text_.substr(at_, end + 2 - at_));
    written_ += words;
    at_ = end + 2;
    return {};
  }

  // Quotes often hold a command that another shell is to read (sh -c "…"), which would read a value
  // as a part of it. What stands outside of quotes is one word for every value.
  static Error within_quotes(std::string_view placeholder) {
    return make_error(Code::kInvalid,
                      "the placeholder '{}' stands within quotes: it is one word as it is, end the "
                      "quotes before it; a shell gets it as in: sh -c 'echo \"$1\"' sh {}",
                      escape_bytes(placeholder.substr(0, 40)),
                      escape_bytes(placeholder.substr(0, 40)));
  }

  Result<void> single_quotes() {
    const std::size_t end = std::min(text_.find('\'', at_ + 1), text_.size() - 1);
    const std::string_view quoted = text_.substr(at_, end + 1 - at_);
    const std::size_t open = quoted.find("{{");
    if (open != std::string_view::npos) {
      const std::size_t close = quoted.find("}}", open);
      return within_quotes(
          quoted.substr(open, close == std::string_view::npos ? close : close + 2 - open));
    }
    copy(quoted.size());
    return {};
  }

  void step() {
    const char c = text_[at_];
    if (c == '\\') {
      copy(2);
    } else if (c == '"') {
      inside_ == Inside::kDoubleQuotes ? leave() : enter(Inside::kDoubleQuotes);
      copy(1);
    } else if (c == '`') {
      inside_ == Inside::kBackquotes ? leave() : enter(Inside::kBackquotes);
      copy(1);
    } else if (text_.substr(at_).starts_with("$(")) {
      enter(Inside::kParentheses);
      copy(2);
    } else if (inside_ == Inside::kDoubleQuotes) {
      copy(1);
    } else {
      outside_quotes(c);
    }
  }

  void outside_quotes(char c) {
    const bool begins_word = at_ == 0 || is_blank(text_[at_ - 1]) || text_[at_ - 1] == ';';
    if (c == '#' && begins_word) {
      // A comment: its apostrophes quote nothing.
      while (at_ < text_.size() && text_[at_] != '\n' && !text_.substr(at_).starts_with("{{"))
        copy(1);
      return;
    }
    if (c == '(') enter(Inside::kParentheses);
    if (c == ')' && inside_ == Inside::kParentheses) leave();
    copy(1);
  }

  std::string_view text_;
  const WritePlaceholder& write_;
  std::size_t at_ = 0;
  Inside inside_ = Inside::kCommand;
  std::vector<Inside> around_;
  std::string written_;
};

}  // namespace

Result<std::string> rewrite_placeholders(std::string_view command, const WritePlaceholder& write) {
  return Template(command, write).rewrite();
}

std::string shell_quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + '\'';
}

}  // namespace wherry
