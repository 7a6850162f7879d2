// SPDX-License-Identifier: Apache-2.0
#include "server/request_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace wherry::server {
namespace {

using State = RequestReader::State;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// What a refused request is answered, 0 if it is not refused.
unsigned refusal_of(std::string_view bytes, const RequestLimits& limits = {}) {
  RequestReader reader(limits);
  reader.feed(bytes);
  return reader.state() == State::kRefused ? reader.refusal().status : 0;
}

TEST(RequestReader, ReadsMethodPathQueryHeadersAndBody) {
  RequestReader reader({});
  const std::string_view bytes =
      "POST /v0.10/a%20b/?x=1+2&x=%2B&empty=&bare HTTP/1.1\r\nHost: h\r\nX-Mixed: Value\r\n"
      "Content-Length: 4\r\n\r\nbodyGET /next";
  EXPECT_EQ(bytes.substr(reader.feed(bytes)), "GET /next");
  ASSERT_EQ(reader.state(), State::kDone);
  EXPECT_TRUE(reader.keep_alive());
  const Request request = reader.take();
  EXPECT_EQ(request.method, Method::kPost);
  EXPECT_EQ(request.path, "/v0.10/a b");
  EXPECT_EQ(request.query, (Pairs{{"x", "1 2"}, {"x", "+"}, {"empty", ""}, {"bare", ""}}));
  EXPECT_EQ(*request.header("x-mixed"), "Value");
  EXPECT_EQ(request.body, "body");
}

TEST(RequestReader, ReadsTheSameByteByByte) {
  const std::string bytes =
      "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2;note=1\r\nde\r\n0\r\nHost: trailer\r\n\r\n";
  RequestReader reader({});
  std::string waiting;
  for (const char c : bytes) {
    waiting += c;
    waiting.erase(0, reader.feed(waiting));
  }
  ASSERT_EQ(reader.state(), State::kDone);
  EXPECT_EQ(waiting, "");
  const Request request = reader.take();
  EXPECT_EQ(request.body, "abcde");
  EXPECT_EQ(*request.header("host"), "h");
}

// The library takes these bytes in pieces for a bug of its caller.
TEST(RequestReader, ReadsAnEmptyChunkedBodyByteByByte) {
  RequestReader reader({});
  reader.feed("PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string waiting;
  for (const char c : std::string_view("0\r\n\r\n")) {
    EXPECT_EQ(reader.state(), State::kBody);
    waiting += c;
    waiting.erase(0, reader.feed(waiting));
  }
  EXPECT_EQ(reader.state(), State::kDone);
}

TEST(RequestReader, SkipsEmptyLinesBeforeARequest) {
  RequestReader reader({});
  reader.feed("\r\n");
  EXPECT_EQ(reader.state(), State::kNothing);
  reader.feed("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reader.state(), State::kDone);
}

TEST(RequestReader, AsksToContinueOnlyUntilTheBodyBegins) {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  RequestReader waiting({});
  waiting.feed(head);
  EXPECT_TRUE(waiting.wants_continue());
  waiting.feed("a");
  EXPECT_FALSE(waiting.wants_continue());
  RequestReader eager({});
  eager.feed(head + "a");
  EXPECT_FALSE(eager.wants_continue());
}

TEST(RequestReader, ClosesAfterHttp10AndConnectionClose) {
  for (const std::string_view head :
       {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}) {
    RequestReader reader({});
    reader.feed(head);
    ASSERT_EQ(reader.state(), State::kDone) << head;
    EXPECT_FALSE(reader.keep_alive()) << head;
  }
}

TEST(RequestReader, RefusesWhatIsNoRequest) {
  EXPECT_EQ(refusal_of("hello\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /?a=%4 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("BREW / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n"), 417);
}

TEST(RequestReader, RefusesABodyWhoseEndIsInDoubt) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(refusal_of(head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Content-Length: -3\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Transfer-Encoding: gzip\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
  EXPECT_EQ(refusal_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST(RequestReader, RefusesWhatPassesALimit) {
  const RequestLimits limits{
      .target_bytes = 50, .header_bytes = 200, .header_count = 3, .body_bytes = 10};
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(refusal_of("GET /" + std::string(50, 'a') + " HTTP/1.1\r\n", limits), 414);
  EXPECT_EQ(refusal_of("GET /" + std::string(300, 'a'), limits), 414);
  EXPECT_EQ(refusal_of(get + "A: " + std::string(300, 'a'), limits), 431);
  EXPECT_EQ(refusal_of(get + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), 431);
  EXPECT_EQ(refusal_of(post + "Content-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(refusal_of(post + "Content-Length: 10\r\n\r\n", limits), 0);
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(refusal_of(chunked + "6\r\nabcdef\r\n5\r\n", limits), 413);
  EXPECT_EQ(refusal_of(chunked + "1;" + std::string(300, 'x'), limits), 400);
}

TEST(RequestReader, FramingIsAsLongAsTheHeaderMayBeHoweverItArrives) {
  const RequestLimits limits{
      .target_bytes = 50, .header_bytes = 200, .header_count = 3, .body_bytes = 10};
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto verdicts = [&](const std::string& framed) {
    RequestReader whole(limits);
    whole.feed(head + framed);
    RequestReader slow(limits);
    slow.feed(head);
    std::string waiting;
    for (const char c : framed) {
      waiting += c;
      waiting.erase(0, slow.feed(waiting));
    }
    return std::pair(whole.state(), slow.state());
  };
  const std::pair taken(State::kDone, State::kDone);
  const std::pair refused(State::kRefused, State::kRefused);
  const auto trailers = [](std::size_t bytes) {
    return "0\r\nA: " + std::string(bytes - 10, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(verdicts(trailers(200)), taken);
  EXPECT_EQ(verdicts(trailers(201)), refused);
  const auto chunk_head = [](std::size_t bytes) {
    return "1;" + std::string(bytes - 4, 'x') + "\r\na\r\n0\r\n\r\n";
  };
  EXPECT_EQ(verdicts(chunk_head(200)), taken);
  EXPECT_EQ(verdicts(chunk_head(201)), refused);
}

TEST(ParseTarget, TakesPathsAndAbsoluteUrls) {
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("//")->path, "/");
  EXPECT_EQ(parse_target("/jobs/")->path, "/jobs");
  EXPECT_EQ(parse_target("/a+b")->path, "/a+b");
  EXPECT_EQ(parse_target("http://host:80/a?b=c")->path, "/a");
  EXPECT_EQ(parse_target("http://host")->path, "/");
  EXPECT_EQ(parse_target("http://host?x=y")->query, (Pairs{{"x", "y"}}));
  EXPECT_EQ(parse_target("/a?x=1#end")->query, (Pairs{{"x", "1"}}));
  EXPECT_EQ(parse_target("/a?u=http://h/&v")->query, (Pairs{{"u", "http://h/"}, {"v", ""}}));
  for (const std::string_view bad : {"", "*", "a", "http:/x", "/%", "/%4", "/%g0"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
}

}  // namespace
}  // namespace wherry::server
