// SPDX-License-Identifier: Apache-2.0
// Whether a request makes sense, before anything of it is stored. Messages say what is wrong,
// where, why, and what to do about it.
#pragma once

#include <string>

#include "base/result.h"
#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::tasks {

// kInvalid; kNotFound for an endpoint that does not exist, kDenied for one that may not be written.
// `own_database` is the file of this service's database, which no task may delete.
Result<void> validate(const TransferRequest& request, endpoints::Endpoints& endpoints,
                      const std::string& own_database, TimePoint now);
Result<void> validate(const DeleteRequest& request, endpoints::Endpoints& endpoints,
                      const std::string& own_database, TimePoint now);
Result<void> validate(const TaskChange& change, TimePoint now);
// A UUID, in either case.
Result<void> validate_submission_id(const SubmissionId& id);

}  // namespace wherry::tasks
