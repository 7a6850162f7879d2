// SPDX-License-Identifier: Apache-2.0
// Access rules and roles as documents.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "api/documents.h"
#include "base/result.h"
#include "endpoints/permissions.h"

namespace wherry::api {

boost::json::object access_document(const endpoints::AccessRule& rule);
boost::json::object access_created_document(const std::string& id, const RequestContext& request);
// What POST …/access sends, and what GET answers: id and creation time are read where they stand,
// the endpoint never. kInvalid names the member that is missing or wrong.
Result<endpoints::AccessRule> read_access(const boost::json::object& document);
// What PUT sends: permissions, expiration_date; null takes the expiry away.
Result<endpoints::AccessRuleChange> read_access_change(const boost::json::object& document);

boost::json::object role_document(const endpoints::Role& role);
// As read_access().
Result<endpoints::Role> read_role(const boost::json::object& document);

}  // namespace wherry::api
