# SPDX-License-Identifier: Apache-2.0
"""One Wherry works against another through a network that loses, cuts and invents answers.

faults_test.py [--seeds N] [--jobs N]    seeds 1 to N, several at a time
faults_test.py --seed N [TEST...]        one of them

Whatever happened, each command ends as it would have on a good network, every submission is one
task, files are the same byte for byte, and nobody is told a secret.
"""

import argparse
import concurrent.futures
import shutil
import subprocess
import sys
import unittest

import fault_proxy
from two_wherrys import ThroughFaults


class Faults(ThroughFaults):
    def setUp(self):
        super().setUp()
        self.source = self.lab_files / "run"

    def check(self):
        done = self.proxy.faults()
        self.assertGreater(sum(done.values()), sum(done.get(fault, 0) for fault in fault_proxy.HARMLESS), done)
        self.assert_each_submission_is_one_task()
        self.assert_nothing_moved_twice()
        self.assert_no_secret_was_told()


class Commands(Faults):
    def test_transfers_and_deletes(self):
        self.fill(self.source, 21)
        self.wherry("transfer", "lab:/run/d1/file 1", "archive:/one")
        self.assertEqual((self.archive_files / "one").read_bytes(), (self.source / "d1/file 1").read_bytes())
        self.wherry("transfer", "lab:/run", "archive:/copy", "--recursive")
        self.assert_same(self.source, self.archive_files / "copy")
        batch = "".join(f"'d{i % 7}/file {i}' {i}\n" for i in range(21))
        self.wherry("transfer", "lab:/run", "archive:/batch", "--batch", "-", stdin=batch.encode())
        self.assertEqual(self.tree(self.archive_files / "batch"),
                         {str(i): (self.source / f"d{i % 7}/file {i}").read_bytes() for i in range(21)})
        submission = self.wherry("task", "generate-submission-id").strip()
        for _ in range(2):
            self.wherry("transfer", "lab:/run/d2/file 2", "archive:/two", "--submission-id", submission)
        self.wherry("rm", "--recursive", "archive:/copy/d2")
        self.wherry("delete", "archive:/one")
        self.assertFalse((self.archive_files / "copy/d2").exists() or (self.archive_files / "one").exists())
        self.assertTrue((self.archive_files / "copy/d3").exists())
        self.refused(1, "rm", "archive:/missing")
        self.refused(1, "transfer", "lab:/missing", "archive:/missing")
        self.assertEqual(len(self.stored_tasks()), 6)
        self.check()

    def test_files_and_tasks(self):
        self.fill(self.source, 14)
        self.wherry("mkdir", "archive:/new")
        self.wherry("rename", "lab:/run/d1", "lab:/run/renamed")
        self.assertEqual(sorted(self.wherry("ls", "lab:/run/renamed").split("\n")), ["", "file 1", "file 8"])
        self.assertEqual(self.wherry_json("stat", f"{self.lab}:/run/renamed/file 8")["size"], 8 * 37)
        self.refused(1, "ls", "lab:/run/d1")
        self.refused(1, "ls", "nowhere:/", says="endpoint search")
        done = self.wherry_json("transfer", "lab:/run", "archive:/run", "--recursive", "--detach")["task_id"]
        self.wherry("task", "wait", done)
        self.assertIn("file 13", self.wherry("task", "show", done, "--successful-transfers"))
        self.assertIn("SUCCEEDED", self.wherry("task", "event-list", done))
        slow = self.wherry_json("transfer", f"lab:/{self.make_slow()}", "archive:/big", "--detach")["task_id"]
        self.wherry("task", "update", slow, "--label", "slow")
        self.refused(7, "task", "wait", slow, "--timeout", "0.1", "--timeout-exit-code", "7")
        self.wherry("task", "cancel", slow)
        self.assertEqual(self.run_wherry("task", "wait", slow).returncode, 1)
        shown = self.wherry_json("task", "show", slow)
        self.assertEqual((shown["status"], shown["fatal_error_code"], shown["label"]), ("FAILED", "CANCELED", "slow"))
        self.assertEqual({task["task_id"] for task in self.tasks()}, {done, slow})
        self.assertFalse((self.archive_files / "big").exists())
        self.check()


class Syncs(Faults):
    def run_pass(self):
        report = self.wherry_json("sync", "run", "mirror")
        self.assertEqual((report["result"], report["failed"], report["unreadable"]), ("done", 0, 0))
        self.assert_same(self.source, self.archive_files / "mirror")
        return report

    def mirror(self, *options):
        self.fill(self.source, 50)
        self.wherry("sync", "add", "mirror", "lab:/run", "archive:/mirror", "--settle", "0s", "--batch-files", "20",
                    "--deletions", "propagate", *options)
        self.assertEqual(self.run_pass()["added"], 50)
        self.assertEqual(len(self.stored_tasks()), 3)
        (self.source / "d1/file 1").write_bytes(b"changed")
        (self.source / "new").write_bytes(b"new")
        (self.source / "d2").rename(self.source / "renamed")
        shutil.rmtree(self.source / "d3")
        self.run_pass()
        again = self.run_pass()
        self.assertEqual((again["added"], again["modified"], again["removed"], again["bytes"]), (0, 0, 0, 0))
        self.check()

    def test_a_source_that_is_listed_through_the_service(self):
        self.mirror()

    def test_a_source_that_is_read_here(self):
        self.mirror("--source-root", f"{self.lab_files}=/")


def run_seed(seed):
    done = subprocess.run([sys.executable, "-B", __file__, "--seed", str(seed)], capture_output=True, text=True,
                          errors="replace", timeout=800)
    return seed, done.returncode, done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=4)  # they mostly wait
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        ThroughFaults.seed = arguments.seed
        unittest.main(argv=[sys.argv[0], *arguments.tests])
    failed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for seed, code, said in pool.map(run_seed, range(1, arguments.seeds + 1)):
            if code != 0:
                failed.append(seed)
                print(f"{said}\nrepeat: {sys.argv[0]} --seed {seed}", flush=True)
    print(f"{arguments.seeds - len(failed)} of {arguments.seeds} seeds passed; failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
