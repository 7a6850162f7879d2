// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace wherry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RelPath path(std::string_view text) { return RelPath::parse(text).value(); }

TEST(RelPath, SpellingsOfOnePathAreEqual) {
  for (const char* text : {"a/b", "/a/b", "a/b/", "a//b", "./a/./b", "//a/b//."})
    EXPECT_EQ(path(text).text(), "a/b") << text;
  for (const char* text : {"", "/", ".", "./", "//"}) EXPECT_TRUE(path(text).is_root()) << text;
}

TEST(RelPath, DotsThatAreNoStepsAreNames) { EXPECT_EQ(path("..a/.../.b").text(), "..a/.../.b"); }

TEST(RelPath, AStepUpIsRefusedWhereverItStands) {
  for (const char* text : {"..", "a/..", "../a", "a/../b", "/.."})
    EXPECT_EQ(RelPath::parse(text).error().code, Code::kInvalid) << text;
}

TEST(RelPath, ANulByteIsRefused) {
  const auto parsed = RelPath::parse(std::string_view("a\0b", 3));
  EXPECT_THAT(parsed.error().message, HasSubstr("'a\\x00b' holds a NUL byte"));
}

TEST(RelPath, NamesAndPathsEndWhereTheKernelsDo) {
  EXPECT_TRUE(RelPath::parse(std::string(255, 'n')));
  EXPECT_FALSE(RelPath::parse(std::string(256, 'n')));
  std::string longest;
  while (longest.size() + 2 <= kMaxPathBytes) longest += "a/";
  longest += 'b';
  ASSERT_EQ(longest.size(), kMaxPathBytes);
  EXPECT_TRUE(RelPath::parse(longest));
  EXPECT_FALSE(RelPath::parse(longest + "b"));
  EXPECT_TRUE(RelPath::parse("/" + longest + "///")) << "counted in normal form";
}

TEST(RelPath, NameAndParentTakeAPathApart) {
  EXPECT_EQ(path("a/b/c").name(), "c");
  EXPECT_EQ(path("a/b/c").parent(), path("a/b"));
  EXPECT_EQ(path("a").parent(), RelPath());
  EXPECT_EQ(RelPath().parent(), RelPath());
  EXPECT_EQ(RelPath().name(), "");
}

TEST(RelPath, ChildAndJoinPutItTogether) {
  EXPECT_EQ(RelPath().child("a").child("b").text(), "a/b");
  EXPECT_EQ(path("a").join(path("b/c")).text(), "a/b/c");
  EXPECT_EQ(path("a").join(RelPath()), path("a"));
  EXPECT_EQ(RelPath().join(path("a")), path("a"));
}

TEST(RelPath, WithinGoesByWholeComponents) {
  EXPECT_TRUE(path("a/b").is_within(path("a")));
  EXPECT_TRUE(path("a").is_within(path("a")));
  EXPECT_TRUE(path("a").is_within(RelPath()));
  EXPECT_FALSE(path("ab").is_within(path("a")));
  EXPECT_FALSE(path("a").is_within(path("a/b")));
  EXPECT_EQ(path("a/b/c").relative_to(path("a")).text(), "b/c");
  EXPECT_EQ(path("a").relative_to(path("a")), RelPath());
  EXPECT_EQ(path("a/b").relative_to(RelPath()), path("a/b"));
}

TEST(RelPath, SortsAsADepthFirstWalkVisits) {
  std::vector<RelPath> paths = {path("b"),    path("a b"),  path("a/b"), path("a"),
                                path("a-c"),  path("a/z"),  RelPath(),   path("a/b/c"),
                                path("\xff"), path("a\x01")};
  std::sort(paths.begin(), paths.end());
  EXPECT_THAT(paths, ElementsAre(RelPath(), path("a"), path("a/b"), path("a/b/c"), path("a/z"),
                                 path("a\x01"), path("a b"), path("a-c"), path("b"), path("\xff")));
}

// The definition: component by component, bytes as unsigned numbers.
std::strong_ordering compare_components(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.size() <=> b.size();
  const std::string_view a_name = a.substr(0, a.find('/'));
  const std::string_view b_name = b.substr(0, b.find('/'));
  const int order = a_name.compare(b_name);
  if (order != 0) return order <=> 0;
  return compare_components(a.substr(std::min(a.size(), a_name.size() + 1)),
                            b.substr(std::min(b.size(), b_name.size() + 1)));
}

TEST(RelPath, TheFastComparisonAgreesWithTheDefinition) {
  SeededRandom random(11);
  const auto random_path = [&] {
    constexpr std::string_view kBytes("/a\x01.\xff-", 6);
    std::string text;
    for (auto count = random.below(9); count > 0; --count) text += kBytes[random.below(6)];
    return RelPath::parse(text).value_or(RelPath());
  };
  for (int i = 0; i < 20'000; ++i) {
    const RelPath a = random_path();
    const RelPath b = random_path();
    ASSERT_EQ(a <=> b, compare_components(a.text(), b.text()))
        << escape_bytes(a.text()) << " against " << escape_bytes(b.text());
  }
}

TEST(EscapeBytes, LeavesReadableTextAlone) {
  for (const char* text : {"", "plain name.tif", "caf\xc3\xa9", "\xe6\xbc\xa2\xe5\xad\x97",
                           "\xf0\x9f\x9b\xb6", "\xc2\xa0"})
    EXPECT_EQ(escape_bytes(text), text);
}

TEST(EscapeBytes, WritesWhatIsNotUtf8OrNotPrintableInHex) {
  EXPECT_EQ(escape_bytes("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(escape_bytes("back\\slash"), "back\\x5cslash");
  EXPECT_EQ(escape_bytes("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(escape_bytes("\xc3"), "\\xc3") << "cut off";
  EXPECT_EQ(escape_bytes("\xc0\xaf"), "\\xc0\\xaf") << "over-long";
  EXPECT_EQ(escape_bytes("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(escape_bytes("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(escape_bytes("\xc2\x9b"
                         "31m"),
            "\\xc2\\x9b"
            "31m")
      << "a terminal would obey it";
}

TEST(EscapeBytes, EveryByteStringSurvivesTheRoundTrip) {
  SeededRandom random(12);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes;
    for (auto count = random.below(12); count > 0; --count)
      bytes += random.below(4) == 0 ? '\\' : static_cast<char>(random.next());
    const std::string text = escape_bytes(bytes);
    ASSERT_EQ(text.find('\n'), std::string::npos);
    ASSERT_EQ(unescape_bytes(text).value(), bytes) << text;
  }
}

TEST(UnescapeBytes, TakesHexDigitsInEitherCase) {
  EXPECT_EQ(unescape_bytes("\\xE9\\xe9").value(), "\xe9\xe9");
}

TEST(UnescapeBytes, RefusesABackslashThatBeginsNoEscape) {
  for (const char* text : {"\\", "\\x", "\\x4", "a\\n", "\\x4g", "\\xg4", "\\X41", "ab\\\\"}) {
    const auto bytes = unescape_bytes(text);
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(bytes.error().code, Code::kInvalid);
  }
  EXPECT_THAT(unescape_bytes("ab\\n").error().message, HasSubstr("backslash at byte 2"));
}

TEST(Utf8, IsToldFromOtherBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain \n \xc3\xa9"));
  EXPECT_FALSE(is_utf8("caf\xe9"));
  EXPECT_FALSE(is_utf8("cut short \xc3"));
  EXPECT_FALSE(is_utf8("a surrogate \xed\xa0\x80"));
}

}  // namespace
}  // namespace wherry
