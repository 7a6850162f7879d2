# SPDX-License-Identifier: Apache-2.0
"""Kills the real binary at random moments, and then looks at what it left.

torture_test.py [--rounds N] [--seed N] [--files N]

A round transfers a tree and then keeps another one mirrored. Each command is rehearsed first, undisturbed
and in a state directory of its own, to know how long it takes; then it is killed with SIGKILL a few times
within as long, before it may finish. After every kill each file at the target is absent or identical to its
source. At the end everything is identical, no temporary is left, and nothing that was recorded as done was
moved again. It is told how many kills met a running command, and too few are a failure. The seed of a round
is printed; --seed with --rounds 1 repeats it, as far as the machine's timing allows.
"""

import argparse
import collections.abc
import filecmp
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import system

KILLS = 3  # of each command, before it may finish


class Torture:
    def __init__(self, scratch: system.Scratch, rehearsal: system.Scratch, chance: random.Random, files: int):
        self.scratch = scratch
        self.rehearsal = rehearsal
        self.chance = chance
        self.files = files
        self.kills = 0
        self.met = 0  # kills that met a running command

    def rehearse(self, *words) -> float:
        """How many seconds a command takes undisturbed, in a state directory of its own."""
        start = time.monotonic()
        self.rehearsal.run(*words)
        return time.monotonic() - start

    def kill_a_few_times(self, words: list, seconds: float, look: collections.abc.Callable[[], None]) -> None:
        """Runs a command that takes `seconds`, killing it at random moments of them; the last run may finish.

        The moments are counted over all runs together, because each run goes on where the last one was killed.
        """
        before = 0.0
        for moment in sorted(self.chance.uniform(0, seconds) for _ in range(KILLS)):
            process = self.scratch.start(*words)
            time.sleep(moment - before)
            before = moment
            process.kill()
            output, _ = process.communicate()
            if process.returncode not in (0, -signal.SIGKILL):
                raise AssertionError(f"{words} exits {process.returncode}:\n{output}")
            self.kills += 1
            self.met += process.returncode == -signal.SIGKILL
            look()
        self.scratch.run(*words)

    def expect_no_torn_file(self, source: pathlib.Path, target: pathlib.Path) -> None:
        for name, path in system.walk(target).items():
            if os.path.basename(name).startswith(b".wherry-"):
                continue
            original = source / os.fsdecode(name)
            if not original.exists():
                continue  # renamed or deleted at the source, and not yet at the target
            if not same(original, path) and not same(self.previous(original), path):
                raise AssertionError(f"{path} is neither the old nor the new content of {original}")

    def previous(self, original: pathlib.Path) -> bytes:
        """What a file held before the last change of the tree: make_tree's changes append one byte."""
        return original.read_bytes()[:-1]

    def expect_identical(self, source: pathlib.Path, target: pathlib.Path) -> None:
        left = system.temporaries(target)
        if left:
            raise AssertionError(f"temporaries left behind: {left[:5]} and {max(0, len(left) - 5)} more")
        compared = subprocess.run(["diff", "-r", "--no-dereference", source, target], capture_output=True, text=True)
        if compared.returncode != 0:
            raise AssertionError(f"both sides differ:\n{compared.stdout[:2000]}")

    def moved(self) -> dict[str, int]:
        """How often each target path was recorded as moved, over all tasks."""
        times: dict[str, int] = {}
        for task in self.scratch.json("task", "list", "--limit", "10000")["DATA"]:
            if task["type"] != "TRANSFER":
                continue
            for row in self.scratch.json("task", "show", task["task_id"], "--successful-transfers")["DATA"]:
                times[row["destination_path"]] = times.get(row["destination_path"], 0) + 1
        return times

    def transfer(self) -> None:
        source, target = self.scratch.root / "source", self.scratch.root / "target"
        system.make_tree(source, "--files", self.files, "--size", "2KiB", "--varied-sizes", "--data",
                         "--seed", self.chance.randrange(1 << 30))
        target.mkdir()
        rehearsed = self.rehearsal.root / "target"
        rehearsed.mkdir()
        seconds = self.rehearse("transfer", f"{source}/", f"{rehearsed}/", "--recursive")
        words = ["transfer", f"{source}/", f"{target}/", "--recursive", "--submission-id",
                 self.scratch.run("task", "generate-submission-id").strip()]
        confirmed: dict[str, int] = {}  # inodes of what was recorded as done before a kill

        def look() -> None:
            self.expect_no_torn_file(source, target)
            for path in self.moved():
                inode = os.stat(path).st_ino
                if confirmed.setdefault(path, inode) != inode:
                    raise AssertionError(f"{path} was recorded as done and moved again")

        self.kill_a_few_times(words, seconds, look)
        self.expect_identical(source, target)
        for path, inode in confirmed.items():
            if os.stat(path).st_ino != inode:
                raise AssertionError(f"{path} was recorded as done and moved again")
        times = self.moved()
        if len(times) != self.files or max(times.values()) != 1:
            raise AssertionError(f"{self.files} files, {len(times)} recorded, one {max(times.values())} times")
        tasks = self.scratch.json("task", "list")["DATA"]
        if len(tasks) != 1 or tasks[0]["status"] != "SUCCEEDED":
            raise AssertionError(f"one submission id, these tasks: {tasks}")
        print(f"  transfer: {len(confirmed)} of {self.files} files were done before the last kill", flush=True)

    def sync(self) -> None:
        source, target = self.scratch.root / "mirrored", self.scratch.root / "mirror"
        system.make_tree(source, "--files", self.files, "--size", "2KiB", "--data",
                         "--seed", self.chance.randrange(1 << 30))
        target.mkdir()
        rehearsed = self.rehearsal.root / "mirror"
        rehearsed.mkdir()
        for scratch, place in ((self.rehearsal, rehearsed), (self.scratch, target)):
            scratch.run("sync", "add", "torture", f"{source}/", f"{place}/", "--settle", "0s",
                        "--deletions", "propagate")
        self.mirror(source, target, "the first pass")
        for _ in range(2):
            changed = self.change(source)
            moved = self.mirror(source, target, "a later pass")
            if moved > changed:
                raise AssertionError(f"{changed} files changed, {moved} were moved")
        before = self.moved()
        self.scratch.run("sync", "run", "torture")
        if self.moved() != before:
            raise AssertionError("a pass over an unchanged tree moved something")

    def mirror(self, source: pathlib.Path, target: pathlib.Path, what: str) -> int:
        """One pass of the sync, killed a few times; answers how many files it has moved."""
        seconds = self.rehearse("sync", "run", "torture")
        before = self.moved()
        self.kill_a_few_times(["sync", "run", "torture"], seconds, lambda: self.expect_no_torn_file(source, target))
        self.expect_identical(source, target)
        return self.expect_moved_at_most_once_more(before, what)

    def change(self, source: pathlib.Path) -> int:
        """Changes, adds, renames and deletes; answers how many files have new content."""
        count = max(10, self.files // 20)
        system.make_tree(source, "--change", count, "--seed", self.chance.randrange(1 << 30))
        files = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("moved-"))
        chosen = self.chance.sample(files, 40)
        for path in chosen[:20]:
            path.rename(path.with_name("moved-" + path.name))
        for path in chosen[20:]:
            path.unlink()
        # A renamed file that is also new or changed is moved under its new name.
        return count + 20

    def expect_moved_at_most_once_more(self, before: dict[str, int], what: str) -> int:
        moved = 0
        for path, times in self.moved().items():
            more = times - before.get(path, 0)
            moved += more
            if more > 1:
                raise AssertionError(f"{path} was moved {more} times by {what}")
        return moved


def same(original, copy: pathlib.Path) -> bool:
    if isinstance(original, bytes):
        return copy.read_bytes() == original
    return filecmp.cmp(original, copy, shallow=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--files", type=int, default=20_000)
    arguments = parser.parse_args()
    kills = met = 0
    for number in range(arguments.rounds):
        seed = arguments.seed + number
        print(f"round {number + 1} of {arguments.rounds}, --seed {seed}", flush=True)
        with system.Scratch() as scratch, system.Scratch() as rehearsal:
            torture = Torture(scratch, rehearsal, random.Random(seed), arguments.files)
            try:
                torture.transfer()
                torture.sync()
                if torture.met < torture.kills / 2:
                    raise AssertionError(f"only {torture.met} of {torture.kills} kills met a running command")
            except AssertionError as error:
                print(f"FAILED: {error}\nrepeat: {sys.argv[0]} --rounds 1 --seed {seed} --files {arguments.files}")
                return 1
        kills += torture.kills
        met += torture.met
    print(f"{arguments.rounds} rounds passed; {met} of {kills} kills met a running command")
    return 0


if __name__ == "__main__":
    sys.exit(main())
