// SPDX-License-Identifier: Apache-2.0
#include "jobs/json_text.h"

#include <boost/json.hpp>

#include <algorithm>

#include "base/path.h"

namespace wherry::jobs {
namespace {

namespace json = boost::json;

Error unreadable(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return make_error(Code::kCorrupt, "the state database holds '{}', which is not of this program",
                    escape_bytes(text.substr(0, kShown)));
}

Result<json::value> parse(std::string_view text) {
  json::error_code problem;
  json::value value = json::parse({text.data(), text.size()}, problem);
  if (problem) return unreadable(text);
  return value;
}

Result<json::object> parse_object(std::string_view text) {
  TRY_ASSIGN(json::value value, parse(text));
  if (!value.is_object()) return unreadable(text);
  return std::move(value.get_object());
}

Result<std::string> unescaped(std::string_view text) {
  auto bytes = unescape_bytes(text);
  if (!bytes) return unreadable(text);
  return bytes;
}

Result<std::string> text_of(const json::value& value) {
  if (!value.is_string()) return unreadable(json::serialize(value));
  const json::string& text = value.get_string();
  return unescaped({text.data(), text.size()});
}

Result<std::string> key_of(const json::key_value_pair& pair) {
  return unescaped({pair.key().data(), pair.key().size()});
}

Result<TextMap> text_map_of(const json::value& value) {
  if (!value.is_object()) return unreadable(json::serialize(value));
  TextMap map;
  for (const json::key_value_pair& pair : value.get_object()) {
    TRY_ASSIGN(std::string key, key_of(pair));
    TRY_ASSIGN(map[std::move(key)], text_of(pair.value()));
  }
  return map;
}

// Reads the fields of one object; a field that is missing leaves its variable as it is, and the
// first one of a wrong type is remembered.
class Fields {
 public:
  explicit Fields(const json::value& value) : object_(value.if_object()) {
    if (object_ == nullptr) done_ = unreadable(json::serialize(value));
  }
  Fields& text(std::string_view name, std::string& field) {
    return take(name, field, [](const json::value& value) { return text_of(value); });
  }
  Fields& flag(std::string_view name, bool& field) {
    return take(name, field, [](const json::value& value) -> Result<bool> {
      if (!value.is_bool()) return unreadable(json::serialize(value));
      return value.get_bool();
    });
  }
  Fields& number(std::string_view name, int& field) {
    return take(name, field, [](const json::value& value) -> Result<int> {
      if (!value.is_int64()) return unreadable(json::serialize(value));
      return static_cast<int>(value.get_int64());
    });
  }
  Fields& fraction(std::string_view name, double& field) {
    return take(name, field, [](const json::value& value) -> Result<double> {
      if (value.is_int64()) return static_cast<double>(value.get_int64());
      if (!value.is_double()) return unreadable(json::serialize(value));
      return value.get_double();
    });
  }
  Fields& map(std::string_view name, TextMap& field) {
    return take(name, field, [](const json::value& value) { return text_map_of(value); });
  }
  Result<void> done() { return std::move(done_); }

 private:
  template <class T, class Read>
  Fields& take(std::string_view name, T& field, const Read& read) {
    if (!done_) return *this;
    const json::value* value = object_->if_contains({name.data(), name.size()});
    if (value == nullptr) return *this;
    auto result = read(*value);
    if (result)
      field = std::move(result).value();
    else
      done_ = std::move(result).error();
    return *this;
  }

  const json::object* object_;
  Result<void> done_;
};

json::object object_of(const TextMap& map) {
  json::object object;
  for (const auto& [key, value] : map) object[escape_bytes(key)] = escape_bytes(value);
  return object;
}

}  // namespace

std::string to_json(const TextMap& map) {
  return map.empty() ? "{}" : json::serialize(object_of(map));
}

std::string to_json(const ParameterMap& parameters) {
  json::object object;
  for (const auto& [name, parameter] : parameters) {
    object[escape_bytes(name)] = json::object{{"required", parameter.required},
                                              {"default", escape_bytes(parameter.default_text)},
                                              {"help", escape_bytes(parameter.help)}};
  }
  return json::serialize(object);
}

std::string to_json(const SlotMap& slots) {
  json::object object;
  for (const auto& [name, slot] : slots) {
    const std::string_view direction = to_string(slot.direction);
    object[escape_bytes(name)] =
        json::object{{"direction", json::string_view(direction.data(), direction.size())},
                     {"required", slot.required},
                     {"local_path", escape_bytes(slot.local_path)},
                     {"recursive", slot.recursive},
                     {"description", escape_bytes(slot.description)}};
  }
  return json::serialize(object);
}

std::string to_json(const Resources& resources) {
  return json::serialize(json::object{{"num_nodes", resources.num_nodes},
                                      {"ranks_per_node", resources.ranks_per_node},
                                      {"threads_per_rank", resources.threads_per_rank},
                                      {"threads_per_core", resources.threads_per_core},
                                      {"gpus_per_rank", resources.gpus_per_rank},
                                      {"node_packing_count", resources.node_packing_count},
                                      {"wall_time_min", resources.wall_time_min},
                                      {"launch_params", object_of(resources.launch_params)}});
}

std::string to_json(const std::vector<std::string>& list) {
  json::array array;
  for (const std::string& text : list) array.emplace_back(escape_bytes(text));
  return json::serialize(array);
}

std::string to_json(const std::vector<JobId>& ids) {
  return ids.empty() ? "[]" : json::serialize(json::array(ids.begin(), ids.end()));
}

Result<TextMap> parse_text_map(std::string_view text) {
  if (text == "{}") return TextMap();
  TRY_ASSIGN(const json::value value, parse(text));
  return text_map_of(value);
}

Result<ParameterMap> parse_parameters(std::string_view text) {
  TRY_ASSIGN(const json::object object, parse_object(text));
  ParameterMap parameters;
  for (const json::key_value_pair& pair : object) {
    TRY_ASSIGN(std::string name, key_of(pair));
    Parameter& parameter = parameters[std::move(name)];
    TRY(Fields(pair.value())
            .flag("required", parameter.required)
            .text("default", parameter.default_text)
            .text("help", parameter.help)
            .done());
  }
  return parameters;
}

Result<SlotMap> parse_slots(std::string_view text) {
  TRY_ASSIGN(const json::object object, parse_object(text));
  SlotMap slots;
  for (const json::key_value_pair& pair : object) {
    TRY_ASSIGN(std::string name, key_of(pair));
    Slot& slot = slots[std::move(name)];
    std::string direction;
    TRY(Fields(pair.value())
            .text("direction", direction)
            .flag("required", slot.required)
            .text("local_path", slot.local_path)
            .flag("recursive", slot.recursive)
            .text("description", slot.description)
            .done());
    auto parsed = parse_direction(direction);
    if (!parsed) return unreadable(text);
    slot.direction = *parsed;
  }
  return slots;
}

Result<Resources> parse_resources(std::string_view text) {
  TRY_ASSIGN(const json::value value, parse(text));
  Resources resources;
  TRY(Fields(value)
          .number("num_nodes", resources.num_nodes)
          .number("ranks_per_node", resources.ranks_per_node)
          .number("threads_per_rank", resources.threads_per_rank)
          .number("threads_per_core", resources.threads_per_core)
          .fraction("gpus_per_rank", resources.gpus_per_rank)
          .number("node_packing_count", resources.node_packing_count)
          .number("wall_time_min", resources.wall_time_min)
          .map("launch_params", resources.launch_params)
          .done());
  return resources;
}

Result<std::vector<std::string>> parse_text_list(std::string_view text) {
  TRY_ASSIGN(const json::value value, parse(text));
  if (!value.is_array()) return unreadable(text);
  std::vector<std::string> list;
  for (const json::value& element : value.get_array()) {
    TRY_ASSIGN(std::string word, text_of(element));
    list.push_back(std::move(word));
  }
  return list;
}

Result<std::vector<JobId>> parse_ids(std::string_view text) {
  if (text == "[]") return std::vector<JobId>();
  TRY_ASSIGN(const json::value value, parse(text));
  if (!value.is_array()) return unreadable(text);
  std::vector<JobId> ids;
  for (const json::value& element : value.get_array()) {
    if (!element.is_int64()) return unreadable(text);
    ids.push_back(element.get_int64());
  }
  return ids;
}

Result<void> check_data(std::string_view text) {
  if (text.size() > kMaxDataBytes) {
    return make_error(Code::kInvalid, "data has {} bytes, at most {} are allowed", text.size(),
                      kMaxDataBytes);
  }
  if (text.empty()) return {};
  json::error_code problem;
  const json::value value = json::parse({text.data(), text.size()}, problem);
  if (problem) return make_error(Code::kInvalid, "data is not JSON: {}", problem.message());
  if (!value.is_object()) return make_error(Code::kInvalid, "data is JSON, but not an object");
  return {};
}

}  // namespace wherry::jobs
