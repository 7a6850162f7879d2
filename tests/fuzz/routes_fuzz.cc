// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client sends to the whole service: request, router, route, answer. Every one
// is answered, in the form that clients read, and no answer tells a token, a directory of the host,
// or what belongs to somebody else. A body that is JSON is sent again with small changes.
//
// An input is the head of a request, an empty line, and the body; Content-Length is put in where
// neither it nor Transfer-Encoding is there, so that a longer body is still one. Names like "$E"
// stand for what exists (service_world.h).
#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>

#include "base/log.h"
#include "server/request_reader.h"
#include "service_world.h"

namespace {

namespace json = boost::json;
using wherry::server::Request;
using wherry::server::RequestReader;
using wherry::server::Response;
using wherry::server::ServiceWorld;

constexpr int kInputsOfAWorld = 500;  // then it is made anew, so that it does not grow
constexpr int kChangedBodies = 3;

bool is_text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string();
}

// The documents of Transfer, Auth, Timers and Jobs.
bool is_error_document(const json::object& object) {
  if (is_text(object, "code"))
    return is_text(object, "message") && is_text(object, "request_id") &&
           is_text(object, "resource");
  const json::value* error = object.if_contains("error");
  if (error != nullptr) return error->is_string() || error->is_object();
  const json::value* detail = object.if_contains("detail");
  return detail != nullptr && (detail->is_array() || detail->is_string());
}

bool mentions(const Request& request, std::string_view text) {
  const auto has = [&](const std::string& part) { return part.find(text) != part.npos; };
  return has(request.path) || has(request.body) ||
         std::any_of(request.query.begin(), request.query.end(),
                     [&](const auto& pair) { return has(pair.first) || has(pair.second); });
}

void check_form(const Response& answer) {
  CHECK(answer.status >= 200 && answer.status < 600);
  CHECK(answer.status != 500);  // that would be a bug
  if (answer.body.empty() || answer.content_type != "application/json") return;
  boost::system::error_code problem;
  const json::value document = json::parse(answer.body, problem);
  CHECK(!problem && (document.is_object() || document.is_array()));
  if (answer.status >= 400) CHECK(document.is_object() && is_error_document(document.get_object()));
}

// What is told depends on what was asked before: the input alone may not repeat it.
void check_hidden(const std::string& text, const Response& answer) {
  const bool is_hidden = answer.body.find(text) == answer.body.npos;
  if (!is_hidden) fmt::print(stderr, "'{}' must not be in: {}\n", text, answer.body);
  CHECK(is_hidden);
}

class Fuzzed {
 public:
  void ask(Request request) {
    world_.fill_in(request);
    const Response answer = world_.ask(request);
    check_form(answer);
    for (const std::string& text : secrets_)
      if (!is_told(text, request)) check_hidden(text, answer);
    const std::string of_ada(ServiceWorld::kOfAda);
    if (!is_told(of_ada, request) && !world_.is_of_ada(request)) check_hidden(of_ada, answer);
  }

 private:
  // Whether a client told it itself, in the name of an endpoint for everybody, say. The fuzzer
  // learns these texts: it sees them compared.
  bool is_told(const std::string& text, const Request& request) {
    if (mentions(request, text)) told_.insert(text);
    return told_.contains(text);
  }

  ServiceWorld world_;
  const std::vector<std::string> secrets_ = world_.secrets();
  std::set<std::string> told_;
};

Fuzzed& fuzzed() {
  // The last one is left to the end of the process: its threads would outlive what OpenSSL keeps.
  static std::unique_ptr<Fuzzed>& one = *new std::unique_ptr<Fuzzed>();
  static int inputs = 0;
  if (!one || ++inputs == kInputsOfAWorld) {
    one.reset();
    one = std::make_unique<Fuzzed>();
    inputs = 0;
  }
  return *one;
}

// As a client that counts the bytes of its body.
std::string with_length(std::string_view input) {
  std::size_t end = input.find("\r\n\r\n");
  if (end == input.npos) return std::string(input);
  const std::string_view head = input.substr(0, end);
  for (const std::string_view known : {"ontent-", "CONTENT-", "ransfer-", "TRANSFER-"})
    if (head.find(known) != head.npos) return std::string(input);
  end += 2;
  return fmt::format("{}Content-Length: {}\r\n{}", input.substr(0, end), input.size() - end - 2,
                     input.substr(end));
}

std::optional<Request> read(std::string_view text) {
  RequestReader reader({});
  reader.feed(text);
  if (reader.state() == RequestReader::State::kRefused) {
    const auto answer = wherry::server::transfer_error(reader.refusal(), "abcdefghi", "");
    check_form(answer);
  }
  if (reader.state() != RequestReader::State::kDone) return std::nullopt;
  return reader.take();
}

json::value odd_value(wherry::Random& random) {
  json::value deep = "deep";
  for (int i = 0; i < 40; ++i) deep = json::array{std::move(deep)};
  const json::value kOdd[] = {nullptr,
                              true,
                              -1,
                              UINT64_MAX,
                              1e308,
                              "",
                              json::string(5000, 'x'),
                              "../../outside",
                              "/way-out/x",
                              json::string("a\0b", 3),
                              "\\xff\\x2f",
                              "2026-01-01 00:00:00",
                              "$N$E$G$U$V",
                              json::array(),
                              json::object(),
                              std::move(deep)};
  return kOdd[random.below(std::size(kOdd))];
}

// One place of the document is another one afterwards, or gone.
void change(json::value& value, wherry::Random& random) {
  if (json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    const auto member = object->begin() + static_cast<long>(random.below(object->size()));
    if (random.below(5) == 0) {
      object->erase(member);
    } else {
      change(member->value(), random);
    }
  } else if (json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    json::value& element = (*array)[random.below(array->size())];
    if (random.below(5) == 0) {
      array->push_back(json::value(element));
    } else {
      change(element, random);
    }
  } else {
    value = odd_value(random);
  }
}

void ask_with_changed_bodies(const Request& request) {
  boost::system::error_code problem;
  const json::value document = json::parse(request.body, problem);
  if (problem) return;
  std::uint64_t seed = request.body.size();
  for (const char c : request.body) seed = seed * 31 + static_cast<unsigned char>(c);
  wherry::SeededRandom random(seed);
  for (int i = 0; i < kChangedBodies; ++i) {
    json::value other = document;
    change(other, random);
    Request changed = request;
    changed.body = json::serialize(other);
    fuzzed().ask(std::move(changed));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool is_quiet =
      wherry::open_log({.level = wherry::LogLevel::kOff, .file = {}}).has_value();
  CHECK(is_quiet);
  // reinterpret_cast: bytes are bytes
  const std::string text = with_length({reinterpret_cast<const char*>(data), size});
  const auto request = read(text);
  if (!request) return 0;
  fuzzed().ask(*request);
  ask_with_changed_bodies(*request);
  return 0;
}
