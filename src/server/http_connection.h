// SPDX-License-Identifier: Apache-2.0
// One connection of the HTTP server, from the first byte to the last. For http_server.cc alone:
// here the network library is in sight.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "server/http.h"
#include "server/http_server.h"

namespace wherry::server {

// Makes an operation return its error instead of throwing it.
inline auto into(boost::system::error_code& error) {
  return boost::asio::redirect_error(boost::asio::use_awaitable, error);
}

// What an exception in a coroutine is: a bug, or no memory. It ends the process.
inline void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

// A client that is being served. For any thread.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  virtual const std::string& peer() const = 0;
  virtual void start() = 0;
  // Ends it if it is idle; if not, it ends after the answer.
  virtual void drain() = 0;
  // Ends it now.
  virtual void cut() = 0;
};

// What connections share. For any thread; lives as long as one of them.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual const HttpLimits& limits() const = 0;
  virtual bool is_draining() const = 0;
  virtual bool is_secure() const = 0;
  virtual const Handler& handler() const = 0;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;

  // Each takes a share of what the limits leave, and says whether there was one.
  virtual bool begin_request() = 0;
  virtual void end_request() = 0;
  virtual bool take_bytes(std::size_t bytes) = 0;
  virtual void give_bytes(std::size_t bytes) = 0;

  // Runs `work` on the thread of a loop; not once the threads are ending.
  virtual void post(boost::asio::io_context& loop, std::function<void()> work) = 0;
  // The last that is heard of a connection.
  virtual void forget(const std::shared_ptr<HttpConnection>& connection) = 0;
};

// With TLS if `tls` is not null; it outlives the connection, as does `loop`, which one thread runs
// and which `socket` belongs to.
std::shared_ptr<HttpConnection> make_connection(const std::shared_ptr<ConnectionHost>& host,
                                                boost::asio::io_context& loop,
                                                boost::asio::ip::tcp::socket&& socket,
                                                boost::asio::ssl::context* tls, std::string peer);

// The whole answer to a client for whom there is no connection left.
std::string too_many_connections(Clock& clock, Random& random);

}  // namespace wherry::server
