// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"

namespace wherry::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> completed(std::vector<std::string> words) {
  return complete(commands(), words, [](ValueKind kind) {
    if (kind == ValueKind::kEndpoint) return std::vector<std::string>{"lab", "scratch"};
    if (kind == ValueKind::kTask) return std::vector<std::string>{"1234"};
    if (kind == ValueKind::kSite) return std::vector<std::string>{"beamline"};
    if (kind == ValueKind::kApp) return std::vector<std::string>{"compress"};
    if (kind == ValueKind::kJob) return std::vector<std::string>{"17"};
    return std::vector<std::string>{};
  });
}

TEST(Complete, OffersNounsThenVerbs) {
  EXPECT_THAT(completed({"tra"}), ElementsAre("transfer", "transfer-item"));
  EXPECT_THAT(completed({"task", "re"}), ElementsAre("resume"));
  EXPECT_THAT(completed({"endpoint", ""}), Contains("create"));
}

TEST(Complete, OffersOptionsOfTheCommandAndOfAll) {
  EXPECT_THAT(completed({"transfer", "--sync"}), ElementsAre("--sync-level"));
  EXPECT_THAT(completed({"transfer", "--form"}), ElementsAre("--format"));
  EXPECT_THAT(completed({"task", "list", "--"}), Not(Contains("--sync-level")));
}

TEST(Complete, OffersChoices) {
  EXPECT_THAT(completed({"transfer", "--symlinks", ""}), ElementsAre("copy", "ignore", "keep"));
  EXPECT_THAT(completed({"transfer", "-s", "ch"}), ElementsAre("checksum"));
}

TEST(Complete, OffersNamesOfEndpointsAndTasks) {
  EXPECT_THAT(completed({"transfer", "s"}), ElementsAre("scratch:"));
  EXPECT_THAT(completed({"transfer", "--recursive", "lab:/a", "l"}), ElementsAre("lab:"));
  EXPECT_THAT(completed({"endpoint", "show", ""}), ElementsAre("lab", "scratch"));
  EXPECT_THAT(completed({"task", "show", ""}), ElementsAre("1234"));
}

TEST(Complete, OffersSitesAppsJobsAndTheirStates) {
  EXPECT_THAT(completed({"site", "start", ""}), ElementsAre("beamline"));
  EXPECT_THAT(completed({"job", "create", "-a", ""}), ElementsAre("compress"));
  EXPECT_THAT(completed({"job", "show", ""}), ElementsAre("17"));
  EXPECT_THAT(completed({"job", "ls", "--state", "RUN_"}),
              ElementsAre("RUN_DONE", "RUN_ERROR", "RUN_TIMEOUT"));
}

TEST(Complete, LeavesTheRestToTheShell) {
  EXPECT_THAT(completed({"transfer", "--batch", ""}), IsEmpty());
  EXPECT_THAT(completed({"transfer", "lab:/a", "lab:/b", ""}), IsEmpty());
  EXPECT_THAT(completed({}), IsEmpty());
}

TEST(CompletionScript, EachShellHasOne) {
  EXPECT_NE(completion_script("bash"), completion_script("zsh"));
  EXPECT_NE(completion_script("zsh"), completion_script("fish"));
}

}  // namespace
}  // namespace wherry::cli
