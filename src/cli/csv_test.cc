// SPDX-License-Identifier: Apache-2.0
#include "cli/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::vector<std::string>> rows_of(std::string_view text) {
  CsvReader reader(text);
  std::vector<std::vector<std::string>> rows;
  while (true) {
    auto row = reader.next();
    EXPECT_TRUE(row) << row.error().message;
    if (!row || !*row) return rows;
    rows.push_back((*row)->fields);
  }
}

std::string complaint_about_csv(std::string_view text) {
  CsvReader reader(text);
  while (true) {
    auto row = reader.next();
    if (!row) return row.error().message;
    if (!*row) return "";
  }
}

TEST(CsvReader, SplitsLinesAtCommas) {
  EXPECT_THAT(rows_of("a,b\nc,\n"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "")));
  EXPECT_THAT(rows_of("a,b\r\nc,d"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(rows_of(""), ElementsAre());
  EXPECT_THAT(rows_of("\n\na\n\r\n"), ElementsAre(ElementsAre("a")));
}

TEST(CsvReader, QuotesHoldCommasQuotesAndLineEnds) {
  EXPECT_THAT(rows_of("\"a,b\",\"say \"\"x\"\"\",\"\"\n\"two\nlines\",d\n"),
              ElementsAre(ElementsAre("a,b", "say \"x\"", ""), ElementsAre("two\nlines", "d")));
}

TEST(CsvReader, BytesAndSpacesStayAsTheyAre) {
  EXPECT_THAT(rows_of(" a\xff b ,c:d\n"), ElementsAre(ElementsAre(" a\xff b ", "c:d")));
}

TEST(CsvReader, CountsLinesWithinQuotes) {
  CsvReader reader("\"a\n\nb\"\nc\n");
  EXPECT_EQ(reader.next().value()->line, 1u);
  EXPECT_EQ(reader.next().value()->line, 4u);
}

TEST(CsvReader, RefusesStrayQuotesAndNamesTheLine) {
  EXPECT_THAT(complaint_about_csv("a\nb\"c\n"), HasSubstr("line 2"));
  EXPECT_THAT(complaint_about_csv("a\n\"b\n"), HasSubstr("not closed"));
  EXPECT_THAT(complaint_about_csv("\"b\"c\n"), HasSubstr("comma"));
}

}  // namespace
}  // namespace wherry::cli
