// SPDX-License-Identifier: Apache-2.0
#include "flow/value_text.h"

#include <boost/json.hpp>

#include "base/path.h"
#include "flow/json_fields.h"

namespace wherry::flow {

namespace json = boost::json;

std::string to_json(const ParameterValues& values) {
  json::object object;
  for (const auto& [name, value] : values) {
    if (const auto* list = std::get_if<TextList>(&value)) {
      json::array elements;
      for (const std::string& element : *list) elements.emplace_back(escape_bytes(element));
      object[name] = std::move(elements);
    } else {
      object[name] = escape_bytes(text_of(value).value());
    }
  }
  return json::serialize(object);
}

std::string to_json(const Results& results) {
  json::object object;
  for (const auto& [name, value] : results) object[name] = escape_bytes(value);
  return json::serialize(object);
}

Result<ParameterValues> parse_parameter_values(std::string_view text) {
  TRY_ASSIGN(const json::object object, parse_stored_object(text));
  ParameterValues values;
  for (const json::key_value_pair& pair : object) {
    const std::string name(pair.key());
    if (const json::array* elements = pair.value().if_array()) {
      TextList list;
      for (const json::value& element : *elements) {
        TRY_ASSIGN(list.emplace_back(), stored_text(element));
      }
      values[name] = std::move(list);
    } else {
      TRY_ASSIGN(values[name], stored_text(pair.value()));
    }
  }
  return values;
}

Result<Results> parse_results(std::string_view text) {
  TRY_ASSIGN(const json::object object, parse_stored_object(text));
  Results results;
  for (const json::key_value_pair& pair : object) {
    TRY_ASSIGN(results[std::string(pair.key())], stored_text(pair.value()));
  }
  return results;
}

}  // namespace wherry::flow
