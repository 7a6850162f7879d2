// SPDX-License-Identifier: Apache-2.0
// For tests of documents against the files of tests/data/api.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "api/json.h"
#include "base/file.h"

namespace wherry::api {

inline boost::json::object golden(const std::string& name) {
  const std::string path = std::string(WHERRY_TEST_DATA) + "/api/" + name + ".json";
  return parse_object(read_file(path, 1 << 20).value()).value();
}

// As a client gets it.
inline boost::json::object sent(const boost::json::object& document) {
  return parse_object(to_text(document)).value();
}

}  // namespace wherry::api
