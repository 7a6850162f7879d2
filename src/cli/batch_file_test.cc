// SPDX-License-Identifier: Apache-2.0
#include "cli/batch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tasks/types.h"

namespace wherry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SplitWords, SplitsAsAShellDoes) {
  EXPECT_THAT(split_words("a  b\tc").value(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_words(R"('a b' "c d" e\ f)").value(), ElementsAre("a b", "c d", "e f"));
  EXPECT_THAT(split_words(R"(a'b'"c"\d)").value(), ElementsAre("abcd"));
  EXPECT_THAT(split_words(R"('' "")").value(), ElementsAre("", ""));
}

TEST(SplitWords, ABackslashInDoubleQuotesEscapesOnlyQuoteAndBackslash) {
  EXPECT_THAT(split_words(R"("a\"b" "a\\b" "a\nb")").value(), ElementsAre("a\"b", "a\\b", "a\\nb"));
  EXPECT_THAT(split_words(R"('a\b')").value(), ElementsAre("a\\b"));
}

TEST(SplitWords, ACommentBeginsWhereAWordWould) {
  EXPECT_THAT(split_words("a b # c").value(), ElementsAre("a", "b"));
  EXPECT_THAT(split_words("a#b '#c'").value(), ElementsAre("a#b", "#c"));
  EXPECT_THAT(split_words("  # all of it").value(), IsEmpty());
}

TEST(SplitWords, KeepsBytesThatAreNoText) {
  EXPECT_THAT(split_words("\xff\xfe \x01").value(), ElementsAre("\xff\xfe", "\x01"));
}

TEST(SplitWords, RefusesWhatDoesNotEnd) {
  EXPECT_EQ(split_words("'a").error().message, "a ' is not closed");
  EXPECT_EQ(split_words("\"a").error().message, "a \" is not closed");
  EXPECT_EQ(split_words("a\\").error().message, "a backslash ends the line");
}

TEST(ParseBatch, ReadsPathsAndOptions) {
  const auto lines = parse_batch(
      "# files of run 42\n"
      "\n"
      "a.tif b.tif\r\n"
      "dir out/dir --recursive\n"
      "--external-checksum=00ff --checksum-algorithm SHA256 'x y' z",
      BatchKind::kTransfer);
  ASSERT_TRUE(lines) << lines.error().message;
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ(lines.value()[0].number, 3u);
  EXPECT_EQ(lines.value()[0].target, "b.tif");
  EXPECT_FALSE(lines.value()[0].recursive);
  EXPECT_TRUE(lines.value()[1].recursive);
  EXPECT_EQ(lines.value()[2].source, "x y");
  EXPECT_EQ(lines.value()[2].checksum, "00ff");
  EXPECT_EQ(lines.value()[2].checksum_algorithm, "SHA256");
}

TEST(ParseBatch, APathBatchHasOnePathALineAndNoOptions) {
  const auto lines = parse_batch("a\n-b\n'c d'\n", BatchKind::kPaths);
  ASSERT_TRUE(lines);
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ(lines.value()[1].source, "-b");
  EXPECT_EQ(lines.value()[2].source, "c d");
}

std::string error_of(std::string_view text) {
  const auto lines = parse_batch(text, BatchKind::kTransfer);
  if (lines) return "parsed";
  EXPECT_EQ(lines.error().code, Code::kInvalid);
  return lines.error().message;
}

TEST(ParseBatch, ErrorsNameTheLine) {
  EXPECT_THAT(error_of("a b\nc\n"), HasSubstr("batch line 2: 1 path, expected SOURCE TARGET"));
  EXPECT_THAT(error_of("a b c\n"), HasSubstr("batch line 1: 3 paths"));
  EXPECT_THAT(error_of("\n\na 'b\n"), HasSubstr("batch line 3: a ' is not closed"));
  EXPECT_THAT(error_of("a b --recursiv\n"), HasSubstr("did you mean '--recursive'?"));
  EXPECT_THAT(error_of("a b --external-checksum\n"), HasSubstr("wants a value"));
  EXPECT_EQ(error_of("# nothing\n"), "the batch has no items");
}

TEST(ParseBatch, RefusesOneItemTooMany) {
  std::string text;
  for (std::size_t i = 0; i < tasks::kMaxItems; ++i) text += "a b\n";
  EXPECT_TRUE(parse_batch(text, BatchKind::kTransfer));
  EXPECT_THAT(error_of(text + "a b\n"), HasSubstr("batch line 100001: more than 100000 items"));
}

TEST(ReadBatch, NamesTheFileThatIsNotThere) {
  EXPECT_THAT(read_batch("/nonexistent/batch.txt").error().message,
              HasSubstr("/nonexistent/batch.txt"));
}

}  // namespace
}  // namespace wherry::cli
