// SPDX-License-Identifier: Apache-2.0
// Makes the next catalog: the old one, changed by what the journal says and the target confirmed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/reader.h"
#include "sync/journal.h"

namespace wherry::sync {

// What a catalog's note says of its making.
struct CatalogNote {
  std::string sync;
  std::uint64_t pass = 0;
  std::string rules;  // Rules::fingerprint()

  std::string format() const;
  static CatalogNote parse(std::string_view note);
};

struct SaveRequest {
  const catalog::Reader* before = nullptr;  // null: none
  const Journal& journal;
  const std::vector<bool>& confirmed;  // by ordinal
  CatalogNote note;
  const std::vector<bool>& cleared;  // by ordinal: what had the name before is gone
};

// Replaces the catalog at `path`. What was not confirmed keeps its old entry, or has none. Of what
// a failed deletion may have left only a part, the names stay and nothing else is believed.
Result<void> save_catalog(const SaveRequest& request, const std::string& path);

}  // namespace wherry::sync
