// SPDX-License-Identifier: Apache-2.0
#include "api/filter.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "base/units.h"

namespace wherry::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

tasks::FileInfo file(const std::string& name, ByteCount size = 0) {
  tasks::FileInfo info;
  info.name = name;
  info.attributes.size = size;
  info.attributes.mtime = parse_time("2021-06-01 12:00:00.5Z").value();
  info.attributes.mode = 0644;
  return info;
}

bool passes(const std::string& filter, const tasks::FileInfo& info) {
  const auto parsed = parse_filter(filter, file_fields());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed && matches(*parsed, row_of(info));
}

TEST(Filter, PositiveValuesAreAlternativesAndNegativeOnesAllHold) {
  EXPECT_TRUE(passes("name:a,b", file("b")));
  EXPECT_FALSE(passes("name:=a,b", file("c")));
  EXPECT_TRUE(passes("name:~*.txt", file("x.txt")));
  EXPECT_FALSE(passes("name:~?.txt", file("xy.txt")));
  EXPECT_TRUE(passes("name:!a,!~b*", file("c")));
  EXPECT_FALSE(passes("name:!=a,!~b*", file("bc")));
  EXPECT_FALSE(passes("name:~x*,!xy", file("xy")));
  EXPECT_TRUE(passes("name:~[x]*", file("[x]1"))) << "brackets mean nothing here";
}

TEST(Filter, ClausesAllHold) {
  EXPECT_TRUE(passes("type:file/size:1,10", file("a", 10)));
  EXPECT_FALSE(passes("type:dir/size:1,10", file("a", 10)));
  EXPECT_TRUE(passes("", file("a")));
}

TEST(Filter, RangesMayBeOpen) {
  EXPECT_TRUE(passes("size:5,", file("a", 5)));
  EXPECT_FALSE(passes("size:,4", file("a", 5)));
  EXPECT_TRUE(passes("size:5", file("a", 5)));
  EXPECT_FALSE(passes("size:5", file("a", 6)));
  EXPECT_TRUE(passes("last_modified:2021-06-01 12:00:00,2021-06-01 12:00:00", file("a")));
  EXPECT_FALSE(passes("last_modified:,2021-06-01", file("a")));
}

TEST(Filter, AValueThatIsNotThereMeetsNoPositiveTest) {
  EXPECT_FALSE(passes("user:root", file("a")));
  EXPECT_TRUE(passes("user:!root", file("a")));
}

TEST(Filter, OfRepeatedFiltersOneMustHold) {
  std::vector<Filter> filters;
  EXPECT_TRUE(matches_any(filters, row_of(file("a"))));
  for (const char* text : {"type:dir", "name:~*.txt"})
    filters.push_back(parse_filter(text, file_fields()).value());
  const tasks::FileInfo wanted = file("x.txt");
  const tasks::FileInfo other = file("x.h5");
  EXPECT_TRUE(matches_any(filters, row_of(wanted)));
  EXPECT_FALSE(matches_any(filters, row_of(other)));
}

TEST(Filter, ABadClauseSaysWhatIsWrong) {
  const auto refusal = [](const char* text) {
    const auto parsed = parse_filter(text, file_fields());
    return parsed ? "accepted" : parsed.error().message;
  };
  EXPECT_THAT(refusal("name"), HasSubstr("field:value"));
  EXPECT_THAT(refusal("nmae:x"), HasSubstr("'nmae' is no field here; there are name, type"));
  EXPECT_THAT(refusal("size:big"), HasSubstr("'big' is no whole number"));
  EXPECT_THAT(refusal("size:1,2,3"), HasSubstr("from,to"));
  EXPECT_THAT(refusal("last_modified:soon,"), HasSubstr("is no time"));
  EXPECT_FALSE(parse_filter("is_error:maybe", event_fields()));
  EXPECT_FALSE(parse_filter(std::string(100'000, 'x'), file_fields()));
}

TEST(Filter, AHostilePatternIsAnsweredAtOnce) {
  std::string pattern = "name:~";
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  EXPECT_FALSE(passes(pattern + "b", file(std::string(255, 'a'))));
}

TEST(Filter, EventsAreTakenByError) {
  tasks::Event event;
  event.is_error = true;
  EXPECT_TRUE(matches(parse_filter("is_error:1", event_fields()).value(), row_of(event)));
  EXPECT_FALSE(matches(parse_filter("is_error:False", event_fields()).value(), row_of(event)));
}

TEST(Filter, RowsAreOrderedByEachKeyInItsDirection) {
  std::vector<tasks::FileInfo> files = {file("b", 1), file("a", 2), file("c", 2)};
  const auto order = parse_order("size DESC, name", file_fields());
  ASSERT_TRUE(order) << order.error().message;
  std::stable_sort(files.begin(), files.end(), [&](const auto& x, const auto& y) {
    return comes_before(*order, row_of(x), row_of(y));
  });
  EXPECT_EQ(files[0].name + files[1].name + files[2].name, "acb");
  EXPECT_FALSE(parse_order("name sideways", file_fields()));
  EXPECT_FALSE(parse_order("colour", file_fields()));
}

TEST(Filter, FieldsRestrictADocument) {
  boost::json::object document{{"DATA_TYPE", "task"}, {"task_id", "x"}, {"status", "ACTIVE"}};
  keep_fields(document, {});
  EXPECT_EQ(document.size(), 3u);
  keep_fields(document, parse_field_names("task_id, other"));
  EXPECT_EQ(document.size(), 2u);
  EXPECT_EQ(document.at("task_id"), "x");
}

TaskSelection selected(const std::string& filter) {
  return select_tasks(parse_filter(filter, task_fields()).value()).value();
}

TEST(Filter, TheStoreSelectsTasksAsFarAsItCan) {
  using tasks::TaskState;
  const TaskSelection selection = selected(
      "type:TRANSFER,DELETE/status:!SUCCEEDED,!FAILED/task_id:AB,cd/label:=sync job/"
      "request_time:2021-01-01,");
  EXPECT_THAT(selection.stored.states, ElementsAre(TaskState::kActive, TaskState::kInactive));
  EXPECT_EQ(selection.stored.types.size(), 2u);
  EXPECT_THAT(selection.stored.ids, ElementsAre("ab", "cd"));
  EXPECT_EQ(selection.stored.requested_after, parse_time("2021-01-01").value());
  EXPECT_FALSE(selection.stored.requested_before);
  ASSERT_EQ(selection.rest.size(), 1u);
  EXPECT_EQ(selection.rest[0].field.name, "label");
}

TEST(Filter, AFilterThatAClientSendsIsUnderstood) {
  tasks::TaskFilter sent;
  sent.ids = {"ab", "cd"};
  sent.states = {tasks::TaskState::kFailed};
  sent.types = {tasks::TaskType::kDelete};
  sent.label_glob = "night*";
  sent.completed_after = parse_time("2021-01-01").value();
  const TaskSelection got = selected(task_filter_text(sent).value());
  EXPECT_EQ(got.stored.ids, sent.ids);
  EXPECT_EQ(got.stored.states, sent.states);
  EXPECT_EQ(got.stored.types, sent.types);
  EXPECT_EQ(got.stored.completed_after, sent.completed_after);
  tasks::Task task;
  task.label = "nightly";
  EXPECT_TRUE(matches(got.rest, row_of(task)));
  task.label = "daily";
  EXPECT_FALSE(matches(got.rest, row_of(task)));
  EXPECT_EQ(task_filter_text({}).value(), "");
  sent.label_glob = "a/b";
  EXPECT_EQ(task_filter_text(sent).error().code, Code::kUnsupported);
}

TEST(Filter, AStatusThatNoTaskCanHaveSelectsNothing) {
  const TaskSelection selection = selected("status:!~*");
  EXPECT_TRUE(selection.stored.states.empty());
  EXPECT_FALSE(matches(selection.rest, row_of(tasks::Task())));
  EXPECT_FALSE(select_tasks(parse_filter("status:DONE", task_fields()).value()));
}

}  // namespace
}  // namespace wherry::api
