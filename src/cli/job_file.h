// SPDX-License-Identifier: Apache-2.0
// The files of `wherry job create --batch`: many jobs at once.
//
// CSV, with a line of column names first (RFC 4180: fields that hold commas, quotes or line ends
// stand in quotes, a quote in them is doubled):
//
//   workdir,app,tag.run,param.level,stage.input,stage.output,parents
//   run1/a,compress,1,9,lab:/a.tif,archive:/a.tif.gz,"12 13"
//
// JSON, a list of objects with Balsam's keys; paths may hold escapes as in answers (\xHH):
//
//   [{"workdir": "run1/a", "app": "compress", "tags": {"run": "1"}, "parameters": {"level": 9},
//     "transfers": {"input": "lab:/a.tif", "output": {"location_alias": "archive", "path": "/a"}},
//     "parent_ids": [12, 13], "num_nodes": 1}]
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "jobs/types.h"

namespace wherry::cli {

// The resources that somebody named; the app says the others.
struct ResourceChoice {
  std::vector<std::pair<int jobs::Resources::*, int>> numbers;
  std::optional<double> gpus_per_rank;
  std::optional<jobs::TextMap> launch_params;

  bool is_empty() const { return numbers.empty() && !gpus_per_rank && !launch_params; }
  jobs::Resources over(jobs::Resources of_app) const;
};

// The resources that are whole numbers, by Balsam's names.
struct IntegerResource {
  std::string_view name;  // "num_nodes"
  int jobs::Resources::*member;
};
const std::vector<IntegerResource>& integer_resources();
// A whole number from 0 that fits; kInvalid.
Result<int> parse_count(std::string_view text);
Result<double> parse_fraction(std::string_view text);  // from 0

struct JobLine {
  jobs::NewJob job;  // without its resources
  ResourceChoice resources;
};

// JSON if the text begins with '[', CSV otherwise. kInvalid names line or job, and column or key;
// an unknown one is answered with the nearest. What the jobs mean is checked when they are stored.
Result<std::vector<JobLine>> parse_job_file(std::string_view text);

}  // namespace wherry::cli
