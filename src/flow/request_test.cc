// SPDX-License-Identifier: Apache-2.0
#include "flow/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/child_process.h"
#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry::flow {
namespace {

using testing::HasSubstr;

Filling filling_with(const Value& value) {
  return {[value](const Name&) -> Result<Value> { return value; }, "/work", "flow: a",
          "/files/a.1"};
}

FlowTask only_task(const std::string& lines) {
  const auto flow = parse_flow("params: {x: 1}\ntasks:\n  a:\n    " + lines, "test");
  EXPECT_TRUE(flow) << flow.error().message;
  return flow->tasks.front();
}

TEST(FlowRequest, ComesBackFromItsJsonAsItWas) {
  const std::string odd = "a\xff\\b\n'";
  for (const std::string lines :
       {"transfer: {source: 'lab:/{{ x }}', target: 'r/{{ x }}', recursive: yes, sync_level: "
        "mtime, verify_checksum: no, symlinks: keep}\n    timeout: 90s\n    on_timeout: leave",
        "delete: {path: 'lab:/{{ x }}', recursive: yes}",
        "command: echo {{ x }}\n    walltime: 5m\n    outputs: [y]\n    environment: {E: '{{ x }}'}"
        "\n    executor: [a, b]"}) {
    const auto request = fill_in(only_task(lines), filling_with(odd));
    ASSERT_TRUE(request) << request.error().message;
    const auto again = parse_request(to_json(*request));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(to_json(*again), to_json(*request));
    EXPECT_EQ(again->index(), request->index());
  }
  EXPECT_EQ(parse_request("{}").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_request("[").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_request(R"({"kind": "transfer"})").error().code, Code::kCorrupt);
}

TEST(FlowRequest, ADeletionOfEverythingIsRefusedWhenItIsFilledIn) {
  const FlowTask task = only_task("delete: {path: 'lab:/{{ x }}', recursive: yes}");
  for (const std::string_view value : {"", "/", ".", "~"}) {
    const auto request = fill_in(task, filling_with(std::string(value)));
    ASSERT_FALSE(request) << value;
    EXPECT_THAT(request.error().message, HasSubstr("would delete everything"));
  }
  EXPECT_TRUE(fill_in(task, filling_with(std::string("run42"))));
}

TEST(FlowRequest, SaysInOneLineWhatIsDone) {
  EXPECT_EQ(told(*fill_in(only_task("transfer: {source: lab:/a, target: b}"), filling_with({}))),
            "lab:/a -> /work/b");
  EXPECT_EQ(told(*fill_in(only_task("command: cat {{ x }} out"), filling_with("a b"))),
            "cat 'a b' out");
}

TEST(FlowRequest, AValueIsOneWordOfTheCommandWhateverItIs) {
  const ScratchDirectory directory;
  for (const std::string value : {"a b", "$(touch made)", "'; touch made; '", "`touch made`", "",
                                  "\n", "*", "-n", "\\", "\"", "${HOME}", "a\xff"}) {
    auto request = fill_in(only_task("command: printf '[%s]' {{ x }} end"),
                           filling_with(TextList{value, "y"}));
    ASSERT_TRUE(request);
    const Command& command = std::get<CommandRequest>(*request).command;
    const auto ran = run_command({.words = {"/bin/sh", "-c", command.script},
                                  .directory = directory.path(),
                                  .environment = {{"WHERRY_OUTPUTS", directory.file("outputs")}}},
                                 {});
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(ran->output, "[" + value + "][y][end]");
  }
  EXPECT_FALSE(read_file(directory.file("made"), 10));
}

TEST(FlowRequest, ANulByteIsRefused) {
  const Value nul = std::string("a\0b", 3);
  EXPECT_FALSE(fill_in(only_task("command: echo {{ x }}"), filling_with(nul)));
  EXPECT_FALSE(
      fill_in(only_task("command: x\n    environment: {E: '{{ x }}'}"), filling_with(nul)));
  EXPECT_FALSE(
      fill_in(only_task("transfer: {source: 'l:/{{ x }}', target: l:/b}"), filling_with(nul)));
}

TEST(FlowRequest, CommandsRunInDirectoriesOfThisMachine) {
  const auto filled = fill_in(only_task("command: x\n    directory: sub"), filling_with({}));
  EXPECT_EQ(std::get<CommandRequest>(*filled).command.directory, "/work/sub");
  EXPECT_THAT(
      fill_in(only_task("command: x\n    directory: lab:/sub"), filling_with({})).error().message,
      HasSubstr("is of an endpoint"));
}

}  // namespace
}  // namespace wherry::flow
