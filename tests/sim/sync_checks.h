// SPDX-License-Identifier: Apache-2.0
// What a sync owes: a catalog that says nothing of the target that is not so, a brake that holds,
// and a mirror that is one when a pass says that nothing failed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "catalog/reader.h"
#include "checks.h"

namespace wherry::sim {

class Checks::SyncChecks {
 public:
  SyncChecks(World& world, const Source& source, const sync::SyncDefinition& definition,
             Violation& violation)
      : world_(world), source_(source), definition_(definition), violation_(violation) {}

  void begin_pass(const sync::PassOptions& options);
  void end_pass(const Result<sync::PassReport>& report);
  // What the catalog says is at the target, unless a pass is under way.
  void check_catalog(const Tree& target);

 private:
  struct Known {
    catalog::Observation observation;
    std::string symlink_target;
  };
  using Catalog = std::map<std::string, Known>;  // by path below the sync's directory

  Catalog read_catalog();
  bool is_interrupted();
  Links links() const;
  bool has_given_way(const std::string& path) const;
  bool has_moved(const std::string& path) const;
  double share_gone(const std::vector<sync::Problem>& problems) const;
  void check_brake(const Tree& target, const std::vector<sync::Problem>& problems);
  void check_mirror(const Tree& target);
  void check_unchanged(const Tree& target, std::string_view why);

  World& world_;
  const Source& source_;
  const sync::SyncDefinition& definition_;
  Violation& violation_;

  // Of the pass that runs.
  sync::PassOptions options_;
  Catalog known_;
  Tree before_;
  std::uint64_t changes_ = 0;
  bool was_interrupted_ = false;
};

}  // namespace wherry::sim
