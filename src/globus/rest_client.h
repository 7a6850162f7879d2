// SPDX-License-Identifier: Apache-2.0
// Calls of the Transfer API: documents in, documents out, with the caller's token, repeated where
// that helps. What a service refuses is an Error as api/errors.h tells it.
#pragma once

#include <boost/json/fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "globus/credentials.h"
#include "globus/url.h"

namespace wherry::globus {

struct Call {
  std::string_view method = "GET";
  std::string path;  // below the service's address; percent-encoded
  Fields query = {};
  const boost::json::object* document = nullptr;  // the body; null: none
  bool once = false;                              // not repeated: who asks will ask again anyway
};

// Safe for concurrent calls. What it is made of outlives it.
class RestClient {
 public:
  RestClient(std::string address, Credentials& credentials)
      : address_(std::move(address)), credentials_(credentials) {}

  // The document of the answer. `times_sent`, if given, is told how often the request went out: an
  // operation that was sent twice may have been done by the first.
  Result<boost::json::object> call(const Call& call, std::stop_token stop,
                                   int* times_sent = nullptr);

  const std::string& address() const { return address_; }

 private:
  Sent send(const Call& call, const std::string& body, const std::string& token,
            const std::stop_token& stop, boost::json::object& document);

  std::string address_;
  Credentials& credentials_;
};

}  // namespace wherry::globus
