// SPDX-License-Identifier: Apache-2.0
// Reads the query of a list. What nobody asks for is an error: a filter that is misspelt must not
// let everything pass.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "jobs/types.h"
#include "server/http.h"

namespace wherry::server {

// Each call reads one parameter, and leaves `out` as it is if it is not there. The first error is
// kept, and told at the end. The request outlives the reader.
class QueryReader {
 public:
  explicit QueryReader(const Request& request) : query_(request.query) {}

  // Given several times, each adds one.
  void numbers(std::string_view name, std::vector<std::int64_t>& out);
  void texts(std::string_view name, std::vector<std::string>& out);
  template <class Word>
  void words(std::string_view name, std::vector<Word>& out,
             Result<Word> (*parse)(std::string_view)) {
    for (const std::string& text : values(name)) {
      auto word = parse(text);
      if (!word) return fail(name, word.error().message);
      out.push_back(*word);
    }
  }
  // `tags=KEY:VALUE`; the first colon separates.
  void tags(std::string_view name, jobs::TextMap& out);

  // Given once.
  void text(std::string_view name, std::string& out);
  void number(std::string_view name, std::optional<std::int64_t>& out);
  void flag(std::string_view name, std::optional<bool>& out);
  void time(std::string_view name, std::optional<TimePoint>& out);
  template <class Word>
  void word(std::string_view name, std::optional<Word>& out,
            Result<Word> (*parse)(std::string_view)) {
    std::vector<Word> all;
    words(name, all, parse);
    if (!all.empty()) out = all.back();
    once(name);
  }
  // One of `fields`, with '-' in front for the other direction.
  template <class Order>
  struct Field {
    std::string_view name;
    Order order;
  };
  template <class Order, std::size_t N>
  void ordering(const Field<Order> (&fields)[N], Order& order, jobs::Sorting& sorting) {
    std::string text;
    this->text("ordering", text);
    if (text.empty()) return;
    const bool is_descending = text.front() == '-';
    const std::string_view wanted = std::string_view(text).substr(is_descending ? 1 : 0);
    std::string known;
    for (const Field<Order>& field : fields) {
      if (field.name == wanted) {
        order = field.order;
        sorting = is_descending ? jobs::Sorting::kDescending : jobs::Sorting::kAscending;
        return;
      }
      known += (known.empty() ? "" : ", ") + std::string(field.name);
    }
    fail("ordering", "must be one of " + known + ", with - in front for the other direction");
  }
  // `limit` and `offset`. A limit above kMaxPage counts as that.
  void page(std::size_t& limit, std::size_t& offset);

  // Whether anything was given so far.
  bool has_any() const { return has_any_; }
  void fail(std::string_view name, std::string_view why);
  // kInvalid: the first error, or a parameter that nobody read.
  Result<void> finish() const;

 private:
  std::vector<std::string> values(std::string_view name);
  void once(std::string_view name);

  const std::vector<std::pair<std::string, std::string>>& query_;
  std::vector<std::string_view> known_;
  bool has_any_ = false;
  std::optional<Error> error_;
};

}  // namespace wherry::server
