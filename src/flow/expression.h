// SPDX-License-Identifier: Apache-2.0
// The small language of flow files: `when: tasks.count.rows > 0`, and `{{ run }}` within texts. It
// has no loops and no effects: evaluating always ends, with a value or with what is wrong.
// docs/formats/flow-file.md has the grammar.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace wherry::flow {

using TextList = std::vector<std::string>;
using Value = std::variant<std::string, std::int64_t, bool, TextList>;

// kInvalid for a list.
Result<std::string> text_of(const Value& value);

// A name with its dots taken apart: {"tasks", "count", "rows"}.
using Name = std::vector<std::string>;
// What names stand for. Its errors end the evaluation.
using Lookup = std::function<Result<Value>(const Name& name)>;

class Expression {
 public:
  // kInvalid says what is wrong, and where.
  static Result<Expression> parse(std::string_view text);

  Result<Value> evaluate(const Lookup& lookup) const;
  // kInvalid if it is neither true nor false.
  Result<bool> is_true(const Lookup& lookup) const;
  // Of a list. A text is refused: lines(text) makes a list of it.
  Result<TextList> list(const Lookup& lookup) const;

  const std::vector<Name>& names() const { return names_; }  // all that it mentions
  const std::string& text() const { return text_; }

 private:
  friend class ExpressionParser;
  struct Node {
    enum class Kind {
      kValue,
      kList,
      kName,
      kCall,
      kNot,
      kAnd,
      kOr,
      kEqual,
      kLess,
      kAtMost,
      kIn
    } kind = Kind::kValue;
    Value value = {};                // of kValue
    std::size_t index = 0;           // of a name in names_, of a function in the table
    std::vector<std::size_t> parts;  // nodes that stand before it
  };
  Result<Value> evaluate(std::size_t node, const Lookup& lookup) const;
  Result<bool> truth(std::size_t node, const Lookup& lookup) const;
  Result<Value> compare(const Node& node, const Lookup& lookup) const;

  std::string text_;
  std::vector<Name> names_;
  std::vector<Node> nodes_;  // the last one is the whole
};

// A text with `{{ expression }}`s. A literal "{{" is written {{ '{{' }}.
class TextTemplate {
 public:
  TextTemplate() = default;
  static Result<TextTemplate> parse(std::string_view text);

  Result<std::string> render(const Lookup& lookup) const;
  std::vector<Name> names() const;
  const std::string& text() const { return text_; }  // as written
  bool empty() const { return text_.empty(); }

 private:
  struct Part {
    std::string before;
    Expression expression;
  };
  std::string text_;
  std::vector<Part> parts_;
  std::string rest_;
};

}  // namespace wherry::flow
