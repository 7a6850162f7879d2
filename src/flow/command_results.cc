// SPDX-License-Identifier: Apache-2.0
#include "flow/command_results.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/file.h"
#include "base/path.h"
#include "flow/place.h"

namespace wherry::flow {
namespace {

constexpr ByteCount kMaxResultBytes = ByteCount{64} << 10;
constexpr ByteCount kMaxErrorBytes = ByteCount{16} << 20;
constexpr std::size_t kMaxLastWords = 300;

std::string_view without_line_ends(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// The last line that a failed command wrote, for the message.
std::string last_words(const CommandRequest& request) {
  for (const std::string& file : {request.command.error_file, request.command.output_file}) {
    const auto written = read_file(file, kMaxErrorBytes);
    if (!written) continue;
    std::string_view last = without_line_ends(*written);
    last.remove_prefix(last.find_last_of('\n') + 1);
    if (last.empty()) continue;
    return fmt::format(": {}", escape_bytes(last.substr(0, kMaxLastWords)));
  }
  return "";
}

Error failed(const CommandRequest& request, int exit_code) {
  const std::string how = exit_code > 128 ? fmt::format("was ended by signal {}", exit_code - 128)
                                          : fmt::format("exited with code {}", exit_code);
  // Whether another attempt helps, the file says.
  return Error{Code::kConflict, Retry::kLater,
               fmt::format("it {}{} (all that it wrote: {})", how, last_words(request),
                           escape_bytes(request.command.error_file))};
}

Result<void> read_outputs_file(const CommandRequest& request, Results& results) {
  const auto written = read_file(request.outputs_file, kMaxResultBytes);
  if (!written && written.error().code != Code::kNotFound)
    return Error(written.error()).with_context("its outputs");
  std::string_view rest = written ? std::string_view(*written) : std::string_view();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = without_line_ends(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    const std::size_t equals = line.find('=');
    const std::string name(line.substr(0, std::min(equals, line.size())));
    if (equals == std::string_view::npos ||
        std::find(request.outputs.begin(), request.outputs.end(), name) == request.outputs.end())
      return make_error(Code::kInvalid,
                        "it wrote '{}' into $WHERRY_OUTPUTS, which is none of its outputs ({}) "
                        "with '=' and a value",
                        escape_bytes(line.substr(0, 80)), fmt::join(request.outputs, ", "));
    results[name] = std::string(line.substr(equals + 1));
  }
  for (const std::string& name : request.outputs) {
    if (results.find(name) == results.end())
      return make_error(Code::kInvalid, "it ended well, but wrote no '{}=…' into $WHERRY_OUTPUTS",
                        name);
  }
  return {};
}

}  // namespace

Result<Results> command_results(const CommandRequest& request, const CommandEnd& end) {
  if (end.exit_code != 0) return failed(request, end.exit_code);
  Results results;
  TRY(read_outputs_file(request, results));
  const auto output = read_file(request.command.output_file, kMaxResultBytes);
  if (output && output->find('\0') == std::string::npos)
    results["stdout"] = std::string(without_line_ends(*output));
  return results;
}

Results data_results(const Request& request, const Done& done) {
  Results results = {{"task_id", done.task_id}};
  if (const auto* transfer = std::get_if<Transfer>(&request)) {
    results["source"] = FlowPlace{transfer->source_endpoint, transfer->source_path}.text();
    results["target"] = FlowPlace{transfer->target_endpoint, transfer->target_path}.text();
    results["files"] = std::to_string(done.files);
    results["bytes"] = std::to_string(done.bytes);
  } else {
    const Removal& removal = std::get<RemovalRequest>(request).removal;
    results["path"] = FlowPlace{removal.endpoint, removal.path}.text();
  }
  return results;
}

}  // namespace wherry::flow
