// SPDX-License-Identifier: Apache-2.0
#include "tasks/task_error.h"

#include <string_view>

namespace wherry::tasks {
namespace {

struct Meaning {
  std::string_view contract;
  Code code;
};
constexpr Meaning kMeanings[] = {
    {"FILE_NOT_FOUND", Code::kNotFound},
    {"PERMISSION_DENIED", Code::kDenied},
    {"NO_SPACE_LEFT", Code::kNoSpace},
    {"QUOTA_EXCEEDED", Code::kNoSpace},
    {"NO_CREDENTIAL", Code::kLoginNeeded},
    {"AUTH", Code::kLoginNeeded},
    {"CREDENTIAL_EXPIRED", Code::kLoginNeeded},
    {"IS_A_DIRECTORY", Code::kInvalid},
    {"NOT_A_DIRECTORY", Code::kInvalid},
    {"INVALID_PATH", Code::kInvalid},
    {"VERIFY_CHECKSUM", Code::kCorrupt},
    {"FILE_SIZE_CHANGED", Code::kConflict},
    {"CANCELED", Code::kCancelled},
    {"EXPIRED", Code::kTimeout},
    {"TIMEOUT", Code::kTimeout},
    {"ENDPOINT_ERROR", Code::kInvalid},
};

}  // namespace

Error to_error(const TaskError& error) {
  Code code = Code::kUnavailable;  // what remains is trouble of an endpoint or on the way there
  for (const Meaning& meaning : kMeanings) {
    if (meaning.contract == error.code) code = meaning.code;
  }
  if (error.description.empty() || error.description == error.code)
    return make_error_string(code, error.code);
  if (error.code.empty()) return make_error_string(code, error.description);
  return make_error(code, "{} ({})", error.description, error.code);
}

}  // namespace wherry::tasks
