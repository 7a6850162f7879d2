// SPDX-License-Identifier: Apache-2.0
// From our error codes to those that clients of the contract know.
#include <string_view>

#include "tasks/local_service.h"

namespace wherry::tasks {

std::string_view error_code(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return "FILE_NOT_FOUND";
    case Code::kAlreadyExists:
      return "IS_A_DIRECTORY";  // what stands in the way of a file, and is not replaced
    case Code::kDenied:
      return "PERMISSION_DENIED";
    case Code::kLoginNeeded:
      return "NO_CREDENTIAL";
    case Code::kInvalid:
    case Code::kUnsupported:
      return "ENDPOINT_ERROR";
    case Code::kConflict:
      return "FILE_SIZE_CHANGED";  // the source changed under the copy
    case Code::kNoSpace: {
      // EDQUOT and the daily quota say so in their message; the code is the same as ENOSPC's.
      const bool quota = error.message.find("quota") != std::string::npos;
      return quota ? "QUOTA_EXCEEDED" : "NO_SPACE_LEFT";
    }
    case Code::kCorrupt:
      return "VERIFY_CHECKSUM";
    case Code::kUnavailable:
      return "CONNECT_FAILED";
    case Code::kTimeout:
      return "TIMEOUT";
    case Code::kCancelled:
      return "CANCELED";
    case Code::kBug:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

}  // namespace wherry::tasks
