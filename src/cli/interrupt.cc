// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/check.h"
#include "base/file.h"
#include "base/worker_pool.h"
#include "cli/command.h"

namespace wherry::cli {
namespace {

// While it lives, the stop signals come out of fd() instead of ending the process. Threads that
// start meanwhile inherit the mask.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
    CHECK(::pthread_sigmask(SIG_BLOCK, &signals, &before_) == 0);
    fd_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    CHECK(fd_);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  int fd() const { return fd_.get(); }
  bool take() {
    signalfd_siginfo info;
    return ::read(fd_.get(), &info, sizeof info) == sizeof info;
  }

 private:
  sigset_t before_;
  UniqueFd fd_;
};

}  // namespace

Finish run_in_foreground(const Foreground& foreground,
                         const std::function<void(std::stop_token)>& work) {
  StopSignals signals;
  UniqueFd finished(::eventfd(0, EFD_CLOEXEC));
  CHECK(finished);
  std::stop_source stop;
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] {
    work(stop.get_token());
    const std::uint64_t one = 1;
    CHECK(::write(finished.get(), &one, sizeof one) == sizeof one);
  });
  const auto tick_ms = std::chrono::duration_cast<std::chrono::milliseconds>(foreground.tick_every);
  const int timeout = tick_ms.count() > 0 ? static_cast<int>(tick_ms.count()) : -1;
  while (true) {
    pollfd fds[] = {{finished.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    const int ready = ::poll(fds, 2, timeout);
    if (ready == 0) foreground.tick();
    if (ready > 0 && (fds[1].revents & POLLIN) != 0 && signals.take()) {
      if (stop.stop_requested()) ::_exit(kExitInterrupted);
      foreground.err << "\nwherry: stopping in an orderly way; once more stops at once\n"
                     << std::flush;
      stop.request_stop();
    }
    if (ready > 0 && (fds[0].revents & POLLIN) != 0) break;
  }
  pool.wait_idle();
  return stop.stop_requested() ? Finish::kInterrupted : Finish::kByItself;
}

}  // namespace wherry::cli
