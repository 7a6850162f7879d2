// SPDX-License-Identifier: Apache-2.0
#include "flow/endpoint_names.h"

namespace wherry::flow {
namespace {

constexpr std::size_t kMostNames = 1000;

}  // namespace

Result<endpoints::Endpoint> EndpointNames::find(tasks::TransferService& service,
                                                const std::string& name_or_id, Side side) {
  const Duration now = clock_.monotonic();
  auto known = known_.find(name_or_id);
  if (known == known_.end() || known->second.until <= now) {
    auto answer = service.endpoint(name_or_id);
    if (!answer && answer.error().code == Code::kCancelled) return answer;
    if (known_.size() >= kMostNames) known_.clear();
    const Duration until = now + (answer ? kKept : kTroubleKept);
    known = known_.insert_or_assign(name_or_id, Known{std::move(answer), until}).first;
  }
  const auto& answer = known->second.answer;
  if (answer) return answer;
  const std::string_view role = side == Side::kSource ? "Source" : "Destination";
  if (answer.error().code == Code::kNotFound)
    return make_error(Code::kNotFound, "{} endpoint '{}' could not be found", role, name_or_id);
  return Error(answer.error()).with_context(fmt::format("{} endpoint '{}'", role, name_or_id));
}

}  // namespace wherry::flow
