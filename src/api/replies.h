// SPDX-License-Identifier: Apache-2.0
// Documents of the Transfer API that a service answers with, as the client reads them. Tolerant:
// only what a client cannot do without is required, unknown words of a service become the nearest
// of ours. An error (kCorrupt) says which member of which row is wrong.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::api {

Result<tasks::SubmissionId> read_submission_id(const boost::json::object& document);
// transfer_result or delete_result.
Result<tasks::Submitted> read_submitted(const boost::json::object& document);

// Its items, filters and submission id are not read.
Result<tasks::Task> read_task(const boost::json::object& document);

template <class T>
struct OffsetRows {
  std::vector<T> rows;
  std::uint64_t total = 0;
};
Result<OffsetRows<tasks::Task>> read_task_list(const boost::json::object& document);
Result<OffsetRows<tasks::Event>> read_event_list(const boost::json::object& document);

// The rows' ordinal `item` is not told: kUnknownItem. A checksum is read if it is Wherry's
// XXH3-128.
inline constexpr std::uint64_t kUnknownItem = UINT64_MAX;
Result<tasks::Page<tasks::SuccessfulTransfer>> read_successful_transfers(
    const boost::json::object& document);
Result<tasks::Page<tasks::ItemError>> read_skipped_errors(const boost::json::object& document);

Result<tasks::FileInfo> read_file_info(const boost::json::object& document);
// `total` is the number of files before limit and offset.
Result<OffsetRows<tasks::FileInfo>> read_file_list(const boost::json::object& document);

// Its storage_url is empty: where the files are is the service's affair.
Result<endpoints::Endpoint> read_endpoint(const boost::json::object& document);
struct EndpointRows {
  std::vector<endpoints::Endpoint> rows;
  bool has_next_page = false;
};
Result<EndpointRows> read_endpoint_list(const boost::json::object& document);

}  // namespace wherry::api
