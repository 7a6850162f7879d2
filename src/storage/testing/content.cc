// SPDX-License-Identifier: Apache-2.0
#include "storage/testing/content.h"

namespace wherry::storage {

RelPath path_of(std::string_view text) { return RelPath::parse(text).value(); }

void put_file(Storage& storage, std::string_view path, std::string_view content,
              std::uint32_t mode) {
  CreateTemporary request;
  request.target = path_of(path);
  request.temporary_name = temporary_name("put", request.target);
  request.mode = mode;
  const auto file = storage.create_temporary(request).value();
  file->write(0, content).value();
  file->finish({.size = content.size(), .mode = {}, .mtime = {}}).value();
  TemporaryFile* const files[] = {file.get()};
  const RelPath directories[] = {request.target.parent()};
  storage.flush(files).value();
  storage.commit(*file).value();
  storage.flush_directories(directories).value();
}

std::string get_file(Storage& storage, std::string_view path) {
  const auto file = storage.open_read(path_of(path)).value();
  std::string content(static_cast<std::size_t>(file->attributes().value().size), '\0');
  content.resize(file->read(0, content).value());
  return content;
}

bool exists(Storage& storage, std::string_view path) {
  return storage.stat(path_of(path), Storage::Follow::kNo).has_value();
}

std::vector<std::string> names_in(Storage& storage, std::string_view directory) {
  std::vector<std::string> names;
  storage
      .list(path_of(directory),
            [&](const Entry& entry) {
              names.push_back(entry.name);
              return Visit::kContinue;
            })
      .value();
  return names;
}

}  // namespace wherry::storage
