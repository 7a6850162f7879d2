// SPDX-License-Identifier: Apache-2.0
// An HTTP client for those who expect JSON documents: an answer cut short, or a proxy's page under
// a good status, is no answer at all, and worth asking for again like one that never came.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>

#include "globus/http_client.h"

namespace wherry::globus {

// For one caller.
class DocumentsOnly : public HttpClient {
 public:
  explicit DocumentsOnly(HttpClient& inner);  // which outlives it
  ~DocumentsOnly() override;
  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override;

  // Of the last good answer; empty if there was none.
  boost::json::object take();

 private:
  HttpClient& inner_;
  std::unique_ptr<boost::json::object> document_;
};

}  // namespace wherry::globus
