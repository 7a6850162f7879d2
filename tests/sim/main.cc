// SPDX-License-Identifier: Apache-2.0
// wherry_sim: runs histories of the whole system, each from a seed, until one breaks a promise.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "history.h"

namespace {

using wherry::sim::History;

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;   // from the first one on
  std::uint64_t repeat = 1;  // of each seed: threads make some difference
  bool verbose = false;      // tells the history as it goes
  bool log = false;          // with the product's own log between
};

constexpr std::string_view kUsage =
    "usage: wherry_sim [--seed FIRST] [--seeds COUNT] [--repeat TIMES] [--verbose] [--log]\n";

bool parse_number(const char* text, std::uint64_t& number) {
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--verbose" || word == "--log") {
      (word == "--log" ? options.log : options.verbose) = true;
      continue;
    }
    std::uint64_t* const number = word == "--seed"     ? &options.seed
                                  : word == "--seeds"  ? &options.seeds
                                  : word == "--repeat" ? &options.repeat
                                                       : nullptr;
    if (number == nullptr || ++i == argc || !parse_number(argv[i], *number)) return false;
  }
  return true;
}

bool run(std::uint64_t seed, const Options& options) {
  std::vector<std::string> lines;
  const auto show = [&](const std::string& line) {
    fmt::print("{:4} {}\n", lines.size(), line);
    std::fflush(stdout);
  };
  if (options.verbose) fmt::print("seed {}:\n", seed);
  History history(seed, [&](const std::string& line) {
    lines.push_back(line);
    if (options.verbose) show(line);
  });
  if (history.run()) return true;
  if (!options.verbose) {
    for (std::size_t i = 0; i < lines.size(); ++i) fmt::print("{:4} {}\n", i + 1, lines[i]);
  }
  fmt::print("seed {} fails at line {}:\n  {}\nreplay: wherry_sim --seed {} --verbose\n", seed,
             lines.size(), history.violation(), seed);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto level = options.log ? wherry::LogLevel::kDebug : wherry::LogLevel::kOff;
  if (!wherry::open_log({level, {}})) return 2;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    for (std::uint64_t n = 0; n < options.repeat; ++n) {
      if (!run(options.seed + i, options)) return 1;
    }
  }
  fmt::print("{} histories from seed {} hold\n", options.seeds, options.seed);
  return 0;
}
