// SPDX-License-Identifier: Apache-2.0
// Places as people type them: "ENDPOINT:/path", or a path of this machine, which is a place on the
// built-in endpoint "local".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/path.h"
#include "base/result.h"
#include "cli/command.h"
#include "endpoints/endpoint.h"

namespace wherry::cli {

// As typed, taken apart.
struct Location {
  std::optional<std::string> endpoint;  // name or id; nothing for a path of this machine
  std::string path;
  bool ends_in_slash = false;
};

// Splits at the first colon if no slash stands before it: "lab:/a:b" is a place on "lab",
// "./lab:x" a file of this machine. kInvalid for an empty text or endpoint.
Result<Location> parse_location(std::string_view text);

// A location whose endpoint is known.
struct Place {
  endpoints::Endpoint endpoint;
  RelPath path;
  bool ends_in_slash = false;

  // "lab:/run42", escaped: for messages.
  std::string shown() const;
};

// Finds the endpoint and makes the path relative to its root. A relative path counts from the
// endpoint's default directory if it has one, and is refused otherwise; no path is the default
// directory. A path of this machine counts from the working directory.
Result<Place> resolve_place(endpoints::Endpoints& endpoints, std::string_view text);
// The same at the service that the command line names. Elsewhere a path of this machine is
// kInvalid, and "~" is the endpoint's default directory.
Result<Place> resolve_place(Context& context, std::string_view text);

// `path` of `endpoint` as in resolve_place(), for lines of a batch file. An empty path is refused.
Result<RelPath> resolve_path(const endpoints::Endpoint& endpoint, std::string_view path);

// The same at a service elsewhere; an empty path is the default directory.
Result<RelPath> resolve_path_elsewhere(const endpoints::Endpoint& endpoint, std::string_view path);

// `path` made absolute: from the working directory, and with ".." followed as the kernel does.
Result<std::string> absolute_local_path(std::string_view path);

}  // namespace wherry::cli
