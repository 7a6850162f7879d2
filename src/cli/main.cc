// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/run.h"

// jemalloc reads it when it starts: four heaps however many processors there are, and freed memory
// goes back within a second (docs/decisions/0012).
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0";
}

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // Nobody asks how much memory SQLite uses; counting it takes a lock at each allocation.
  ::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return wherry::cli::run(words, wherry::app::process_environment(), {std::cout, std::cerr});
}
