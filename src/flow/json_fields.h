// SPDX-License-Identifier: Apache-2.0
// Reads JSON that this program has stored: what is missing or of another type is kCorrupt.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::flow {

Result<boost::json::object> parse_stored_object(std::string_view text);
// With its escapes undone.
Result<std::string> stored_text(const boost::json::value& value);

// Fields of one object; the first one that is wrong is remembered.
class StoredFields {
 public:
  explicit StoredFields(const boost::json::object& object) : object_(object) {}
  std::string text(std::string_view name);
  std::int64_t number(std::string_view name);
  bool flag(std::string_view name);
  bool has(std::string_view name) const { return object_.if_contains(name) != nullptr; }
  const boost::json::array& list(std::string_view name);
  // Marks a value as one that cannot have been stored.
  void refuse(std::string_view name);
  const Result<void>& done() const { return done_; }

 private:
  const boost::json::value& find(std::string_view name);
  const boost::json::object& object_;
  Result<void> done_;
};

}  // namespace wherry::flow
