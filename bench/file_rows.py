# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about files: syncs, copies, catalogs, one command."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from typing import Callable, Optional

from measure import (COPY_TURNS, MIB, Bench, Usage, Wherry, cpu_seconds, empty_files, filesystem_of, flush, let_rest,
                     run)

REFERENCE_FILES = 1_289_344
FIRST_PASS_MIB, PASS_MIB, TENFOLD_PASS_MIB = 128, 32, 40


class FileRows(Bench):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.reference: Optional[pathlib.Path] = None
        self.reference_copy: Optional[pathlib.Path] = None

    # --- files and tasks: before the rows that keep the disk busy for a while --------------------

    def copy_row(self, name: str, tree_words: list, bars: list[tuple[str, float]]) -> None:
        source = self.work / name
        self.make_tree(source, "--data", *tree_words)
        flush(self.work)
        run(["cp", "-r", source, self.fresh("warm-up")])  # the source is in the page cache for all
        flush(self.work)
        wherry = self.wherry()

        def contender(command: Callable[[pathlib.Path], list], durable: bool, env=None) -> Callable[[], Usage]:
            def once() -> Usage:
                target = self.fresh("target")
                let_rest(self.work)
                usage = run(command(target), env=env)
                start = time.monotonic()
                flush(target)
                flushing = time.monotonic() - start
                empty_files(target)
                return usage._replace(seconds=usage.seconds + (flushing if durable else 0))
            return once

        results = self.rotate({
            "wherry transfer": contender(
                lambda target: wherry.command("transfer", f"{source}/", f"{target}/", "--recursive"), False, wherry.env),
            "cp -r + sync -f": contender(lambda target: ["cp", "-r", f"{source}/.", target], True),
            "rclone copy": contender(lambda target: ["rclone", "copy", "--transfers", "8", source, target], False),
            "rsync -a": contender(lambda target: ["rsync", "-a", f"{source}/", f"{target}/"], False),
        }, at_least=COPY_TURNS)
        for peer, limit in bars:
            self.time_bar(name, results, "wherry transfer", peer, limit, False)

    def row_copy_small(self) -> None:
        self.copy_row("20,000 x 16 KiB", ["--files", "20000", "--size", "16KiB"],
                      [("cp -r + sync -f", 1.0), ("rclone copy", 1.5), ("rsync -a", 1.8)])

    def row_copy_large(self) -> None:
        self.copy_row("3,000 x 1 MiB", ["--files", "3000", "--size", "1MiB"],
                      [("cp -r + sync -f", 1.2), ("rclone copy", 2.5), ("rsync -a", 2.5)])

    def row_one_file(self) -> None:
        directory, wherry = self.fresh("one-file"), self.wherry()
        source = directory / "source"
        source.write_bytes(os.urandom(16 << 10))
        wherry.run("endpoint", "list")  # the state directory exists, as in everyday use

        def ours() -> Usage:
            return wherry.run("transfer", source, self.fresh("target") / "file")

        def rclone() -> Usage:
            return run(["rclone", "copyto", source, self.fresh("target") / "file"])

        results = self.rotate({"wherry transfer, one file": ours, "rclone copyto": rclone}, at_least=41)
        median = statistics.median(usage.seconds for usage in results["wherry transfer, one file"])
        self.value_bar("one 16 KiB file, whole command", median * 1000, 40, "ms")
        self.time_bar("one 16 KiB file", results, "wherry transfer, one file", "rclone copyto", 0.3, True)

    def row_tasks(self) -> None:
        answer = subprocess.run([self.build / "bench" / "wherry_tasks_bench", self.fresh("tasks")],
                                capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        self.note(answer.stdout.rstrip())
        for line in answer.stdout.splitlines():
            name, _, rate = line.rpartition(" per second: ")
            if name:
                self.value_bar(name, float(rate), 100_000, "/s", at_most=False)

    def row_idle(self) -> None:
        """One process watches eight syncs in which nothing happens."""
        wherry = self.wherry()
        for number in range(8):
            source = self.work / f"idle-{number}"
            self.make_tree(source, "--files", "2000", "--seed", number)
            wherry.run("sync", "add", f"idle{number}", f"{source}/", f"{self.fresh('target')}/", "--settle", "0s")
            wherry.run("sync", "run", f"idle{number}")
        watcher = subprocess.Popen([str(word) for word in wherry.command("sync", "watch")], env=wherry.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(10)  # its first passes
            before = cpu_seconds(watcher.pid)
            time.sleep(self.arguments.idle_seconds)
            used = cpu_seconds(watcher.pid) - before
        finally:
            watcher.terminate()
            watcher.wait(timeout=30)
        self.value_bar("8 watched idle syncs", 100 * used / self.arguments.idle_seconds, 1.0, "% core")

    # --- the reference tree, and a sync of it ------------------------------------------------

    def reference_tree(self) -> pathlib.Path:
        if self.reference is None:
            self.reference = self.work / "tree"
            self.note(f"making the reference tree of {self.arguments.files} files")
            self.make_tree(self.reference, "--files", self.arguments.files)
            flush(self.work)
        return self.reference

    def first_pass(self, source: pathlib.Path, target: pathlib.Path) -> tuple[Wherry, Usage]:
        """A sync 'tree', after its first pass."""
        wherry = self.wherry()
        wherry.run("sync", "add", "tree", f"{source}/", f"{target}/", "--settle", "0s")
        return wherry, wherry.run("sync", "run", "tree", sample_memory=True)

    def synced(self) -> tuple[Wherry, Usage]:
        return self.first_pass(self.reference_tree(), self.fresh("target"))

    # --- rows --------------------------------------------------------------------------------

    def row_first(self) -> None:
        """The first pass moves the whole tree; rsync -a does the same."""
        tree = self.reference_tree()
        first = []

        def ours() -> Usage:
            _, usage = self.synced()
            first.append(usage)
            return usage

        def rsync() -> Usage:
            self.reference_copy = self.fresh("copy")
            return run(["rsync", "-a", f"{tree}/", f"{self.reference_copy}/"])

        repeat, self.arguments.repeat = self.arguments.repeat, 1  # minutes each; one says enough
        results = self.rotate({"wherry first pass": ours, "rsync -a": rsync})
        self.arguments.repeat = repeat
        self.time_bar("first pass", results, "wherry first pass", "rsync -a", 1.0, True)
        self.memory_bar("first pass", first[0], FIRST_PASS_MIB)

    def row_scan(self) -> None:
        """Passes over an unchanged tree, every file stat'ed; and one with changes."""
        tree = self.reference_tree()
        wherry, _ = self.synced()
        if self.reference_copy is None:
            self.reference_copy = self.fresh("copy")
            run(["rsync", "-a", f"{tree}/", f"{self.reference_copy}/"])
        copy = self.reference_copy
        wherry.run("sync", "add", "quick", f"{tree}/", f"{self.fresh('target')}/", "--settle", "0s",
                   "--trust-directories")
        wherry.run("sync", "run", "quick")
        results = self.rotate({
            "wherry sync run": lambda: wherry.run("sync", "run", "tree", sample_memory=True),
            "wherry sync run, trusting directories": lambda: wherry.run("sync", "run", "quick"),
            "find -printf": lambda: run(["find", tree, "-type", "f", "-printf", "%T@ %s %p\\n"]),
            "rsync -an": lambda: run(["rsync", "-an", "--delete", f"{tree}/", f"{copy}/"]),
            "rclone --dry-run": lambda: run(["rclone", "sync", "--dry-run", f"{tree}/", f"{copy}/"]),
        })
        self.time_bar("unchanged pass", results, "wherry sync run", "find -printf", 0.50, True)
        self.time_bar("unchanged pass", results, "wherry sync run", "rsync -an", 1 / 7, True)
        self.time_bar("unchanged pass", results, "wherry sync run", "rclone --dry-run", 1 / 10, True)
        self.time_bar("quick pass", results, "wherry sync run, trusting directories", "rsync -an", 1 / 100, True)
        self.memory_bar("pass", max(results["wherry sync run"], key=lambda usage: usage.peak_anonymous), PASS_MIB)
        self.changed_pass(wherry, tree)

    def changed_pass(self, wherry: Wherry, tree: pathlib.Path) -> None:
        """In turns with passes that find nothing."""
        changes = max(2, round(5122 * self.arguments.files / REFERENCE_FILES))
        nothing, times = [], []
        for seed in range(max(7, self.arguments.repeat)):
            nothing.append(wherry.run("sync", "run", "tree").seconds)
            self.make_tree(tree, "--change", changes, "--seed", 100 + seed)
            whole = wherry.run("sync", "run", "tree").seconds
            # Up to the submitted transfer: the whole command less what comes after the submission.
            report = wherry.last_pass("tree")
            after = sum(report[f"{phase}_seconds"] for phase in ("transfer", "delete", "save"))
            times.append(whole - after)
            if report["added"] + report["modified"] != changes:
                sys.exit(f"bench: {changes} changes were made, the pass found {report}")
        seconds, unchanged = statistics.median(times), statistics.median(nothing)
        self.note(f"  wherry sync run, {changes} changes, to submission: median {seconds:.3f} s")
        self.bar(f"pass with {changes} changes, to submission", f"{seconds:.3f} s",
                 f"unchanged {unchanged:.3f} s", seconds / unchanged, 1.25, at_most=True)

    def memory_bar(self, what: str, usage: Usage, limit: float) -> None:
        self.note(f"  {what}: {usage.seconds:.1f} s, {usage.peak_resident / MIB:.1f} MiB with file-backed pages")
        self.value_bar(f"{what}: peak memory", usage.peak_anonymous / MIB, limit, "MiB")

    def row_memory(self) -> None:
        wherry, first = self.synced()
        self.memory_bar("first pass", first, FIRST_PASS_MIB)
        self.memory_bar("pass", wherry.run("sync", "run", "tree", sample_memory=True), PASS_MIB)

    def row_catalog(self) -> None:
        """Size of the catalog on disk, in bytes a file, scaled to the reference tree."""
        scale = REFERENCE_FILES / self.arguments.files
        for what, limit, words in [("catalog, one size", 10, []),
                                   ("catalog, varied sizes", 15, ["--varied-sizes", "--size", "8KiB"])]:
            source = self.work / f"catalog-tree-{limit}"
            self.make_tree(source, "--files", self.arguments.files, *words)
            wherry, _ = self.first_pass(source, self.fresh("target"))
            self.value_bar(what + ("" if scale == 1 else " (scaled up)"), wherry.catalog_size() * scale / 1e6, limit, "MB")
            shutil.rmtree(source)

    def row_tenfold(self) -> None:
        """What a pass keeps in memory does not grow with the tree."""
        files = 10 * self.arguments.files
        # For the tree and its mirror, and 5 % for directories and what the groups of inodes leave over.
        with filesystem_of(round(2.1 * files), self.work) as mounted:
            source, target = mounted / "source", mounted / "target"
            target.mkdir()
            self.note(f"making a tree of {files} files")
            self.make_tree(source, "--files", files)
            wherry, first = self.first_pass(source, target)
            self.memory_bar("first pass over ten times the tree", first, FIRST_PASS_MIB)
            later = wherry.run("sync", "run", "tree", sample_memory=True)
            self.memory_bar("pass over ten times the tree", later, TENFOLD_PASS_MIB)
            self.note(f"  catalog: {wherry.catalog_size() / 1e6:.1f} MB")
            if wherry.last_pass("tree")["files"] != files:
                sys.exit(f"bench: {files} files were made, the pass found {wherry.last_pass('tree')}")
