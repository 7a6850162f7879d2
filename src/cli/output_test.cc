// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <sstream>

namespace wherry::cli {
namespace {

const TimePoint kTime{std::chrono::seconds(1539601563)};

Record sample() {
  return {"thing",
          {{"name", "Name", Bytes{"a\xff\tb\\"}},
           {"size", "Size", Size{1536}},
           {"took", "Took", Span{std::chrono::seconds(90)}},
           {"ok", "Is OK", true},
           {"time", "Time", kTime},
           {"note", "Note", std::string("back\\slash")},
           {"words", "Words", Words{"x", "y"}},
           {"numbers", "Numbers", Numbers{3, 4}},
           {"pairs", "Pairs", Pairs{{{"a", "1"}, {"b", "x y"}}}},
           {"tally", "Tally", Tally{{{"done", 12}, {"bad", 1}}}},
           {"none", "None", Value()},
           {"extra", "Extra", std::uint64_t{7}, Shown::kNotInText}}};
}

std::string record_as(Format format, const Record& record) {
  std::ostringstream out;
  Output(format, out).record(record);
  return out.str();
}

TEST(Output, TextIsForPeople) {
  EXPECT_EQ(record_as(Format::kText, sample()),
            "Name:    a\\xff\\x09b\\x5c\n"
            "Size:    1.5 KiB\n"
            "Took:    1m 30s\n"
            "Is OK:   True\n"
            "Time:    2018-10-15T11:06:03+00:00\n"
            "Note:    back\\slash\n"
            "Words:   x, y\n"
            "Numbers: 3, 4\n"
            "Pairs:   a=1, b=x y\n"
            "Tally:   12 done, 1 bad\n"
            "None:    \n");
}

TEST(Output, UnixIsOneLineOfTabSeparatedValues) {
  EXPECT_EQ(
      record_as(Format::kUnix, sample()),
      "a\\xff\\x09b\\x5c\t1536\t90\ttrue\t2018-10-15T11:06:03+00:00\tback\\slash\tx, y\t3, 4\ta=1, "
      "b=x y\t12 done, 1 bad\t\t7\n");
}

TEST(Output, JsonParsesAndCarriesEveryField) {
  const auto document = boost::json::parse(record_as(Format::kJson, sample()));
  EXPECT_EQ(document.at("DATA_TYPE"), "thing");
  EXPECT_EQ(document.at("name"), "a\\xff\\x09b\\x5c");
  EXPECT_EQ(document.at("size").to_number<int>(), 1536);
  EXPECT_EQ(document.at("took").to_number<double>(), 90.0);
  EXPECT_EQ(document.at("ok"), true);
  EXPECT_EQ(document.at("note"), "back\\slash");
  EXPECT_EQ(document.at("words").as_array().size(), 2u);
  EXPECT_EQ(document.at("numbers").at(1).to_number<int>(), 4);
  EXPECT_EQ(document.at("pairs").at("b"), "x y");
  EXPECT_EQ(document.at("tally").at("done").to_number<int>(), 12);
  EXPECT_TRUE(document.at("none").is_null());
  EXPECT_EQ(document.at("extra").to_number<int>(), 7);
}

std::string table_as(Format format, int rows) {
  std::ostringstream out;
  Output output(format, out);
  Output::Table table(
      output, "thing_list",
      {{"name", "Name"}, {"size", "Size"}, {"hidden", "Hidden", Shown::kNotInText}});
  for (int i = 0; i < rows; ++i)
    table.row({Bytes{"file" + std::to_string(i)}, static_cast<std::uint64_t>(i), true});
  table.finish();
  return out.str();
}

TEST(OutputTable, TextHasTitlesAndAlignedColumns) {
  EXPECT_EQ(table_as(Format::kText, 2),
            "Name  | Size\n"
            "----- | ----\n"
            "file0 | 0\n"
            "file1 | 1\n");
}

TEST(OutputTable, UnixHasNoTitles) {
  EXPECT_EQ(table_as(Format::kUnix, 1), "file0\t0\ttrue\n");
  EXPECT_EQ(table_as(Format::kUnix, 0), "");
}

TEST(OutputTable, JsonIsAListWithItsLength) {
  for (const int rows : {0, 1, 3}) {
    const auto document = boost::json::parse(table_as(Format::kJson, rows));
    EXPECT_EQ(document.at("DATA_TYPE"), "thing_list");
    EXPECT_EQ(document.at("DATA").as_array().size(), static_cast<std::size_t>(rows));
    EXPECT_EQ(document.at("length").to_number<int>(), rows);
  }
  EXPECT_EQ(boost::json::parse(table_as(Format::kJson, 1)).at("DATA").at(0).at("DATA_TYPE"),
            "thing");
}

TEST(OutputTable, WritesEveryRowOfALongList) {
  const std::string text = table_as(Format::kText, 2500);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2502);
  EXPECT_NE(text.find("file2499 | 2499\n"), std::string::npos);
}

TEST(OutputMessage, IsASentenceOrADocument) {
  std::ostringstream text;
  Output(Format::kText, text).message("Done", "It is done");
  EXPECT_EQ(text.str(), "It is done\n");
  std::ostringstream json;
  Output(Format::kJson, json).message("Done", "It is done");
  EXPECT_EQ(boost::json::parse(json.str()).at("code"), "Done");
}

TEST(Printable, LeavesBackslashesAndEscapesTheRest) {
  EXPECT_EQ(printable("a\\b\xff\n"), "a\\b\\xff\\x0a");
}

}  // namespace
}  // namespace wherry::cli
