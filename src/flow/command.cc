// SPDX-License-Identifier: Apache-2.0
#include "flow/executor.h"

namespace wherry::flow {

Future<CommandEnd> command(Executor& executor, const Command& command, Random& random) {
  return executor.start(command, "wherry-" + new_uuid(random));
}

}  // namespace wherry::flow
