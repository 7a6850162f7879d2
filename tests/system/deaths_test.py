# SPDX-License-Identifier: Apache-2.0
"""Kills a Wherry that serves, or one that works against it, at random moments, and looks at what is left.

deaths_test.py [--rounds N] [--seed N] [--files N]

A round moves a tree with one transfer and then keeps another one mirrored, through a network that
loses answers. The seed of a round is printed; --seed with --rounds 1 repeats it, as far as the
machine's timing allows.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import unittest

import harness
from two_wherrys import ThroughFaults

KILLS = 3  # of each command, before it may end


class Deaths(ThroughFaults):
    rounds = 2
    files = 100

    def setUp(self):
        super().setUp()
        self.looked_at = set()  # tasks

    def test_nothing_is_lost_or_done_twice(self):
        for number in range(self.rounds):
            print(f"round {number + 1} of {self.rounds}, --seed {self.seed + number}", flush=True)
            with self.subTest(seed=self.seed + number):
                self.chance = random.Random(self.seed + number)
                self.proxy.reseed(self.seed + number)
                self.transfer(f"transfer{number}")
                self.mirror(f"mirror{number}")
        self.assert_each_submission_is_one_task(has_been_killed=True)
        self.assert_no_secret_was_told()

    def live_through(self, *words):
        """Runs a command until it has ended well; meanwhile it, or the service, dies a few times."""
        process = self.start(*words)
        for _ in range(KILLS):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0, 1.5))
            if self.chance.random() < 0.5:
                self.kill_server()
                self.serve()
            elif process.poll() is None:
                process.kill()
                self.hear(process)
                process = self.start(*words)
        # It may have given up on a service that was away for too long: then it is told again.
        self.hear(process)
        self.wherry(*words)
        # Once more, undisturbed: there is nothing left to do.
        self.wherry(*words)

    def hear(self, process):
        out, err = process.communicate(timeout=harness.TIMEOUT)
        self.said += [out.decode(errors="replace"), err.decode(errors="replace")]
        return process.returncode

    def moved(self):
        """What tasks have moved since this was asked last."""
        places = []
        with self.calm():
            for task in self.tasks():
                if task["task_id"] in self.looked_at or task["type"] != "TRANSFER":
                    continue
                self.looked_at.add(task["task_id"])
                rows = self.wherry_json("task", "show", task["task_id"], "--successful-transfers")["DATA"]
                places += [row["destination_path"] for row in rows]
        return sorted(places)

    def transfer(self, name):
        self.fill(self.lab_files / name, self.files)
        submission = self.wherry("task", "generate-submission-id").strip()
        self.live_through("transfer", f"lab:/{name}", f"archive:/{name}", "--recursive", "--submission-id", submission)
        self.assert_same(self.lab_files / name, self.archive_files / name)
        self.assertEqual(self.moved(), sorted(f"/{name}/{path}" for path in self.tree(self.lab_files / name)))

    def mirror(self, name):
        source = self.lab_files / name
        self.fill(source, self.files)
        options = self.chance.choice(([], ["--source-root", f"{self.lab_files}=/"]))
        self.wherry("sync", "add", name, f"lab:/{name}", f"archive:/{name}", "--settle", "0s", "--batch-files", "20",
                    "--deletions", "propagate", *options)
        self.live_through("sync", "run", name)
        self.assert_same(source, self.archive_files / name)
        self.assertEqual(self.moved(), sorted(f"/{name}/{path}" for path in self.tree(source)))
        changed = self.chance.sample(sorted(path for path in source.rglob("*") if path.is_file()), 20)
        for path in changed[:10]:
            path.unlink()
        for path in changed[10:]:
            path.write_bytes(path.read_bytes() + b"changed")
        self.live_through("sync", "run", name)
        self.assert_same(source, self.archive_files / name)
        self.assertEqual(self.moved(), sorted(f"/{name}/{path.relative_to(source)}" for path in changed[10:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=Deaths.rounds)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--files", type=int, default=Deaths.files)
    arguments = parser.parse_args()
    Deaths.rounds, Deaths.seed, Deaths.files = arguments.rounds, arguments.seed, arguments.files
    unittest.main(argv=[sys.argv[0]])


if __name__ == "__main__":
    main()
