// SPDX-License-Identifier: Apache-2.0
// How a running task is shown: one line that is drawn over on a terminal, a new line now and then
// elsewhere.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "base/clock.h"
#include "engine/runner.h"

namespace wherry::cli {

// The counters at one moment, and how fast they grow.
struct ProgressView {
  std::uint64_t files_found = 0;
  std::uint64_t files_finished = 0;  // moved, up to date, removed, skipped or failed
  ByteCount bytes_found = 0;
  ByteCount bytes_moved = 0;
  std::uint64_t failed = 0;
  std::uint64_t faults = 0;
  bool plan_complete = false;
  double bytes_per_second = 0;
  double files_per_second = 0;
  std::string current_file;
};

ProgressView view_of(const engine::Progress& progress);

// "12,345 of 20,000 files · 1.5 of 4.0 GiB · 210.0 MiB/s · 12 s left · run42/img_0007.h5", cut to
// `width` columns (0: not cut). Numbers that are not final yet have a "+".
std::string progress_text(const ProgressView& view, std::size_t width);

// Measures rates over the last seconds and draws.
class ProgressLine {
 public:
  enum class Style { kNone, kTerminal, kLines };
  ProgressLine(Style style, Clock& clock, std::ostream& err);
  ~ProgressLine();

  // How often update() wants to be called.
  Duration interval() const;
  void update(const engine::Progress& progress);
  // Wipes the line from the terminal.
  void clear();

 private:
  struct Sample {
    Duration at{0};
    ByteCount bytes = 0;
    std::uint64_t files = 0;
  };
  void measure(ProgressView& view);

  Style style_;
  Clock& clock_;
  std::ostream& err_;
  std::vector<Sample> samples_;  // of the last seconds, oldest first
  bool drawn_ = false;
};

// kTerminal if standard error is one, kLines otherwise.
ProgressLine::Style progress_style();

}  // namespace wherry::cli
