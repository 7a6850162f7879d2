// SPDX-License-Identifier: Apache-2.0
// Result<T>: what a function returns that can fail because of the world. It keeps the names of
// std::expected that it needs, so that a later switch is mechanical. Unlike an exception, a failure
// here is data: one of 10,000 files fails, is recorded, classified, retried and shown.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace wherry {

enum class Code {
  kNotFound,       // the named thing does not exist
  kAlreadyExists,  // a thing of that name is in the way
  kDenied,         // permission refused
  kLoginNeeded,    // nobody is logged in there, or a consent is missing; `wherry login`
  kInvalid,        // the request makes no sense, whatever the state of the world
  kConflict,       // the state of the world forbids it now (held by another, changed meanwhile)
  kNoSpace,        // disk or quota full
  kCorrupt,        // data does not match its checksum or format
  kUnsupported,    // this storage or build cannot do it
  kUnavailable,    // a device, network or service is away
  kTimeout,        // a deadline passed
  kCancelled,      // somebody asked to stop
  kBug,            // Wherry contradicts itself
};

// Whether trying again can help.
enum class Retry {
  kNever,
  kLater,      // with back-off
  kAfterUser,  // after a person acts: frees space, grants a permission, logs in
};

std::string_view to_string(Code code);
std::string_view to_string(Retry retry);

// `message` reads "what was being done: what exactly: why". Each layer puts its context in front.
struct Error {
  Code code = Code::kBug;
  Retry retry = Retry::kNever;
  std::string message;

  Error with_context(std::string_view context) && {
    message.insert(0, ": ");
    message.insert(0, context);
    return std::move(*this);
  }
  friend bool operator==(const Error&, const Error&) = default;
};

// make_error(Code::kInvalid, "label has {} characters, at most {} are allowed", n, 128). The retry
// class follows from the code: kUnavailable and kTimeout are tried later, kNoSpace and kDenied wait
// for a person, the rest is final. Use the Error constructor for another one.
Error make_error_string(Code code, std::string message);
template <class... Args>
Error make_error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return make_error_string(code, fmt::format(format, std::forward<Args>(args)...));
}

namespace internal {
// Where a value was certain there is an error, which is told. Never returns.
[[noreturn]] void unexpected_error(const Error& error);
}  // namespace internal

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error> &&
           !std::is_same_v<std::remove_cvref_t<U>, Result>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    expect_value();
    return std::get<0>(state_);
  }
  const T& value() const& {
    expect_value();
    return std::get<0>(state_);
  }
  T&& value() && {
    expect_value();
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  template <class U>
  T value_or(U&& fallback) && {
    return has_value() ? std::get<0>(std::move(state_)) : T(std::forward<U>(fallback));
  }

  Error& error() & {
    CHECK(!has_value());
    return std::get<1>(state_);
  }
  const Error& error() const& {
    CHECK(!has_value());
    return std::get<1>(state_);
  }
  Error&& error() && {
    CHECK(!has_value());
    return std::get<1>(std::move(state_));
  }

 private:
  void expect_value() const {
    if (!has_value()) internal::unexpected_error(std::get<1>(state_));
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (error_) internal::unexpected_error(*error_);
  }

  Error& error() & {
    CHECK(error_.has_value());
    return *error_;
  }
  const Error& error() const& {
    CHECK(error_.has_value());
    return *error_;
  }
  Error&& error() && {
    CHECK(error_.has_value());
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace wherry

// TRY(storage.remove(path), "remove '{}'", path);
// TRY_ASSIGN(auto source, storage.open(path), "open '{}'", path);
// Return the error to the caller when the call failed, with the context in front of its message.
#define WHERRY_CONCAT_INNER(a, b) a##b
#define WHERRY_CONCAT(a, b) WHERRY_CONCAT_INNER(a, b)
#define WHERRY_ERROR_OF(result, ...) \
  std::move(result).error() __VA_OPT__(.with_context(fmt::format(__VA_ARGS__)))

#define TRY(expression, ...)                                            \
  do {                                                                  \
    if (auto wherry_result = (expression); !wherry_result) {            \
      return WHERRY_ERROR_OF(wherry_result __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                   \
  } while (false)

#define TRY_ASSIGN(declaration, expression, ...)                          \
  WHERRY_TRY_ASSIGN(WHERRY_CONCAT(wherry_result_, __LINE__), declaration, \
                    expression __VA_OPT__(, ) __VA_ARGS__)
#define WHERRY_TRY_ASSIGN(result, declaration, expression, ...) \
  auto result = (expression);                                   \
  if (!result) {                                                \
    return WHERRY_ERROR_OF(result __VA_OPT__(, ) __VA_ARGS__);  \
  }                                                             \
  declaration = std::move(result).value()
