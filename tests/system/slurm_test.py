# SPDX-License-Identifier: Apache-2.0
"""Jobs in allocations of a real Slurm (tests/system/slurm.py): data staged in, run by a launcher that sbatch
starts, staged out; and what becomes of jobs whose time is over, whose node is lost, or who are cancelled."""

import gzip
import pathlib
import sys

import slurm
from harness import json, os, signal, unittest

SETTINGS = """\
transfers:
  transfer_locations:
    lab: wherry://lab
    archive: wherry://archive
  service_period: 1
launcher:
  run_locally: false
  idle_time: 1s
"""

COMPRESS = """\
command: gzip -n -c input.dat > result.gz; echo "$SLURM_JOB_ID $SLURMD_NODENAME" > where
transfers:
  input: {direction: in, local_path: input.dat}
  result: {direction: out, local_path: result.gz}
resources: {node_packing_count: 2}
"""

# Its first run does not end by itself.
TWICE = """\
command: |
  echo run >> runs
  [ $(wc -l < runs) -gt 1 ] || exec sleep 1000
"""


class SlurmSiteTest(slurm.SlurmTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.archive = self.endpoint("archive")
        self.site = self.scratch / "site"
        self.wherry("site", "init", str(self.site), "-n", "cluster")
        (self.site / "settings.yml").write_text(SETTINGS)
        (self.site / "apps" / "compress.yml").write_text(COMPRESS)
        (self.site / "apps" / "twice.yml").write_text(TWICE)
        self.wherry("site", "sync", "cluster")

    def start_site(self):
        self.wherry("site", "start", "cluster", "--detach")
        self.addCleanup(self.run_wherry, "site", "stop", "cluster")

    def submit(self, *options):
        """Answers the number of the batch job."""
        done = self.run_wherry("queue", "submit", "--site", "cluster", "--format", "json", *options)
        self.assertEqual(done.returncode, 0, done.err)
        return json.loads(done.out)["id"]

    def create(self, app, name, *options):
        self.wherry("job", "create", "--site", "cluster", "-a", app, "-w", name, *options)
        return max(job["id"] for job in self.wherry_json("job", "ls", "--site", "cluster")["DATA"])

    def create_compressions(self, count):
        for number in range(count):
            name = f"file{number}"
            self.write(self.lab / f"{name}.dat", name.encode() * 1000)
            self.create("compress", name, "-s", f"input=lab:/{name}.dat", "-s", f"result=archive:/{name}.gz")

    def batch_job(self, number):
        rows = self.wherry_json("queue", "ls", "--site", "cluster", "--history")["DATA"]
        return next(row for row in rows if row["id"] == number)

    def job(self, number):
        return self.wherry_json("job", "show", str(number))

    def states_of(self, number):
        """All that a job went through."""
        rows = self.wherry_json("job", "events", str(number))["DATA"]
        return [row["to_state"] for row in sorted(rows, key=lambda row: row["id"])]

    def wait_for_state(self, batch_job, state):
        self.wait_until(lambda: self.batch_job(batch_job)["state"] == state,
                        f"batch job {batch_job} is {state}: {self.batch_job(batch_job)}\n{self.logs()}")

    def wait_for_jobs(self):
        done = self.run_wherry("job", "wait", "--all", "--site", "cluster", "--timeout", "100")
        self.assertEqual(done.returncode, 0, f"{done.out}{done.err}{self.logs()}")

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
                         for path in sorted((self.site / "log").iterdir())) + self.cluster.logs()

    def runs(self, name):
        path = self.site / "data" / name / "runs"
        return path.read_text().count("run") if path.exists() else 0

    def assert_compressed(self, count):
        for number in range(count):
            name = f"file{number}"
            self.assertEqual(gzip.decompress((self.archive / f"{name}.gz").read_bytes()), name.encode() * 1000)

    def nodes_used(self, count):
        return {(self.site / "data" / f"file{number}" / "where").read_text().split()[1] for number in range(count)}


class InAllocations(SlurmSiteTest):
    def test_data_is_staged_in_jobs_run_on_all_nodes_and_results_are_staged_out(self):
        self.start_site()
        self.create_compressions(8)
        number = self.submit("-n", "2", "-t", "5")
        self.wait_for_jobs()
        self.assert_compressed(8)
        self.assertEqual(self.nodes_used(8), {"n1", "n2"})
        jobs = self.wherry_json("job", "ls", "--site", "cluster", "--batch-job", str(number))["DATA"]
        self.assertEqual({job["state"] for job in jobs}, {"JOB_FINISHED"})
        self.assertEqual(len(jobs), 8)
        self.wait_for_state(number, "finished")  # by itself: there is nothing more to do
        row = self.batch_job(number)
        self.assertEqual(self.cluster.jobs()[row["scheduler_id"]], "COMPLETED")
        self.assertTrue(row["start_time"] and row["end_time"])
        self.assertEqual(self.wherry_json("queue", "ls", "--site", "cluster")["DATA"], [])

    def test_what_slurm_refuses_is_told_in_its_words(self):
        self.start_site()
        number = self.submit("-q", "nowhere")
        self.wait_for_state(number, "submit_failed")
        self.assertIn("nvalid partition", self.batch_job(number)["status_info"])

    def test_a_batch_job_that_is_cancelled_frees_its_jobs(self):
        self.start_site()
        job = self.create("twice", "cancelled")
        number = self.submit("-t", "5")
        self.wait_until(lambda: self.runs("cancelled") == 1, "the job runs")
        self.wherry("queue", "term", self.batch_job(number)["scheduler_id"])
        self.wait_for_state(number, "finished")
        self.wait_until(lambda: self.job(job)["state"] == "RESTART_READY", "the job can run again")
        self.assertIn("RUN_TIMEOUT", self.states_of(job))
        self.refused(1, "queue", "term", str(number), says="has ended")

    def test_a_launcher_on_another_host_does_not_open_the_database(self):
        self.refused(1, "queue", "launch", "--site", "cluster", "--only-on", "elsewhere", says="docs/howto/slurm.md")


class Endings(SlurmSiteTest):
    def test_jobs_go_on_elsewhere_when_their_time_is_over_or_their_node_is_lost(self):
        self.start_site()
        late = self.create("twice", "late", "--tag", "batch=late")
        lost = self.create("twice", "lost", "--tag", "batch=lost")
        late_batch = self.submit("-t", "1", "--tag", "batch=late")
        lost_batch = self.submit("-t", "30", "--tag", "batch=lost")
        self.wait_until(lambda: self.runs("late") == self.runs("lost") == 1, f"both run {self.logs()}")

        answer = self.cluster.call("squeue", "--noheader", "--format=%N",
                                   f"--jobs={self.batch_job(lost_batch)['scheduler_id']}")
        node = answer.stdout.strip()
        self.cluster.lose_node(node)
        self.wait_until(lambda: "RUN_TIMEOUT" in self.states_of(lost), f"the loss is noticed {self.logs()}")
        self.wait_for_state(lost_batch, "finished")
        self.assertIn("NODE_FAIL", self.batch_job(lost_batch)["status_info"])

        self.wait_until(lambda: "RUN_TIMEOUT" in self.states_of(late), f"its time is over {self.logs()}")
        events = self.wherry_json("job", "events", str(late))["DATA"]
        (ended,) = [row for row in events if row["to_state"] == "RUN_TIMEOUT"]
        self.assertEqual(ended["message"], "the allocation ends")
        self.wait_for_state(late_batch, "finished")
        self.assertEqual(self.cluster.jobs()[self.batch_job(late_batch)["scheduler_id"]], "COMPLETED",
                         "the launcher was quicker than Slurm")

        self.cluster.start_node(node)
        self.cluster.wait(lambda: self.cluster.states()[node] == "idle", "the node is back")
        self.submit("-n", "2", "-t", "5")
        self.wait_for_jobs()
        for job, name in ((late, "late"), (lost, "lost")):
            self.assertEqual(self.job(job)["state"], "JOB_FINISHED")
            self.assertEqual(self.runs(name), 2)


class NodesThatAreOtherHosts(SlurmSiteTest):
    """As on most clusters: the nodes' own launcher must not open the database, so it runs here."""

    def setUp(self):
        super().setUp()
        # What a batch script is told about its host; programs ask the kernel.
        disguise = self.scratch / "bin"
        self.write(disguise / "uname", b"#!/bin/sh\necho \"$SLURMD_NODENAME\"\n").chmod(0o755)
        self.environment["PATH"] = f"{disguise}:{self.environment['PATH']}"

    def launcher_of(self, number):
        """The process that launches jobs for a batch job."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                variables = (entry / "environ").read_bytes()
            except OSError:
                continue
            if (b"--outside-of" in words and words[words.index(b"--batch-job") + 1] == str(number).encode() and
                    b"WHERRY_STATE_DIR=" + os.fsencode(self.scratch) in variables):
                return int(entry.name)
        return None

    def test_jobs_are_started_on_the_nodes_from_outside(self):
        self.start_site()
        self.create_compressions(6)
        number = self.submit("-n", "2", "-t", "5")
        self.wait_for_jobs()
        self.assert_compressed(6)
        self.assertEqual(self.nodes_used(6), {"n1", "n2"})
        self.wait_for_state(number, "finished")  # given back when nothing was left to do
        self.assertEqual(self.cluster.jobs()[self.batch_job(number)["scheduler_id"]], "COMPLETED")

    def test_a_launcher_that_is_killed_takes_its_jobs_with_it_and_gets_a_successor(self):
        self.start_site()
        job = self.create("twice", "twice")
        number = self.submit("-t", "10")
        self.wait_until(lambda: self.runs("twice") == 1, f"the job runs {self.logs()}")
        first = self.launcher_of(number)
        os.kill(first, signal.SIGKILL)
        self.wait_until(lambda: self.launcher_of(number) not in (None, first), f"a successor {self.logs()}")
        # As a rule it finds nothing to run until the death of the first is certain, and gives the nodes back.
        self.wait_for_state(number, "finished")
        self.wait_until(lambda: self.job(job)["state"] in ("RESTART_READY", "JOB_FINISHED"), "the job can run again")
        if self.job(job)["state"] == "RESTART_READY":
            self.assertEqual(self.runs("twice"), 1)
            self.submit("-t", "5")
        self.wait_for_jobs()
        self.assertEqual((self.job(job)["state"], self.runs("twice")), ("JOB_FINISHED", 2))


if __name__ == "__main__":
    if slurm.missing():
        print(f"skipped: not installed: {', '.join(slurm.missing())}; scripts/install-dependencies test")
        sys.exit(77)
    unittest.main()
