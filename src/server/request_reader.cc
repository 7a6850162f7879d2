// SPDX-License-Identifier: Apache-2.0
#include "server/request_reader.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace wherry::server {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

std::optional<Method> method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::patch:
      return Method::kPatch;
    case http::verb::delete_:
      return Method::kDelete;
    case http::verb::options:
      return Method::kOptions;
    default:
      return std::nullopt;
  }
}

Failure bad_request(std::string message) {
  return {.status = 400, .code = "ClientError.BadRequest", .message = std::move(message)};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kPlus, kBlank };

Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kBlank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return make_error(Code::kInvalid, "bad percent-escape");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

// "http://host/path" as sent to proxies, and to servers that need not tell the difference.
std::string_view without_origin(std::string_view target) {
  const std::size_t scheme_end = target.find("://");
  if (target.empty() || target.front() == '/' || scheme_end == std::string_view::npos)
    return target;
  const std::string_view rest = target.substr(scheme_end + 3);
  const std::size_t path = rest.find_first_of("/?");
  if (path == std::string_view::npos) return "/";
  return rest.substr(path);
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    TRY_ASSIGN(auto name, percent_decode(pair.substr(0, equals), Plus::kBlank));
    const std::string_view encoded = pair.substr(std::min(equals + 1, pair.size()));
    TRY_ASSIGN(auto value, percent_decode(encoded, Plus::kBlank));
    pairs.emplace_back(std::move(name), std::move(value));
  }
  return pairs;
}

Result<Target> parse_target(std::string_view target) {
  target = without_origin(target);
  const std::size_t path_end = std::min(target.find_first_of("?#"), target.size());
  const std::size_t query_end = std::min(target.find('#'), target.size());
  Target parsed;
  TRY_ASSIGN(parsed.path, percent_decode(target.substr(0, path_end), Plus::kPlus), "path");
  if (parsed.path.empty() && path_end < target.size()) parsed.path = "/";
  if (parsed.path.empty() || parsed.path.front() != '/') {
    return make_error(Code::kInvalid, "the target of a request is a path that begins with '/'");
  }
  if (parsed.path.find('\0') != std::string::npos) {
    return make_error(Code::kInvalid, "path: holds a NUL byte");
  }
  while (parsed.path.size() > 1 && parsed.path.back() == '/') parsed.path.pop_back();
  if (path_end < query_end) {
    TRY_ASSIGN(parsed.query, parse_form(target.substr(path_end + 1, query_end - path_end - 1)),
               "query");
  }
  return parsed;
}

// Collects a request from what the library's parser reports. A check of our own that fails sets
// `refusal_` and stops the parser with an arbitrary error.
class RequestReader::Parser final : public http::basic_parser<true> {
 public:
  explicit Parser(const RequestLimits& limits) : limits_(limits) {
    CHECK(limits.target_bytes < limits.header_bytes);
    header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    body_limit(limits.body_bytes);
    // The header is looked at before any of the body is taken.
    eager(false);
  }

  std::size_t feed(std::string_view bytes);
  State state() const;
  bool wants_continue() const { return expects_continue_ && state() == State::kBody && !has_body_; }
  bool can_keep_alive() const { return is_done() && keep_alive(); }
  Request& request() { return request_; }
  const Failure& refusal() const { return *refusal_; }

 private:
  using ErrorCode = beast::error_code;

  void refuse(Failure failure, ErrorCode& error);
  Failure refusal_of(const ErrorCode& error, std::string_view rest) const;
  void check_header(ErrorCode& error);

  void on_request_impl(http::verb verb, beast::string_view method, beast::string_view target,
                       int version, ErrorCode& error) override;
  void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     ErrorCode& error) override;
  void on_header_impl(ErrorCode& error) override { check_header(error); }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(beast::string_view body, ErrorCode&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, ErrorCode&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  const RequestLimits limits_;
  Request request_;
  std::optional<Failure> refusal_;
  std::size_t header_bytes_ = 0;
  int version_ = 11;
  int hosts_ = 0;
  bool has_started_ = false;
  bool has_body_ = false;
  bool expects_continue_ = false;
};

RequestReader::State RequestReader::Parser::state() const {
  if (refusal_) return State::kRefused;
  if (is_done()) return State::kDone;
  if (is_header_done()) return State::kBody;
  return has_started_ ? State::kHeader : State::kNothing;
}

std::size_t RequestReader::Parser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  if (!has_started_) {
    // Some clients of old send an empty line behind a body (RFC 9112, section 2.2).
    taken = std::min(bytes.find_first_not_of("\r\n"), bytes.size());
  }
  while (taken < bytes.size() && !refusal_ && !is_done()) {
    has_started_ = true;
    has_body_ = is_header_done();
    ErrorCode error;
    const std::string_view rest = bytes.substr(taken);
    // The library asserts that it sees the five bytes of the last chunk, "0" and two line ends, at
    // once. No chunked body has fewer left while it is incomplete.
    if (has_body_ && chunked() && rest.size() < 5) return taken;
    const std::size_t body_before = request_.body.size();
    const std::size_t understood = put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    taken += understood;
    if (!has_body_) header_bytes_ += understood;
    // A chunk's head or the trailers, which have no limit of their own in the library: so many
    // bytes at least, if they are not there as a whole.
    const bool is_framing = has_body_ && request_.body.size() == body_before;
    const std::size_t framing_bytes =
        error == http::error::need_more ? bytes.size() - taken + 1 : understood;
    if (is_framing && framing_bytes > limits_.header_bytes)
      refusal_ = bad_request("the framing of the body takes too much room");
    if (error == http::error::need_more) return taken;
    // The library's own limit depends on how the bytes were cut on the way.
    if (!error && header_bytes_ > limits_.header_bytes) error = http::error::header_limit;
    if (error && !refusal_) refusal_ = refusal_of(error, rest);
  }
  return taken;
}

void RequestReader::Parser::refuse(Failure failure, ErrorCode& error) {
  refusal_ = std::move(failure);
  error = http::error::bad_value;
}

Failure RequestReader::Parser::refusal_of(const ErrorCode& error, std::string_view rest) const {
  if (error == http::error::header_limit) {
    const bool in_first_line = request_.path.empty() && rest.find('\n') == std::string_view::npos;
    if (in_first_line) {
      return {.status = 414, .code = "ClientError.UriTooLong", .message = "the URL is too long"};
    }
    return {.status = 431,
            .code = "ClientError.HeaderTooLarge",
            .message = fmt::format("the header is larger than {} bytes", limits_.header_bytes)};
  }
  if (error == http::error::body_limit) {
    return {.status = 413,
            .code = "ClientError.ContentTooLarge",
            .message = fmt::format("the body is larger than {} bytes", limits_.body_bytes)};
  }
  return bad_request(fmt::format("not a request of HTTP/1.1: {}", error.message()));
}

void RequestReader::Parser::on_request_impl(http::verb verb, beast::string_view,
                                            beast::string_view target, int version,
                                            ErrorCode& error) {
  version_ = version;
  const std::optional<Method> method = method_of(verb);
  if (!method) {
    return refuse({.status = 501, .code = "NotSupported", .message = "unknown method"}, error);
  }
  if (target.size() > limits_.target_bytes) {
    return refuse({.status = 414,
                   .code = "ClientError.UriTooLong",
                   .message = fmt::format("the URL is longer than {} bytes", limits_.target_bytes)},
                  error);
  }
  Result<Target> parsed = server::parse_target(view(target));
  if (!parsed) return refuse(bad_request(parsed.error().message), error);
  request_.method = *method;
  request_.path = std::move(parsed->path);
  request_.query = std::move(parsed->query);
}

void RequestReader::Parser::on_field_impl(http::field field, beast::string_view name,
                                          beast::string_view value, ErrorCode& error) {
  // Fields behind a chunked body: none that this service knows may stand there.
  if (is_header_done()) return;
  if (request_.headers.size() >= limits_.header_count) {
    return refuse({.status = 431,
                   .code = "ClientError.HeaderTooLarge",
                   .message = fmt::format("more than {} header fields", limits_.header_count)},
                  error);
  }
  if (field == http::field::host) ++hosts_;
  request_.headers.emplace_back(lower_case(view(name)), view(value));
}

void RequestReader::Parser::check_header(ErrorCode& error) {
  if (version_ >= 11 && hosts_ != 1) {
    return refuse(bad_request("a request names one Host"), error);
  }
  // Whoever stands between could see the end of the body elsewhere.
  const std::string* coding = request_.header("transfer-encoding");
  if (coding != nullptr && (version_ < 11 || lower_case(*coding) != "chunked")) {
    return refuse(bad_request("the only known Transfer-Encoding is chunked"), error);
  }
  if (const std::string* expect = request_.header("expect")) {
    expects_continue_ = lower_case(*expect) == "100-continue";
    if (!expects_continue_) {
      return refuse({.status = 417,
                     .code = "ClientError.ExpectationFailed",
                     .message = "the only known expectation is 100-continue"},
                    error);
    }
  }
}

RequestReader::RequestReader(const RequestLimits& limits)
    : parser_(std::make_unique<Parser>(limits)) {}
RequestReader::~RequestReader() = default;

std::size_t RequestReader::feed(std::string_view bytes) { return parser_->feed(bytes); }
RequestReader::State RequestReader::state() const { return parser_->state(); }
bool RequestReader::wants_continue() const { return parser_->wants_continue(); }
bool RequestReader::keep_alive() const { return parser_->can_keep_alive(); }
std::size_t RequestReader::body_bytes() const { return parser_->request().body.size(); }

Request RequestReader::take() {
  CHECK(state() == State::kDone);
  return std::move(parser_->request());
}

const Failure& RequestReader::refusal() const {
  CHECK(state() == State::kRefused);
  return parser_->refusal();
}

}  // namespace wherry::server
