// SPDX-License-Identifier: Apache-2.0
// What commands answer, as data: records (one thing, many fields) and tables (many things). One of
// three forms is written: text for people, JSON, and tab-separated values for scripts ("unix").
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry::cli {

enum class Format { kText, kJson, kUnix };

// A name or path: any bytes. Written by the rule of escape_bytes() in every form.
struct Bytes {
  std::string bytes;
};
// For people "1.5 GiB", for programs the number of bytes.
struct Size {
  ByteCount bytes = 0;
};
// For people "2h 5m", for programs seconds.
struct Span {
  Duration duration{0};
};
using Words = std::vector<std::string>;
using Numbers = std::vector<std::uint64_t>;
// Names and what they stand for: in JSON an object, elsewhere "a=1, b=2".
struct Pairs {
  std::map<std::string, std::string, std::less<>> pairs;
};
// How many of what, in this order: in JSON an object of numbers, elsewhere "12 done, 1 error".
struct Tally {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
};
// A std::string is text that is meant to be read; bytes in it that are no UTF-8 are escaped, its
// backslashes are not. Nothing (monostate) is null in JSON and empty elsewhere.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string, Bytes, Size,
                           Span, TimePoint, Words, Numbers, Pairs, Tally>;

// Where a field or column appears: the text form of things with many fields shows the main ones.
enum class Shown { kAlways, kNotInText };
// Of fields that say something only now and then.
Shown shown_if(bool says_something);
// Null for an empty text.
Value text_or_nothing(const std::string& text);

struct Field {
  std::string_view key;  // in JSON: of the Globus document where that has the field
  std::string_view title;
  Value value;
  Shown shown = Shown::kAlways;
};

struct Record {
  std::string_view data_type;  // "task"
  std::vector<Field> fields;
};

struct Column {
  std::string_view key;
  std::string_view title;
  Shown shown = Shown::kAlways;
};

class Output {
 public:
  Output(Format format, std::ostream& out) : format_(format), out_(out) {}
  Format format() const { return format_; }

  // Text: "Title:  value" lines. JSON: one object. Unix: the values in one line, tabs between.
  void record(const Record& record);
  // A sentence about what was done, with the code that a program looks for: in JSON
  // {"DATA_TYPE": "result", "code": code, "message": message}; nothing in the unix form.
  void message(std::string_view code, std::string_view message);
  // Text as it stands, in every form (scripts, help).
  void raw(std::string_view text);

  // Writes rows as they come, so that a list of millions needs no memory: the widths of the text
  // form are chosen by the first rows. finish() must be called.
  class Table {
   public:
    // `data_type` names the list, e.g. "task_list".
    Table(Output& output, std::string_view data_type, std::vector<Column> columns);
    // One value per column.
    void row(std::vector<Value> values);
    void finish();

   private:
    void write_row(const std::vector<std::string>& cells);
    void write_pending();
    void write_json_row(const std::vector<Value>& values);

    Output& output_;
    std::string_view data_type_;
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> pending_;  // of the text form, before widths are known
    std::vector<std::size_t> widths_;
    std::uint64_t rows_ = 0;
  };

 private:
  Format format_;
  std::ostream& out_;
};

// One line of plain characters: control characters and bytes that are no UTF-8 become \xHH.
std::string printable(std::string_view text);

}  // namespace wherry::cli
