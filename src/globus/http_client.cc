// SPDX-License-Identifier: Apache-2.0
// The only file that uses libcurl. Each call takes a line (an easy handle in a multi handle of its
// own, which keeps its connections) from a pool and gives it back: so a call can wait for the
// network and for a stop at once, which curl_easy_perform() cannot.
#include "globus/http_client.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "base/path.h"
#include "base/thread_annotations.h"
#include "globus/curl_library.h"

namespace wherry::globus {
namespace {

constexpr int kLongestPollMs = 1000;
constexpr long kConnectionsPerLine = 2;

// For what is there only when the library is.
const CurlLibrary& curl() {
  const auto library = curl_library();
  CHECK(library);
  return **library;
}

struct FreeEasy {
  void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl().multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

// A connection, or what will be one.
struct Line {
  Line() : multi(curl().multi_init()), easy(curl().easy_init()) {
    CHECK(multi && easy);
    curl().multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, kConnectionsPerLine);
  }
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::unique_ptr<CURL, FreeEasy> easy;
};

// One call as the callbacks see it.
struct Exchange {
  std::string body;
  std::size_t max_body = 0;
  bool is_too_large = false;
  curl_off_t bytes = 0;  // in both directions, so far
  int times_sent = 0;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* pointer) {
  auto& exchange = *static_cast<Exchange*>(pointer);
  const std::size_t bytes = size * count;
  if (bytes > exchange.max_body - exchange.body.size()) {
    exchange.is_too_large = true;
    return 0;  // ends the transfer
  }
  exchange.body.append(data, bytes);
  return bytes;
}

int take_progress(void* pointer, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
  static_cast<Exchange*>(pointer)->bytes = down + up;
  return 0;
}

// The library sends a request again by itself if the connection, an old one, breaks before a byte
// of the answer has come.
int count_request(void* pointer, char*, char*, int, int) {
  ++static_cast<Exchange*>(pointer)->times_sent;
  return CURL_PREREQFUNC_OK;
}

Error transport_error(CURLcode code, const char* details) {
  const std::string why =
      details[0] != '\0' ? details : static_cast<const char*>(curl().easy_strerror(code));
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return make_error(Code::kInvalid, "{}", escape_bytes(why));
    case CURLE_OPERATION_TIMEDOUT:
      return make_error(Code::kTimeout, "{}", escape_bytes(why));
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return make_error(Code::kUnavailable,
                        "{}; does the service run, and is this its address (--service,"
                        " WHERRY_SERVICE)?",
                        escape_bytes(why));
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:
      return make_error(Code::kUnavailable, "{}; is it https:// or http:// that is spoken there?",
                        escape_bytes(why));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return Error{Code::kUnavailable, Retry::kAfterUser,
                   fmt::format("{}; if the service has a certificate of its own, set"
                               " GLOBUS_SDK_VERIFY_SSL to the PEM file of its authority",
                               escape_bytes(why))};
    default:
      return make_error(Code::kUnavailable, "{}", escape_bytes(why));
  }
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(const HttpOptions& options) : options_(options) {}

  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override {
    if (stop.stop_requested()) return cancelled();
    TRY(curl_library());
    std::unique_ptr<Line> line = take_line();
    auto answer = send_over(*line, request, stop);
    give_back(std::move(line));
    return answer;
  }

 private:
  static Error cancelled() { return make_error(Code::kCancelled, "the request was stopped"); }

  std::unique_ptr<Line> take_line() {
    {
      const std::lock_guard lock(mutex_);
      if (!lines_.empty()) {
        auto line = std::move(lines_.back());  // the one whose connection is youngest
        lines_.pop_back();
        return line;
      }
    }
    return std::make_unique<Line>();
  }

  void give_back(std::unique_ptr<Line> line) {
    curl().easy_reset(line->easy.get());  // forgets the token, too
    const std::lock_guard lock(mutex_);
    if (lines_.size() < options_.idle_connections) lines_.push_back(std::move(line));
  }

  static HeaderList header_list(const HttpRequest& request) {
    HeaderList list;
    const auto add = [&](const std::string& text) {
      curl_slist* longer = curl().slist_append(list.get(), text.c_str());
      CHECK(longer != nullptr);
      (void)list.release();
      list.reset(longer);
    };
    for (const auto& [name, value] : request.headers) add(name + ": " + value);
    add("Expect:");  // no pause before the body of a large request
    return list;
  }

  void prepare(CURL* easy, const HttpRequest& request, curl_slist* headers, Exchange& exchange) {
    const auto set = [easy](CURLoption option, auto value) {
      CHECK(curl().easy_setopt(easy, option, value) == CURLE_OK);
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "wherry");
    set(CURLOPT_ACCEPT_ENCODING, "");  // whatever the library can unpack
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.method != "GET" && request.method != "DELETE") {
      set(CURLOPT_POSTFIELDS, request.body.data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, &exchange);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &take_progress);
    set(CURLOPT_XFERINFODATA, &exchange);
    set(CURLOPT_PREREQFUNCTION, &count_request);
    set(CURLOPT_PREREQDATA, &exchange);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(silence_ms()));
    set(CURLOPT_SSL_VERIFYPEER, options_.verify ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, options_.verify ? 2L : 0L);
    if (!options_.ca_bundle.empty()) set(CURLOPT_CAINFO, options_.ca_bundle.c_str());
  }

  Result<HttpAnswer> send_over(Line& line, const HttpRequest& request, std::stop_token stop) {
    CURL* easy = line.easy.get();
    Exchange exchange;
    exchange.max_body = options_.max_answer;
    const HeaderList headers = header_list(request);
    prepare(easy, request, headers.get(), exchange);
    char details[CURL_ERROR_SIZE] = "";
    curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, static_cast<char*>(details));
    curl().multi_add_handle(line.multi.get(), easy);
    const auto done = run(line.multi.get(), exchange, stop);
    curl().multi_remove_handle(line.multi.get(), easy);
    curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
    if (!done) return done.error();
    if (exchange.is_too_large) {
      return make_error(Code::kCorrupt, "the answer has more than {} bytes", options_.max_answer);
    }
    if (*done != CURLE_OK) return transport_error(*done, details);
    return answer_of(easy, std::move(exchange));
  }

  // Until the exchange has ended, is stopped, or nothing has moved for too long.
  Result<CURLcode> run(CURLM* multi, const Exchange& exchange, const std::stop_token& stop) {
    const std::stop_callback wake(stop, [multi] { curl().multi_wakeup(multi); });
    Duration moved_at = options_.clock->monotonic();
    curl_off_t moved = 0;
    for (;;) {
      int running = 0;
      CHECK(curl().multi_perform(multi, &running) == CURLM_OK);
      if (running == 0) break;
      if (stop.stop_requested()) return cancelled();
      const Duration now = options_.clock->monotonic();
      if (exchange.bytes != moved) {
        moved = exchange.bytes;
        moved_at = now;
      }
      const Duration left = moved_at + options_.silence - now;
      if (options_.silence > Duration(0) && left <= Duration(0)) {
        return make_error(Code::kTimeout, "the service said nothing for {} s",
                          std::chrono::duration<double>(options_.silence).count());
      }
      const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      const int wait_ms = options_.silence > Duration(0)
                              ? static_cast<int>(std::min<long long>(left_ms, kLongestPollMs))
                              : kLongestPollMs;
      curl().multi_poll(multi, nullptr, 0, wait_ms, nullptr);
    }
    int left_messages = 0;
    const CURLMsg* message = curl().multi_info_read(multi, &left_messages);
    CHECK(message != nullptr && message->msg == CURLMSG_DONE);
    return message->data.result;
  }

  static HttpAnswer answer_of(CURL* easy, Exchange exchange) {
    HttpAnswer answer;
    answer.body = std::move(exchange.body);
    answer.times_sent = exchange.times_sent;
    long status = 0;
    curl().easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<unsigned>(status);
    curl_off_t seconds = 0;
    if (curl().easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
      constexpr curl_off_t kLongest = 24 * 3600;
      answer.retry_after = std::chrono::seconds(std::min(seconds, kLongest));
    }
    return answer;
  }

  long long silence_ms() const {
    // The library's own default is 5 minutes; 0 means that.
    return std::chrono::ceil<std::chrono::milliseconds>(options_.silence).count();
  }

  const HttpOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Line>> lines_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(const HttpOptions& options) {
  return std::make_unique<CurlClient>(options);
}

}  // namespace wherry::globus
