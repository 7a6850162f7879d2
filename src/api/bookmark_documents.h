// SPDX-License-Identifier: Apache-2.0
// Bookmarks as documents.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "base/result.h"
#include "endpoints/bookmarks.h"

namespace wherry::api {

boost::json::object bookmark_document(const endpoints::Bookmark& bookmark);

// What POST /bookmark sends. kInvalid names the member that is missing or wrong.
Result<endpoints::NewBookmark> read_bookmark(const boost::json::object& document);
// The new name: the one thing that PUT changes.
Result<std::string> read_bookmark_change(const boost::json::object& document);

}  // namespace wherry::api
