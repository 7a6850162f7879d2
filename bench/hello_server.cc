// SPDX-License-Identifier: Apache-2.0
// The least that an HTTP server on Boost.Beast does: one thread, coroutines, and the same answer to
// every request. Prints the port that it listens at on this host; runs until it is ended.
#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdio>

namespace wherry {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

asio::awaitable<void> greet(tcp::socket socket) {
  boost::beast::flat_buffer buffer;
  boost::system::error_code error;
  const auto into_error = [&error] { return asio::redirect_error(asio::use_awaitable, error); };
  for (;;) {
    http::request<http::string_body> request;
    co_await http::async_read(socket, buffer, request, into_error());
    if (error) co_return;
    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.keep_alive(request.keep_alive());
    response.body() = "hello\n";
    response.prepare_payload();
    co_await http::async_write(socket, response, into_error());
    if (error || !response.keep_alive()) co_return;
  }
}

asio::awaitable<void> accept(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), greet(std::move(socket)), asio::detached);
  }
}

}  // namespace
}  // namespace wherry

int main() {
  boost::asio::io_context io(1);
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  fmt::print("{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  boost::asio::co_spawn(io, wherry::accept(acceptor), boost::asio::detached);
  io.run();
}
