// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "endpoints/endpoint.h"
#include "flow/place.h"

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kWhole = R"(
name: analyse
params:
  run: 42
  frames: [a, b]
  target: {help: where it goes}
environment: {LC_ALL: C, MODE: fast}
executor: cluster
tasks:
  stage:
    transfer: {source: "lab:/raw/{{ run }}", target: scratch:/raw, recursive: true}
    timeout: 2h
    retries: 3
  count:
    needs: stage
    foreach: {frame: frames}
    command: wc -l {{ frame }} {{ join(frames, ' ') }}
    environment: {MODE: slow}
    walltime: "00:10:00"
    outputs: [rows]
  keep:
    foreach: ["{{ run }}", x]
    when: "{{ item != 'x' }}"
    transfer: {source: scratch:/out, target: "{{ target }}/{{ join(tasks.count.rows, '-') }}"}
  clean:
    needs: [keep]
    delete: {path: scratch:/out, recursive: yes, cleanup: verified}
)";

std::string wrong(std::string_view yaml) {
  const auto flow = parse_flow(yaml, "test");
  return flow ? "nothing" : flow.error().message;
}

// A flow of one task, whose entries these lines are.
std::string one_task(std::string_view lines) {
  return fmt::format("params: {{run: 1}}\ntasks:\n  a:\n    {}\n", lines);
}

TEST(FlowFile, ReadsAllThatItSays) {
  const auto parsed = parse_flow(kWhole, "file");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Flow& flow = *parsed;
  EXPECT_EQ(flow.name, "analyse");
  ASSERT_EQ(flow.parameters.size(), 3u);
  EXPECT_EQ(flow.parameters[0].default_value, Value(std::string("42")));
  EXPECT_EQ(flow.parameters[1].default_value, Value(TextList{"a", "b"}));
  EXPECT_EQ(flow.parameters[2].default_value, std::nullopt);
  ASSERT_EQ(flow.tasks.size(), 4u);
  const auto& stage = std::get<TransferWork>(flow.tasks[0].work);
  EXPECT_EQ(stage.source.text(), "lab:/raw/{{ run }}");
  EXPECT_TRUE(stage.recursive);
  EXPECT_EQ(stage.options.verify, engine::Verify::kChecksum);
  EXPECT_EQ(flow.tasks[0].timeout, 2h);
  EXPECT_EQ(flow.tasks[0].retries, 3);
  const auto& count = std::get<CommandWork>(flow.tasks[1].work);
  EXPECT_THAT(count.executors, ElementsAre("cluster"));
  EXPECT_EQ(count.walltime, 10min);
  ASSERT_EQ(count.environment.size(), 2u);
  EXPECT_EQ(count.environment[0].second.text(), "slow");
  EXPECT_EQ(count.environment[1].first, "LC_ALL");
  EXPECT_EQ(flow.tasks[1].foreach->variable, "frame");
  EXPECT_EQ(flow.tasks[2].when->text(), "item != 'x'");
  EXPECT_THAT(flow.tasks[2].needs, ElementsAre(Need{"count", false}));  // mentioned
  EXPECT_TRUE(std::get<DeleteWork>(flow.tasks[3].work).only_verified);
}

TEST(FlowFile, TheSampleIsValid) {
  const auto flow = parse_flow(sample_flow(), "sample");
  ASSERT_TRUE(flow) << flow.error().message;
  EXPECT_NE(flow->find("keep.cleanup"), nullptr);
}

TEST(FlowFile, CleanupIsATaskOfItsOwnAfterItsTransfer) {
  const auto flow = parse_flow(
      "tasks:\n  out:\n    foreach: [1, 2]\n    transfer: {source: '/s/{{item}}', target: "
      "'lab:/t/{{item}}', cleanup: verified}\n",
      "test");
  ASSERT_TRUE(flow) << flow.error().message;
  ASSERT_EQ(flow->tasks.size(), 2u);
  EXPECT_EQ(flow->tasks[1].name, "out.cleanup");
  EXPECT_THAT(flow->tasks[1].needs, ElementsAre(Need{"out", true}));
  EXPECT_EQ(std::get<DeleteWork>(flow->tasks[1].work).path.text(), "/s/{{item}}");
}

TEST(FlowFile, SlipsAreToldWithLineAndNearestWord) {
  EXPECT_THAT(wrong("taskss: {}"),
              HasSubstr("line 1: there is no 'taskss'; did you mean 'tasks'?"));
  EXPECT_THAT(wrong("name: x"), HasSubstr("the flow has no tasks"));
  EXPECT_THAT(wrong(one_task("comand: x")), HasSubstr("line 4: there is no 'comand' in 'a'"));
  EXPECT_THAT(wrong(one_task("needs: [b]\n    command: x")),
              HasSubstr("line 3: task 'a' needs 'b', and there is no such task"));
  EXPECT_THAT(wrong(one_task("command: echo {{ rum }}")), HasSubstr("did you mean 'run'?"));
  EXPECT_THAT(wrong(one_task("command: echo {{ flow.nme }}")), HasSubstr("there are flow.name"));
  EXPECT_THAT(wrong(one_task("command: echo {{ tasks.b.stdout }}")),
              HasSubstr("there is no task 'b'"));
  EXPECT_THAT(wrong(one_task("command: echo {{ item }}")), HasSubstr("there is no 'item'"));
  EXPECT_THAT(wrong(one_task("command: echo '{{ run }}'")), HasSubstr("stands within quotes"));
  EXPECT_THAT(wrong(one_task("command: echo {{ run ")), HasSubstr("line 4"));
  EXPECT_THAT(wrong(one_task("transfer: {from: lab:/x}")), HasSubstr("write 'source'"));
  EXPECT_THAT(wrong(one_task("transfer: {source: lab:/x}")), HasSubstr("it has no 'target'"));
  EXPECT_THAT(wrong(one_task("transfer: {source: lab:x, target: /y}")),
              HasSubstr("begins with '/' or '~/'"));
  EXPECT_THAT(wrong(one_task("transfer: {source: lab:/../x, target: /y}")), HasSubstr("line 4"));
  EXPECT_THAT(wrong(one_task("command: x\n    delete: /y")), HasSubstr("a task does one thing"));
  EXPECT_THAT(wrong(one_task("retries: 1")), HasSubstr("the task does nothing"));
  EXPECT_THAT(wrong(one_task("delete: /y\n    walltime: 1m")),
              HasSubstr("'walltime' is for commands"));
  EXPECT_THAT(wrong(one_task("command: x\n    timeout: 0")), HasSubstr("'timeout'"));
  EXPECT_THAT(wrong(one_task("command: x\n    walltime: '1:2:3:4'")), HasSubstr("no time such as"));
  EXPECT_THAT(wrong(one_task("command: x\n    outputs: [stdout]")), HasSubstr("there already"));
  EXPECT_THAT(wrong(one_task("command: x\n    foreach: {run: [1]}")),
              HasSubstr("as a parameter is"));
  EXPECT_THAT(wrong("name: -x\ntasks: {a: {command: x}}"), HasSubstr("is no name of a flow"));
  EXPECT_THAT(wrong("params: {tasks: 1}\ntasks: {a: {command: x}}"),
              HasSubstr("has a meaning of its own"));
  EXPECT_THAT(wrong("directory: '{{ x }}'\ntasks: {a: {command: x}}"),
              HasSubstr("is no parameter"));
}

TEST(FlowFile, AResultThatATaskHasNotIsRefused) {
  EXPECT_THAT(wrong("tasks:\n  a: {command: x, outputs: [rows]}\n"
                    "  b: {command: 'echo {{ tasks.a.row }}'}\n"),
              HasSubstr("the command 'a' has no 'row'; did you mean 'rows'?"));
}

TEST(FlowFile, ADeletionThatMeetsATransferHalfwayIsRefused) {
  const std::string_view two =
      "tasks:\n"
      "  out: {transfer: {source: 's:/{{ flow.run }}/a', target: 'l:/a'}}\n"
      "  clean: {delete: {path: 's:/{{flow.run}}', recursive: true}}\n";
  EXPECT_THAT(wrong(two), HasSubstr("line 3: task 'clean' deletes"));
  EXPECT_THAT(wrong(two), HasSubstr("while 'out' may still read it"));
  EXPECT_EQ(wrong(std::string(two) + "  other: {delete: l:/ab}\n").find("other"),
            std::string::npos);
  EXPECT_THAT(wrong("tasks:\n  in: {transfer: {source: l:/a, target: s:/b/c}}\n"
                    "  clean: {delete: s:/b}\n"),
              HasSubstr("while 'in' may still write it"));
  EXPECT_EQ(wrong("tasks:\n  in: {transfer: {source: l:/a, target: s:/b/c}}\n"
                  "  clean: {delete: s:/b, needs: in}\n"),
            "nothing");
  EXPECT_EQ(wrong("tasks:\n  in: {transfer: {source: l:/a, target: s:/b/c}, needs: clean}\n"
                  "  clean: {delete: s:/b}\n"),
            "nothing");
}

TEST(FlowFile, DeletingAllOfAnEndpointIsRefused) {
  for (const std::string_view everything :
       {"lab:/", "lab:~", "lab:~/", "lab:/~", "/", "lab:/.", "//", "."})
    EXPECT_THAT(wrong(one_task(fmt::format("delete: {{path: '{}', recursive: true}}", everything))),
                HasSubstr("would delete everything"))
        << everything;
  EXPECT_THAT(wrong(one_task("delete: ''")), HasSubstr("the place is empty"));
}

TEST(FlowFile, CleanupWithoutProofIsRefused) {
  EXPECT_THAT(wrong(one_task("delete: {path: /x, cleanup: verified}")),
              HasSubstr("it needs no transfer"));
  EXPECT_THAT(wrong(one_task("delete: {path: /x, cleanup: yes}")), HasSubstr("cleanup: verified"));
  EXPECT_THAT(wrong(one_task("transfer: {source: /x, target: l:/x, cleanup: verified, "
                             "verify_checksum: no}")),
              HasSubstr("contradict"));
  EXPECT_THAT(wrong(one_task("transfer: {source: /x, target: l:/x, cleanup: verified, "
                             "sync_level: size}")),
              HasSubstr("leave out 'sync_level'"));
}

TEST(FlowFile, ParametersAreBoundToWhatWasGiven) {
  const Flow flow = parse_flow(kWhole, "file").value();
  const auto bound = bind_parameters(flow, {"target=lab:/x=y", "frames=c", "frames=d"});
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_EQ(bound->at("run"), Value(std::string("42")));
  EXPECT_EQ(bound->at("target"), Value(std::string("lab:/x=y")));
  EXPECT_EQ(bound->at("frames"), Value(TextList{"c", "d"}));
  EXPECT_THAT(bind_parameters(flow, {}).error().message,
              HasSubstr("wants the parameter 'target' (where it goes)"));
  EXPECT_THAT(bind_parameters(flow, {"targt=x"}).error().message,
              HasSubstr("did you mean 'target'?"));
  EXPECT_THAT(bind_parameters(flow, {"target=x", "run=1", "run=2"}).error().message,
              HasSubstr("takes one"));
  EXPECT_THAT(bind_parameters(flow, {"target"}).error().message, HasSubstr("NAME=VALUE"));
}

TEST(FlowPlaces, AreEndpointsOrPathsOfThisMachine) {
  EXPECT_EQ(parse_flow_place("lab:/a:b", "/d").value(), (FlowPlace{"lab", "/a:b"}));
  EXPECT_EQ(parse_flow_place("lab:~/a", "/d").value(), (FlowPlace{"lab", "~/a"}));
  const std::string local(endpoints::kLocalId);
  EXPECT_EQ(parse_flow_place("/a/b:c", "/d").value(), (FlowPlace{local, "/a/b:c"}));
  EXPECT_EQ(parse_flow_place("./b:c", "/d").value(), (FlowPlace{local, "/d/./b:c"}));
  EXPECT_EQ(parse_flow_place("b", "/d").value(), (FlowPlace{local, "/d/b"}));
  EXPECT_EQ(parse_flow_place("~", "/d").value(), (FlowPlace{local, home_directory()}));
  EXPECT_EQ(parse_flow_place("~/a", "/d").value(), (FlowPlace{local, home_directory() + "/a"}));
  for (const std::string_view bad : {"", ":/x", "lab:", "lab:x", "lab:/a/../b", "../x"})
    EXPECT_FALSE(parse_flow_place(bad, "/d")) << bad;
}

TEST(FlowPlaces, AllThatThereIsIsNotForDeletionHoweverItIsWritten) {
  const std::string home = home_directory();
  const std::string home_name = home.substr(home.rfind('/') + 1);
  for (const std::string& all :
       {std::string("lab:/"), std::string("lab:~"), std::string("lab:/~/."), std::string("/"),
        std::string("~"), std::string("~/"), home + "/."})
    EXPECT_FALSE(check_removable(parse_flow_place(all, "/d").value())) << all;
  for (const std::string& some : {std::string("lab:/a"), std::string("lab:~/a"), std::string("~/a"),
                                  std::string("/tmp/a"), std::string("lab:/~a"), "lab:" + home})
    EXPECT_TRUE(check_removable(parse_flow_place(some, "/d").value())) << some;
  // Where a relative one is, the file does not say.
  EXPECT_TRUE(parse_flow(one_task("delete: {path: " + home_name + ", recursive: true}"), "f"));
}

}  // namespace
}  // namespace wherry::flow
