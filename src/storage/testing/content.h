// SPDX-License-Identifier: Apache-2.0
// What tests do with storages all the time, in one line each. They check that it works.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/storage.h"

namespace wherry::storage {

// A path that is known to be good.
RelPath path_of(std::string_view text);
// Writes a file by the whole protocol: temporary, finish, flush, commit, flush of the directory.
void put_file(Storage& storage, std::string_view path, std::string_view content,
              std::uint32_t mode = 0644);
// The content of a file.
std::string get_file(Storage& storage, std::string_view path);
// Whether anything has that name; a symlink is not followed.
bool exists(Storage& storage, std::string_view path);
// The names in a directory, in the order in which they are listed.
std::vector<std::string> names_in(Storage& storage, std::string_view directory);

}  // namespace wherry::storage
