// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>

#include "base/path.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRateWindow = 5s;  // long enough to be calm, short enough to be true
constexpr std::size_t kDefaultWidth = 80;

std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string time_left(const ProgressView& view) {
  if (!view.plan_complete) return "still counting";
  const double bytes_left = view.bytes_found > view.bytes_moved
                                ? static_cast<double>(view.bytes_found - view.bytes_moved)
                                : 0;
  const double files_left = view.files_found > view.files_finished
                                ? static_cast<double>(view.files_found - view.files_finished)
                                : 0;
  double seconds = 0;
  if (bytes_left > 0) {
    if (view.bytes_per_second <= 0) return "";
    seconds = bytes_left / view.bytes_per_second;
  } else if (files_left > 0) {
    if (view.files_per_second <= 0) return "";
    seconds = files_left / view.files_per_second;
  }
  if (seconds > 1e8) return "";  // a rate of next to nothing says nothing
  return format_duration(std::chrono::seconds(static_cast<long long>(std::ceil(seconds)))) +
         " left";
}

// The last `width` columns are the telling ones of a path. Cuts at whole characters.
std::string tail(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  if (width < 4) return "";
  std::size_t at = text.size() - (width - 3);
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return "..." + text.substr(at);
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultWidth;
}

}  // namespace

ProgressView view_of(const engine::Progress& progress) {
  ProgressView view;
  view.plan_complete = progress.plan_complete;
  view.files_found = progress.files_found;
  view.failed = progress.files_failed + progress.skipped_errors;
  view.files_finished =
      progress.files_done + progress.files_skipped + progress.removed + view.failed;
  view.bytes_found = progress.bytes_found;
  view.bytes_moved = progress.bytes_moved;
  view.faults = progress.faults;
  view.current_file = progress.current_file();
  return view;
}

std::string progress_text(const ProgressView& view, std::size_t width) {
  const char* open_end = view.plan_complete ? "" : "+";
  std::string text = fmt::format(
      "{} of {}{} files, {} of {}{}", grouped(view.files_finished), grouped(view.files_found),
      open_end, format_bytes(view.bytes_moved), format_bytes(view.bytes_found), open_end);
  if (view.bytes_per_second >= 1)
    text += fmt::format(", {}/s", format_bytes(static_cast<ByteCount>(view.bytes_per_second)));
  if (const std::string left = time_left(view); !left.empty()) text += ", " + left;
  if (view.failed > 0) text += fmt::format(", {} failed", grouped(view.failed));
  if (view.faults > 0) text += fmt::format(", {} retried", grouped(view.faults));
  if (!view.current_file.empty()) {
    const std::string file = escape_bytes(view.current_file);
    const std::size_t room = width > text.size() + 2 ? width - text.size() - 2 : 0;
    const std::string shown = width == 0 ? file : tail(file, room);
    if (!shown.empty()) text += "  " + shown;
  }
  if (width > 0 && text.size() > width) text.resize(width);
  return text;
}

ProgressLine::ProgressLine(Style style, Clock& clock, std::ostream& err)
    : style_(style), clock_(clock), err_(err) {}

ProgressLine::~ProgressLine() { clear(); }

Duration ProgressLine::interval() const {
  switch (style_) {
    case Style::kNone:
      return Duration(0);
    case Style::kTerminal:
      return 200ms;
    case Style::kLines:
      return 10s;
  }
  return Duration(0);
}

void ProgressLine::measure(ProgressView& view) {
  const Sample now{clock_.monotonic(), view.bytes_moved, view.files_finished};
  samples_.push_back(now);
  while (samples_.size() > 2 && now.at - samples_[1].at >= kRateWindow)
    samples_.erase(samples_.begin());
  const Sample& first = samples_.front();
  const double seconds = std::chrono::duration<double>(now.at - first.at).count();
  if (seconds <= 0) return;
  // Signed: a file that is begun again takes its bytes back.
  view.bytes_per_second =
      (static_cast<double>(now.bytes) - static_cast<double>(first.bytes)) / seconds;
  view.files_per_second =
      (static_cast<double>(now.files) - static_cast<double>(first.files)) / seconds;
}

void ProgressLine::update(const engine::Progress& progress) {
  if (style_ == Style::kNone) return;
  ProgressView view = view_of(progress);
  measure(view);
  if (style_ == Style::kLines) {
    err_ << progress_text(view, 0) << '\n' << std::flush;
    return;
  }
  // The last column stays free: writing into it makes some terminals begin a new line.
  err_ << "\r\x1b[K" << progress_text(view, terminal_width() - 1) << std::flush;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) err_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

ProgressLine::Style progress_style() {
  return ::isatty(STDERR_FILENO) == 1 ? ProgressLine::Style::kTerminal
                                      : ProgressLine::Style::kLines;
}

}  // namespace wherry::cli
