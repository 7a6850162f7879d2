// SPDX-License-Identifier: Apache-2.0
// Paths and names in documents: absolute within their endpoint, with bytes that JSON cannot hold
// escaped (base/path.h).
#pragma once

#include <string>
#include <string_view>

#include "base/path.h"
#include "base/result.h"

namespace wherry::api {

// What a client wrote, as bytes: \xHH becomes its byte, any other backslash stands for itself.
std::string decode_bytes(std::string_view text);

// "/a/b", "//a/./b/", "~/b", "/~/b" and "b": the last three below `default_directory` (absolute
// within the endpoint; empty: its root). kInvalid as RelPath::parse says.
Result<RelPath> read_path(std::string_view text, std::string_view default_directory);
// Whether read_path() would ask for the default directory.
bool is_below_default_directory(std::string_view text);

// "/a/b"; of the root "/". read_path() reads it as the same, whatever the default directory.
std::string path_text(const RelPath& path);
// With the slash at its end that listings are echoed with: "/a/b/".
std::string directory_text(const RelPath& path);

}  // namespace wherry::api
