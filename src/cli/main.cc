// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/run.h"

namespace {

// By default every few threads get a heap of their own, and what one of them has freed no other can
// use: a first pass of 1.3 million files, whose tasks begin and end threads again and again, grew
// to twice the memory. Small blocks are cached by each thread anyway, so sharing costs no time.
constexpr int kHeaps = 2;

}  // namespace

int main(int argc, char** argv) {
  ::mallopt(M_ARENA_MAX, kHeaps);
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return wherry::cli::run(words, wherry::app::process_environment(), {std::cout, std::cerr});
}
