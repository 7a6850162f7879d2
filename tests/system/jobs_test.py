# SPDX-License-Identifier: Apache-2.0
"""Sites, apps, jobs and transfer items from the command line, with the process of a site at work.

WHERRY_ACCEPT=1 jobs_test.py   stores what the commands of the transcript answer now; look at the difference
WHERRY_FULL_SIZE=1 jobs_test.py Deaths   kills a site a hundred times while it stages a thousand files
"""

import contextlib
import csv
import gzip
import io
import pathlib
import random
import re
import time

from harness import WherryTest, json, os, signal, subprocess, unittest

TRANSCRIPT = pathlib.Path(__file__).resolve().parent.parent / "data" / "cli" / "jobs.txt"

SETTINGS = """\
transfers:
  transfer_locations:
    lab: wherry://lab
    archive: wherry://archive
  service_period: 1
launcher:
  idle_time: 1s
"""

COMPRESS = """\
command: gzip -n -c -{{ level }} input.dat > result.gz
description: Compresses a file.
parameters:
  level: {default: "6", help: from 1 to 9}
transfers:
  input: {direction: in, local_path: input.dat}
  result: {direction: out, local_path: result.gz}
"""


class JobsTest(WherryTest):
    """A site with two locations, and an app that compresses a file."""

    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.archive = self.endpoint("archive")
        self.site = self.scratch / "site"
        self.wherry("site", "init", str(self.site), "-n", "beamline")
        (self.site / "settings.yml").write_text(SETTINGS)
        (self.site / "apps" / "compress.yml").write_text(COMPRESS)
        self.wherry("site", "sync", "beamline")

    def create(self, name, *options):
        self.wherry("job", "create", "--site", "beamline", "-w", name, "-a", "compress",
                    "-s", f"input=lab:/{name}.dat", "-s", f"result=archive:/{name}.gz", *options)

    def jobs(self, *options):
        return self.wherry_json("job", "ls", "--site", "beamline", *options)["DATA"]

    def items(self, *options):
        return self.wherry_json("transfer-item", "ls", "--site", "beamline", *options)["DATA"]

    def start_site(self):
        self.wherry("site", "start", "beamline", "--detach")
        self.addCleanup(self.run_wherry, "site", "stop", "beamline")

    def log(self):
        return (self.site / "log" / "site.log").read_text(errors="replace")

    def wait(self, *options, code=0):
        done = self.run_wherry("job", "wait", "--site", "beamline", "--timeout", "100", *options)
        self.assertEqual(done.returncode, code, f"{done.out}{done.err}{self.log()[-4000:]}")
        return done


class Sites(JobsTest):
    def test_a_site_is_found_by_number_name_part_of_its_path_and_from_within(self):
        for selector in ("1", "beamline", "/site"):
            self.assertEqual(self.wherry_json("site", "show", selector)["name"], "beamline")
        (self.site / "data" / "run").mkdir()
        self.assertEqual(self.wherry_json("site", "show", cwd=self.site / "data" / "run")["name"], "beamline")
        self.refused(2, "site", "show", says="in no site")
        self.refused(2, "site", "globus-login", "-e", "lab", says=["--endpoint", "lab"])
        self.refused(1, "site", "show", "beamlime", says="beamline")

    def test_init_refuses_what_is_taken_and_goes_on_where_it_was_interrupted(self):
        self.refused(1, "site", "init", str(self.site), "-n", "other", says="beamline")
        self.refused(1, "site", "init", str(self.scratch / "new"), "-n", "beamline", says="already")
        self.assertFalse((self.scratch / "new").exists())
        photos = self.scratch / "photos"
        self.write(photos / "a.jpg")
        self.refused(1, "site", "init", str(photos), "-n", "photos", says="a.jpg")
        half = self.scratch / "half"
        (half / "apps").mkdir(parents=True)
        self.wherry("site", "init", str(half), "-n", "half")
        self.assertTrue((half / "settings.yml").exists())

    def test_the_samples_are_valid(self):
        (self.site / "settings.yml").write_text(self.wherry("site", "sample-settings"))
        (self.site / "apps" / "compress.yml").write_text(self.wherry("app", "sample"))
        changes = {row["what"]: row["change"] for row in self.wherry_json("site", "sync", "beamline")["DATA"]}
        self.assertEqual(changes, {"settings": "changed", "app compress": "changed"})

    def test_a_site_is_named_by_its_directory_however_that_is_written(self):
        self.wherry("site", "init", str(self.scratch / "dash") + "/")
        (self.scratch / "dot").mkdir()
        self.wherry("site", "init", ".", cwd=self.scratch / "dot")
        sites = {row["name"]: row["path"] for row in self.wherry_json("site", "ls")["DATA"]}
        self.assertEqual(sites["dash"], str(self.scratch / "dash"))
        self.assertEqual(sites["dot"], str(self.scratch / "dot"))

    def test_init_with_a_name_that_cannot_be_makes_no_file(self):
        self.refused(2, "site", "init", str(self.scratch / "new"), "-n", "", says="cannot be the name of a site")
        self.assertFalse((self.scratch / "new").exists())

    def test_sync_is_all_or_nothing(self):
        before = self.wherry_json("app", "show", "compress", "--site", "beamline")
        (self.site / "apps" / "compress.yml").write_text(COMPRESS.replace("from 1", "FROM 1"))
        (self.site / "apps" / "bad.yml").write_text("command: x\ntransfer: {}\n")
        self.refused(2, "site", "sync", "beamline", says=["bad.yml", "line 2", "transfers"])
        self.assertEqual(self.wherry_json("app", "show", "compress", "--site", "beamline"), before)
        (self.site / "apps" / "bad.yml").unlink()
        (self.site / "settings.yml").write_text("transfers:\n  transfer_locations: {lab: ftp://x}\n")
        self.refused(2, "site", "sync", "beamline", says=["settings.yml", "line 2"])

    def test_rename_move_and_remove(self):
        self.wherry("site", "rename", "beamline", "P06")
        self.wherry("site", "mv", "P06", str(self.scratch / "moved"))
        self.assertFalse(self.site.exists())
        shown = self.wherry_json("site", "show", "P06")
        self.assertEqual(shown["path"], str(self.scratch / "moved"))
        self.wherry("job", "create", "--site", "P06", "-w", "a", "-a", "compress", "-s", "input=lab:/a",
                    "-s", "result=archive:/a")
        self.refused(1, "site", "rm", "P06", says=["1 job ", "--force"])
        self.wherry("site", "rm", "P06", "--force")
        self.assertEqual(self.wherry_json("site", "ls")["DATA"], [])
        self.assertTrue((self.scratch / "moved" / "settings.yml").exists())

    def test_apps_are_listed_checked_and_removed(self):
        row = next(row for row in self.wherry_json("app", "ls")["DATA"] if row["name"] == "compress")
        self.assertEqual(row["transfers"], ["input: in, required, input.dat", "result: out, required, result.gz"])
        self.assertIn("gzip", self.wherry("app", "ls", "-v"))
        file = self.scratch / "hash.yml"
        file.write_text("command: sha256sum {{ what }}\n")
        self.refused(2, "app", "check", str(file), says=["hash.yml", "what"])
        file.write_text("command: sha256sum {{ what }}\nparameters: {what: {}}\n")
        self.assertEqual(self.wherry_json("app", "check", str(file))["parameters"], ["what"])
        self.create("a")
        self.refused(1, "app", "rm", "compress", "--site", "beamline")
        self.wherry("app", "rm", "compress", "--site", "beamline", "--force")
        self.assertEqual(self.jobs(), [])


class WrongInput(JobsTest):
    """Scenario 7: refused at once, by name of the field, and nothing is stored."""

    def refuse(self, code, *words, says, **options):
        begun = time.monotonic()
        self.refused(code, "job", "create", "--site", "beamline", *words, says=says, **options)
        self.assertLess(time.monotonic() - begun, 30)  # of a busy machine, with sanitizers
        self.assertEqual(self.jobs(), [])
        self.assertEqual(self.items(), [])

    def one(self, workdir="a", app="compress", stage=("input=lab:/a", "result=archive:/a"), *options):
        words = ["-w", workdir, "-a", app, *options]
        for each in stage:
            words += ["-s", each]
        return words

    def test_slots(self):
        self.refuse(2, *self.one(stage=("inptu=lab:/a", "result=archive:/a")), says=["inptu", "input"])
        self.refuse(2, *self.one(stage=("result=archive:/a",)), says="input")
        self.refuse(2, *self.one(stage=("input=lba:/a", "result=archive:/a")), says="lba")
        self.refuse(2, *self.one(stage=("input=lab:a", "result=archive:/a")), says="input")
        self.refuse(2, *self.one(stage=("input", "result=archive:/a")), says="--stage")
        self.refuse(2, *self.one(stage=("input=/a", "result=archive:/a")), says="input")

    def test_apps_parents_and_parameters(self):
        self.refuse(2, *self.one(app="compres"), says=["compres", "compress"])
        self.refuse(2, *self.one("a", "compress", ("input=lab:/a", "result=archive:/a"), "--parent", "99"), says="99")
        self.refuse(2, *self.one("a", "compress", ("input=lab:/a", "result=archive:/a"), "-p", "lvl=1"), says="lvl")
        self.refuse(2, *self.one("a", "compress", ("input=lab:/a", "result=archive:/a"), "-p", "level"), says="--param")
        self.refuse(2, *self.one("a", "compress", ("input=lab:/a", "result=archive:/a"), "-n", "0"), says="num_nodes")
        self.refuse(2, *self.one("a", "compress", ("input=lab:/a", "result=archive:/a"), "--data", "[1"), says="data")
        self.refuse(2, "-a", "compress", says="--workdir")

    def test_work_directories(self):
        for workdir in ("../out", "a/../../out", "/absolute", "x" * 5000):
            self.refuse(2, *self.one(workdir=workdir), says="workdir")

    def test_files_of_jobs_are_taken_whole_or_not_at_all(self):
        good = "workdir,app,stage.input,stage.result\n" + "".join(f"j{n},compress,lab:/a,archive:/{n}\n" for n in range(50))
        for line, says in [("x,nothing,lab:/a,archive:/x\n", "nothing"), ("x,compress,,archive:/x\n", "input"),
                           ("x,compress,nowhere:/a,archive:/x\n", "nowhere"), ("../x,compress,lab:/a,archive:/x\n", "workdir"),
                           ("j3,compress,lab:/a,archive:/x\n", "j3"), ("x,compress\n", "line 52")]:
            self.refuse(2, "--batch", "-", stdin=(good + line).encode(), says=says)
        self.refuse(2, "--batch", "-", stdin=b"workdir,ap\n", says=["line 1", "'app'"])
        self.refuse(2, "--batch", "-", stdin=b'[{"workdir": "a", "apps": "x"}]', says=["job 1", "'app'"])
        self.refuse(2, "--batch", "-", "-w", "x", stdin=b"", says="--workdir")
        self.refuse(1, "--batch", str(self.scratch / "none.csv"), says="none.csv")

    def test_changes_that_the_states_do_not_allow(self):
        self.create("a")
        self.refused(2, "job", "modify", "1", "--state", "RUNNING", says="RUNNING")
        self.refused(2, "job", "modify", "1", "--state", "JOB_FINISHD", says="JOB_FINISHED")
        self.refused(2, "job", "modify", "1", says="nothing to change")
        self.refused(1, "job", "modify", "2", "--tag", "a=b", says="2")
        self.refused(2, "job", "rm", says="--all")
        self.refused(2, "job", "rm", "--all", says="in no site")
        self.refused(2, "job", "show", "x", says="x")
        self.refused(1, "job", "show", "7", says="7")
        self.refused(2, "job", "ls", "--order-by", "size", says="--order-by")
        self.assertEqual([row["state"] for row in self.jobs()], ["READY"])


class Jobs(JobsTest):
    def test_lists_are_filtered_counted_and_ordered(self):
        for number in range(6):
            self.create(f"run/{number}", "--tag", f"odd={number % 2}", "--tag", "all=yes")
        self.wherry("job", "create", "--site", "beamline", "-w", "child", "-a", "compress", "--parent", "1",
                    "--parent", "2", "-s", "input=lab:/a", "-s", "result=archive:/a")
        self.assertEqual([row["id"] for row in self.jobs("--tag", "odd=1", "--tag", "all=yes")], [2, 4, 6])
        self.assertEqual([row["id"] for row in self.jobs("--state", "AWAITING_PARENTS")], [7])
        self.assertEqual([row["id"] for row in self.jobs("--exclude-state", "READY")], [7])
        self.assertEqual([row["id"] for row in self.jobs("--parent", "2")], [7])
        self.assertEqual([row["id"] for row in self.jobs("--workdir", "un/3")], [4])
        self.assertEqual([row["id"] for row in self.jobs("--limit", "2", "--order-by", "-id")], [7, 6])
        self.assertEqual([row["id"] for row in self.jobs("3", "--id", "5")], [3, 5])
        counts = self.wherry_json("job", "ls", "--by-state", "--site", "all")["DATA"]
        self.assertEqual({row["state"]: row["count"] for row in counts}, {"AWAITING_PARENTS": 1, "READY": 6})
        self.assertEqual(len(self.jobs("--app", "compress")), 7)
        self.refused(1, "job", "ls", "--app", "none", says="none")
        self.assertEqual(len(self.items("--direction", "in", "--state", "pending")), 6)
        self.assertEqual(len(self.items("--state", "awaiting_job")), 8)
        self.assertEqual(len(self.items("--location", "archive", "--tag", "odd=0")), 3)
        self.assertEqual(len(self.items("--job", "7", "--direction", "out")), 1)

    def test_thousands_come_from_a_file(self):
        table = io.StringIO()
        rows = csv.writer(table)
        rows.writerow(["workdir", "app", "tag.run", "param.level", "stage.input", "stage.result"])
        for number in range(6000):
            rows.writerow([f"j/{number}", "compress", "1", "1", f"lab:/{number}.dat", f"archive:/{number}.gz"])
        file = self.scratch / "jobs.csv"
        file.write_text(table.getvalue())
        self.assertIn("6000 jobs", self.wherry("job", "create", "--site", "beamline", "--batch", str(file)))
        self.assertEqual(len(self.jobs("--tag", "run=1")), 6000)
        documents = [{"workdir": f"k/{number}", "app": "compress", "tags": {"run": "2"}, "num_nodes": 2,
                      "transfers": {"input": "lab:/a", "result": {"location_alias": "archive", "path": f"/{number}"}}}
                     for number in range(10)]
        self.wherry("job", "create", "--site", "beamline", "--batch", "-", stdin=json.dumps(documents).encode())
        self.assertEqual([row["workdir"] for row in self.jobs("--tag", "run=2")][:2], ["k/0", "k/1"])
        self.assertEqual(self.wherry_json("job", "show", "6001")["num_nodes"], 2)

    def test_removing_and_changing_tags(self):
        self.create("a", "--tag", "x=1")
        self.create("b")
        self.wherry("job", "modify", "1", "2", "--tag", "x=2", "--data", '{"k": 1}')
        self.assertEqual([row["tags"] for row in self.jobs()], [{"x": "2"}] * 2)
        self.wherry("job", "rm", "--tag", "x=2", "--workdir", "a", "--site", "beamline")
        self.assertEqual([row["workdir"] for row in self.jobs()], ["b"])
        self.wherry("job", "rm", "--all", cwd=self.site)
        self.assertEqual(self.items(), [])

    def test_a_job_that_is_cancelled_can_go_on(self):
        self.create("a")
        self.wherry("job", "cancel", "1")
        self.assertEqual(self.jobs()[0]["state"], "FAILED")
        self.refused(1, "job", "cancel", "1", says="job 1")
        self.wherry("job", "retry", "--all", "--site", "beamline")
        self.assertEqual(self.jobs()[0]["state"], "READY")
        self.refused(1, "job", "wait", "1", "--timeout", "0.1", says=["1 job has not ended", "wherry site start"])


class Running(JobsTest):
    def test_data_arrives_before_a_job_and_leaves_after_it(self):
        content = os.urandom(3000) + bytes(50000)
        for name in ("a", "with space", "colon:x", "quote'\"x"):
            self.write(self.lab / f"{name}.dat", content)
            self.create(name, "-p", "level=9")
        self.start_site()
        self.wait("--all")
        for name in ("a", "with space", "colon:x", "quote'\"x"):
            self.assertEqual(gzip.decompress((self.archive / f"{name}.gz").read_bytes()), content)
        self.assertEqual({row["state"] for row in self.jobs()}, {"JOB_FINISHED"})
        self.assertEqual({row["state"] for row in self.items()}, {"done"})
        states = [row["to_state"] for row in self.wherry_json("job", "events", "1")["DATA"] if row["item_id"] is None]
        for earlier, later in zip(["READY", "STAGED_IN", "PREPROCESSED", "RUNNING", "RUN_DONE", "POSTPROCESSED",
                                   "STAGED_OUT"], ["STAGED_IN", "PREPROCESSED", "RUNNING", "RUN_DONE", "POSTPROCESSED",
                                                   "STAGED_OUT", "JOB_FINISHED"]):
            self.assertLess(states.index(earlier), states.index(later), states)

    # B4; B18: no command showed transfers and their errors.
    def test_one_missing_input_fails_its_job_alone_and_is_repaired_by_retry(self):
        for name in ("a", "b", "c"):
            self.create(name)
        for name in ("a", "c"):
            self.write(self.lab / f"{name}.dat")
        self.start_site()
        done = self.wait("--all", code=1)
        self.assertIn("job 2", done.err)
        self.assertEqual({row["id"]: row["state"] for row in self.jobs()},
                         {1: "JOB_FINISHED", 2: "FAILED", 3: "JOB_FINISHED"})
        (item,) = self.items("--state", "error", "--direction", "in")
        self.assertIn("FILE_NOT_FOUND", item["error"])
        self.assertIn("FILE_NOT_FOUND", self.wherry("job", "show", "2"))
        self.write(self.lab / "b.dat")
        self.wherry("transfer-item", "retry", "--job", "2")
        self.wait("2")
        self.assertTrue((self.archive / "b.gz").exists())

    def test_children_wait_for_their_parents(self):
        self.write(self.lab / "a.dat")
        self.create("a")
        self.wherry("job", "create", "--site", "beamline", "-w", "child", "-a", "compress", "--parent", "1",
                    "-s", "input=archive:/a.gz", "-s", "result=archive:/twice.gz")
        self.start_site()
        self.wait("--all")
        once = gzip.decompress((self.archive / "twice.gz").read_bytes())
        self.assertEqual(gzip.decompress(once), b"content")

    def test_a_command_that_fails_fails_its_job_and_says_so(self):
        (self.site / "apps" / "bad.yml").write_text("command: echo trouble >&2; exit 3\n")
        self.wherry("site", "sync", "beamline")
        self.start_site()
        self.wherry("job", "create", "-w", "bad", "-a", "bad", cwd=self.site)
        self.wait("--all", code=1)
        shown = self.wherry_json("job", "show", "1")
        self.assertEqual((shown["state"], shown["return_code"]), ("FAILED", 3))
        self.assertIn("trouble", (self.site / "data" / "bad" / "job.out").read_text())

    def test_start_stop_and_what_they_say(self):
        self.assertIn("No process runs", self.wherry("site", "stop", "beamline"))
        self.start_site()
        shown = self.wherry_json("site", "show", "beamline")
        self.assertEqual(shown["state"], "running")
        self.refused(1, "site", "start", "beamline", "--detach", says="process ")
        self.refused(1, "site", "rm", "beamline", says="wherry site stop beamline")
        self.assertEqual([row["name"] for row in self.wherry_json("site", "ls")["DATA"]], ["beamline"])
        self.wherry("job", "ls", "--site", "active")
        self.wherry("site", "stop", "beamline")
        self.assertEqual(self.wherry_json("site", "show", "beamline")["state"], "stopped")
        self.refused(1, "job", "ls", "--site", "active", says="no site is active")

    def test_ctrl_c_ends_a_site_in_an_orderly_way(self):
        process = self.start("site", "start", "beamline")
        self.wait_until(lambda: self.wherry_json("site", "show", "beamline")["state"] == "running", "it runs")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.wherry_json("site", "show", "beamline")["state"], "stopped")


class Deaths(JobsTest):
    """Scenario 5 with real deaths: a site is killed again and again while it stages."""

    JOBS, KILLS = (1000, 100) if os.environ.get("WHERRY_FULL_SIZE") else (60, 6)
    BATCH = 7

    def setUp(self):
        super().setUp()
        settings = SETTINGS.replace("  service_period", f"  transfer_batch_size: {self.BATCH}\n  service_period")
        (self.site / "settings.yml").write_text(settings.replace("launcher:\n", "launcher:\n  run_locally: false\n"))
        (self.site / "apps" / "look.yml").write_text("command: cat input\ntransfers: {data: {direction: in, local_path: input}}\n")
        begun = time.monotonic()
        self.wherry("site", "sync", "beamline")
        self.pace = time.monotonic() - begun  # of a command, under whatever sanitizer

    def live_and_die(self, seconds):
        process = self.start("site", "start", "beamline")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self.end(process)

    def test_every_file_is_moved_once_however_often_the_site_dies(self):
        table = "workdir,app,stage.data\n"
        for number in range(self.JOBS):
            self.write(self.lab / f"{number}.dat", b"content %d" % number)
            table += f"{number},look,lab:/{number}.dat\n"
        self.wherry("job", "create", "--site", "beamline", "--batch", "-", stdin=table.encode())
        seed = int(os.environ.get("WHERRY_SEED") or random.randrange(10**6))
        print(f"WHERRY_SEED={seed}", flush=True)
        chance = random.Random(seed)
        for _ in range(self.KILLS):
            self.live_and_die(self.pace * chance.uniform(0.3, 4))
        self.start_site()
        self.wait_until(lambda: {row["state"] for row in self.jobs()} == {"PREPROCESSED"}, "all is staged in")
        for number in range(self.JOBS):
            self.assertEqual((self.site / "data" / str(number) / "input").read_bytes(), b"content %d" % number)
        self.assertEqual({row["attempts"] for row in self.items()}, {1})
        tasks = self.tasks()
        self.assertEqual({task["status"] for task in tasks}, {"SUCCEEDED"})
        self.assertEqual(sum(task["files"] for task in tasks), self.JOBS)


class Transcript(JobsTest):
    """What the commands answer, word for word: numbers and names are the same in every run."""

    def answers(self):
        self.write(self.lab / "a.dat")
        self.write(self.lab / "b.dat")
        self.told = ""
        self.tell("site", "ls", "--format", "json")
        self.tell("site", "sync", "beamline")
        self.tell("app", "show", "compress", "--site", "beamline")
        self.tell("job", "create", "--site", "beamline", "-w", "run/a", "-a", "compress", "--tag", "run=42",
                  "-p", "level=9", "-s", "input=lab:/a.dat", "-s", "result=archive:/a.gz")
        self.tell("job", "create", "--site", "beamline", "-w", "run/b", "-a", "compress", "--parent", "1",
                  "-s", "input=lab:/none.dat", "-s", "result=archive:/b.gz", "--format", "json")
        self.tell("job", "ls")
        self.tell("transfer-item", "ls")
        self.start_site()
        self.wait("--all", code=1)
        self.wherry("site", "stop", "beamline")
        self.tell("job", "wait", "--all", "--site", "beamline")
        self.tell("job", "ls", "-v", "--format", "json")
        self.tell("job", "show", "1")
        self.tell("job", "show", "2")
        self.tell("transfer-item", "ls", "--format", "json")
        self.tell("transfer-item", "show", "3")
        self.tell("site", "show", "beamline")
        return self.told

    def tell(self, *words):
        done = self.run_wherry(*words)
        text = (done.out + done.err).replace(str(self.scratch), "<scratch>")
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<task>", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "<time>", text)
        text = re.sub(r" +\n", "\n", text)
        self.told += f"$ wherry {' '.join(words)}\n{text}"
        if done.returncode != 0:
            self.told += f"(exit code {done.returncode})\n"
        self.told += "\n"

    def test_each_answer_is_the_stored_one(self):
        told = self.answers()
        if os.environ.get("WHERRY_ACCEPT"):
            TRANSCRIPT.parent.mkdir(parents=True, exist_ok=True)
            TRANSCRIPT.write_text(told)
            self.skipTest(f"stored {TRANSCRIPT}")
        self.maxDiff = None
        self.assertMultiLineEqual(told, TRANSCRIPT.read_text())


if __name__ == "__main__":
    unittest.main()
