// SPDX-License-Identifier: Apache-2.0
#include "cli/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry::cli {
namespace {

// What systemd does: listens for datagrams at a path, or, with '@', at an abstract name.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    CHECK(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  const std::string& name() const { return name_; }
  // What has been told since; empty if nothing.
  std::string heard() {
    char text[100];
    const ssize_t got = ::recv(fd_.get(), text, sizeof text, MSG_DONTWAIT);
    return got < 0 ? "" : std::string(text, static_cast<std::size_t>(got));
  }

 private:
  std::string name_;
  UniqueFd fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST(ServiceManager, IsToldAtItsPath) {
  const ScratchDirectory directory;
  Manager manager(directory.path() + "/notify");
  tell_service_manager(manager.name(), "READY=1");
  EXPECT_EQ(manager.heard(), "READY=1");
}

TEST(ServiceManager, IsToldAtItsAbstractName) {
  Manager manager("@wherry-test-" + std::to_string(::getpid()));
  tell_service_manager(manager.name(), "STOPPING=1");
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(ServiceManager, ThatIsAwayOrAskedForWronglyIsNoTrouble) {
  const ScratchDirectory directory;
  Manager manager(directory.path() + "/notify");
  tell_service_manager("", "READY=1");
  tell_service_manager("relative", "READY=1");
  tell_service_manager(directory.path() + "/nobody", "READY=1");
  tell_service_manager("/" + std::string(200, 'x'), "READY=1");
  EXPECT_EQ(manager.heard(), "");
}

}  // namespace
}  // namespace wherry::cli
