// SPDX-License-Identifier: Apache-2.0
#include "flow/json_fields.h"

#include "base/path.h"

namespace wherry::flow {
namespace {

Error not_stored(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return make_error(Code::kCorrupt, "the state database holds '{}', which is not of this program",
                    escape_bytes(text.substr(0, kShown)));
}

}  // namespace

Result<boost::json::object> parse_stored_object(std::string_view text) {
  boost::json::error_code problem;
  boost::json::value value = boost::json::parse({text.data(), text.size()}, problem);
  if (problem || !value.is_object()) return not_stored(text);
  return std::move(value.get_object());
}

Result<std::string> stored_text(const boost::json::value& value) {
  if (!value.is_string()) return not_stored(boost::json::serialize(value));
  const boost::json::string& text = value.get_string();
  auto bytes = unescape_bytes({text.data(), text.size()});
  if (!bytes) return not_stored(boost::json::serialize(value));
  return bytes;
}

const boost::json::value& StoredFields::find(std::string_view name) {
  static const boost::json::value kNone;
  const boost::json::value* const found = object_.if_contains(name);
  return found == nullptr ? kNone : *found;
}

void StoredFields::refuse(std::string_view name) {
  if (done_) done_ = not_stored(boost::json::serialize(object_)).with_context(name);
}

std::string StoredFields::text(std::string_view name) {
  auto text = stored_text(find(name));
  if (text) return *std::move(text);
  refuse(name);
  return {};
}

std::int64_t StoredFields::number(std::string_view name) {
  const boost::json::value& value = find(name);
  if (value.is_int64()) return value.get_int64();
  refuse(name);
  return 0;
}

bool StoredFields::flag(std::string_view name) {
  const boost::json::value& value = find(name);
  if (value.is_bool()) return value.get_bool();
  refuse(name);
  return false;
}

const boost::json::array& StoredFields::list(std::string_view name) {
  static const boost::json::array kEmpty;
  const boost::json::value& value = find(name);
  if (value.is_array()) return value.get_array();
  refuse(name);
  return kEmpty;
}

}  // namespace wherry::flow
