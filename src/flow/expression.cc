// SPDX-License-Identifier: Apache-2.0
#include "flow/expression.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/options.h"
#include "base/path.h"

namespace wherry::flow {
namespace {

constexpr std::size_t kMaxExpressionBytes = 4096;
constexpr int kMaxDepth = 32;
constexpr std::string_view kBlanks = " \t\r\n";

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return number;
}

std::string shown(const Value& value) {
  if (const auto* list = std::get_if<TextList>(&value))
    return fmt::format("a list of {}", list->size());
  return fmt::format("'{}'", escape_bytes(text_of(value).value()));
}

// ---- functions

Result<TextList> list_of(const Value& value) {
  if (const auto* list = std::get_if<TextList>(&value)) return *list;
  return make_error(Code::kInvalid, "{} is no list; lines(…) makes one of a text", shown(value));
}

std::string_view trimmed_text(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Without the slashes at its end, so that "a/b/" is called "b".
std::string_view whole_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

std::string_view last_name(std::string_view path) {
  path = whole_path(path);
  const std::size_t slash = path.find_last_of("/:");
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

using Values = std::vector<Value>;

Result<Value> name_of(const Values& arguments) {
  TRY_ASSIGN(const std::string path, text_of(arguments[0]));
  return std::string(last_name(path));
}

Result<Value> stem_of(const Values& arguments) {
  TRY_ASSIGN(const std::string path, text_of(arguments[0]));
  const std::string_view name = last_name(path);
  const std::size_t dot = name.find_last_of('.');
  return std::string(dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot));
}

Result<Value> directory_of(const Values& arguments) {
  TRY_ASSIGN(const std::string path, text_of(arguments[0]));
  const std::string_view whole = whole_path(path);
  const std::size_t slash = whole.find_last_of('/');
  if (slash == std::string_view::npos) return std::string(".");
  return std::string(whole.substr(0, std::max<std::size_t>(slash, 1)));
}

Result<Value> lines_of(const Values& arguments) {
  TRY_ASSIGN(const std::string text, text_of(arguments[0]));
  TextList lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed_text(rest.substr(0, end));
    if (!line.empty()) lines.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

Result<Value> count_of(const Values& arguments) {
  TRY_ASSIGN(const TextList list, list_of(arguments[0]));
  return static_cast<std::int64_t>(list.size());
}

Result<Value> joined(const Values& arguments) {
  TRY_ASSIGN(const TextList list, list_of(arguments[0]));
  TRY_ASSIGN(const std::string separator, text_of(arguments[1]));
  std::string text;
  for (const std::string& element : list)
    text += (&element == &list.front() ? "" : separator) + element;
  return text;
}

Result<Value> trim(const Values& arguments) {
  TRY_ASSIGN(const std::string text, text_of(arguments[0]));
  return std::string(trimmed_text(text));
}

struct Function {
  std::string_view name;
  std::size_t arguments;
  Result<Value> (*call)(const Values&);
};
constexpr Function kFunctions[] = {
    {"name", 1, name_of},   {"stem", 1, stem_of},   {"directory", 1, directory_of},
    {"lines", 1, lines_of}, {"count", 1, count_of}, {"join", 2, joined},
    {"trim", 1, trim},
};

// ---- words of the language

struct Token {
  enum class Kind { kEnd, kText, kNumber, kName, kSign } kind = Kind::kEnd;
  std::string text;  // of kName with its dots, of kSign the sign
  std::size_t at = 0;
};

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit_sign(char c) { return c >= '0' && c <= '9'; }
// Names of tasks have hyphens; there is no subtraction.
bool continues_name(char c) { return begins_name(c) || is_digit_sign(c) || c == '-' || c == '.'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> next() {
    while (at_ < text_.size() && kBlanks.find(text_[at_]) != std::string_view::npos) ++at_;
    Token token;
    token.at = at_;
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (c == '\'' || c == '"') return quoted(token, c);
    if (is_digit_sign(c) || (c == '-' && at_ + 1 < text_.size() && is_digit_sign(text_[at_ + 1]))) {
      take(token, Token::Kind::kNumber, is_digit_sign);
    } else if (begins_name(c)) {
      take(token, Token::Kind::kName, continues_name);
    } else {
      return sign(token);
    }
    return token;
  }

 private:
  void take(Token& token, Token::Kind kind, bool (*continues)(char)) {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && continues(text_[at_])) ++at_;
    token.kind = kind;
    token.text = text_.substr(begin, at_ - begin);
  }

  Result<Token> quoted(Token& token, char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos)
      return make_error(Code::kInvalid, "the quote at character {} is not closed", at_ + 1);
    token.kind = Token::Kind::kText;
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return token;
  }

  Result<Token> sign(Token& token) {
    static constexpr std::string_view kSigns[] = {"==", "!=", "<=", ">=", "<", ">",
                                                  "(",  ")",  "[",  "]",  ","};
    for (const std::string_view sign : kSigns) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      token.kind = Token::Kind::kSign;
      token.text = sign;
      at_ += sign.size();
      return token;
    }
    return make_error(Code::kInvalid, "'{}' at character {} means nothing here",
                      escape_bytes(text_.substr(at_, 1)), at_ + 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<Name> split_name(const std::string& text) {
  Name name;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = std::min(text.find('.', begin), text.size());
    if (dot == begin) return make_error(Code::kInvalid, "'{}' is no name", text);
    name.push_back(text.substr(begin, dot - begin));
    if (dot == text.size()) return name;
    begin = dot + 1;
  }
}

// Where the "}}" of the expression that begins at `from` is, outside of quotes; npos: nowhere.
std::size_t find_placeholder_end(std::string_view text, std::size_t from) {
  char quote = '\0';
  for (std::size_t at = from; at < text.size(); ++at) {
    if (quote != '\0') {
      if (text[at] == quote) quote = '\0';
    } else if (text[at] == '\'' || text[at] == '"') {
      quote = text[at];
    } else if (text.substr(at).starts_with("}}")) {
      return at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

// Recursive descent, one function for each level of the grammar. Each answers the index of its
// node.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : lexer_(text) {
    whole_.text_ = std::string(text);
  }

  Result<Expression> parse() {
    TRY(advance());
    TRY(either());
    if (token_.kind != Token::Kind::kEnd) return unexpected();
    return std::move(whole_);
  }

 private:
  using Node = Expression::Node;
  using Kind = Node::Kind;

  Result<void> advance() {
    TRY_ASSIGN(token_, lexer_.next());
    return {};
  }
  bool is_sign(std::string_view sign) const {
    return token_.kind == Token::Kind::kSign && token_.text == sign;
  }
  bool is_word(std::string_view word) const {
    return token_.kind == Token::Kind::kName && token_.text == word;
  }
  Error unexpected() const {
    if (token_.kind == Token::Kind::kEnd)
      return make_error(Code::kInvalid, "it ends where a value is wanted");
    return make_error(Code::kInvalid, "'{}' at character {} is unexpected",
                      escape_bytes(token_.text), token_.at + 1);
  }
  Result<void> want(std::string_view sign) {
    if (!is_sign(sign))
      return make_error(Code::kInvalid, "'{}' is missing at character {}", sign, token_.at + 1);
    return advance();
  }

  std::size_t add(Kind kind, std::vector<std::size_t> parts, Value value = {},
                  std::size_t index = 0) {
    whole_.nodes_.push_back({kind, std::move(value), index, std::move(parts)});
    return whole_.nodes_.size() - 1;
  }

  Result<std::size_t> either() {
    TRY_ASSIGN(std::size_t left, both());
    while (is_word("or")) {
      TRY(advance());
      TRY_ASSIGN(const std::size_t right, both());
      left = add(Kind::kOr, {left, right});
    }
    return left;
  }

  Result<std::size_t> both() {
    TRY_ASSIGN(std::size_t left, negation());
    while (is_word("and")) {
      TRY(advance());
      TRY_ASSIGN(const std::size_t right, negation());
      left = add(Kind::kAnd, {left, right});
    }
    return left;
  }

  Result<std::size_t> negation() {
    if (!is_word("not")) return comparison();
    TRY(enter());
    TRY(advance());
    TRY_ASSIGN(const std::size_t part, negation());
    --depth_;
    return add(Kind::kNot, {part});
  }

  Result<std::size_t> comparison() {
    TRY_ASSIGN(const std::size_t left, value());
    const std::string sign = token_.kind == Token::Kind::kSign || is_word("in") ? token_.text : "";
    static constexpr std::string_view kComparisons[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
    if (std::find(std::begin(kComparisons), std::end(kComparisons), sign) == std::end(kComparisons))
      return left;
    TRY(advance());
    TRY_ASSIGN(const std::size_t right, value());
    if (sign == "==") return add(Kind::kEqual, {left, right});
    if (sign == "!=") {
      const std::size_t equal = add(Kind::kEqual, {left, right});
      return add(Kind::kNot, {equal});
    }
    if (sign == "<") return add(Kind::kLess, {left, right});
    if (sign == "<=") return add(Kind::kAtMost, {left, right});
    if (sign == ">") return add(Kind::kLess, {right, left});
    if (sign == ">=") return add(Kind::kAtMost, {right, left});
    return add(Kind::kIn, {left, right});
  }

  Result<void> enter() {
    if (++depth_ <= kMaxDepth) return {};
    return make_error(Code::kInvalid, "it is nested too deeply");
  }

  Result<std::size_t> value() {
    TRY(enter());
    auto found = plain_value();
    --depth_;
    return found;
  }

  Result<std::size_t> plain_value() {
    if (token_.kind == Token::Kind::kText) {
      std::string text = token_.text;
      TRY(advance());
      return add(Kind::kValue, {}, std::move(text));
    }
    if (token_.kind == Token::Kind::kNumber) return number();
    if (token_.kind == Token::Kind::kName) return name();
    if (is_sign("(")) {
      TRY(advance());
      TRY_ASSIGN(const std::size_t inside, either());
      TRY(want(")"));
      return inside;
    }
    if (is_sign("[")) {
      TRY(advance());
      TRY_ASSIGN(std::vector<std::size_t> elements, values_until("]"));
      return add(Kind::kList, std::move(elements));
    }
    return unexpected();
  }

  Result<std::size_t> number() {
    const auto number = whole_number(token_.text);
    if (!number) return make_error(Code::kInvalid, "'{}' is too large a number", token_.text);
    TRY(advance());
    return add(Kind::kValue, {}, *number);
  }

  Result<std::size_t> name() {
    static constexpr std::string_view kOperators[] = {"and", "or", "not", "in"};
    if (std::find(std::begin(kOperators), std::end(kOperators), token_.text) !=
        std::end(kOperators))
      return unexpected();
    const std::string text = token_.text;
    TRY(advance());
    if (text == "true" || text == "false") return add(Kind::kValue, {}, text == "true");
    if (is_sign("(")) return call(text);
    TRY_ASSIGN(Name name, split_name(text));
    whole_.names_.push_back(std::move(name));
    return add(Kind::kName, {}, {}, whole_.names_.size() - 1);
  }

  Result<std::size_t> call(const std::string& called) {
    const auto function = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                       [&](const Function& each) { return each.name == called; });
    if (function == std::end(kFunctions)) {
      std::vector<std::string> known;
      for (const Function& each : kFunctions) known.emplace_back(each.name);
      const auto meant = nearest(called, known);
      return make_error(Code::kInvalid, "there is no function '{}'; {}", called,
                        meant ? fmt::format("did you mean '{}'?", *meant)
                              : fmt::format("there are {}", fmt::join(known, ", ")));
    }
    TRY(advance());
    TRY_ASSIGN(std::vector<std::size_t> arguments, values_until(")"));
    if (arguments.size() != function->arguments)
      return make_error(Code::kInvalid, "{}() takes {} value{}, not {}", called,
                        function->arguments, function->arguments == 1 ? "" : "s", arguments.size());
    return add(Kind::kCall, std::move(arguments), {},
               static_cast<std::size_t>(function - std::begin(kFunctions)));
  }

  Result<std::vector<std::size_t>> values_until(std::string_view sign) {
    std::vector<std::size_t> values;
    while (!is_sign(sign)) {
      if (!values.empty()) TRY(want(","));
      TRY_ASSIGN(values.emplace_back(), value());
    }
    TRY(advance());
    return values;
  }

  Lexer lexer_;
  Token token_;
  int depth_ = 0;
  Expression whole_;
};

Result<std::string> text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return std::string(*truth ? "true" : "false");
  return make_error(Code::kInvalid, "a list is no text; join(list, ' ') makes one of it");
}

Result<Expression> Expression::parse(std::string_view text) {
  if (text.size() > kMaxExpressionBytes)
    return make_error(Code::kInvalid, "the expression has more than {} bytes", kMaxExpressionBytes);
  return ExpressionParser(trimmed_text(text)).parse();
}

Result<Value> Expression::evaluate(const Lookup& lookup) const {
  CHECK(!nodes_.empty());
  return evaluate(nodes_.size() - 1, lookup);
}

Result<bool> Expression::is_true(const Lookup& lookup) const {
  CHECK(!nodes_.empty());
  return truth(nodes_.size() - 1, lookup);
}

Result<TextList> Expression::list(const Lookup& lookup) const {
  TRY_ASSIGN(const Value value, evaluate(lookup));
  return list_of(value);
}

Result<bool> Expression::truth(std::size_t node, const Lookup& lookup) const {
  TRY_ASSIGN(const Value value, evaluate(node, lookup));
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  // What commands write is text.
  if (value == Value(std::string("true"))) return true;
  if (value == Value(std::string("false"))) return false;
  return make_error(Code::kInvalid, "{} is neither true nor false", shown(value));
}

Result<Value> Expression::compare(const Node& node, const Lookup& lookup) const {
  TRY_ASSIGN(const Value left, evaluate(node.parts[0], lookup));
  TRY_ASSIGN(const Value right, evaluate(node.parts[1], lookup));
  if (node.kind == Node::Kind::kIn) {
    TRY_ASSIGN(const std::string text, text_of(left));
    TRY_ASSIGN(const TextList list, list_of(right));
    return std::find(list.begin(), list.end(), text) != list.end();
  }
  if (node.kind == Node::Kind::kEqual) {
    if (left.index() == right.index()) return left == right;
    TRY_ASSIGN(const std::string a, text_of(left));
    TRY_ASSIGN(const std::string b, text_of(right));
    return a == b;
  }
  TRY_ASSIGN(const std::string a, text_of(left));
  TRY_ASSIGN(const std::string b, text_of(right));
  const auto first = whole_number(trimmed_text(a)), second = whole_number(trimmed_text(b));
  if (!first || !second)
    return make_error(Code::kInvalid, "{} is no whole number, and has no order",
                      shown(first ? right : left));
  return node.kind == Node::Kind::kLess ? *first < *second : *first <= *second;
}

Result<Value> Expression::evaluate(std::size_t node_index, const Lookup& lookup) const {
  const Node& node = nodes_[node_index];
  using Kind = Node::Kind;
  switch (node.kind) {
    case Kind::kValue:
      return node.value;
    case Kind::kName:
      return lookup(names_[node.index]);
    case Kind::kList: {
      TextList list;
      for (const std::size_t part : node.parts) {
        TRY_ASSIGN(const Value element, evaluate(part, lookup));
        TRY_ASSIGN(list.emplace_back(), text_of(element));
      }
      return list;
    }
    case Kind::kCall: {
      Values arguments;
      for (const std::size_t part : node.parts) {
        TRY_ASSIGN(arguments.emplace_back(), evaluate(part, lookup));
      }
      const Function& function = kFunctions[node.index];
      auto answer = function.call(arguments);
      if (!answer)
        return std::move(answer).error().with_context(fmt::format("{}()", function.name));
      return answer;
    }
    case Kind::kNot: {
      TRY_ASSIGN(const bool part, truth(node.parts[0], lookup));
      return !part;
    }
    case Kind::kAnd:
    case Kind::kOr: {
      TRY_ASSIGN(const bool left, truth(node.parts[0], lookup));
      if (left == (node.kind == Kind::kOr)) return left;
      TRY_ASSIGN(const bool right, truth(node.parts[1], lookup));
      return right;
    }
    case Kind::kEqual:
    case Kind::kLess:
    case Kind::kAtMost:
    case Kind::kIn:
      return compare(node, lookup);
  }
  return make_error(Code::kBug, "an expression has a part of no kind");
}

// ---- texts

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  TextTemplate parsed;
  parsed.text_ = std::string(text);
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find("{{", at);
    if (open == std::string_view::npos) break;
    const std::size_t end = find_placeholder_end(text, open + 2);
    if (end == std::string_view::npos)
      return make_error(Code::kInvalid, "'{}' is not closed with '}}}}'",
                        escape_bytes(text.substr(open, 40)));
    const std::string_view inside = text.substr(open + 2, end - open - 2);
    TRY_ASSIGN(Expression expression, Expression::parse(inside), "'{{{{{}}}}}'",
               escape_bytes(inside.substr(0, 80)));
    parsed.parts_.push_back({std::string(text.substr(at, open - at)), std::move(expression)});
    at = end + 2;
  }
  parsed.rest_ = std::string(text.substr(at));
  return parsed;
}

Result<std::string> TextTemplate::render(const Lookup& lookup) const {
  std::string rendered;
  for (const Part& part : parts_) {
    rendered += part.before;
    TRY_ASSIGN(const Value value, part.expression.evaluate(lookup), "'{{{{ {} }}}}'",
               escape_bytes(part.expression.text()));
    TRY_ASSIGN(const std::string text, text_of(value), "'{{{{ {} }}}}'",
               escape_bytes(part.expression.text()));
    rendered += text;
  }
  return rendered + rest_;
}

std::vector<Name> TextTemplate::names() const {
  std::vector<Name> names;
  for (const Part& part : parts_) {
    const auto& mentioned = part.expression.names();
    names.insert(names.end(), mentioned.begin(), mentioned.end());
  }
  return names;
}

}  // namespace wherry::flow
