# SPDX-License-Identifier: Apache-2.0
"""Commands of flows as jobs of a real Slurm (tests/system/slurm.py): the tests RealSlurm.* of the module flow, and flows
that are killed, resumed and cancelled while their commands are in the cluster."""

import pathlib
import sys

import slurm
from harness import os, subprocess, unittest

SETTINGS = "executors: {cluster: {provider: slurm, partition: main, walltime: 00:10:00, environment: [export GREETING=hello]}}\n"

FLOW = """
executor: cluster
tasks:
  stage: {transfer: {source: "lab:/in.txt", target: "scratch:/in.txt"}}
  long:
    needs: stage
    directory: %(scratch)s
    command: |
      echo "$GREETING" >> runs
      while [ ! -e go ]; do sleep 0.1; done
      tr a-z A-Z < in.txt > out.txt
      echo "lines=$(wc -l < out.txt)" >> "$WHERRY_OUTPUTS"
    outputs: [lines]
  keep:
    needs: long
    transfer: {source: "scratch:/out.txt", target: "lab:/{{ tasks.long.lines }}.txt", cleanup: verified}
"""


class CommandsInSlurm(slurm.SlurmTest):
    def setUp(self):
        super().setUp()
        pathlib.Path(self.environment["WHERRY_SETTINGS"]).write_text(SETTINGS)
        self.lab = self.endpoint("lab")
        self.store = self.endpoint("scratch")
        self.write(self.lab / "in.txt", b"one\ntwo\n")
        (self.work / "far.yml").write_text(FLOW % {"scratch": self.store})
        self.jobs_before = set(self.cluster.jobs())

    def test_the_executor_runs_cancels_and_finds_commands_again(self):
        done = subprocess.run([os.environ["WHERRY_FLOW_TEST"], "--gtest_filter=RealSlurm.*"], timeout=600,
                              env={**self.cluster.environment, "WHERRY_REAL_SLURM": "1"}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{self.cluster.logs()}")
        self.assertNotIn("SKIPPED", done.stdout)
        self.assertNotIn("PENDING", str(self.cluster.jobs()))

    def states(self):
        return {row["task"]: row["state"] for row in self.wherry_json("flow", "status", "far")["DATA"]}

    def new_jobs(self):
        return {number: state for number, state in self.cluster.jobs().items() if number not in self.jobs_before}

    def begin(self):
        """A flow whose command runs in the cluster, until there is a file 'go'."""
        process = self.start("flow", "run", "far.yml")
        self.wait_until(lambda: (self.store / "runs").exists() or process.poll() is not None, "the command runs")
        self.assertIsNone(process.poll())
        return process

    def test_a_command_goes_on_without_its_flow_and_runs_once(self):
        process = self.begin()
        process.kill()
        process.wait()
        again = self.start("flow", "run", "far.yml", "--resume")  # killed while the command still runs
        self.wait_until(lambda: b"run 1" in again.stderr.readline(), "the flow goes on")
        again.kill()
        again.wait()
        (self.store / "go").touch()
        self.wait_until(lambda: set(self.new_jobs().values()) == {"COMPLETED"}, "the command ends by itself")
        self.wherry("flow", "run", "far.yml", "--resume")
        self.assertEqual(set(self.states().values()), {"SUCCEEDED"})
        self.assertEqual((self.lab / "2.txt").read_bytes(), b"ONE\nTWO\n")
        self.assertFalse((self.store / "out.txt").exists())
        self.assertEqual((self.store / "runs").read_text(), "hello\n")
        self.assertEqual(len(self.new_jobs()), 1)

    def test_cancel_ends_the_command_of_a_flow_that_runs(self):
        process = self.begin()
        self.assertIn("has been asked to end", self.wherry("flow", "cancel", "far"))
        self.assertEqual(process.wait(60), 1)
        self.check_cancelled()

    def test_cancel_ends_what_a_killed_flow_left_in_the_cluster(self):
        process = self.begin()
        process.kill()
        process.wait()
        self.assertIn("is cancelled", self.wherry("flow", "cancel", "far"))
        self.check_cancelled()

    def check_cancelled(self):
        self.assertEqual(self.states(), {"stage": "SUCCEEDED", "long": "CANCELLED", "keep": "CANCELLED",
                                         "keep.cleanup": "CANCELLED"})
        self.wait_until(lambda: set(self.new_jobs().values()) == {"CANCELLED"}, "the command is gone")
        self.assertEqual((self.store / "runs").read_text(), "hello\n")
        self.assertFalse((self.store / "out.txt").exists())


if __name__ == "__main__":
    if slurm.missing():
        print(f"skipped: not installed: {', '.join(slurm.missing())}; scripts/install-dependencies test")
        sys.exit(77)
    unittest.main()
