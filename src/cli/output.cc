// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/check.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

constexpr std::size_t kRowsThatChooseWidths = 1000;

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// A number as a program reads it: without a fraction where there is none.
std::string number_text(double value) { return fmt::format("{}", value); }

std::string joined(const Pairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs.pairs)
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  return text;
}

std::string joined(const Tally& tally) {
  std::string text;
  for (const auto& [what, count] : tally.counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  return text;
}

std::string text_of(const Value& value, Format format) {
  const bool for_people = format == Format::kText;
  return std::visit(
      Overloaded{
          [](std::monostate) { return std::string(); },
          [&](bool on) {
            return std::string(for_people ? (on ? "True" : "False") : on ? "true" : "false");
          },
          [](std::uint64_t number) { return fmt::format("{}", number); },
          [](double number) { return number_text(number); },
          [](const std::string& text) { return printable(text); },
          [](const Bytes& name) { return escape_bytes(name.bytes); },
          [&](const Size& size) {
            return for_people ? format_bytes(size.bytes) : fmt::format("{}", size.bytes);
          },
          [&](const Span& span) {
            return for_people ? format_duration(span.duration)
                              : number_text(seconds(span.duration));
          },
          [](const TimePoint& time) { return format_time(time); },
          [](const Words& words) { return printable(fmt::format("{}", fmt::join(words, ", "))); },
          [](const Numbers& numbers) { return fmt::format("{}", fmt::join(numbers, ", ")); },
          [](const Pairs& pairs) { return printable(joined(pairs)); },
          [](const Tally& tally) { return printable(joined(tally)); },
      },
      value);
}

boost::json::value json_of(const Value& value) {
  namespace json = boost::json;
  return std::visit(Overloaded{
                        [](std::monostate) { return json::value(nullptr); },
                        [](bool on) { return json::value(on); },
                        [](std::uint64_t number) { return json::value(number); },
                        [](double number) { return json::value(number); },
                        [](const Size& size) { return json::value(size.bytes); },
                        [](const Span& span) { return json::value(seconds(span.duration)); },
                        [](const Words& words) {
                          json::array array;
                          for (const std::string& word : words)
                            array.push_back(json::value(printable(word)));
                          return json::value(std::move(array));
                        },
                        [](const Numbers& numbers) {
                          return json::value(json::array(numbers.begin(), numbers.end()));
                        },
                        [](const Pairs& pairs) {
                          json::object object;
                          for (const auto& [name, of] : pairs.pairs)
                            object[printable(name)] = printable(of);
                          return json::value(std::move(object));
                        },
                        [](const Tally& tally) {
                          json::object object;
                          for (const auto& [what, count] : tally.counts) object[what] = count;
                          return json::value(std::move(object));
                        },
                        [&](const auto&) { return json::value(text_of(value, Format::kJson)); },
                    },
                    value);
}

// "key": value lines between braces, `indent` deep.
template <class Keys, class Values>
std::string json_object(const Keys& keys, const Values& value_of, std::string_view data_type,
                        std::string_view indent) {
  std::string text = "{\n";
  text += fmt::format("{}  \"DATA_TYPE\": \"{}\"", indent, data_type);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    text += fmt::format(",\n{}  \"{}\": {}", indent, keys[i].key,
                        boost::json::serialize(json_of(value_of(i))));
  }
  text += fmt::format("\n{}}}", indent);
  return text;
}

// Columns on the screen: code points, which is right for all but wide scripts and combining marks.
std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t used = display_width(text);
  return text + std::string(used < width ? width - used : 0, ' ');
}

}  // namespace

Shown shown_if(bool says_something) { return says_something ? Shown::kAlways : Shown::kNotInText; }

Value text_or_nothing(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

std::string printable(std::string_view text) {
  std::string result;
  while (true) {
    const std::size_t end = std::min(text.find('\\'), text.size());
    result += escape_bytes(text.substr(0, end));
    if (end == text.size()) return result;
    result += '\\';
    text.remove_prefix(end + 1);
  }
}

void Output::record(const Record& record) {
  if (format_ == Format::kJson) {
    out_ << json_object(
                record.fields,
                [&](std::size_t i) -> const Value& { return record.fields[i].value; },
                record.data_type, "")
         << '\n';
    return;
  }
  if (format_ == Format::kUnix) {
    std::string_view separator;
    for (const Field& field : record.fields) {
      out_ << separator << text_of(field.value, format_);
      separator = "\t";
    }
    out_ << '\n';
    return;
  }
  std::size_t width = 0;
  for (const Field& field : record.fields) {
    if (field.shown == Shown::kAlways) width = std::max(width, field.title.size() + 1);
  }
  for (const Field& field : record.fields) {
    if (field.shown != Shown::kAlways) continue;
    out_ << padded(std::string(field.title) + ":", width) << ' ' << text_of(field.value, format_)
         << '\n';
  }
}

void Output::message(std::string_view code, std::string_view message) {
  if (format_ == Format::kUnix) return;
  if (format_ == Format::kText) {
    out_ << printable(message) << '\n';
    return;
  }
  record({"result",
          {{"code", "Code", std::string(code)}, {"message", "Message", std::string(message)}}});
}

void Output::raw(std::string_view text) { out_ << text; }

Output::Table::Table(Output& output, std::string_view data_type, std::vector<Column> columns)
    : output_(output), data_type_(data_type), columns_(std::move(columns)) {
  if (output_.format_ == Format::kJson)
    output_.out_ << fmt::format("{{\n  \"DATA_TYPE\": \"{}\",\n  \"DATA\": [", data_type_);
}

void Output::Table::row(std::vector<Value> values) {
  CHECK(values.size() == columns_.size());
  ++rows_;
  if (output_.format_ == Format::kJson) return write_json_row(values);
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (output_.format_ == Format::kText && columns_[i].shown != Shown::kAlways) continue;
    cells.push_back(text_of(values[i], output_.format_));
  }
  if (output_.format_ == Format::kUnix) {
    output_.out_ << fmt::format("{}\n", fmt::join(cells, "\t"));
  } else if (widths_.empty()) {
    pending_.push_back(std::move(cells));
    if (pending_.size() == kRowsThatChooseWidths) write_pending();
  } else {
    write_row(cells);
  }
}

void Output::Table::finish() {
  switch (output_.format_) {
    case Format::kText:
      if (widths_.empty()) write_pending();
      return;
    case Format::kJson:
      output_.out_ << fmt::format("{}],\n  \"length\": {}\n}}\n", rows_ == 0 ? "" : "\n  ", rows_);
      return;
    case Format::kUnix:
      return;
  }
}

void Output::Table::write_json_row(const std::vector<Value>& values) {
  // The rows of a "task_list" are documents of type "task".
  std::string_view row_type = data_type_;
  if (row_type.ends_with("_list")) row_type.remove_suffix(5);
  output_.out_ << (rows_ == 1 ? "\n    " : ",\n    ")
               << json_object(
                      columns_, [&](std::size_t i) -> const Value& { return values[i]; }, row_type,
                      "    ");
}

void Output::Table::write_pending() {
  std::vector<std::string> titles;
  for (const Column& column : columns_) {
    if (column.shown == Shown::kAlways) titles.emplace_back(column.title);
  }
  for (const std::string& title : titles) widths_.push_back(title.size());
  for (const auto& cells : pending_) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths_[i] = std::max(widths_[i], display_width(cells[i]));
  }
  std::vector<std::string> rules;
  for (const std::size_t width : widths_) rules.emplace_back(width, '-');
  write_row(titles);
  write_row(rules);
  for (const auto& cells : pending_) write_row(cells);
  pending_.clear();
}

void Output::Table::write_row(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += " | ";
    // The last column needs no padding: no spaces at the end of a line.
    line += i + 1 < cells.size() ? padded(cells[i], widths_[i]) : cells[i];
  }
  output_.out_ << line << '\n';
}

}  // namespace wherry::cli
