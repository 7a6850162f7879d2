// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
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
#include "server/http_connection.h"

namespace wherry::server {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::awaitable;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

bool take_share(std::atomic<std::size_t>& used, std::size_t share, std::size_t limit) {
  if (used.fetch_add(share) + share <= limit) return true;
  used -= share;
  return false;
}

Error tls_error(std::string_view what, const std::string& file, const ErrorCode& error) {
  return make_error(Code::kInvalid, "{} '{}': {}", what, file, error.message());
}

// What to do about the usual reasons why an address cannot be listened at.
std::string_view hint_about(const ErrorCode& error) {
  if (error == asio::error::address_in_use)
    return "; end the service that has it, or choose another port (serve.listen, --listen)";
  if (error == asio::error::access_denied)
    return "; ports below 1024 are for root: choose another one (serve.listen, --listen), or allow "
           "it"
           " with CAP_NET_BIND_SERVICE";
  if (error.value() == EADDRNOTAVAIL)
    return "; this host does not have the address (serve.listen, --listen)";
  return "";
}

std::vector<std::unique_ptr<asio::io_context>> make_loops(std::size_t count) {
  CHECK(count > 0);
  std::vector<std::unique_ptr<asio::io_context>> loops;
  for (std::size_t i = 0; i < count; ++i) loops.push_back(std::make_unique<asio::io_context>(1));
  return loops;
}

}  // namespace

// Everything that the connections share.
class HttpCore final : public ConnectionHost {
 public:
  HttpCore(const HttpServer::Options& options, Handler handler);

  static Result<void> open(const std::shared_ptr<HttpCore>& core);
  static void answer(const std::shared_ptr<HttpCore>& core);
  bool drain(Milliseconds patience);
  void stop();

  std::uint16_t port() const { return port_; }
  const HttpLimits& limits() const override { return options_.limits; }
  bool is_draining() const override { return draining_; }
  bool is_secure() const override { return tls_.has_value(); }
  const Handler& handler() const override { return handler_; }
  Clock& clock() override { return *options_.clock; }
  Random& random() override { return *options_.random; }

  bool begin_request() override;
  void end_request() override { --in_flight_; }
  bool take_bytes(std::size_t bytes) override;
  void give_bytes(std::size_t bytes) override { buffered_ -= bytes; }
  void post(asio::io_context& loop, std::function<void()> work) override;
  void forget(const std::shared_ptr<HttpConnection>& connection) override;

 private:
  Result<void> load_certificate();
  Result<void> listen();
  awaitable<void> accept_loop(std::shared_ptr<HttpCore> self);
  void admit(const std::shared_ptr<HttpCore>& self, asio::io_context& loop, tcp::socket&& socket);
  bool has_room_for(const std::string& peer) REQUIRES_LOCK(mutex_);
  void turn_away(tcp::socket& socket);
  // From here on nobody is admitted; those who were.
  std::vector<std::shared_ptr<HttpConnection>> close_doors();
  bool wait_until_empty(Milliseconds patience);

  const HttpServer::Options options_;
  const Handler handler_;
  // Each is run by one thread, and each connection stays with one. The first also accepts.
  std::vector<std::unique_ptr<asio::io_context>> loops_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
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
  std::set<std::shared_ptr<HttpConnection>> connections_ GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> per_peer_ GUARDED_BY(mutex_);
};

HttpCore::HttpCore(const HttpServer::Options& options, Handler handler)
    : options_(options),
      handler_(std::move(handler)),
      loops_(make_loops(options.threads)),
      acceptor_(*loops_.front()),
      accept_pause_(*loops_.front()) {
  CHECK(handler_ != nullptr);
}

Result<void> HttpCore::open(const std::shared_ptr<HttpCore>& core) {
  TRY(core->load_certificate());
  TRY(core->listen());
  for (const auto& loop : core->loops_) {
    core->work_.emplace_back(loop->get_executor());
    core->threads_.emplace_back([io = loop.get()] { io->run(); });
  }
  return {};
}

void HttpCore::answer(const std::shared_ptr<HttpCore>& core) {
  asio::co_spawn(*core->loops_.front(), core->accept_loop(core), rethrow);
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
    return make_error(Code::kUnavailable, "listen at {} port {}: {}{}", options_.address,
                      options_.port, error.message(), hint_about(error));
  }
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

awaitable<void> HttpCore::accept_loop(std::shared_ptr<HttpCore> self) {
  for (std::size_t turn = 0; acceptor_.is_open(); ++turn) {
    ErrorCode error;
    asio::io_context& loop = *loops_[turn % loops_.size()];
    tcp::socket socket = co_await acceptor_.async_accept(loop, into(error));
    if (!error) {
      admit(self, loop, std::move(socket));
    } else if (acceptor_.is_open()) {
      // No descriptor left, most likely: others have to end first.
      log_warning("http: accept a connection: {}", error.message());
      accept_pause_.expires_after(Milliseconds(200));
      co_await accept_pause_.async_wait(into(error));
    }
  }
}

void HttpCore::admit(const std::shared_ptr<HttpCore>& self, asio::io_context& loop,
                     tcp::socket&& socket) {
  ErrorCode error;
  const std::string peer = socket.remote_endpoint(error).address().to_string();
  if (error) return;  // gone already
  socket.set_option(tcp::no_delay(true), error);
  const std::unique_lock lock(mutex_);
  if (draining_) return;
  if (!has_room_for(peer)) return turn_away(socket);
  const auto connection =
      make_connection(self, loop, std::move(socket), tls_ ? &*tls_ : nullptr, peer);
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
  const std::string text = too_many_connections(clock(), random());
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
void HttpCore::post(asio::io_context& loop, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (!ending_) asio::post(loop, std::move(work));
}

void HttpCore::forget(const std::shared_ptr<HttpConnection>& connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  const auto peer = per_peer_.find(connection->peer());
  CHECK(peer != per_peer_.end());
  if (--peer->second == 0) per_peer_.erase(peer);
  if (connections_.empty()) emptied_.notify_all();
}

std::vector<std::shared_ptr<HttpConnection>> HttpCore::close_doors() {
  post(*loops_.front(), [this] {
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
  work_.clear();
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
