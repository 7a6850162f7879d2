// SPDX-License-Identifier: Apache-2.0
// The RSA key that signs id_tokens. It is made at first use and kept in the state directory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::server {

// Safe for concurrent calls.
class SigningKey {
 public:
  // Reads the key of the file (PEM), or makes one there for its owner only (mode 0600).
  static Result<std::unique_ptr<SigningKey>> open(const std::string& path);
  virtual ~SigningKey() = default;

  // The JSON Web Token (RFC 7519, algorithm RS256) of a JSON object.
  virtual std::string sign(std::string_view claims) const = 0;
  // The public half as the JSON of a JSON Web Key Set (RFC 7517).
  virtual std::string key_set() const = 0;
};

}  // namespace wherry::server
