// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/thread_annotations.h"

namespace wherry::server {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::awaitable;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

// Makes an operation return its error instead of throwing it.
auto into(ErrorCode& error) { return asio::redirect_error(asio::use_awaitable, error); }

// What an exception in a coroutine is: a bug, or no memory. It ends the process.
void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

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
  // Says that nothing more will be written; reading goes on.
  virtual awaitable<void> end_writing(ErrorCode& error) = 0;

  tcp::socket& socket() { return socket_; }

 protected:
  tcp::socket socket_;
};

class PlainStream final : public Stream {
 public:
  using Stream::Stream;
  awaitable<void> handshake(ErrorCode&) override { co_return; }
  awaitable<std::size_t> read(asio::mutable_buffer buffer, ErrorCode& error) override {
    co_return co_await socket_.async_read_some(buffer, into(error));
  }
  awaitable<void> write(asio::const_buffer bytes, ErrorCode& error) override {
    co_await asio::async_write(socket_, bytes, into(error));
  }
  awaitable<void> end_writing(ErrorCode& error) override {
    socket_.shutdown(tcp::socket::shutdown_send, error);
    co_return;
  }
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
  std::string id(9, '0');
  for (char& c : id) c = kAlphabet[random.below(kAlphabet.size())];
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

std::string response_head(const Response& response, TimePoint now, After after) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now).time_since_epoch();
  head += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                      fmt::gmtime(static_cast<std::time_t>(seconds.count())));
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

class Connection;

}  // namespace

// Everything that the connections share.
class HttpCore {
 public:
  HttpCore(const HttpServer::Options& options, Handler handler);

  static Result<void> open(const std::shared_ptr<HttpCore>& core);
  static void answer(const std::shared_ptr<HttpCore>& core);
  bool drain(Milliseconds patience);
  void stop();

  std::uint16_t port() const { return port_; }
  const HttpLimits& limits() const { return options_.limits; }
  bool is_draining() const { return draining_; }
  bool is_secure() const { return tls_.has_value(); }
  const Handler& handler() const { return handler_; }
  Clock& clock() { return *options_.clock; }
  Random& random() { return *options_.random; }

  // Each takes a share of what the limits leave, and says whether there was one.
  bool begin_request();
  void end_request() { --in_flight_; }
  bool take_bytes(std::size_t bytes);
  void give_bytes(std::size_t bytes) { buffered_ -= bytes; }

  // Runs `work` on the strand of a connection, from any thread; not once the threads are ending.
  void post(const asio::any_io_executor& strand, std::function<void()> work);
  void forget(const std::shared_ptr<Connection>& connection);

 private:
  Result<void> load_certificate();
  Result<void> listen();
  awaitable<void> accept_loop(std::shared_ptr<HttpCore> self);
  void admit(const std::shared_ptr<HttpCore>& self, tcp::socket&& socket);
  bool has_room_for(const std::string& peer) REQUIRES_LOCK(mutex_);
  void turn_away(tcp::socket& socket);
  // From here on nobody is admitted; those who were.
  std::vector<std::shared_ptr<Connection>> close_doors();
  bool wait_until_empty(Milliseconds patience);

  const HttpServer::Options options_;
  const Handler handler_;
  asio::io_context io_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  asio::any_io_executor accept_strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer accept_pause_;
  std::optional<ssl::context> tls_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<bool> draining_ = false;
  std::atomic<std::size_t> in_flight_ = 0;
  std::atomic<std::size_t> buffered_ = 0;

  std::mutex mutex_;
  std::condition_variable emptied_;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Connection>> connections_ GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> per_peer_ GUARDED_BY(mutex_);
};

namespace {

// One client: reads a request, has it answered, writes the answer, and again. All of it runs on the
// strand of its socket, but for what is marked.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpCore> core, std::unique_ptr<Stream> stream, std::string peer)
      : core_(std::move(core)),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        strand_(stream_->socket().get_executor()),
        deadline_(strand_),
        answer_arrived_(strand_) {}

  const std::string& peer() const { return peer_; }
  void start();                                    // any thread
  void drain();                                    // any thread
  void cut();                                      // any thread
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

  void allow(Milliseconds time);
  void allow_for(RequestReader::State state);
  void extend_for(std::size_t body_bytes);
  void wait_for_deadline();
  void on_deadline();
  void disarm();
  bool hold_bytes(std::size_t bytes);
  void release_bytes();

  const std::shared_ptr<HttpCore> core_;
  const std::unique_ptr<Stream> stream_;
  const std::string peer_;
  const asio::any_io_executor strand_;
  asio::steady_timer deadline_;
  asio::steady_timer::time_point body_deadline_;  // without what the body has earned since
  std::uint64_t deadline_turn_ = 0;  // tells a deadline that was met from one that is waited for
  bool timed_out_ = false;
  bool idle_ = false;
  bool cut_ = false;
  std::string buffer_;  // read and not yet understood
  std::size_t held_bytes_ = 0;
  std::optional<Failure> refusal_;
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

void Connection::start() { asio::co_spawn(strand_, run(), rethrow); }

void Connection::drain() {
  core_->post(strand_, [self = shared_from_this()] {
    ErrorCode ignored;
    if (self->idle_) self->stream_->socket().close(ignored);
  });
}

void Connection::cut() {
  core_->post(strand_, [self = shared_from_this()] {
    self->cut_ = true;
    ErrorCode ignored;
    self->stream_->socket().close(ignored);
    self->answer_arrived_.cancel();
  });
}

void Connection::deliver(std::optional<Response> response) {
  const auto shared = std::make_shared<std::optional<Response>>(std::move(response));
  core_->post(strand_, [self = shared_from_this(), shared] {
    self->answer_is_lost_ = !shared->has_value();
    self->answer_ = std::move(*shared);
    self->answer_arrived_.cancel();
  });
}

awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  ErrorCode error;
  allow(core_->limits().header_time);
  co_await stream_->handshake(error);
  disarm();
  if (!error) {
    bool again = true;
    while (again) {
      again = co_await serve_one();
      release_bytes();
    }
  }
  disarm();
  stream_->socket().close(error);
  core_->forget(self);
}

awaitable<bool> Connection::serve_one() {
  RequestReader reader(core_->limits().request);
  const bool complete = co_await read_request(reader);
  if (!complete) {
    if (refusal_) co_await refuse(*refusal_);
    co_return false;
  }
  Request request = reader.take();
  const Method method = request.method;
  const Response response = co_await answer_to(std::move(request));
  if (cut_) co_return false;
  const After after = reader.keep_alive() && !core_->is_draining() ? After::kKeep : After::kClose;
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
    buffer_.erase(0, reader.feed(buffer_));
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
  constexpr std::size_t kReadBytes = 16 * 1024;
  if (state == State::kNothing && core_->is_draining()) co_return false;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  idle_ = state == State::kNothing;
  ErrorCode error;
  const std::size_t size =
      co_await stream_->read(asio::buffer(buffer_.data() + before, kReadBytes), error);
  idle_ = false;
  buffer_.resize(before + size);
  if (error && timed_out_ && state != State::kNothing) {
    refusal_ = too_slow(state == State::kBody ? "body" : "header");
  }
  co_return !error;
}

// Calls the handler and waits, without holding a thread, until somebody has answered.
awaitable<Response> Connection::answer_to(Request request) {
  request.peer = peer_;
  request.is_secure = core_->is_secure();
  request.request_id = new_request_id(core_->random());
  const std::string request_id = request.request_id;
  const std::string path = request.path;
  if (!core_->begin_request()) {
    co_return transfer_error(overloaded("too many requests at once"), request_id, path);
  }
  answer_.reset();
  answer_is_lost_ = false;
  answer_arrived_.expires_at(asio::steady_timer::time_point::max());
  call_handler(std::move(request));
  while (!answer_ && !answer_is_lost_ && !cut_) {
    ErrorCode cancelled;
    co_await answer_arrived_.async_wait(into(cancelled));
  }
  core_->end_request();
  if (answer_) co_return std::move(*answer_);
  const Failure failure{.message = "the request was not answered"};
  co_return transfer_error(failure, request_id, path);
}

void Connection::call_handler(Request request) {
  const auto responder = std::make_shared<Responder>(weak_from_this());
  core_->handler()(std::move(request),
                   [responder](Response response) { responder->respond(std::move(response)); });
}

awaitable<bool> Connection::write_response(const Response& response, Method method, After after) {
  constexpr std::size_t kOnePacket = 16 * 1024;
  std::string head = response_head(response, core_->clock().now(), after);
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
  while (!bytes.empty() && !error) {
    const std::string_view piece = bytes.substr(0, core_->limits().write_piece);
    bytes.remove_prefix(piece.size());
    allow(core_->limits().write_time);
    co_await stream_->write(asio::buffer(piece.data(), piece.size()), error);
  }
  disarm();
  co_return !error;
}

awaitable<void> Connection::refuse(const Failure& failure) {
  const std::string request_id = new_request_id(core_->random());
  const Response response = transfer_error(failure, request_id, "");
  const bool written = co_await write_response(response, Method::kGet, After::kClose);
  if (written) co_await say_goodbye();
}

// A socket that is closed with unread bytes resets the connection, and the client may lose the
// answer. So it may go on sending for a while, into nothing.
awaitable<void> Connection::say_goodbye() {
  ErrorCode error;
  allow(core_->limits().linger_time);
  buffer_.resize(16 * 1024);
  co_await stream_->end_writing(error);
  while (!error) co_await stream_->read(asio::buffer(buffer_), error);
  disarm();
}

void Connection::allow(Milliseconds time) {
  timed_out_ = false;
  deadline_.expires_after(time);
  wait_for_deadline();
}

void Connection::allow_for(RequestReader::State state) {
  const HttpLimits& limits = core_->limits();
  switch (state) {
    case RequestReader::State::kNothing:
      return allow(limits.idle_time);
    case RequestReader::State::kHeader:
      return allow(limits.header_time);
    case RequestReader::State::kBody:
      allow(limits.body_time);
      body_deadline_ = deadline_.expiry();
      return;
    case RequestReader::State::kDone:
    case RequestReader::State::kRefused:
      return;
  }
}

void Connection::extend_for(std::size_t body_bytes) {
  const auto until =
      body_deadline_ +
      std::chrono::seconds(static_cast<std::int64_t>(body_bytes / core_->limits().body_rate));
  if (until <= deadline_.expiry()) return;
  deadline_.expires_at(until);
  wait_for_deadline();
}

void Connection::wait_for_deadline() {
  const std::uint64_t turn = ++deadline_turn_;
  deadline_.async_wait([self = shared_from_this(), turn](const ErrorCode& cancelled) {
    if (!cancelled && turn == self->deadline_turn_) self->on_deadline();
  });
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
  deadline_.expires_after(std::chrono::seconds(1));
  wait_for_deadline();
}

void Connection::disarm() {
  ++deadline_turn_;
  deadline_.cancel();
}

bool Connection::hold_bytes(std::size_t bytes) {
  if (bytes <= held_bytes_) return true;
  if (!core_->take_bytes(bytes - held_bytes_)) return false;
  held_bytes_ = bytes;
  return true;
}

void Connection::release_bytes() {
  core_->give_bytes(held_bytes_);
  held_bytes_ = 0;
}

bool take_share(std::atomic<std::size_t>& used, std::size_t share, std::size_t limit) {
  if (used.fetch_add(share) + share <= limit) return true;
  used -= share;
  return false;
}

Error tls_error(std::string_view what, const std::string& file, const ErrorCode& error) {
  return make_error(Code::kInvalid, "{} '{}': {}", what, file, error.message());
}

}  // namespace

HttpCore::HttpCore(const HttpServer::Options& options, Handler handler)
    : options_(options),
      handler_(std::move(handler)),
      io_(static_cast<int>(options.threads)),
      accept_strand_(asio::make_strand(io_)),
      acceptor_(accept_strand_),
      accept_pause_(accept_strand_) {
  CHECK(handler_ != nullptr);
  CHECK(options.threads > 0);
}

Result<void> HttpCore::open(const std::shared_ptr<HttpCore>& core) {
  TRY(core->load_certificate());
  TRY(core->listen());
  core->work_.emplace(core->io_.get_executor());
  for (std::size_t i = 0; i < core->options_.threads; ++i) {
    core->threads_.emplace_back([&io = core->io_] { io.run(); });
  }
  return {};
}

void HttpCore::answer(const std::shared_ptr<HttpCore>& core) {
  asio::co_spawn(core->accept_strand_, core->accept_loop(core), rethrow);
}

Result<void> HttpCore::load_certificate() {
  if (!options_.tls) return {};
  ErrorCode error;
  tls_.emplace(ssl::context::tls_server);
  tls_->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                    ssl::context::no_tlsv1_1 | ssl::context::no_compression);
  tls_->use_certificate_chain_file(options_.tls->certificate_file, error);
  if (error) return tls_error("TLS certificate", options_.tls->certificate_file, error);
  tls_->use_private_key_file(options_.tls->key_file, ssl::context::pem, error);
  if (error) return tls_error("TLS key", options_.tls->key_file, error);
  return {};
}

Result<void> HttpCore::listen() {
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(options_.address, error);
  if (error) {
    return make_error(Code::kInvalid, "listen at '{}': not an IP address", options_.address);
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    return make_error(Code::kUnavailable, "listen at {} port {}: {}", options_.address,
                      options_.port, error.message());
  }
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

awaitable<void> HttpCore::accept_loop(std::shared_ptr<HttpCore> self) {
  while (acceptor_.is_open()) {
    ErrorCode error;
    const asio::any_io_executor strand = asio::make_strand(io_);
    tcp::socket socket = co_await acceptor_.async_accept(strand, into(error));
    if (!error) {
      admit(self, std::move(socket));
    } else if (acceptor_.is_open()) {
      // No descriptor left, most likely: others have to end first.
      log_warning("http: accept a connection: {}", error.message());
      accept_pause_.expires_after(Milliseconds(200));
      co_await accept_pause_.async_wait(into(error));
    }
  }
}

void HttpCore::admit(const std::shared_ptr<HttpCore>& self, tcp::socket&& socket) {
  ErrorCode error;
  const std::string peer = socket.remote_endpoint(error).address().to_string();
  if (error) return;  // gone already
  socket.set_option(tcp::no_delay(true), error);
  const std::unique_lock lock(mutex_);
  if (draining_) return;
  if (!has_room_for(peer)) return turn_away(socket);
  std::unique_ptr<Stream> stream;
  if (tls_) {
    stream = std::make_unique<TlsStream>(std::move(socket), *tls_);
  } else {
    stream = std::make_unique<PlainStream>(std::move(socket));
  }
  const auto connection = std::make_shared<Connection>(self, std::move(stream), peer);
  connections_.insert(connection);
  ++per_peer_[peer];
  connection->start();
}

bool HttpCore::has_room_for(const std::string& peer) {
  if (connections_.size() >= options_.limits.connections) return false;
  const auto found = per_peer_.find(peer);
  return found == per_peer_.end() || found->second < options_.limits.connections_per_peer;
}

// Costs no memory and no waiting: what the socket does not take at once, the client does not learn.
void HttpCore::turn_away(tcp::socket& socket) {
  if (tls_) return;
  const Response response =
      transfer_error(overloaded("too many connections"), new_request_id(random()), "");
  const std::string text = response_head(response, clock().now(), After::kClose) + response.body;
  ErrorCode ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
}

bool HttpCore::begin_request() {
  return take_share(in_flight_, 1, options_.limits.requests_in_flight);
}

bool HttpCore::take_bytes(std::size_t bytes) {
  return take_share(buffered_, bytes, options_.limits.buffered_bytes);
}

// Under the mutex: what is posted before `ending_` is run, because the threads end only when there
// is nothing left; work that nobody runs would hold its connection, and that this object, for ever.
void HttpCore::post(const asio::any_io_executor& strand, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (!ending_) asio::post(strand, std::move(work));
}

void HttpCore::forget(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  const auto peer = per_peer_.find(connection->peer());
  CHECK(peer != per_peer_.end());
  if (--peer->second == 0) per_peer_.erase(peer);
  if (connections_.empty()) emptied_.notify_all();
}

std::vector<std::shared_ptr<Connection>> HttpCore::close_doors() {
  post(accept_strand_, [this] {
    ErrorCode ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
  });
  const std::lock_guard lock(mutex_);
  draining_ = true;
  return {connections_.begin(), connections_.end()};
}

bool HttpCore::wait_until_empty(Milliseconds patience) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, patience, [this] { return connections_.empty(); });
}

bool HttpCore::drain(Milliseconds patience) {
  for (const auto& connection : close_doors()) connection->drain();
  if (wait_until_empty(patience)) return true;
  for (const auto& connection : close_doors()) connection->cut();
  return false;
}

void HttpCore::stop() {
  for (const auto& connection : close_doors()) connection->cut();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
  CHECK(connections_.empty());
}

HttpServer::HttpServer(std::shared_ptr<HttpCore> core) : core_(std::move(core)) {}

HttpServer::~HttpServer() { core_->stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const Options& options, Handler handler) {
  const auto core = std::make_shared<HttpCore>(options, std::move(handler));
  TRY(HttpCore::open(core));
  return std::unique_ptr<HttpServer>(new HttpServer(core));
}

std::uint16_t HttpServer::port() const { return core_->port(); }

void HttpServer::answer() { HttpCore::answer(core_); }

bool HttpServer::drain(std::chrono::milliseconds patience) { return core_->drain(patience); }

}  // namespace wherry::server
