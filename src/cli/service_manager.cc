// SPDX-License-Identifier: Apache-2.0
#include "cli/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/file.h"
#include "base/log.h"

namespace wherry::cli {
namespace {

// 0, or an errno.
int send_state(const std::string& socket, std::string_view state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path || (socket[0] != '/' && socket[0] != '@'))
    return EINVAL;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (socket[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  const ssize_t sent = ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  return sent < 0 ? errno : 0;
}

}  // namespace

void tell_service_manager(const std::string& socket, std::string_view state) {
  if (socket.empty()) return;
  if (const int error = send_state(socket, state); error != 0)
    log_warning("systemd was not told {}: {}: {}", state, socket, std::strerror(error));
}

}  // namespace wherry::cli
