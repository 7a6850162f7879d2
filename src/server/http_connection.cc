// SPDX-License-Identifier: Apache-2.0
#include "server/http_connection.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <utility>

#include "base/check.h"
#include "server/error_document.h"
#include "server/request_reader.h"

namespace wherry::server {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::awaitable;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 16 * 1024;

// A socket with or without TLS.
class Stream {
 public:
  explicit Stream(tcp::socket&& socket) : socket_(std::move(socket)) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  virtual awaitable<void> handshake(ErrorCode& error) = 0;
  virtual awaitable<std::size_t> read(asio::mutable_buffer buffer, ErrorCode& error) = 0;
  virtual awaitable<void> write(asio::const_buffer bytes, ErrorCode& error) = 0;
  // Writes what the socket takes without waiting and returns how much that was. What is wrong with
  // the socket, write() tells.
  virtual std::size_t write_at_once(asio::const_buffer) { return 0; }
  // Says that nothing more will be written; reading goes on.
  virtual awaitable<void> end_writing(ErrorCode& error) = 0;

  tcp::socket& socket() { return socket_; }

 protected:
  tcp::socket socket_;
};

class PlainStream final : public Stream {
 public:
  explicit PlainStream(tcp::socket&& socket) : Stream(std::move(socket)) {
    ErrorCode error;
    socket_.non_blocking(true, error);
    never_blocks_ = !error;
  }
  awaitable<void> handshake(ErrorCode&) override { co_return; }
  awaitable<std::size_t> read(asio::mutable_buffer buffer, ErrorCode& error) override {
    co_return co_await socket_.async_read_some(buffer, into(error));
  }
  awaitable<void> write(asio::const_buffer bytes, ErrorCode& error) override {
    co_await asio::async_write(socket_, bytes, into(error));
  }
  std::size_t write_at_once(asio::const_buffer bytes) override {
    ErrorCode error;
    return never_blocks_ ? socket_.write_some(bytes, error) : 0;
  }
  awaitable<void> end_writing(ErrorCode& error) override {
    socket_.shutdown(tcp::socket::shutdown_send, error);
    co_return;
  }

 private:
  bool never_blocks_ = false;
};

class TlsStream final : public Stream {
 public:
  TlsStream(tcp::socket&& socket, ssl::context& context)
      : Stream(std::move(socket)), tls_(socket_, context) {}
  awaitable<void> handshake(ErrorCode& error) override {
    co_await tls_.async_handshake(ssl::stream_base::server, into(error));
  }
  awaitable<std::size_t> read(asio::mutable_buffer buffer, ErrorCode& error) override {
    co_return co_await tls_.async_read_some(buffer, into(error));
  }
  awaitable<void> write(asio::const_buffer bytes, ErrorCode& error) override {
    co_await asio::async_write(tls_, bytes, into(error));
  }
  // Also reads the peer's goodbye, and with it what the peer still sends.
  awaitable<void> end_writing(ErrorCode& error) override {
    co_await tls_.async_shutdown(into(error));
  }

 private:
  ssl::stream<tcp::socket&> tls_;
};

// A name of nine letters and digits, in every answer and for the log.
std::string new_request_id(Random& random) {
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::uint64_t number = random.below(13'537'086'546'263'552);  // 62 to the power of 9
  std::string id(9, '0');
  for (char& c : id) {
    c = kAlphabet[number % kAlphabet.size()];
    number /= kAlphabet.size();
  }
  return id;
}

// A value that a handler took from a request must not begin a header of its own.
std::string one_line(std::string_view value) {
  std::string line(value);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

enum class After { kKeep, kClose };

// "Mon, 15 Oct 2018 11:06:03 GMT". Made once a second.
const std::string& http_date(TimePoint now) {
  thread_local std::time_t made_for = -1;
  thread_local std::string text;
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now).time_since_epoch();
  const auto time = static_cast<std::time_t>(seconds.count());
  if (text.empty() || time != made_for) {
    made_for = time;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(time));
  }
  return text;
}

std::string response_head(const Response& response, TimePoint now, After after) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                                 reason_phrase(response.status), http_date(now));
  if (response.status != 204 && response.status != 304) {
    head += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n",
                        one_line(response.content_type), response.body.size());
  }
  for (const auto& [name, value] : response.headers) {
    head += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
  }
  if (after == After::kClose) head += "Connection: close\r\n";
  return head + "\r\n";
}

Failure overloaded(std::string message) {
  return {.status = 503,
          .code = "ServiceUnavailable",
          .message = std::move(message),
          .headers = {{"Retry-After", "1"}}};
}

Failure too_slow(std::string_view part) {
  return {.status = 408,
          .code = "ClientError.RequestTimeout",
          .message = fmt::format("the {} of the request took too long", part)};
}

// One client: reads a request, has it answered, writes the answer, and again. All of it runs on the
// thread of its loop, but for what is marked.
class Connection final : public HttpConnection, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ConnectionHost> host, asio::io_context& loop,
             std::unique_ptr<Stream> stream, std::string peer)
      : host_(std::move(host)),
        loop_(loop),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        timer_(loop),
        answer_arrived_(loop) {}

  const std::string& peer() const override { return peer_; }
  void start() override;
  void drain() override;
  void cut() override;
  void deliver(std::optional<Response> response);  // any thread; none: nobody will answer

 private:
  awaitable<void> run();
  awaitable<bool> serve_one();
  awaitable<bool> read_request(RequestReader& reader);
  awaitable<bool> read_more(RequestReader::State state);
  awaitable<Response> answer_to(Request request);
  void call_handler(Request request);
  awaitable<bool> write_response(const Response& response, Method method, After after);
  awaitable<bool> write_all(std::string_view bytes);
  awaitable<void> refuse(const Failure& failure);
  awaitable<void> say_goodbye();

  void take_answer(std::optional<Response> response);

  using SteadyTime = asio::steady_timer::time_point;
  void allow(Milliseconds time);
  void allow_for(RequestReader::State state);
  void extend_for(std::size_t body_bytes);
  void set_deadline(SteadyTime when);
  void start_timer(SteadyTime when);
  void stop_timer();
  void on_timer();
  void on_deadline();
  void disarm() { deadline_.reset(); }
  bool hold_bytes(std::size_t bytes);
  void release_bytes();

  const std::shared_ptr<ConnectionHost> host_;
  asio::io_context& loop_;
  const std::unique_ptr<Stream> stream_;
  const std::string peer_;
  std::optional<SteadyTime> deadline_;  // of what is being waited for
  SteadyTime body_deadline_;            // without what the body has earned since
  asio::steady_timer timer_;            // fires at the deadline or earlier, and then looks again
  bool timer_runs_ = false;
  std::uint64_t timer_turn_ = 0;  // tells a timer that was stopped from the one that runs
  bool timed_out_ = false;
  bool idle_ = false;
  bool cut_ = false;
  boost::beast::flat_buffer buffer_;  // read and not yet understood
  std::size_t held_bytes_ = 0;
  std::optional<Failure> refusal_;
  bool waits_for_answer_ = false;
  asio::steady_timer answer_arrived_;  // cancelled when it has
  std::optional<Response> answer_;
  bool answer_is_lost_ = false;
};

// The one who may answer a request; when the last who could is gone, the connection hears of it.
class Responder {
 public:
  explicit Responder(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {}
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder() {
    if (!answered_) deliver(std::nullopt);
  }

  void respond(Response response) {
    CHECK(!answered_.exchange(true));
    deliver(std::move(response));
  }

 private:
  void deliver(std::optional<Response> response) {
    if (const auto connection = connection_.lock()) connection->deliver(std::move(response));
  }

  const std::weak_ptr<Connection> connection_;
  std::atomic<bool> answered_ = false;
};

void Connection::start() { asio::co_spawn(loop_, run(), rethrow); }

void Connection::drain() {
  host_->post(loop_, [self = shared_from_this()] {
    ErrorCode ignored;
    if (self->idle_) self->stream_->socket().close(ignored);
  });
}

void Connection::cut() {
  host_->post(loop_, [self = shared_from_this()] {
    self->cut_ = true;
    ErrorCode ignored;
    self->stream_->socket().close(ignored);
    self->answer_arrived_.cancel();
  });
}

void Connection::deliver(std::optional<Response> response) {
  if (loop_.get_executor().running_in_this_thread()) return take_answer(std::move(response));
  const auto shared = std::make_shared<std::optional<Response>>(std::move(response));
  host_->post(loop_,
              [self = shared_from_this(), shared] { self->take_answer(std::move(*shared)); });
}

void Connection::take_answer(std::optional<Response> response) {
  answer_is_lost_ = !response.has_value();
  answer_ = std::move(response);
  if (waits_for_answer_) answer_arrived_.cancel();
}

awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  ErrorCode error;
  allow(host_->limits().header_time);
  co_await stream_->handshake(error);
  disarm();
  if (!error) {
    bool again = true;
    while (again) {
      again = co_await serve_one();
      release_bytes();
    }
  }
  stop_timer();
  stream_->socket().close(error);
  host_->forget(self);
}

awaitable<bool> Connection::serve_one() {
  RequestReader reader(host_->limits().request);
  const bool complete = co_await read_request(reader);
  if (!complete) {
    if (refusal_) co_await refuse(*refusal_);
    co_return false;
  }
  Request request = reader.take();
  const Method method = request.method;
  const Response response = co_await answer_to(std::move(request));
  if (cut_) co_return false;
  const After after = reader.keep_alive() && !host_->is_draining() ? After::kKeep : After::kClose;
  const bool written = co_await write_response(response, method, after);
  if (written && after == After::kClose) co_await say_goodbye();
  co_return written&& after == After::kKeep;
}

// Whether a request is there to be answered. If not, `refusal_` may say what to tell the client.
awaitable<bool> Connection::read_request(RequestReader& reader) {
  using State = RequestReader::State;
  bool told_to_continue = false;
  State timed = State::kDone;  // the part of the request that the deadline is for
  for (;;) {
    const asio::const_buffer unread = buffer_.cdata();
    buffer_.consume(reader.feed({static_cast<const char*>(unread.data()), unread.size()}));
    const State state = reader.state();
    if (state == State::kRefused) refusal_ = reader.refusal();
    if (!hold_bytes(reader.body_bytes())) {
      refusal_ = overloaded("more is being sent to this service than it can hold");
    }
    if (refusal_) co_return false;
    if (state == State::kDone) break;
    if (reader.wants_continue() && !told_to_continue) {
      told_to_continue = true;
      const bool told = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
      if (!told) co_return false;
    }
    if (timed != state) {
      timed = state;
      allow_for(state);
    }
    if (state == State::kBody) extend_for(reader.body_bytes());
    const bool read = co_await read_more(state);
    if (!read) co_return false;
  }
  disarm();
  co_return true;
}

awaitable<bool> Connection::read_more(RequestReader::State state) {
  using State = RequestReader::State;
  if (state == State::kNothing && host_->is_draining()) co_return false;
  idle_ = state == State::kNothing;
  ErrorCode error;
  const std::size_t size = co_await stream_->read(buffer_.prepare(kReadBytes), error);
  idle_ = false;
  buffer_.commit(size);
  if (error && timed_out_ && state != State::kNothing) {
    refusal_ = too_slow(state == State::kBody ? "body" : "header");
  }
  co_return !error;
}

// Calls the handler and waits, without holding a thread, until somebody has answered.
awaitable<Response> Connection::answer_to(Request request) {
  request.peer = peer_;
  request.is_secure = host_->is_secure();
  request.request_id = new_request_id(host_->random());
  const std::string request_id = request.request_id;
  const std::string path = request.path;
  if (!host_->begin_request()) {
    co_return transfer_error(overloaded("too many requests at once"), request_id, path);
  }
  answer_.reset();
  answer_is_lost_ = false;
  call_handler(std::move(request));
  while (!answer_ && !answer_is_lost_ && !cut_) {
    ErrorCode cancelled;
    waits_for_answer_ = true;
    answer_arrived_.expires_at(SteadyTime::max());
    co_await answer_arrived_.async_wait(into(cancelled));
    waits_for_answer_ = false;
  }
  host_->end_request();
  if (answer_) co_return std::move(*answer_);
  const Failure failure{.message = "the request was not answered"};
  co_return transfer_error(failure, request_id, path);
}

void Connection::call_handler(Request request) {
  const auto responder = std::make_shared<Responder>(weak_from_this());
  host_->handler()(std::move(request),
                   [responder](Response response) { responder->respond(std::move(response)); });
}

awaitable<bool> Connection::write_response(const Response& response, Method method, After after) {
  constexpr std::size_t kOnePacket = 16 * 1024;
  std::string head = response_head(response, host_->clock().now(), after);
  const bool has_body = method != Method::kHead && response.status != 204 && response.status != 304;
  std::string_view body = has_body ? std::string_view(response.body) : std::string_view();
  if (body.size() <= kOnePacket) {
    head += body;
    body = {};
  }
  const bool head_written = co_await write_all(head);
  if (!head_written) co_return false;
  co_return co_await write_all(body);
}

awaitable<bool> Connection::write_all(std::string_view bytes) {
  ErrorCode error;
  const std::size_t piece_size = host_->limits().write_piece;
  bytes.remove_prefix(
      stream_->write_at_once(asio::buffer(bytes.data(), std::min(bytes.size(), piece_size))));
  while (!bytes.empty() && !error) {
    const std::string_view piece = bytes.substr(0, piece_size);
    bytes.remove_prefix(piece.size());
    allow(host_->limits().write_time);
    co_await stream_->write(asio::buffer(piece.data(), piece.size()), error);
  }
  disarm();
  co_return !error;
}

awaitable<void> Connection::refuse(const Failure& failure) {
  const std::string request_id = new_request_id(host_->random());
  const Response response = transfer_error(failure, request_id, "");
  const bool written = co_await write_response(response, Method::kGet, After::kClose);
  if (written) co_await say_goodbye();
}

// A socket that is closed with unread bytes resets the connection, and the client may lose the
// answer. So it may go on sending for a while, into nothing.
awaitable<void> Connection::say_goodbye() {
  ErrorCode error;
  allow(host_->limits().linger_time);
  buffer_.clear();
  const asio::mutable_buffer ignored = buffer_.prepare(kReadBytes);
  co_await stream_->end_writing(error);
  while (!error) co_await stream_->read(ignored, error);
  disarm();
}

void Connection::allow(Milliseconds time) {
  timed_out_ = false;
  set_deadline(asio::steady_timer::clock_type::now() + time);
}

void Connection::allow_for(RequestReader::State state) {
  const HttpLimits& limits = host_->limits();
  switch (state) {
    case RequestReader::State::kNothing:
      return allow(limits.idle_time);
    case RequestReader::State::kHeader:
      return allow(limits.header_time);
    case RequestReader::State::kBody:
      allow(limits.body_time);
      body_deadline_ = *deadline_;
      return;
    case RequestReader::State::kDone:
    case RequestReader::State::kRefused:
      return;
  }
}

void Connection::extend_for(std::size_t body_bytes) {
  const auto until =
      body_deadline_ +
      std::chrono::seconds(static_cast<std::int64_t>(body_bytes / host_->limits().body_rate));
  if (until > *deadline_) set_deadline(until);
}

// A timer that fires too early costs less than one that is set for each request. So a request that
// is read and answered quickly sets none.
void Connection::set_deadline(SteadyTime when) {
  deadline_ = when;
  if (!timer_runs_ || when < timer_.expiry()) start_timer(when);
}

void Connection::start_timer(SteadyTime when) {
  timer_runs_ = true;
  timer_.expires_at(when);
  const std::uint64_t turn = ++timer_turn_;
  timer_.async_wait([self = shared_from_this(), turn](const ErrorCode&) {
    if (turn == self->timer_turn_) self->on_timer();
  });
}

void Connection::stop_timer() {
  timer_runs_ = false;
  ++timer_turn_;
  timer_.cancel();
}

void Connection::on_timer() {
  timer_runs_ = false;
  if (!deadline_) return;
  if (asio::steady_timer::clock_type::now() < *deadline_) return start_timer(*deadline_);
  on_deadline();
}

// The socket stays open, so that the client can be told. An operation that goes on nevertheless
// (TLS makes one of several) loses the socket a second later.
void Connection::on_deadline() {
  ErrorCode ignored;
  if (timed_out_) {
    stream_->socket().close(ignored);
    return;
  }
  timed_out_ = true;
  stream_->socket().cancel(ignored);
  set_deadline(*deadline_ + std::chrono::seconds(1));
}

bool Connection::hold_bytes(std::size_t bytes) {
  if (bytes <= held_bytes_) return true;
  if (!host_->take_bytes(bytes - held_bytes_)) return false;
  held_bytes_ = bytes;
  return true;
}

void Connection::release_bytes() {
  host_->give_bytes(held_bytes_);
  held_bytes_ = 0;
}

}  // namespace

std::shared_ptr<HttpConnection> make_connection(const std::shared_ptr<ConnectionHost>& host,
                                                asio::io_context& loop, tcp::socket&& socket,
                                                ssl::context* tls, std::string peer) {
  std::unique_ptr<Stream> stream;
  if (tls != nullptr) {
    stream = std::make_unique<TlsStream>(std::move(socket), *tls);
  } else {
    stream = std::make_unique<PlainStream>(std::move(socket));
  }
  return std::make_shared<Connection>(host, loop, std::move(stream), std::move(peer));
}

std::string too_many_connections(Clock& clock, Random& random) {
  const Response response =
      transfer_error(overloaded("too many connections"), new_request_id(random), "");
  return response_head(response, clock.now(), After::kClose) + response.body;
}

}  // namespace wherry::server
