// SPDX-License-Identifier: Apache-2.0
// Any bytes as the settings of a site: refused with a message, or settings that are within their
// bounds and lead every path to a place below where it belongs.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "jobs/site_settings.h"

namespace {

using namespace wherry::jobs;

void use(const SiteSettings& settings) {
  const TransferSettings& transfers = settings.transfers;
  CHECK(transfers.max_concurrent_transfers >= 1 && transfers.transfer_batch_size >= 1);
  CHECK(transfers.num_items_query_limit >= 1 && transfers.max_attempts >= 1);
  CHECK(transfers.service_period > wherry::Duration(0));
  for (const auto& [alias, location] : transfers.transfer_locations) {
    CHECK(!alias.empty() && alias.find(':') == std::string::npos && !location.endpoint.empty());
    const auto path = remote_path(location, "/a/b");
    CHECK(!path || path->is_within(location.base));
  }
  const auto here = endpoint_path(transfers, "/site", "/site/data/job/in");
  CHECK(!here || here->text().ends_with("data/job/in"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto settings = parse_site_settings(bytes)) {
    use(*settings);
  } else {
    CHECK(settings.error().code == wherry::Code::kInvalid && !settings.error().message.empty());
  }
  return 0;
}
