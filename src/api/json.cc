// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include <boost/json.hpp>

#include "base/path.h"
#include "base/units.h"

namespace wherry::api {

namespace json = boost::json;

namespace {

Result<json::value> parse_value(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return make_error(Code::kInvalid, "the document has {} bytes, at most {} are allowed",
                      text.size(), kMaxDocumentBytes);
  }
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code failed;
  json::value value = json::parse(text, failed, {}, options);
  if (failed)
    return make_error(Code::kInvalid, "the document is not JSON in UTF-8: {}", failed.message());
  return value;
}

}  // namespace

Result<json::object> parse_object(std::string_view text) {
  TRY_ASSIGN(json::value value, parse_value(text));
  json::object* object = value.if_object();
  if (object == nullptr)
    return make_error(Code::kInvalid, "the document is JSON, but not an object: write {{...}}");
  return std::move(*object);
}

Result<json::array> parse_array(std::string_view text) {
  TRY_ASSIGN(json::value value, parse_value(text));
  json::array* array = value.if_array();
  if (array == nullptr)
    return make_error(Code::kInvalid, "the document is JSON, but not an array: write [{{...}}]");
  return std::move(*array);
}

std::string to_text(const json::object& document) { return json::serialize(document); }

std::string json_text(std::string_view bytes) {
  return is_utf8(bytes) ? std::string(bytes) : escape_bytes(bytes);
}

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::string(json_text(text));
}

json::value time_or_null(const std::optional<TimePoint>& time) {
  if (!time) return nullptr;
  return json::value(format_time(*time));
}

const json::value* Members::find(std::string_view name) const {
  const json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Members::has(std::string_view name) const { return find(name) != nullptr; }

Error Members::error(std::string_view name, std::string_view what) const {
  return make_error(Code::kInvalid, "{}{}{} {}", where_, where_.empty() ? "" : ": ", name, what);
}

Result<void> Members::get(std::string_view name, std::string& out) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  const json::string* text = value->if_string();
  if (text == nullptr) return error(name, "must be a string");
  out.assign(text->data(), text->size());
  return {};
}

Result<void> Members::get(std::string_view name, bool& out) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  const bool* truth = value->if_bool();
  if (truth == nullptr) return error(name, "must be true or false");
  out = *truth;
  return {};
}

Result<void> Members::get(std::string_view name, std::uint64_t& out) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (const std::uint64_t* number = value->if_uint64()) {
    out = *number;
    return {};
  }
  const std::int64_t* number = value->if_int64();
  if (number == nullptr || *number < 0) return error(name, "must be a whole number, 0 or more");
  out = static_cast<std::uint64_t>(*number);
  return {};
}

Result<void> Members::get(std::string_view name, std::int64_t& out) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  const std::int64_t* number = value->if_int64();
  if (number == nullptr) return error(name, "must be a whole number");
  out = *number;
  return {};
}

Result<void> Members::get(std::string_view name, double& out) const {
  const json::value* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_number()) return error(name, "must be a number");
  out = value->to_number<double>();
  return {};
}

Result<void> Members::get(std::string_view name, TimePoint& out) const {
  std::string text;
  TRY(get(name, text));
  if (!has(name)) return {};
  const auto time = parse_time(text);
  if (!time) return error(name, "is no time: " + time.error().message);
  out = *time;
  return {};
}

Result<const json::array*> Members::array(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) return error(name, "must be an array");
  return value->if_array();
}

Result<const json::object*> Members::object(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) return error(name, "must be an object");
  return value->if_object();
}

Result<const json::object*> object_at(const json::array& array, std::size_t number,
                                      std::string_view name) {
  const json::object* object = array[number].if_object();
  if (object == nullptr)
    return make_error(Code::kInvalid, "element {} of {} must be an object", number + 1, name);
  return object;
}

}  // namespace wherry::api
