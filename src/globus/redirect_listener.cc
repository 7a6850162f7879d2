// SPDX-License-Identifier: Apache-2.0
#include "globus/redirect_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace wherry::globus {
namespace {

constexpr std::size_t kMaxRequest = std::size_t{16} << 10U;
constexpr Duration kRequestPatience = std::chrono::seconds(5);  // for one client to speak
constexpr int kPollMs = 200;                                    // how soon a stop is seen

std::string page(std::string_view status, std::string_view text) {
  const std::string body = fmt::format(
      "<!doctype html><title>Wherry</title><p>{}</p><p>You can close this page.</p>\n", text);
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n"
      "Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
      status, body.size(), body);
}

// The query of "GET /?code=…&state=… HTTP/1.1".
Fields fields_of(std::string_view request) {
  const std::string_view line = request.substr(0, request.find("\r\n"));
  if (!line.starts_with("GET /")) return {};
  const std::size_t begin = line.find('?');
  const std::size_t end = line.rfind(' ');
  if (begin == line.npos || end == line.npos || end < begin) return {};
  return parse_form(line.substr(begin + 1, end - begin - 1));
}

const std::string* field(const Fields& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const auto& each) { return each.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

class Deadline {
 public:
  Deadline(Clock& clock, Duration patience, std::stop_token stop)
      : clock_(clock), until_(clock.monotonic() + patience), stop_(std::move(stop)) {}

  // Until `fd` can be read.
  Result<void> wait_readable(int fd) const {
    for (;;) {
      if (stop_.stop_requested())
        return make_error(Code::kCancelled, "waiting for the login was stopped");
      if (clock_.monotonic() >= until_)
        return make_error(Code::kTimeout, "nobody has logged in meanwhile");
      pollfd one{fd, POLLIN, 0};
      if (::poll(&one, 1, kPollMs) > 0) return {};
    }
  }
  const std::stop_token& stop() const { return stop_; }

 private:
  Clock& clock_;
  Duration until_;
  std::stop_token stop_;
};

// What a client says up to the end of its header, or up to where it falls silent.
std::string read_request(int fd, const Deadline& deadline) {
  std::string request;
  char buffer[4096];
  while (request.size() < kMaxRequest && request.find("\r\n\r\n") == request.npos) {
    if (!deadline.wait_readable(fd)) break;
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count <= 0) break;
    request.append(buffer, static_cast<std::size_t>(count));
  }
  return request;
}

}  // namespace

Result<std::unique_ptr<RedirectListener>> RedirectListener::open(Clock& clock) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error(errno, "make a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), 8) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0)
    return errno_error(errno, "listen for the browser");
  return std::unique_ptr<RedirectListener>(
      new RedirectListener(std::move(fd), ntohs(address.sin_port), clock));
}

std::string RedirectListener::redirect_uri() const {
  return fmt::format("http://localhost:{}", port_);
}

Result<Fields> RedirectListener::wait(std::string_view state, Duration patience,
                                      std::stop_token stop) {
  const Deadline deadline(clock_, patience, stop);
  for (;;) {
    TRY(deadline.wait_readable(fd_.get()));
    const UniqueFd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) continue;  // it has gone again
    const std::string request =
        read_request(client.get(), Deadline(clock_, kRequestPatience, stop));
    Fields fields = fields_of(request);
    const std::string* got = field(fields, "state");
    const bool is_it = got != nullptr && *got == state &&
                       (field(fields, "code") != nullptr || field(fields, "error") != nullptr);
    const std::string text =
        !is_it ? page("404 Not Found", "Nothing is here.")
               : page("200 OK", field(fields, "code") != nullptr ? "You are logged in."
                                                                 : "The login was refused.");
    // Whether the browser shows it does not matter.
    (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (is_it) return fields;
  }
}

}  // namespace wherry::globus
