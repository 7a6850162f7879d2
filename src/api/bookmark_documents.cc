// SPDX-License-Identifier: Apache-2.0
#include "api/bookmark_documents.h"

#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "base/path.h"

namespace wherry::api {

namespace json = boost::json;

json::object bookmark_document(const endpoints::Bookmark& bookmark) {
  return {{"DATA_TYPE", "bookmark"},
          {"id", bookmark.id},
          {"name", json_text(bookmark.name)},
          {"endpoint_id", bookmark.endpoint},
          {"path", escape_bytes(bookmark.path)},
          {"pinned", false}};
}

Result<endpoints::NewBookmark> read_bookmark(const json::object& document) {
  const Members members(document);
  endpoints::NewBookmark bookmark;
  TRY(members.require("name", bookmark.name));
  TRY(members.require("endpoint_id", bookmark.endpoint));
  for (char& c : bookmark.endpoint) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  TRY(members.require("path", bookmark.path));
  bookmark.path = decode_bytes(bookmark.path);
  return bookmark;
}

Result<std::string> read_bookmark_change(const json::object& document) {
  std::string name;
  TRY(Members(document).require("name", name));
  return name;
}

}  // namespace wherry::api
