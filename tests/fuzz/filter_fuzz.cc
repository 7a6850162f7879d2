// SPDX-License-Identifier: Apache-2.0
// Any lines as the query of a list: filter, orderby, fields, limit, offset. Refused with a message,
// or read; what is read sorts and picks without contradicting itself.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/filter.h"
#include "base/check.h"
#include "server/route_tools.h"

namespace {

namespace api = wherry::api;
namespace json = boost::json;
using wherry::TimePoint;
using wherry::server::Call;
using wherry::server::Request;

template <class T>
bool read(const wherry::Result<T>& result) {
  if (result) return true;
  CHECK(result.error().code == wherry::Code::kInvalid && !result.error().message.empty());
  return false;
}

std::string next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return std::string(line);
}

TimePoint second(int number) { return TimePoint(std::chrono::seconds(1'600'000'000 + number)); }

std::vector<wherry::tasks::Task> tasks() {
  std::vector<wherry::tasks::Task> tasks(4);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    tasks[i].id = fmt::format("00000000-0000-4000-8000-00000000000{}", i);
    tasks[i].label = std::string(i, 'a');
    tasks[i].requested = second(static_cast<int>(i / 2));
    if (i == 3) tasks[i].completed = second(9);
    if (i == 3) tasks[i].state = wherry::tasks::TaskState::kSucceeded;
  }
  return tasks;
}

std::vector<wherry::tasks::Event> events() {
  return {{second(0), "STARTED", "started", "", false},
          {second(1), "FILE_NOT_FOUND", "it is not there", "{}", true},
          {second(1), "FAILED", "failed", "", true}};
}

std::vector<wherry::tasks::FileInfo> files() {
  std::vector<wherry::tasks::FileInfo> files(4);
  const char* const names[] = {"a", "b.txt", ".hidden", "\xff"};
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i].name = names[i];
    files[i].attributes.size = i / 2;
    files[i].attributes.mtime = second(static_cast<int>(i % 3));
    files[i].user = i == 0 ? "" : "ada";
    if (i == 3) files[i].attributes.type = wherry::EntryType::kDirectory;
  }
  return files;
}

// Of a filter, that it holds for the same rows again, and among several if it holds alone. Of an
// order, what sorting needs.
void check(const std::string& filter_text, const std::string& order_text,
           std::span<const api::Field> fields, const std::vector<api::Row>& rows) {
  const auto filter = api::parse_filter(filter_text, fields);
  const auto order = api::parse_order(order_text, fields);
  if (read(filter)) {
    const std::vector<api::Filter> both = {*filter, *filter};
    for (const api::Row& row : rows)
      CHECK(api::matches(*filter, row) == api::matches_any(both, row));
  }
  if (!read(order)) return;
  const auto before = [&](const api::Row& a, const api::Row& b) {
    return api::comes_before(*order, a, b);
  };
  for (const api::Row& a : rows) {
    CHECK(!before(a, a));
    for (const api::Row& b : rows) {
      CHECK(!before(a, b) || !before(b, a));
      for (const api::Row& c : rows) CHECK(!before(a, b) || !before(b, c) || before(a, c));
    }
  }
}

template <class T>
void check(const std::string& filter, const std::string& order, std::span<const api::Field> fields,
           const std::vector<T>& things) {
  std::vector<api::Row> rows;
  for (const T& thing : things) rows.push_back(api::row_of(thing));
  check(filter, order, fields, rows);
}

// What the store is asked for, and what a client of another service would send for it.
void check_selection(const std::string& text) {
  const auto filter = api::parse_filter(text, api::task_fields());
  if (!read(filter)) return;
  const auto selection = api::select_tasks(*filter);
  if (!read(selection)) return;
  const auto sent = api::task_filter_text(selection->stored);
  if (sent) CHECK(api::parse_filter(*sent, api::task_fields()).has_value());
}

void check_fields(const std::string& text) {
  json::object document = {{"DATA_TYPE", "task"}, {"task_id", "1"}, {"label", nullptr}};
  const std::vector<std::string> names = api::parse_field_names(text);
  api::keep_fields(document, names);
  CHECK(document.contains("DATA_TYPE"));
  for (const std::string_view name : {"task_id", "label"}) {
    const bool is_named = std::find(names.begin(), names.end(), name) != names.end();
    CHECK(document.contains(name) == (names.empty() || is_named));
  }
}

void check_window(const std::string& limit, const std::string& offset) {
  Request request;
  request.query = {{"limit", limit}, {"offset", offset}};
  const auto window = wherry::server::window_of(Call{request}, 3, 5);
  if (!read(window)) return;
  CHECK(window->limit <= 5);
  CHECK(wherry::server::cut(std::vector<int>(7), *window).size() <= window->limit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // reinterpret_cast: bytes are bytes
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string filter = next_line(text);
  const std::string order = next_line(text);
  check(filter, order, api::task_fields(), tasks());
  check(filter, order, api::event_fields(), events());
  check(filter, order, api::file_fields(), files());
  check_selection(filter);
  check_fields(next_line(text));
  const std::string limit = next_line(text);
  check_window(limit, next_line(text));
  return 0;
}
