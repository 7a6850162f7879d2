// SPDX-License-Identifier: Apache-2.0
// Any bytes as the file of an app, and as a command: refused, or an app that is valid and whose
// jobs have a script that holds no value outside of quotes.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/shell.h"
#include "jobs/app_command.h"
#include "jobs/app_file.h"

namespace {

using namespace wherry::jobs;

constexpr std::string_view kValue = "'; $(a value) `of` \"no good\"";

void run_app(const App& app) {
  CHECK(validate(app));
  Job job;
  for (const auto& [name, parameter] : app.parameters)
    if (parameter.required) job.parameters[name] = kValue;
  const auto script = job_script(app, job);
  CHECK(script);
  // The value stands in its assignment alone, quoted.
  const std::string quoted = wherry::shell_quote(kValue);
  std::size_t seen = 0;
  for (std::size_t at = script->find(quoted); at != std::string::npos;
       at = script->find(quoted, at + 1))
    ++seen;
  CHECK(seen >= job.parameters.size());
  for (const auto& [name, slot] : app.transfers) {
    const auto local = local_path_of(slot, "/remote/name");
    CHECK(local && ("/" + local->text() + "/").find("/../") == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto app = parse_app(bytes, "fuzzed")) {
    run_app(*app);
  } else {
    CHECK(app.error().code == wherry::Code::kInvalid && !app.error().message.empty());
  }
  if (const auto names = placeholders(bytes))
    for (const std::string& name : *names) CHECK(is_parameter_name(name));
  return 0;
}
