# SPDX-License-Identifier: Apache-2.0
"""Flows as YAML with the real binary: stage, process, bring home, clean up; failures that protect the source; kill -9 in
the middle and --resume; bad files."""

import time

from harness import WherryTest, signal, unittest

PIPELINE = """
params:
  run: 42
  delay: 0
environment: {SCRATCH: "%(scratch)s", LOG: "%(work)s/log"}
tasks:
  stage:
    transfer: {source: "lab:/run{{ run }}/in.txt", target: "scratch:/in.txt"}
  process:
    needs: stage
    command: |
      echo process >> "$LOG"
      test -e "$LOG.quick" || sleep {{ delay }}
      tr a-z A-Z < "$SCRATCH/in.txt" > "$SCRATCH/out.txt"
      echo "lines=$(wc -l < "$SCRATCH/out.txt")" >> "$WHERRY_OUTPUTS"
    outputs: [lines]
  keep:
    needs: process
    transfer: {source: "scratch:/out.txt", target: "lab:/run{{ run }}/{{ tasks.process.lines }}.txt"}
  clean:
    needs: keep
    foreach: [in.txt, out.txt]
    delete: "scratch:/{{ item }}"
"""


class Flow(WherryTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.store = self.endpoint("scratch")
        self.write(self.lab / "run42" / "in.txt", b"one\ntwo\n")

    def flow_file(self, text, name="pipeline.yml"):
        path = self.work / name
        path.write_text(text % {"scratch": self.store, "work": self.work} if "%(" in text else text)
        return name

    def states(self, flow="pipeline"):
        return {row["task"]: row["state"] for row in self.wherry_json("flow", "status", flow)["DATA"]}

    def lines_of_log(self):
        log = self.work / "log"
        return log.read_text().split() if log.exists() else []

    def test_stages_processes_brings_home_and_cleans_up(self):
        file = self.flow_file(PIPELINE)
        self.wherry("flow", "check", file)
        planned = self.wherry("flow", "run", file, "--dry-run")
        self.assertIn("lab:/run42/in.txt -> scratch:/in.txt", planned)
        self.assertIn("known when 'process' is done", planned)
        self.assert_nothing_stored()
        done = self.run_wherry("flow", "run", file)
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("process: SUCCEEDED: lines=2", done.err)
        self.assertEqual((self.lab / "run42" / "2.txt").read_bytes(), b"ONE\nTWO\n")
        self.assertEqual(self.tree(self.store), {})
        self.assertEqual(set(self.states().values()), {"SUCCEEDED"})
        shown = self.wherry_json("flow", "show", "pipeline")
        self.assertEqual((shown["run"], shown["state"], shown["params"]["run"]), (1, "SUCCEEDED", "42"))
        self.refused(1, "flow", "run", file, "--resume", says="it has succeeded")
        listed = self.wherry_json("flow", "ls")["DATA"]
        self.assertEqual([(row["flow"], row["state"]) for row in listed], [("pipeline", "SUCCEEDED")])

    def test_a_failing_stage_protects_the_source_and_resume_goes_on(self):
        file = self.flow_file("""
tasks:
  out: {transfer: {source: "lab:/run42", target: "scratch:/run42", recursive: true}}
  check: {needs: out, command: "test -e %(work)s/ready"}
  clean: {needs: check, delete: {path: "lab:/run42", recursive: true, cleanup: verified}}
""")
        failed = self.run_wherry("flow", "run", file)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("wherry: check failed: it exited with code 1", failed.err)
        self.assertIn("--resume", failed.err)
        self.assertEqual(self.states(), {"out": "SUCCEEDED", "check": "FAILED", "clean": "BLOCKED"})
        self.assertTrue((self.lab / "run42" / "in.txt").exists())
        self.assertEqual(len(self.tasks()), 1)
        (self.work / "ready").touch()
        self.wherry("flow", "run", file, "--resume")
        self.assertFalse((self.lab / "run42").exists())
        self.assertEqual((self.store / "run42" / "in.txt").read_bytes(), b"one\ntwo\n")
        self.assertEqual([task["type"] for task in self.tasks()].count("TRANSFER"), 1)

    def test_what_changed_after_its_copy_is_not_cleaned_up(self):
        file = self.flow_file("""
tasks:
  out: {transfer: {source: "lab:/run42", target: "scratch:/run42", recursive: true}}
  meddle: {needs: out, command: "echo more >> %(scratch)s/../lab/run42/in.txt"}
  clean: {needs: meddle, delete: {path: "lab:/run42", recursive: true, cleanup: verified}}
""")
        failed = self.run_wherry("flow", "run", file)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("nothing was deleted: '/run42/in.txt' has 13 bytes, and had 8", failed.err)
        self.assertTrue((self.lab / "run42" / "in.txt").exists())

    def test_killed_in_the_middle_it_is_resumed_and_does_nothing_twice(self):
        file = self.flow_file(PIPELINE)
        process = self.start("flow", "run", file, "--param", "delay=60")
        self.wait_until(lambda: self.lines_of_log() == ["process"] or process.poll() is not None, "the command runs")
        self.assertIsNone(process.poll())
        self.refused(1, "flow", "run", file, "--resume", says="is being run by process")
        process.kill()
        process.wait()
        self.assertEqual(self.wherry_json("flow", "ls")["DATA"][0]["state"], "INTERRUPTED")
        self.assertEqual(self.states()["process"], "RUNNING")
        (self.work / "log.quick").touch()
        self.wherry("flow", "run", file, "--resume")
        self.assertEqual(set(self.states().values()), {"SUCCEEDED"})
        self.assertEqual(self.lines_of_log(), ["process", "process"])  # begun again, as it died with its program
        self.assertEqual([task["type"] for task in self.tasks()].count("TRANSFER"), 2)

    def test_killed_at_any_moment_it_comes_to_its_end(self):
        file = self.flow_file(PIPELINE)
        for delay in (0.02, 0.05, 0.1, 0.2, 0.4):
            process = self.start("flow", "run", file)
            time.sleep(delay)
            process.kill()
            process.wait()
            runs = self.wherry_json("flow", "ls")["DATA"]
            if not runs or runs[0]["state"] == "SUCCEEDED":
                continue
            before = len(self.tasks())
            self.wherry("flow", "run", file, "--resume")
            self.assertEqual(set(self.states().values()), {"SUCCEEDED"})
            self.assertEqual((self.lab / "run42" / "2.txt").read_bytes(), b"ONE\nTWO\n")
            self.assertEqual(self.tree(self.store), {})
            self.assertLessEqual(len(self.tasks()) - before, 4)
        by_run = {}
        for task in self.tasks():
            by_run.setdefault(task["label"], []).append(task)
        runs = len(self.wherry_json("flow", "ls")["DATA"])
        for label, tasks in by_run.items():
            self.assertLessEqual(len(tasks), runs, label)

    def test_ctrl_c_interrupts_and_cancel_ends(self):
        file = self.flow_file("tasks: {wait: {command: sleep 60}, after: {needs: wait, command: 'true'}}")
        process = self.start("flow", "run", file)
        self.wait_until(lambda: process.poll() is not None or
                        self.run_wherry("flow", "status").out.count("RUNNING") == 2, "the command runs")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"--resume", err)
        self.assertIn("INTERRUPTED", self.wherry("flow", "ls"))
        self.wherry("flow", "cancel", "pipeline")
        self.assertEqual(self.states(), {"wait": "CANCELLED", "after": "CANCELLED"})
        self.refused(1, "flow", "cancel", "1", says="has ended")

    def test_another_process_cancels_a_running_one(self):
        file = self.flow_file("tasks: {wait: {command: sleep 60}}")
        process = self.start("flow", "run", file)
        self.wait_until(lambda: process.poll() is not None or
                        self.run_wherry("flow", "status").out.count("RUNNING") == 2, "the command runs")
        self.assertIn("has been asked to end", self.wherry("flow", "cancel", "pipeline"))
        process.wait(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.states(), {"wait": "CANCELLED"})

    def test_bad_files_are_told_with_line_and_word(self):
        for text, said in [
                ("tasks:\n  a: {comand: x}\n", "line 2: there is no 'comand' in 'a'"),
                ("tasks:\n  a: {command: x, needs: b}\n  b: {command: x, needs: a}\n", "a needs b needs a"),
                ("tasks: {a: {command: 'echo {{ x }}'}}", "there is no 'x'"),
                ("tasks: {a: {command: x, executor: cluster}}", "there is no executor 'cluster'"),
                ("tasks: {a: {delete: {path: 'lab:/', recursive: true}}}", "would delete everything"),
                ("tasks: [", "line 1"), ("", "the flow has no tasks"),
        ]:
            for command in (["check"], ["run"]):
                complaint = self.refused(2, "flow", *command, self.flow_file(text), says=said)
                self.assertIn("pipeline.yml", complaint)
        self.refused(1, "flow", "check", "missing.yml", says="missing.yml")
        file = self.flow_file("params: {x: }\ntasks: {a: {command: 'echo {{ x }}'}}")
        self.refused(2, "flow", "run", file, says="wants the parameter 'x'")
        self.refused(2, "flow", "run", file, "--param", "y=1", says="has no parameter 'y'")
        self.refused(2, "flow", "run", file, "--resume", "--param", "x=1", says="--resume goes on with")
        self.refused(1, "flow", "run", file, "--resume", says="nothing to resume")
        self.refused(1, "flow", "status", "nothing", says="no flow 'nothing' has been run")
        self.refused(1, "flow", "status", says="no flow has been run")
        self.refused(1, "flow", "cancel", "7", says="there is no run 7")

    def test_the_sample_is_right_and_graphs_are_drawn(self):
        (self.work / "sample.yml").write_text(self.wherry("flow", "sample"))
        self.wherry("flow", "check", "sample.yml")
        self.assertIn('"stage" -> "count" [style=dashed];', self.wherry("flow", "graph", "sample.yml"))
        svg = self.wherry("flow", "graph", "sample.yml", "--as", "svg")
        self.assertTrue(svg.startswith("<svg ") and svg.rstrip().endswith("</svg>"))


if __name__ == "__main__":
    unittest.main()
