// SPDX-License-Identifier: Apache-2.0
#include "storage/storage.h"

namespace wherry::storage {
namespace {

constexpr std::size_t kOwnerBytes = 13;  // of an owner, in a temporary's name

}  // namespace

Result<std::string> Storage::checksum(const RelPath&, HashAlgorithm algorithm) {
  return make_error(Code::kUnsupported, "this storage computes no {} checksums",
                    to_string(algorithm));
}

Result<void> Storage::clone_from(Storage&, const RelPath&, TemporaryFile&) {
  return make_error(Code::kUnsupported, "this storage cannot clone files");
}

Result<std::unique_ptr<Storage>> Storage::subdirectory(const RelPath&) {
  return make_error(Code::kUnsupported, "this storage cannot be confined to a directory");
}

std::string temporary_name(std::string_view owner, const RelPath& target) {
  return fmt::format(".wherry-{}-{:016x}", owner.substr(0, kOwnerBytes), checksum64(target.name()));
}

bool is_temporary_name(std::string_view name, std::string_view owner) {
  constexpr std::string_view kPrefix = ".wherry-";
  constexpr std::size_t kDigits = 16;
  if (!name.starts_with(kPrefix) || name.size() < kPrefix.size() + 1 + kDigits) return false;
  const std::string_view digits = name.substr(name.size() - kDigits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  const std::string_view rest = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kDigits);
  if (rest.size() < 2 || rest.back() != '-') return false;
  return owner.empty() || rest.substr(0, rest.size() - 1) == owner.substr(0, kOwnerBytes);
}

}  // namespace wherry::storage
