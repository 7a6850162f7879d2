# SPDX-License-Identifier: Apache-2.0
"""Flows against a `wherry serve`: stage, process, bring home, clean up; the client killed, the service killed, and cancel."""

from harness import signal, unittest
from two_wherrys import TwoWherrys

FLOW = """
tasks:
  stage: {transfer: {source: "lab:/%(input)s", target: "archive:/work/in"}}
  process:
    needs: stage
    directory: %(archive)s/work
    command: |
      cksum < in > sum
      echo "size=$(wc -c < in)" >> "$WHERRY_OUTPUTS"
    outputs: [size]
  keep:
    needs: process
    transfer: {source: "archive:/work/sum", target: "lab:/sum-{{ tasks.process.size }}", cleanup: verified}
  clean: {needs: [keep, keep.cleanup], delete: {path: "archive:/work", recursive: true}}
"""


class FlowElsewhere(TwoWherrys):
    def flow_file(self, name, size=200_000):
        self.write(self.lab_files / name, bytes(size))
        (self.work / "far.yml").write_text(FLOW % {"input": name, "archive": self.archive_files})
        self.size = size
        return "far.yml"

    def slow_flow_file(self):
        """A flow whose first transfer takes seconds."""
        self.at_service("endpoint", "update", self.archive, "--bandwidth", "4MB")
        return self.flow_file("big", 12_000_000)

    def states(self):
        return {row["task"]: row["state"] for row in self.wherry_json("flow", "status", "far")["DATA"]}

    def begin(self, file, *options):
        process = self.start("flow", "run", file, *options)
        self.wait_until(lambda: process.poll() is not None or self.tasks() != [], "the service has the task")
        self.assertIsNone(process.poll())
        return process

    def check_done(self):
        self.assertEqual(set(self.states().values()), {"SUCCEEDED"})
        self.assertTrue((self.lab_files / f"sum-{self.size}").exists())
        self.assertEqual(self.tree(self.archive_files), {})
        kinds = [(task["type"], task["label"]) for task in self.tasks()]
        self.assertEqual(sorted(kinds), [("DELETE", "far: clean"), ("DELETE", "far: keep.cleanup"),
                                         ("TRANSFER", "far: keep"), ("TRANSFER", "far: stage")])

    def test_stages_processes_brings_home_and_cleans_up(self):
        self.wherry("flow", "run", self.flow_file("small"))
        self.check_done()
        self.assertEqual(self.wherry_json("flow", "show")["service"], self.url)

    def test_a_client_that_is_killed_is_taken_up_and_nothing_is_sent_twice(self):
        process = self.begin(self.slow_flow_file())
        process.kill()
        process.wait()
        self.assertIn("interrupted; --resume takes it up", self.wherry("flow", "status"))
        service = self.environment.pop("WHERRY_SERVICE")
        self.refused(2, "flow", "run", "far.yml", "--resume", says=f"--service {service}")
        self.environment["WHERRY_SERVICE"] = service
        self.wherry("flow", "run", "far.yml", "--resume")
        self.check_done()

    def test_a_service_that_is_away_is_waited_for_and_the_user_is_told(self):
        process = self.begin(self.slow_flow_file())
        self.kill_server()
        self.wait_until(lambda: "waits: " in self.wherry("flow", "status") or process.poll() is not None, "it is told")
        self.assertIsNone(process.poll(), process.poll() is not None and process.communicate())
        self.assertEqual(self.states()["stage"], "RUNNING")
        self.serve()
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn(b"stage: RUNNING: waits: ", err)
        self.check_done()

    def test_ctrl_c_leaves_the_task_to_the_service_and_cancel_ends_it(self):
        self.at_service("endpoint", "update", self.archive, "--bandwidth", "1MB")
        process = self.begin(self.flow_file("big", 60_000_000))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(f"--resume --service {self.url}".encode(), err)
        self.assertEqual([task["status"] for task in self.tasks()], ["ACTIVE"])
        self.assertIn("is cancelled", self.wherry("flow", "cancel", "far"))
        self.assertEqual(set(self.states().values()), {"CANCELLED"})
        self.assertEqual([(task["label"], task["status"]) for task in self.tasks()], [("far: stage", "FAILED")])
        self.assertEqual((self.lab_files / "big").stat().st_size, 60_000_000)


if __name__ == "__main__":
    unittest.main()
