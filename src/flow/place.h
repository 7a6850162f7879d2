// SPDX-License-Identifier: Apache-2.0
// Places as flow files write them: "ENDPOINT:/path", or a path of this machine.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::flow {

struct FlowPlace {
  std::string endpoint;  // name or id
  std::string path;

  std::string text() const;   // "lab:/run42", or the path alone if it is of this machine
  std::string shown() const;  // the same, escaped

  friend bool operator==(const FlowPlace&, const FlowPlace&) = default;
};

// Splits at the first colon if no slash stands before it, so that "./lab:x" is a file of this
// machine; a relative one counts from `directory`, and "~/" is the home of who runs this. A path of
// an endpoint begins with "/" or "~/". kInvalid says what is wrong.
Result<FlowPlace> parse_flow_place(std::string_view text, std::string_view directory);
// kInvalid if it is all of its endpoint or of this machine, or the home directory or what is above
// it, however that is written.
Result<void> check_removable(const FlowPlace& place);
// parse_flow_place() for a directory in which commands run: kInvalid if it is of another endpoint.
Result<std::string> parse_flow_directory(std::string_view text, std::string_view directory);

}  // namespace wherry::flow
