// SPDX-License-Identifier: Apache-2.0
// Whether what is to be deleted is proven elsewhere: `cleanup: verified` of flow files.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/thread_annotations.h"
#include "tasks/transfer_service.h"

namespace wherry::flow {

struct ProofOf {
  std::string endpoint;  // name or id
  std::string path;
};

// Asks a service what its transfers have copied. Threads may share it. It keeps what it was told,
// as far as there is room: the items of a flow travel together, and each is proven alone.
class Proofs {
 public:
  explicit Proofs(tasks::TransferService& service);
  ~Proofs();

  // Success if every file there has been copied by one of these transfer tasks, verified by
  // checksum, and was not changed since. kConflict names the first one that was not; nothing there
  // is success: the deletion will say so. Looks at each file once. kCancelled soon after a stop.
  Result<void> check(const ProofOf& place, std::span<const tasks::TaskId> transfers,
                     std::stop_token stop = {});

 private:
  class Copies;
  class Check;
  std::shared_ptr<Copies> copies_of(const tasks::TaskId& id);
  void make_room();

  tasks::TransferService& service_;
  std::mutex mutex_;
  std::map<tasks::TaskId, std::shared_ptr<Copies>> kept_ GUARDED_BY(mutex_);
};

}  // namespace wherry::flow
