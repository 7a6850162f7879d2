// SPDX-License-Identifier: Apache-2.0
#include "cli/background.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "base/file.h"

extern char** environ;  // POSIX leaves its declaration to the program

namespace wherry::cli {
namespace {

// File actions and attributes of posix_spawn, released at the end.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

Result<pid_t> spawn(const std::vector<std::string>& words, const std::string& log) {
  SpawnPlan plan;
  ::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&plan.actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&plan.actions, STDOUT_FILENO, STDERR_FILENO);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, "/proc/self/exe", &plan.actions, &plan.attributes, argv.data(), environ);
  if (failed != 0)
    return errno_error(failed, fmt::format("start '{}' in the background", words[0]));
  return pid;
}

}  // namespace

Result<pid_t> start_in_background(Context& context, app::Wherry& wherry,
                                  std::vector<std::string> words, const std::string& log) {
  words.insert(words.begin(), "wherry");
  words.insert(words.end(), {"--state-dir", wherry.directory()});
  for (const auto& [name, value] : context.overrides()) {
    if (name == "state.dir") continue;
    words.push_back("--set");
    words.push_back(name + "=" + value);
  }
  return spawn(words, log);
}

}  // namespace wherry::cli
