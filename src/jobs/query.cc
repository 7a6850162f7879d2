// SPDX-License-Identifier: Apache-2.0
#include "jobs/query.h"

#include <algorithm>

#include "base/path.h"

namespace wherry::jobs {

Error no_such_job(JobId id) {
  return make_error(Code::kNotFound, "there is no job {}; `wherry job ls` shows those that exist",
                    id);
}

Error no_such_item(ItemId id) {
  return make_error(
      Code::kNotFound,
      "there is no transfer item {}; `wherry transfer-item ls` shows those that exist", id);
}

Result<void> refuse_too_many(std::size_t changes) {
  if (changes <= kMaxBulk) return {};
  return make_error(Code::kInvalid, "{} changes in one call, at most {} are allowed", changes,
                    kMaxBulk);
}

void Conditions::add(std::string_view condition) {
  text_ += text_.empty() ? " where " : " and ";
  text_ += condition;
}

std::string Conditions::bound(std::string_view condition, std::string_view text) {
  constexpr std::string_view kPlace = ":text";
  const std::size_t place = condition.find(kPlace);
  CHECK(place != std::string_view::npos);
  std::string numbered(condition);
  numbered.replace(place, kPlace.size(), bind_text(text));
  return numbered;
}

std::string Conditions::bind_text(std::string_view text) {
  bound_.emplace_back(text);
  return fmt::format(":text{}", bound_.size() - 1);
}

void Conditions::add(std::string_view condition, std::string_view text) {
  add(bound(condition, text));
}

void Conditions::among(std::string_view column, std::span<const std::int64_t> numbers) {
  if (numbers.empty()) return;
  if (numbers.size() == 1) return add(fmt::format("{} = {}", column, numbers.front()));
  add(fmt::format("{} in ({})", column, fmt::join(numbers, ", ")));
}

void Conditions::among_texts(std::string_view column, const std::vector<std::string>& words) {
  CHECK(!words.empty());
  std::string list;
  for (const std::string& word : words) {
    list += list.empty() ? "" : ", ";
    list += bind_text(word);
  }
  add(fmt::format("{} in ({})", column, list));
}

void Conditions::tagged(std::string_view job_column, const TextMap& tags) {
  for (const auto& [key, value] : tags) {
    // job_tag has them as the JSON of the column `tags` has.
    const std::string its_key = bind_text(escape_bytes(key));
    const std::string its_value = bind_text(escape_bytes(value));
    add(fmt::format("{} in (select g.job from job_tag g where g.key = {} and g.value = {})",
                    job_column, its_key, its_value));
  }
}

void Conditions::bind(soci::statement& statement) const {
  for (const std::string& text : bound_) statement.exchange(soci::use(text));
}

std::vector<std::int64_t> select_numbers(soci::session& sql, const std::string& text,
                                         const Conditions& conditions) {
  std::vector<std::int64_t> numbers;
  RowQuery<NumberRow> query(sql, text, conditions);
  while (const NumberRow* row = query.next()) numbers.push_back(row->number);
  return numbers;
}

std::int64_t select_number(soci::session& sql, const std::string& text,
                           const Conditions& conditions) {
  RowQuery<NumberRow> query(sql, text, conditions);
  const NumberRow* row = query.next();
  CHECK(row != nullptr);
  return row->number;
}

std::int64_t inserted_id(soci::session& sql) {
  long long id = 0;
  CHECK(sql.get_last_insert_id("", id));
  return id;
}

std::string limit_text(std::size_t limit, std::size_t offset) {
  constexpr std::size_t kMost = INT64_MAX;
  return fmt::format(" limit {} offset {}", std::min(limit, kMaxPage), std::min(offset, kMost));
}

std::string page_of_groups(const std::vector<std::string>& groups, std::string_view order,
                           std::size_t limit, std::size_t offset) {
  return fmt::format("select id, state from ({}{}{})", fmt::join(groups, " union all "), order,
                     limit_text(limit, offset));
}

}  // namespace wherry::jobs
