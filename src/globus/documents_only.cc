// SPDX-License-Identifier: Apache-2.0
#include "globus/documents_only.h"

#include <boost/json.hpp>

#include "api/json.h"

namespace wherry::globus {

DocumentsOnly::DocumentsOnly(HttpClient& inner)
    : inner_(inner), document_(std::make_unique<boost::json::object>()) {}

DocumentsOnly::~DocumentsOnly() = default;

Result<HttpAnswer> DocumentsOnly::send(const HttpRequest& request, std::stop_token stop) {
  auto answer = inner_.send(request, std::move(stop));
  if (!answer || answer->status >= 300) return answer;
  auto parsed = api::parse_object(answer->body);
  if (!parsed) {
    return make_error(Code::kUnavailable, "the service answered {}, but {}", answer->status,
                      parsed.error().message);
  }
  *document_ = std::move(parsed).value();
  return answer;
}

boost::json::object DocumentsOnly::take() { return std::move(*document_); }

}  // namespace wherry::globus
