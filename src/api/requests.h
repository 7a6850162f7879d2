// SPDX-License-Identifier: Apache-2.0
// Documents of the Transfer API that clients send: read by the service, written by the client. Each
// error is kInvalid and says which member of which item is wrong, and what is allowed. A member
// that is null counts as absent; members that Wherry does not know are skipped over.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::api {

// The default directory of an endpoint, which "~/x" and "x" are below. Asked once for each side,
// and only if a path needs it; its error becomes the reader's.
using DefaultDirectory = std::function<Result<std::string>(const endpoints::EndpointId&)>;

// `owner` is left to the caller, and so is the rest of what tasks/validate.h checks. An empty DATA
// gives a request without items (Situation::kNoItems).
Result<tasks::TransferRequest> read_transfer(const boost::json::object& document,
                                             const DefaultDirectory& default_directory);
// Refuses to delete a whole endpoint or its default directory.
Result<tasks::DeleteRequest> read_delete(const boost::json::object& document,
                                         const DefaultDirectory& default_directory);
// The same documents, as a client sends them. Nothing of `owner` is in them.
boost::json::object transfer_document(const tasks::TransferRequest& request);
boost::json::object delete_document(const tasks::DeleteRequest& request);

// Of a task: label and deadline.
Result<tasks::TaskChange> read_task_change(const boost::json::object& document);
boost::json::object task_change_document(const tasks::TaskChange& change);

// ---- file operations; `default_directory` is the endpoint's

Result<RelPath> read_make_directory(const boost::json::object& document,
                                    std::string_view default_directory);
struct RenameRequest {
  RelPath from;
  RelPath to;
};
Result<RenameRequest> read_rename(const boost::json::object& document,
                                  std::string_view default_directory);
struct SymlinkRequest {
  RelPath path;
  std::string target;  // bytes, as the link will hold them
};
Result<SymlinkRequest> read_symlink(const boost::json::object& document,
                                    std::string_view default_directory);
boost::json::object make_directory_document(const RelPath& path);
boost::json::object rename_document(const RenameRequest& request);
boost::json::object symlink_document(const SymlinkRequest& request);

// ---- endpoints

// POST /endpoint and POST /shared_endpoint.
struct EndpointCreation {
  // Its location is the member "storage_url", which only Wherry has; empty if there is none.
  endpoints::NewEndpoint endpoint;
  std::optional<endpoints::EndpointId> host_endpoint;  // of a share
  std::string host_path;                               // of a share: "/" or absolute in its host
  bool is_public = false;
};
Result<EndpointCreation> read_endpoint_creation(const boost::json::object& document);
// "one, two" as words.
std::vector<std::string> split_keywords(std::string_view text);
// Null clears a text.
Result<endpoints::EndpointChange> read_endpoint_change(const boost::json::object& document);

}  // namespace wherry::api
