// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/path.h"

namespace wherry {
namespace {

// All signals are held back while it lives: a handler of this process must not run in a child that
// still shares its memory.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    ::sigfillset(&all);
    CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// ---- the keeper

// Process groups to kill, in memory that this process, its children and the keeper share. 0: none.
using Group = std::atomic<pid_t>;
static_assert(Group::is_always_lock_free, "it is read by another process");

// Runs in a forked child of a process with threads: nothing here may allocate or lock.
[[noreturn]] void keep(Group* groups, std::size_t count, int alive_fd) {
  ::setsid();  // what a terminal or a job's process group is sent does not reach it
  ::dup2(alive_fd, STDIN_FILENO);
  ::syscall(SYS_close_range, 1U, ~0U, 0U);  // an old kernel refuses: then files stay open longer
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(STDIN_FILENO, &byte, 1);  // nobody writes: it ends when the process has ended
  } while (got > 0 || (got < 0 && errno == EINTR));
  for (std::size_t i = 0; i < count; ++i) {
    const pid_t group = groups[i].load();
    if (group > 0) ::kill(-group, SIGKILL);
  }
  ::_exit(0);
}

class Keeper {
 public:
  static Result<std::unique_ptr<Keeper>> open(std::size_t most) {
    void* memory = ::mmap(nullptr, most * sizeof(Group), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return errno_error(errno, "map memory for the keeper of children");
    auto keeper = std::unique_ptr<Keeper>(new Keeper(static_cast<Group*>(memory), most));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "make a pipe");
    UniqueFd read_end(ends[0]);
    keeper->alive_ = UniqueFd(ends[1]);
    const SignalsHeld held;
    keeper->pid_ = ::fork();
    if (keeper->pid_ == 0) {
      // Otherwise it would wait for itself.
      ::close(ends[1]);
      keep(keeper->groups_, most, ends[0]);
    }
    if (keeper->pid_ < 0) return errno_error(errno, "start the keeper of children");
    return keeper;
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() {
    alive_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    ::munmap(groups_, count_ * sizeof(Group));
  }

  // One that is not taken.
  Group* free_slot() {
    Group* const slot =
        std::find_if(groups_, groups_ + count_, [](const Group& group) { return group == 0; });
    CHECK(slot != groups_ + count_);
    return slot;
  }

 private:
  Keeper(Group* groups, std::size_t count) : groups_(groups), count_(count) {}

  Group* groups_;
  std::size_t count_;
  UniqueFd alive_;  // held open by this process alone
  pid_t pid_ = -1;
};

// ---- starting

// Strings as execve() takes them.
class StringArray {
 public:
  explicit StringArray(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (std::string& text : strings_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::vector<std::string> environment_of(const ChildCommand& command) {
  std::vector<std::string> all;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    const bool is_replaced =
        std::any_of(command.environment.begin(), command.environment.end(),
                    [&](const auto& variable) { return variable.first == name; });
    if (!is_replaced) all.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) all.push_back(name + "=" + value);
  return all;
}

struct Spawn {
  char** words;
  char** environment;
  const char* directory;  // null: that of this process
  int input;
  int output;
  int errors;
  int failure;   // a pipe that exec closes: what could not be done is written to it
  pid_t parent;  // this process
  Group* group;  // null: nobody's
  bool is_detached = false;
};

struct SpawnFailure {
  int error_number;
  enum class Step { kDirectory, kProgram } step;
};

[[noreturn]] void give_up(const Spawn& spawn, SpawnFailure::Step step) {
  const SpawnFailure failure{errno, step};
  (void)!::write(spawn.failure, &failure, sizeof failure);
  ::_exit(127);
}

// In the child, which shares memory with its parent until exec: only system calls.
[[noreturn]] void become(const Spawn& spawn) {
  if (spawn.is_detached) {
    ::setsid();
    // What is a child of nobody's leaves nobody a zombie.
    const pid_t pid = ::_Fork();
    if (pid < 0) give_up(spawn, SpawnFailure::Step::kProgram);
    if (pid > 0) ::_exit(0);
  } else {
    ::setpgid(0, 0);
    if (spawn.group != nullptr) spawn.group->store(::getpid());
    // A second line behind the keeper, of this process alone.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != spawn.parent) ::_exit(127);
  }
  struct sigaction as_default {};
  as_default.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &as_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // The copies are not closed by exec, unlike their originals, which are none of 0, 1 and 2.
  ::dup2(spawn.input, STDIN_FILENO);
  ::dup2(spawn.output, STDOUT_FILENO);
  ::dup2(spawn.errors, STDERR_FILENO);
  if (spawn.directory != nullptr && ::chdir(spawn.directory) != 0)
    give_up(spawn, SpawnFailure::Step::kDirectory);
  ::execvpe(spawn.words[0], spawn.words, spawn.environment);
  give_up(spawn, SpawnFailure::Step::kProgram);
}

// Its own function, which returns only in the parent. vfork: starting 5,000 jobs by copying the
// page tables of a large process would cost more than most of them do.
pid_t start_process(const Spawn& spawn) {
  const SignalsHeld held;
  // One that is detached forks once more, which it may not do in its parent's memory.
  const pid_t pid = spawn.is_detached
                        ? ::fork()
                        : ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): as above
  if (pid == 0) become(spawn);  // NOLINT(clang-analyzer-unix.Vfork): it makes system calls alone
  return pid;
}

// At a descriptor above the standard ones, so that dup2() onto those loses nothing.
Result<UniqueFd> above_standard(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  UniqueFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) return errno_error(errno, "duplicate a descriptor");
  return moved;
}

Result<UniqueFd> open_descriptor(const std::string& path, int flags, mode_t mode = 0) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  return above_standard(std::move(fd));
}

struct Streams {
  int input;
  int output;
  int errors;
};

Error failure_of(const ChildCommand& command, const SpawnFailure& failure) {
  if (failure.step == SpawnFailure::Step::kDirectory) {
    return errno_error(failure.error_number,
                       fmt::format("go to '{}'", escape_bytes(command.directory)));
  }
  return errno_error(failure.error_number,
                     fmt::format("start '{}'", escape_bytes(command.words.front())));
}

enum class Lives { kAsChild, kDetached };

Result<pid_t> spawn(const ChildCommand& command, const Streams& streams, Group* group,
                    Lives lives = Lives::kAsChild) {
  CHECK(!command.words.empty());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "make a pipe");
  const UniqueFd read_end(ends[0]);
  TRY_ASSIGN(UniqueFd write_end, above_standard(UniqueFd(ends[1])));
  StringArray words(command.words);
  StringArray environment(environment_of(command));
  const pid_t pid =
      start_process({.words = words.data(),
                     .environment = environment.data(),
                     .directory = command.directory.empty() ? nullptr : command.directory.c_str(),
                     .input = streams.input,
                     .output = streams.output,
                     .errors = streams.errors,
                     .failure = write_end.get(),
                     .parent = ::getpid(),
                     .group = group,
                     .is_detached = lives == Lives::kDetached});
  if (pid < 0)
    return errno_error(errno, fmt::format("start '{}'", escape_bytes(command.words.front())));
  write_end.reset();
  SpawnFailure failure{};
  ssize_t got = 0;
  do {
    got = ::read(read_end.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof failure && lives == Lives::kAsChild) return pid;  // exec has closed it
  ::waitpid(pid, nullptr, 0);
  if (got != sizeof failure) return pid;
  return failure_of(command, failure);
}

// Holds nothing if there is no file.
Result<UniqueFd> open_output(const std::string& path) {
  if (path.empty()) return UniqueFd();
  return open_descriptor(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY, 0666);
}

// Where a command's output and errors go, held open while it is started.
struct OutputFiles {
  UniqueFd output;
  UniqueFd errors;

  static Result<OutputFiles> open(const ChildCommand& command) {
    OutputFiles files;
    TRY_ASSIGN(files.output, open_output(command.output_file));
    TRY_ASSIGN(files.errors, open_output(command.error_file));
    return files;
  }
  Streams streams(const UniqueFd& nothing) const {
    const int out = output ? output.get() : nothing.get();
    return {nothing.get(), out, errors ? errors.get() : out};
  }
};

// ---- waiting

Result<UniqueFd> descriptor_of(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
  if (!fd) return errno_error(errno, "watch a child process");
  return fd;
}

// Ends what is left of its group and takes the exit code of one that has ended, or is killed now.
int reap(pid_t pid) {
  // Until it is waited for, its number, and so that of its group, cannot become another's.
  siginfo_t info;
  int waited = 0;
  do {
    waited = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  } while (waited != 0 && errno == EINTR);
  CHECK(waited == 0);
  ::kill(-pid, SIGKILL);
  CHECK(::waitpid(pid, nullptr, 0) == pid);
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int poll_timeout(Duration timeout) {
  // Rounded up: a loop that looks at its clock again must find that the time has come.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 24 * 3600 * 1000));
}

// Becomes readable when a stop is requested.
class StopDescriptor {
 public:
  explicit StopDescriptor(std::stop_token stop)
      : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(std::move(stop), Wake{fd_.get()}) {
    CHECK(fd_);
  }
  int fd() const { return fd_.get(); }

 private:
  struct Wake {
    int fd;
    void operator()() const {
      const std::uint64_t one = 1;
      (void)!::write(fd, &one, sizeof one);
    }
  };
  UniqueFd fd_;
  std::stop_callback<Wake> callback_;
};

}  // namespace

// ---- Children

struct Children::State {
  struct Child {
    UniqueFd descriptor;
    Group* group;
  };
  std::unique_ptr<Keeper> keeper;
  std::size_t most = 0;
  UniqueFd nothing;  // /dev/null
  std::map<ChildId, Child> children;

  ChildEnd take(std::map<ChildId, Child>::iterator child) {
    const ChildEnd end{child->first, reap(child->first)};
    child->second.group->store(0);
    children.erase(child);
    return end;
  }
};

Children::Children(std::unique_ptr<State> state) : state_(std::move(state)) {}

Children::~Children() {
  for (const auto& [id, child] : state_->children) ::kill(-id, SIGKILL);
  while (!state_->children.empty()) state_->take(state_->children.begin());
}

Result<std::unique_ptr<Children>> Children::open(std::size_t most) {
  CHECK(most > 0);
  auto state = std::make_unique<State>();
  TRY_ASSIGN(state->nothing, open_descriptor("/dev/null", O_RDWR));
  TRY_ASSIGN(state->keeper, Keeper::open(most));
  state->most = most;
  return std::unique_ptr<Children>(new Children(std::move(state)));
}

Result<ChildId> Children::start(const ChildCommand& command) {
  CHECK(state_->children.size() < state_->most);
  TRY_ASSIGN(const OutputFiles files, OutputFiles::open(command));
  Group* const group = state_->keeper->free_slot();
  const auto pid = spawn(command, files.streams(state_->nothing), group);
  if (!pid) {
    group->store(0);
    return pid.error();
  }
  group->store(*pid);
  auto descriptor = descriptor_of(*pid);
  if (!descriptor) {
    ::kill(-*pid, SIGKILL);
    reap(*pid);
    group->store(0);
    return std::move(descriptor).error();
  }
  state_->children.emplace(*pid, State::Child{std::move(descriptor).value(), group});
  return *pid;
}

void Children::signal(ChildId id, int signal_number) {
  if (state_->children.contains(id)) ::kill(-id, signal_number);
}

std::vector<ChildEnd> Children::wait(Duration timeout, std::stop_token stop) {
  const StopDescriptor stopped(std::move(stop));
  std::vector<pollfd> fds;
  for (const auto& [id, child] : state_->children)
    fds.push_back({child.descriptor.get(), POLLIN, 0});
  fds.push_back({stopped.fd(), POLLIN, 0});
  std::vector<ChildEnd> ended;
  if (::poll(fds.data(), fds.size(), poll_timeout(timeout)) <= 0) return ended;
  auto child = state_->children.begin();
  for (std::size_t i = 0; i + 1 < fds.size(); ++i) {
    const auto next = std::next(child);
    if (fds[i].revents != 0) ended.push_back(state_->take(child));
    child = next;
  }
  return ended;
}

std::size_t Children::running() const { return state_->children.size(); }

// ---- run_command

namespace {

Result<UniqueFd> memory_file(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return errno_error(errno, "make a file in memory");
  return above_standard(std::move(fd));
}

Result<std::string> contents(const UniqueFd& file, ByteCount limit) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return errno_error(errno, "look at what was written");
  if (static_cast<ByteCount>(size) > limit)
    return make_error(Code::kInvalid, "it wrote more than {} bytes", limit);
  std::string text(static_cast<std::size_t>(size), '\0');
  TRY_ASSIGN(const std::size_t got, read_fully(file.get(), text, 0));
  text.resize(got);
  return text;
}

// Whether it ended in time.
Result<void> wait_for(pid_t pid, const RunOptions& options) {
  TRY_ASSIGN(const UniqueFd descriptor, descriptor_of(pid));
  const StopDescriptor stopped(options.stop);
  pollfd fds[] = {{descriptor.get(), POLLIN, 0}, {stopped.fd(), POLLIN, 0}};
  int ready = 0;
  do {
    ready = ::poll(fds, 2, poll_timeout(options.timeout));
  } while (ready < 0 && errno == EINTR);
  if (fds[0].revents != 0) return {};
  if (fds[1].revents != 0) return make_error(Code::kCancelled, "stopped while it ran");
  return make_error(Code::kTimeout, "no end after {} s",
                    std::chrono::duration_cast<std::chrono::seconds>(options.timeout).count());
}

Result<CommandOutput> run_to_end(const ChildCommand& command, const RunOptions& options) {
  // Files instead of pipes: nobody has to read while it runs, and a grandchild that keeps an
  // output open keeps nobody waiting.
  TRY_ASSIGN(const UniqueFd input, memory_file("input"));
  TRY_ASSIGN(const UniqueFd output, memory_file("output"));
  TRY_ASSIGN(const UniqueFd errors, memory_file("errors"));
  TRY(write_fully(input.get(), options.input, 0));
  TRY_ASSIGN(const pid_t pid, spawn(command, {input.get(), output.get(), errors.get()}, nullptr));
  const auto ended = wait_for(pid, options);
  if (!ended) ::kill(-pid, SIGKILL);
  CommandOutput result;
  result.exit_code = reap(pid);
  if (!ended) return ended.error();
  TRY_ASSIGN(result.output, contents(output, options.output_limit));
  TRY_ASSIGN(result.errors, contents(errors, options.output_limit));
  return result;
}

}  // namespace

Result<CommandOutput> run_command(const ChildCommand& command, const RunOptions& options) {
  TRY_ASSIGN(CommandOutput result, run_to_end(command, options), "run '{}'",
             escape_bytes(command.words.front()));
  return result;
}

Result<void> start_detached(const ChildCommand& command) {
  TRY_ASSIGN(const UniqueFd nothing, open_descriptor("/dev/null", O_RDWR));
  TRY_ASSIGN(const OutputFiles files, OutputFiles::open(command));
  TRY(spawn(command, files.streams(nothing), nullptr, Lives::kDetached));
  return {};
}

}  // namespace wherry
