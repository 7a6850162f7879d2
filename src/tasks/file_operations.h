// SPDX-License-Identifier: Apache-2.0
// Small operations on an endpoint that are done before they answer: list, stat, mkdir, rename.
#pragma once

#include <string_view>
#include <vector>

#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::tasks {

Result<std::vector<FileInfo>> list_files(endpoints::Endpoints& endpoints, const EndpointId& id,
                                         const RelPath& path);
Result<FileInfo> stat_file(endpoints::Endpoints& endpoints, const EndpointId& id,
                           const RelPath& path);
Result<void> make_directory(endpoints::Endpoints& endpoints, const EndpointId& id,
                            const RelPath& path);
// kAlreadyExists if `to` exists.
Result<void> rename_file(endpoints::Endpoints& endpoints, const EndpointId& id, const RelPath& from,
                         const RelPath& to);
Result<void> make_symlink(endpoints::Endpoints& endpoints, const EndpointId& id,
                          const RelPath& path, std::string_view target);

}  // namespace wherry::tasks
