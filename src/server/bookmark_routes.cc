// SPDX-License-Identifier: Apache-2.0
#include "server/bookmark_routes.h"

#include <boost/json.hpp>

#include "api/bookmark_documents.h"
#include "base/path.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using api::Situation;
using endpoints::Bookmark;
using endpoints::Bookmarks;

Result<Response> create_bookmark(const TransferParts& parts, Bookmarks& bookmarks,
                                 const Call& call) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const endpoints::NewBookmark request, api::read_bookmark(body));
  const auto endpoint = visible_endpoint(parts, *call.caller, request.endpoint);
  if (!endpoint) return refusal(call, endpoint.error(), Situation::kEndpoint);
  TRY_ASSIGN(const Bookmark made, bookmarks.create(call.caller->identity, request));
  return json_answer(api::bookmark_document(made), 201);
}

Result<Response> list_bookmarks(Bookmarks& bookmarks, const Call& call) {
  TRY_ASSIGN(const auto found, bookmarks.list(call.caller->identity));
  json::array data;
  for (const Bookmark& bookmark : found) data.push_back(api::bookmark_document(bookmark));
  return json_answer(api::whole_list("bookmark_list", std::move(data)));
}

Result<Response> show_bookmark(Bookmarks& bookmarks, const Call& call) {
  TRY_ASSIGN(const Bookmark bookmark,
             bookmarks.get(call.caller->identity, call.parameter("bookmark_id")));
  return json_answer(api::bookmark_document(bookmark));
}

Result<Response> rename_bookmark(Bookmarks& bookmarks, const Call& call) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const std::string name, api::read_bookmark_change(body));
  TRY_ASSIGN(const Bookmark bookmark,
             bookmarks.rename(call.caller->identity, call.parameter("bookmark_id"), name));
  return json_answer(api::bookmark_document(bookmark));
}

Result<Response> remove_bookmark(Bookmarks& bookmarks, const Call& call) {
  const std::string& id = call.parameter("bookmark_id");
  TRY(bookmarks.remove(call.caller->identity, id));
  return result_answer(call, "Deleted",
                       fmt::format("Bookmark '{}' deleted successfully", escape_bytes(id)));
}

}  // namespace

std::vector<Route> bookmark_routes(const TransferParts& parts, Bookmarks& bookmarks) {
  const auto route = [](Method method, std::string_view pattern, std::string_view doc,
                        Action action) {
    return transfer_route({method, pattern, doc, Situation::kBookmark}, std::move(action));
  };
  const auto bound = [&bookmarks](auto function) {
    return [&bookmarks, function](const Call& call) { return function(bookmarks, call); };
  };
  return {
      route(Method::kGet, "/v0.10/bookmark_list", "The caller's bookmarks, by name.",
            bound(list_bookmarks)),
      route(Method::kPost, "/v0.10/bookmark", "Gives a directory of an endpoint a name.",
            [parts, &bookmarks](const Call& call) {
              return create_bookmark(parts, bookmarks, call);
            }),
      route(Method::kGet, "/v0.10/bookmark/{bookmark_id}", "One bookmark.", bound(show_bookmark)),
      route(Method::kPut, "/v0.10/bookmark/{bookmark_id}", "Gives it another name.",
            bound(rename_bookmark)),
      route(Method::kDelete, "/v0.10/bookmark/{bookmark_id}", "Deletes it.",
            bound(remove_bookmark)),
  };
}

}  // namespace wherry::server
