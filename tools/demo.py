# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/demo that comes after the build: demo.py BINARY DIR..."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time
from typing import NamedTuple

from demo_shared import make_scratch, shown


class Changes(NamedTuple):
    modified: int
    added: int
    renamed: int
    deleted: int


class Demo:
    def __init__(self, binary: str, scratch: pathlib.Path):
        self.binary = binary
        self.instrument = scratch / "instrument"
        self.archive = scratch / "archive"
        # Settings and state of its own: the user's stay untouched, and a service that the shell is pointed at
        # (`wherry serve --print-env`) is not asked.
        self.env = {**{name: value for name, value in os.environ.items() if not name.startswith(("WHERRY_", "GLOBUS_"))},
                    "WHERRY_STATE_DIR": str(scratch / "state"),
                    "WHERRY_SETTINGS": str(scratch / "settings.yml")}

    def wherry(self, *words: str) -> None:
        print("$ wherry " + " ".join(words), flush=True)
        subprocess.run([self.binary, *words], env=self.env, check=True)

    def history(self) -> list[dict]:
        """The passes, oldest first."""
        answer = subprocess.run([self.binary, "sync", "history", "demo", "--format", "json"], env=self.env,
                                check=True, capture_output=True, text=True)
        return sorted(json.loads(answer.stdout)["DATA"], key=lambda row: row["number"])

    def copy(self, directories: list[pathlib.Path]) -> None:
        self.instrument.mkdir()
        for directory in directories:
            target = self.instrument / (directory.name or "root")
            number = 2
            while target.exists():
                target, number = self.instrument / f"{directory.name}-{number}", number + 1
            copied = subprocess.run(["cp", "-a", "--", directory, target], stderr=subprocess.PIPE, text=True)
            if copied.returncode != 0:
                print(f"some of {directory} could not be copied and takes no part: "
                      f"{copied.stderr.strip().splitlines()[:1]}")

    def files(self) -> list[pathlib.Path]:
        found = []
        for directory, _, names in os.walk(self.instrument):
            for name in names:
                path = pathlib.Path(directory, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    found.append(path)
        return sorted(found)

    def change(self) -> Changes:
        """Grows, renames and deletes some files, spread over the tree, and adds some."""
        files = self.files()
        some = max(1, min(200, len(files) // 20))
        stride = max(1, len(files) // (4 * some))
        chosen = files[::stride]
        modified, renamed, deleted = chosen[0::4][:some], chosen[1::4][:some], chosen[2::4][:some]
        places = [path.parent for path in chosen[3::4][:some]] or [self.instrument]
        for path in modified + renamed + deleted:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
            path.parent.chmod(path.parent.stat().st_mode | stat.S_IRWXU)
        for path in modified:
            with open(path, "ab") as file:
                file.write(b"one more line, written by the demo\n")
        for number, place in enumerate(places):
            place.chmod(place.stat().st_mode | stat.S_IRWXU)
            (place / f"added by the demo {number}.txt").write_text(f"file {number}\n")
        for path in renamed:
            path.rename(path.with_name(f"renamed-by-the-demo-{path.name[:200]}"))
        for path in deleted:
            path.unlink()
        return Changes(len(modified), len(places), len(renamed), len(deleted))

    def differences(self) -> str:
        compared = subprocess.run(["diff", "-r", "--no-dereference", self.instrument, self.archive],
                                  capture_output=True, text=True, errors="replace")
        return compared.stdout + compared.stderr


def report(passes: list[dict]) -> None:
    print(f"\n{'pass':>4} {'files seen':>11} {'added':>8} {'changed':>8} {'renamed':>8} {'deleted':>8} "
          f"{'failed':>7} {'moved':>12} {'seconds':>8}")
    for row in passes:
        print(f"{row['number']:>4} {row['files']:>11,} {row['added']:>8,} {row['modified']:>8,} "
              f"{row['renamed']:>8,} {row['removed']:>8,} {row['failed']:>7,} {shown(row['bytes']):>12} "
              f"{row['total_seconds']:>8.2f}")


def check(passes: list[dict], files: int, changes: Changes) -> list[str]:
    """What is not as it must be, in words."""
    first, second = passes
    complaints = []
    if first["added"] < files:
        complaints.append(f"the first pass added {first['added']} of {files} files")
    for what, expected in [("modified", changes.modified), ("added", changes.added),
                           ("renamed", changes.renamed), ("removed", changes.deleted)]:
        if second[what] != expected:
            complaints.append(f"{expected} files were {what}, the second pass found {second[what]}")
    if first["failed"] or second["failed"]:
        complaints.append("some files failed; see `wherry sync history`")
    return complaints


def enough_room(directories: list[pathlib.Path], scratch: pathlib.Path) -> bool:
    used = subprocess.run(["du", "-s", "-c", "-B1", "--", *directories], capture_output=True, text=True)
    needed = 2.2 * int(used.stdout.splitlines()[-1].split()[0])
    free = shutil.disk_usage(scratch).free
    if needed > free:
        print(f"demo: needs {shown(needed)} for two copies in {scratch}, {shown(free)} are free; "
              "set TMPDIR or name a smaller directory", file=sys.stderr)
    return needed <= free


def remove(scratch: pathlib.Path) -> None:
    """Also what was copied with modes that forbid deleting."""
    for directory, _, _ in os.walk(scratch):
        os.chmod(directory, 0o700)
    shutil.rmtree(scratch)


def main() -> int:
    binary, directories = sys.argv[1], [pathlib.Path(text) for text in sys.argv[2:]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing stays behind then, either
    scratch = make_scratch("demo")
    try:
        if not enough_room(directories, scratch):
            return 1
        demo = Demo(binary, scratch)
        print(f"== copying {', '.join(map(str, directories))} to be the instrument's disk", flush=True)
        demo.copy(directories)
        files = len(demo.files())
        demo.archive.mkdir()
        print("== first pass: everything is new", flush=True)
        demo.wherry("endpoint", "create", "instrument", str(demo.instrument), "--read-only")
        demo.wherry("endpoint", "create", "archive", str(demo.archive))
        demo.wherry("sync", "add", "demo", "instrument:/", "archive:/", "--settle", "0s",
                    "--deletions", "propagate", "--symlinks", "keep")
        demo.wherry("sync", "run", "demo")
        changes = demo.change()
        print(f"== second pass: {changes.modified} files changed, {changes.added} added, "
              f"{changes.renamed} renamed, {changes.deleted} deleted", flush=True)
        start = time.monotonic()
        demo.wherry("sync", "run", "demo")
        seconds = time.monotonic() - start
        passes = demo.history()
        report(passes)
        complaints = check(passes, files, changes)
        differences = demo.differences()
        if differences:
            complaints.append("both sides differ:\n" + differences[:4000])
        for complaint in complaints:
            print(f"demo: {complaint}", file=sys.stderr)
        if complaints:
            return 1
        print(f"\ndiff -r finds no difference between both sides ({len(demo.files()):,} files); "
              f"the second command took {seconds:.2f} s.")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"demo: '{' '.join(map(str, error.cmd))}' exits {error.returncode}\n{error.stderr or ''}", file=sys.stderr)
        return 1
    finally:
        remove(scratch)


if __name__ == "__main__":
    sys.exit(main())
