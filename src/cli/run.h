// SPDX-License-Identifier: Apache-2.0
// The whole of `wherry` but for main(): words in, exit code out.
#pragma once

#include <ostream>
#include <span>
#include <string>

#include "app/settings.h"

namespace wherry::cli {

struct Streams {
  std::ostream& out;
  std::ostream& err;
};

// `words` is the command line without the program's name.
int run(std::span<const std::string> words, const app::Environment& environment, Streams streams);

}  // namespace wherry::cli
