// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client sends: requests or a refusal, the same whether the bytes come at once
// or one by one, and nothing that passes a limit.
#include <algorithm>

#include "base/check.h"
#include "server/request_reader.h"

using wherry::server::Request;
using wherry::server::RequestLimits;
using wherry::server::RequestReader;

namespace {

using State = RequestReader::State;
constexpr RequestLimits kLimits{
    .target_bytes = 100, .header_bytes = 400, .header_count = 8, .body_bytes = 300};

struct Reading {
  State state = State::kNothing;
  unsigned refused = 0;
  Request request;
  std::size_t taken = 0;
};

// Reads one request from `text`, `step` more bytes at a time.
Reading read(std::string_view text, std::size_t step) {
  RequestReader reader(kLimits);
  Reading reading;
  std::size_t arrived = 0;
  while (arrived < text.size() && reader.state() != State::kDone &&
         reader.state() != State::kRefused) {
    arrived += std::min(step, text.size() - arrived);
    reading.taken += reader.feed(text.substr(reading.taken, arrived - reading.taken));
    CHECK(reading.taken <= arrived);
  }
  reading.state = reader.state();
  if (reading.state == State::kRefused) reading.refused = reader.refusal().status;
  if (reading.state == State::kDone) reading.request = reader.take();
  return reading;
}

void check(const Request& request) {
  CHECK(!request.path.empty() && request.path.front() == '/');
  CHECK(request.path.size() == 1 || request.path.back() != '/');
  CHECK(request.path.find('\0') == std::string::npos);
  CHECK(request.path.size() <= kLimits.target_bytes);
  CHECK(request.headers.size() <= kLimits.header_count);
  CHECK(request.body.size() <= kLimits.body_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const Reading whole = read(text, text.size());
    const Reading slow = read(text, 1);
    CHECK((whole.state == State::kDone) == (slow.state == State::kDone));
    if (whole.state == State::kRefused) {
      CHECK(whole.refused >= 400 && whole.refused < 600);
    }
    if (whole.state != State::kDone) break;
    check(whole.request);
    CHECK(whole.taken == slow.taken && whole.request.body == slow.request.body);
    CHECK(whole.request.path == slow.request.path && whole.request.headers == slow.request.headers);
    text.remove_prefix(whole.taken);
  }
  return 0;
}
