// SPDX-License-Identifier: Apache-2.0
// What a stage task asks of the transfer service: made from stored items and from what is in the
// work directories, and written down before it is sent, so that it can be sent again as it was and
// outcomes are matched with what was sent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/item_store.h"
#include "jobs/site_settings.h"
#include "jobs/types.h"
#include "tasks/types.h"

namespace wherry::jobs {

// One line of the request serves an item: an output with wildcards has several, an input that jobs
// have in common serves several.
struct Piece {
  ItemId item = 0;
  std::uint64_t line = 0;  // of StageRequest::lines
};

struct StageRequest {
  tasks::EndpointId source_endpoint;
  tasks::EndpointId target_endpoint;
  std::vector<engine::TransferItem> lines;
  std::vector<Piece> pieces;  // those of one item stand together
  // Of inputs that jobs have in common: where lines bring them on this host. Empty: each line
  // brings its input to where it belongs.
  std::vector<std::string> shared_files;
};

// As text: one line each, paths as escape_bytes() writes them.
std::string encode(const StageRequest& request);
Result<StageRequest> decode_stage_request(std::string_view text);

// Where the lines of a task lead.
struct StagePlaces {
  tasks::EndpointId site_endpoint;
  tasks::EndpointId location_endpoint;
};

struct BuiltRequest {
  StageRequest request;
  std::vector<ItemOutcome> outcomes;  // of items that need no transfer, or cannot have one
};

// The request for `items` of one direction and location. Makes the directories that inputs need,
// looks for the files that outputs name. An error is one of this host that concerns all items.
Result<BuiltRequest> build_request(const Site& site, const TransferSettings& settings,
                                   const Location& location, const StagePlaces& places,
                                   std::span<const StageItem> items);

// Where an input belongs on this host.
Result<std::string> input_file(const Site& site, const StageItem& item);

}  // namespace wherry::jobs
