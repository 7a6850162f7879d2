// SPDX-License-Identifier: Apache-2.0
#include "tasks/access_check.h"

namespace wherry::tasks {
namespace {

using endpoints::Grants;
using endpoints::Principal;
using endpoints::Right;

// Read once, whatever the number of items.
Result<std::shared_ptr<const Grants>> grants_of(const Principal& who, const EndpointId& id,
                                                std::string_view role,
                                                endpoints::Endpoints& endpoints,
                                                endpoints::Permissions& permissions) {
  if (id.empty()) return make_error(Code::kInvalid, "the request names no {} endpoint", role);
  TRY_ASSIGN(const endpoints::Endpoint endpoint, endpoints.get(id), "{} endpoint", role);
  TRY_ASSIGN(auto grants, permissions.grants(who, endpoint));
  if (!grants->is_visible())
    return endpoints::no_such_endpoint(id).with_context(fmt::format("{} endpoint", role));
  return grants;
}

// A rule is about what is in its directory: the directory itself is its owner's.
Result<void> check_removal(const Grants& grants, const RelPath& path) {
  TRY(grants.check(path, Right::kWrite));
  if (path.is_root() || grants.granted_directory(path, Right::kWrite) != path) return {};
  return make_error(Code::kDenied,
                    "'/{}' is the directory of an access rule of endpoint '{}': delete what is in "
                    "it, not the directory itself",
                    escape_bytes(path.text()), grants.endpoint().display_name);
}

}  // namespace

Result<void> check_access(const TransferRequest& request, endpoints::Endpoints& endpoints,
                          endpoints::Permissions& permissions) {
  const Principal owner{request.owner, {}};
  if (is_local_user(owner)) return {};
  TRY_ASSIGN(const auto source,
             grants_of(owner, request.source_endpoint, "source", endpoints, permissions));
  TRY_ASSIGN(const auto target,
             grants_of(owner, request.target_endpoint, "target", endpoints, permissions));
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    TRY(source->check(request.items[i].source, Right::kRead), "item {}, source", i + 1);
    TRY(target->check(request.items[i].target, Right::kWrite), "item {}, target", i + 1);
  }
  return {};
}

Result<void> check_access(const DeleteRequest& request, endpoints::Endpoints& endpoints,
                          endpoints::Permissions& permissions) {
  const Principal owner{request.owner, {}};
  if (is_local_user(owner)) return {};
  TRY_ASSIGN(const auto grants,
             grants_of(owner, request.endpoint, "target", endpoints, permissions));
  for (std::size_t i = 0; i < request.items.size(); ++i)
    TRY(check_removal(*grants, request.items[i].path), "item {}", i + 1);
  return {};
}

}  // namespace wherry::tasks
