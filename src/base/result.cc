// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

namespace wherry {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kNotFound:
      return "not found";
    case Code::kAlreadyExists:
      return "already exists";
    case Code::kDenied:
      return "denied";
    case Code::kLoginNeeded:
      return "login needed";
    case Code::kInvalid:
      return "invalid";
    case Code::kConflict:
      return "conflict";
    case Code::kNoSpace:
      return "no space";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
      return "cancelled";
    case Code::kBug:
      return "bug";
  }
  return "bug";
}

std::string_view to_string(Retry retry) {
  switch (retry) {
    case Retry::kNever:
      return "never";
    case Retry::kLater:
      return "later";
    case Retry::kAfterUser:
      return "after user";
  }
  return "never";
}

namespace internal {

void unexpected_error(const Error& error) {
  check_failed(fmt::format("no error: {}", error.message).c_str(), __FILE__, __LINE__);
}

}  // namespace internal

Error make_error_string(Code code, std::string message) {
  Retry retry = Retry::kNever;
  if (code == Code::kUnavailable || code == Code::kTimeout) retry = Retry::kLater;
  if (code == Code::kNoSpace || code == Code::kDenied || code == Code::kLoginNeeded)
    retry = Retry::kAfterUser;
  return Error{code, retry, std::move(message)};
}

}  // namespace wherry
