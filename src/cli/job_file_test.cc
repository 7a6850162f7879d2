// SPDX-License-Identifier: Apache-2.0
#include "cli/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<JobLine> jobs_of(std::string_view text) {
  auto lines = parse_job_file(text);
  EXPECT_TRUE(lines) << lines.error().message;
  return lines ? std::move(lines).value() : std::vector<JobLine>{};
}

std::string complaint_about(std::string_view text) {
  const auto lines = parse_job_file(text);
  if (lines) return "";
  EXPECT_EQ(lines.error().code, Code::kInvalid);
  return lines.error().message;
}

TEST(JobFile, CsvColumnsAreFieldsOfJobs) {
  const auto lines = jobs_of(
      "workdir,app,tag.run,param.level,stage.input,stage.output,parents,num_nodes,gpus_per_rank\n"
      "run1/a,compress,1,9,lab:/a b:c.tif,\"archive:/x,y\",12 13,4,0.5\n"
      "run1/b,compress,,,,,,,\n");
  ASSERT_EQ(lines.size(), 2u);
  const jobs::NewJob& job = lines[0].job;
  EXPECT_EQ(job.workdir, "run1/a");
  EXPECT_EQ(job.app, "compress");
  EXPECT_THAT(job.tags, ElementsAre(Pair("run", "1")));
  EXPECT_THAT(job.parameters, ElementsAre(Pair("level", "9")));
  EXPECT_EQ(job.transfers.at("input"), (jobs::RemotePath{"lab", "/a b:c.tif"}));
  EXPECT_EQ(job.transfers.at("output"), (jobs::RemotePath{"archive", "/x,y"}));
  EXPECT_THAT(job.parents, ElementsAre(12, 13));
  const jobs::Resources resources = lines[0].resources.over({});
  EXPECT_EQ(resources.num_nodes, 4);
  EXPECT_EQ(resources.gpus_per_rank, 0.5);
}

TEST(JobFile, ColumnsThatAreSeparatedOtherwiseAreNamedAsTheReason) {
  EXPECT_THAT(complaint_about("workdir;app\na;compress\n"), HasSubstr("separated by commas"));
}

TEST(JobFile, EmptyCsvFieldsAreNotGiven) {
  const auto lines = jobs_of("workdir,app,tag.run,stage.in,num_nodes\na,x,,,\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].job.tags.empty());
  EXPECT_TRUE(lines[0].job.transfers.empty());
  EXPECT_TRUE(lines[0].resources.is_empty());
}

TEST(JobFile, PathsInCsvAreBytes) {
  const auto lines = jobs_of("workdir,app,stage.in\na,x,lab:/\xff\\n\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].job.transfers.at("in").path, "/\xff\\n");
}

TEST(JobFile, JsonHasBalsamsKeys) {
  const auto lines = jobs_of(R"([
    {"workdir": "run1/a", "app": "compress", "tags": {"run": "1"}, "parameters": {"level": 9},
     "transfers": {"input": "lab:/a b:c", "output": {"location_alias": "archive", "path": "/x"}},
     "parent_ids": [12], "num_nodes": 2, "wall_time_min": 5, "launch_params": {"bind": "core"},
     "data": {"k": [1, 2]}},
    {"workdir": "b\\xff", "app_id": 7}])");
  ASSERT_EQ(lines.size(), 2u);
  const jobs::NewJob& job = lines[0].job;
  EXPECT_THAT(job.parameters, ElementsAre(Pair("level", "9")));
  EXPECT_EQ(job.transfers.at("input"), (jobs::RemotePath{"lab", "/a b:c"}));
  EXPECT_EQ(job.transfers.at("output"), (jobs::RemotePath{"archive", "/x"}));
  EXPECT_THAT(job.parents, ElementsAre(12));
  EXPECT_EQ(job.data, R"({"k":[1,2]})");
  const jobs::Resources resources = lines[0].resources.over({});
  EXPECT_EQ(resources.num_nodes, 2);
  EXPECT_EQ(resources.wall_time_min, 5);
  EXPECT_THAT(resources.launch_params, ElementsAre(Pair("bind", "core")));
  EXPECT_EQ(lines[1].job.app, "7");
  EXPECT_EQ(lines[1].job.workdir, "b\xff");
}

TEST(JobFile, ResourcesThatAreNotNamedStayThoseOfTheApp) {
  const auto lines = jobs_of("workdir,app,num_nodes\na,x,2\n");
  jobs::Resources of_app;
  of_app.wall_time_min = 30;
  of_app.num_nodes = 8;
  const jobs::Resources resources = lines.at(0).resources.over(of_app);
  EXPECT_EQ(resources.num_nodes, 2);
  EXPECT_EQ(resources.wall_time_min, 30);
}

TEST(JobFile, ComplaintsNameLineAndColumn) {
  EXPECT_THAT(complaint_about("workdir,ap\n"), HasSubstr("did you mean 'app'?"));
  EXPECT_THAT(complaint_about("workdir,app,tag.\n"), HasSubstr("'tag.'"));
  EXPECT_THAT(complaint_about("workdir,workdir\n"), HasSubstr("twice"));
  EXPECT_THAT(complaint_about("workdir,app\na,b\nc\n"), HasSubstr("line 3: 1 fields"));
  EXPECT_THAT(complaint_about("workdir,app,stage.in\na,b,nowhere\n"),
              HasSubstr("line 2, column 'stage.in'"));
  EXPECT_THAT(complaint_about("workdir,app,stage.in\na,b,lab:relative\n"),
              HasSubstr("line 2, column 'stage.in'"));
  EXPECT_THAT(complaint_about("workdir,app,parents\na,b,1 x\n"), HasSubstr("'x'"));
  EXPECT_THAT(complaint_about("workdir,app,num_nodes\na,b,-1\n"), HasSubstr("column 'num_nodes'"));
  EXPECT_THAT(complaint_about("workdir,app,gpus_per_rank\na,b,nan\n"), HasSubstr("'nan'"));
}

TEST(JobFile, ComplaintsNameJobAndKey) {
  EXPECT_THAT(complaint_about(R"([{"workdir": "a"}, {"work_dir": "b"}])"),
              HasSubstr("job 2, 'work_dir': there is no key 'work_dir'; did you mean 'workdir'?"));
  EXPECT_THAT(complaint_about(R"([{"workdir": 1}])"), HasSubstr("job 1, 'workdir'"));
  EXPECT_THAT(complaint_about(R"([{"transfers": {"in": "x"}}])"), HasSubstr("'in'"));
  EXPECT_THAT(complaint_about(R"([{"transfers": {"in": {"alias": "x"}}}])"), HasSubstr("'in'"));
  EXPECT_THAT(complaint_about(R"([{"parent_ids": ["1"]}])"), HasSubstr("list of numbers"));
  EXPECT_THAT(complaint_about(R"([{"parent_ids": [1.5]}])"), HasSubstr("1.5"));
  EXPECT_THAT(complaint_about(R"([{"tags": {"a": [1]}}])"), HasSubstr("'tags': a"));
  EXPECT_THAT(complaint_about(R"([{"num_nodes": 1.5}])"), HasSubstr("'num_nodes'"));
  EXPECT_THAT(complaint_about("[1]"), HasSubstr("job 1"));
  EXPECT_THAT(complaint_about("[{]"), HasSubstr("no valid JSON"));
  EXPECT_THAT(complaint_about("{}"), HasSubstr("a list of objects"));
}

TEST(JobFile, AFileWithoutJobsIsRefused) {
  EXPECT_THAT(complaint_about(""), HasSubstr("no jobs"));
  EXPECT_THAT(complaint_about("  \n"), HasSubstr("no jobs"));
  EXPECT_THAT(complaint_about("workdir,app\n"), HasSubstr("no jobs"));
  EXPECT_THAT(complaint_about("[]"), HasSubstr("no jobs"));
}

}  // namespace
}  // namespace wherry::cli
