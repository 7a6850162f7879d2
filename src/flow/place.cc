// SPDX-License-Identifier: Apache-2.0
#include "flow/place.h"

#include "base/file.h"
#include "base/path.h"
#include "endpoints/endpoint.h"

namespace wherry::flow {

std::string FlowPlace::text() const {
  return endpoint == endpoints::kLocalId ? path : endpoint + ":" + path;
}
std::string FlowPlace::shown() const { return escape_bytes(text()); }

Result<FlowPlace> parse_flow_place(std::string_view text, std::string_view directory) {
  if (text.empty()) return make_error(Code::kInvalid, "the place is empty");
  FlowPlace place;
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find('/') > colon) {
    place.endpoint = text.substr(0, colon);
    place.path = text.substr(colon + 1);
    if (place.endpoint.empty())
      return make_error(Code::kInvalid, "'{}' has no endpoint before the colon",
                        escape_bytes(text));
    if (!place.path.starts_with('/') && !place.path.starts_with("~/") && place.path != "~")
      return make_error(Code::kInvalid, "'{}': the path of an endpoint begins with '/' or '~/'",
                        escape_bytes(text));
  } else {
    place.endpoint = endpoints::kLocalId;
    if (text == "~" || text.starts_with("~/")) {
      place.path = home_directory() + std::string(text.substr(1));
    } else if (text.starts_with('/')) {
      place.path = text;
    } else {
      place.path = std::string(directory) + "/" + std::string(text);
    }
  }
  TRY(RelPath::parse(place.path.starts_with('~') ? std::string_view(place.path).substr(1)
                                                 : std::string_view(place.path)),
      "'{}'", escape_bytes(text));
  return place;
}

Result<void> check_removable(const FlowPlace& place) {
  std::string_view below = place.path;
  if (below == "~" || below.starts_with("~/") || below == "/~" || below.starts_with("/~/"))
    below.remove_prefix(below.find('~') + 1);
  const auto path = RelPath::parse(below);
  if (path && path->is_root())
    return make_error(Code::kInvalid,
                      "'{}' would delete everything there; name a directory below it",
                      place.shown());
  const auto home = RelPath::parse(home_directory());
  if (path && home && place.endpoint == endpoints::kLocalId && home->is_within(*path))
    return make_error(Code::kInvalid, "'{}' would delete the home directory; name what is in it",
                      place.shown());
  return {};
}

Result<std::string> parse_flow_directory(std::string_view text, std::string_view directory) {
  TRY_ASSIGN(FlowPlace place, parse_flow_place(text, directory));
  if (place.endpoint != endpoints::kLocalId)
    return make_error(Code::kInvalid, "'{}' is of an endpoint; commands run on this machine",
                      escape_bytes(text));
  return std::move(place.path);
}

}  // namespace wherry::flow
