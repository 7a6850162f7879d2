// SPDX-License-Identifier: Apache-2.0
// Small operations on an endpoint that are done before they answer: list, stat, mkdir, rename.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "endpoints/permissions.h"
#include "tasks/types.h"

namespace wherry::tasks {

struct OpenEndpoint {
  endpoints::Endpoint endpoint;
  std::shared_ptr<storage::Storage> storage;
};
// For a local user.
Result<OpenEndpoint> open_endpoint(endpoints::Endpoints& endpoints, const EndpointId& id);
// As far as `who` may use it: what they may not is kDenied in the operations. Whether the endpoint
// exists for them is the caller's to ask.
Result<OpenEndpoint> open_endpoint(endpoints::Permissions& permissions,
                                   const endpoints::Principal& who,
                                   const endpoints::Endpoint& endpoint);

Result<std::vector<FileInfo>> list_files(const OpenEndpoint& opened, const RelPath& path);
Result<FileInfo> stat_file(const OpenEndpoint& opened, const RelPath& path);
Result<void> make_directory(const OpenEndpoint& opened, const RelPath& path);
// kAlreadyExists if `to` exists.
Result<void> rename_file(const OpenEndpoint& opened, const RelPath& from, const RelPath& to);
Result<void> make_symlink(const OpenEndpoint& opened, const RelPath& path, std::string_view target);

}  // namespace wherry::tasks
