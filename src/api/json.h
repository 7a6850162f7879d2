// SPDX-License-Identifier: Apache-2.0
// JSON text and the members of JSON objects, checked: the one place that parses what somebody else
// wrote. Whatever the text, parsing is bounded in size and depth and answers an error that names
// the member.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/string_view.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace wherry::api {

// A request of 100,000 items with paths of 300 bytes each fits.
inline constexpr std::size_t kMaxDocumentBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxDepth = 32;

// kInvalid if `text` is not one JSON object in UTF-8 within the bounds.
Result<boost::json::object> parse_object(std::string_view text);
// As parse_object(), of an array.
Result<boost::json::array> parse_array(std::string_view text);
std::string to_text(const boost::json::object& document);

// `bytes` as a JSON string can hold them: as they are if they are UTF-8, escaped (base/path.h) if
// not. For words; names and paths are written by escape_bytes, which can be read back.
std::string json_text(std::string_view bytes);
// The same; null for an empty text.
boost::json::value text_or_null(std::string_view text);
boost::json::value time_or_null(const std::optional<TimePoint>& time);
// The library has a string_view of its own.
inline boost::json::string_view json_view(std::string_view text) {
  return {text.data(), text.size()};
}

// Reads members of one object. A member that is absent or null leaves what it would set as it is;
// one of another type is kInvalid, and the error names it. The object and the name of the place
// outlive the reader.
class Members {
 public:
  // `where` stands in front of messages: "item 3"; empty for the document itself.
  explicit Members(const boost::json::object& object, std::string where = {})
      : object_(object), where_(std::move(where)) {}

  bool has(std::string_view name) const;  // and it is not null
  Result<void> get(std::string_view name, std::string& out) const;
  Result<void> get(std::string_view name, bool& out) const;
  Result<void> get(std::string_view name, std::uint64_t& out) const;
  Result<void> get(std::string_view name, std::int64_t& out) const;
  Result<void> get(std::string_view name, double& out) const;
  Result<void> get(std::string_view name, TimePoint& out) const;
  template <class T>
  Result<void> get(std::string_view name, std::optional<T>& out) const {
    if (!has(name)) return {};
    T value{};
    TRY(get(name, value));
    out = std::move(value);
    return {};
  }
  // As get(), but kInvalid if there is none.
  template <class T>
  Result<void> require(std::string_view name, T& out) const {
    if (!has(name)) return error(name, "is missing");
    return get(name, out);
  }
  // Null if there is none.
  Result<const boost::json::array*> array(std::string_view name) const;
  Result<const boost::json::object*> object(std::string_view name) const;

  // kInvalid: "item 3: recursive must be true or false".
  Error error(std::string_view name, std::string_view what) const;

 private:
  const boost::json::value* find(std::string_view name) const;

  const boost::json::object& object_;
  std::string where_;
};

// The number-th element of `array` (named `name`) as an object; numbered from 1 in messages.
Result<const boost::json::object*> object_at(const boost::json::array& array, std::size_t number,
                                             std::string_view name);

}  // namespace wherry::api
