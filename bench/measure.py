# SPDX-License-Identifier: Apache-2.0
"""What the rows of bench/run share: commands that are timed, contenders that take turns, bars."""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Callable, Iterator, NamedTuple, Optional

MIB = 1 << 20
COPY_TURNS = 11  # copies differ more from each other than what only reads


class Usage(NamedTuple):
    seconds: float
    peak_resident: int  # bytes, with file-backed pages
    peak_anonymous: int  # bytes, without them


class Bar(NamedTuple):
    """One line of the table: `value` must be at most (or at least) `limit`."""
    what: str
    wherry: str
    peer: str
    value: float
    limit: float
    at_most: bool
    unit: str = "x"

    def holds(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        sign = "<=" if self.at_most else ">="
        return (f"{self.what:48} {self.wherry:>12} {self.peer:>26} {self.value:9.3f} {sign} {self.limit:<7.5g}"
                f"{self.unit:6} {'ok' if self.holds() else 'MISSED'}")


def memory_of(pid: int, *fields: str) -> int:
    """Bytes of a process now, of these fields of its status added up; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return sum(int(line.split()[1]) * 1024 for line in status if line.split(":")[0] in fields)
    except OSError:
        return 0


def peak_of(pid: int) -> int:
    """The peak resident bytes of a process that runs. ru_maxrss begins with what the process had that started it."""
    peak = memory_of(pid, "VmHWM")
    if peak == 0:
        raise RuntimeError(f"process {pid} has ended")
    return peak


def run(command: list, env: Optional[dict] = None, check: bool = True, sample_memory: bool = False) -> Usage:
    """Runs a command with its output thrown away; its errors are shown when it fails."""
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=errors)
        peak = peak_resident = 0
        done = threading.Event()

        def sample() -> None:
            nonlocal peak, peak_resident
            while not done.wait(0.005):
                peak = max(peak, memory_of(process.pid, "RssAnon", "RssShmem"))
                peak_resident = max(peak_resident, memory_of(process.pid, "VmHWM"))

        sampler = threading.Thread(target=sample)
        if sample_memory:
            sampler.start()
        _, status, _ = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        if sample_memory:
            sampler.join()
        if check and process.returncode != 0:
            errors.seek(0)
            sys.exit(f"bench: {' '.join(map(str, command))} exits {process.returncode}:\n"
                     f"{errors.read().decode(errors='replace')[-4000:]}")
    return Usage(seconds, peak_resident, peak)


def flush(directory: pathlib.Path) -> None:
    subprocess.run(["sync", "-f", str(directory)], check=True)


def let_rest(directory: pathlib.Path, quiet: float = 0.5, at_most: float = 30) -> None:
    """Flushes, and waits until the disk of `directory` has had nothing to do for `quiet` seconds: it discards freed
    blocks long after a flush, and whoever is timed next would have to share the processors with that."""
    flush(directory)
    device = os.stat(directory).st_dev
    counters = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if not counters.exists():
        return  # not a disk of its own
    end, seen, since = time.monotonic() + at_most, "", time.monotonic()
    while time.monotonic() < min(end, since + quiet):
        now = counters.read_text()
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.02)


def empty_files(directory: pathlib.Path) -> None:
    """Takes the content of all files away, not the files: creating some where many were just deleted is slow."""
    for parent, _, names in os.walk(directory):
        for name in names:
            os.truncate(os.path.join(parent, name), 0)


@contextlib.contextmanager
def filesystem_of(inodes: int, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty ext4 with that many inodes, in one sparse file of `directory`, until it is left. Needs root.

    Trees of tens of millions of files have room there whatever the disk was made for, and are gone with the file.
    """
    image, mounted = directory / "filesystem.image", directory / "filesystem"
    mounted.mkdir()
    with open(image, "wb") as file:
        file.truncate(inodes * 4096)  # mkfs.ext4 makes at most one inode for each block
    run(["mkfs.ext4", "-q", "-F", "-N", inodes, "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image])
    # Otherwise a thread of the kernel writes zeros to all of its inodes meanwhile.
    run(["mount", "-o", "loop,noinit_itable", image, mounted])
    try:
        yield mounted
    finally:
        run(["umount", "--lazy", mounted])  # even while somebody looks at it
        image.unlink()
        flush(directory)


class Wherry:
    """The binary with a state directory of its own."""

    def __init__(self, binary: pathlib.Path, state: pathlib.Path):
        self.binary = binary
        self.env = {**os.environ, "WHERRY_STATE_DIR": str(state), "WHERRY_SETTINGS": str(state / "settings.yml")}
        state.mkdir(parents=True, exist_ok=True)
        self.state = state

    def command(self, *words) -> list:
        return [self.binary, *words]

    def run(self, *words, sample_memory: bool = False) -> Usage:
        return run(self.command(*words), env=self.env, sample_memory=sample_memory)

    def json(self, *words):
        answer = subprocess.run([str(word) for word in self.command(*words, "--format", "json")], env=self.env,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        return json.loads(answer.stdout)

    def last_pass(self, name: str) -> dict:
        return self.json("sync", "history", name, "--limit", "1")["DATA"][0]

    def catalog_size(self) -> int:
        """Bytes of all catalogs."""
        return sum(file.stat().st_size for file in self.state.glob("catalogs/*.catalog"))


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """The rows of a subclass are its methods `row_NAME`."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.build = pathlib.Path(arguments.build).resolve()
        self.binary = self.build / "src" / "cli" / "wherry"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="wherry-bench-", dir=arguments.work))
        self.bars: list[Bar] = []
        self.fresh_count = 0

    def note(self, text: str) -> None:
        print(text, flush=True)

    def fresh_name(self, name: str) -> str:
        self.fresh_count += 1
        return f"{name}-{self.fresh_count}"

    def fresh(self, name: str) -> pathlib.Path:
        directory = self.work / self.fresh_name(name)
        directory.mkdir()
        return directory

    def lines_of(self, program: str, what: str) -> dict[str, float]:
        """What a program of lines "name: NUMBER unit" says of one of its parts."""
        answer = subprocess.run([self.build / "bench" / program, self.fresh(program), what],
                                capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        self.note(answer.stdout.rstrip())
        values = {}
        for line in answer.stdout.splitlines():
            name, _, value = line.strip().rpartition(": ")
            values[name] = float(value.split()[0])
        return values

    def wherry(self) -> Wherry:
        return Wherry(self.binary, self.fresh("state"))

    def make_tree(self, root: pathlib.Path, *words) -> None:
        run([self.build / "bench" / "wherry_make_tree", *words, root])

    def turns(self, contenders: dict[str, Callable], at_least: int = 1) -> dict[str, list]:
        """What each contender answers in --repeat rounds.

        Every other round goes backwards, or each would always come after the same one, with what that left behind;
        and who begins changes. Neighbours stay neighbours.
        """
        results: dict[str, list] = {name: [] for name in contenders}
        names = list(contenders)
        for round_number in range(max(at_least, self.arguments.repeat)):
            first = round_number // 2 % len(names)
            order = names[first:] + names[:first]
            for name in reversed(order) if round_number % 2 else order:
                results[name].append(contenders[name]())
        return results

    def rotate(self, contenders: dict[str, Callable[[], Usage]], at_least: int = 1) -> dict[str, list[Usage]]:
        results = self.turns(contenders, at_least)
        for name, usages in results.items():
            seconds = sorted(usage.seconds for usage in usages)
            self.note(f"  {name:44} median {statistics.median(seconds):8.3f} s "
                      f"({seconds[0]:.3f} to {seconds[-1]:.3f}, n = {len(seconds)})")
        return results

    def time_bar(self, what: str, results: dict, ours: str, peer: str, limit: float, at_most: bool) -> None:
        """at_most: our time as a share of the peer's; otherwise how many times as fast we are."""
        mine = statistics.median(usage.seconds for usage in results[ours])
        theirs = statistics.median(usage.seconds for usage in results[peer])
        value = mine / theirs if at_most else theirs / mine
        self.bar(what, f"{mine:.3f} s", f"{peer} {theirs:.3f} s", value, limit, at_most)

    def bar(self, what: str, ours: str, peer: str, value: float, limit: float, at_most: bool = False) -> None:
        self.bars.append(Bar(what, ours, peer, value, limit, at_most))

    def value_bar(self, what: str, value: float, limit: float, unit: str, at_most: bool = True) -> None:
        self.bars.append(Bar(what, f"{value:.4g} {unit}", "", value, limit, at_most, " " + unit))

    def run_rows(self, rows: list[str]) -> bool:
        try:
            for row in rows:
                self.note(f"{row}:")
                getattr(self, "row_" + row.replace("-", "_"))()
        finally:
            if not self.arguments.keep:
                shutil.rmtree(self.work, ignore_errors=True)
        print(f"\n{'bar':48} {'wherry':>12} {'peer':>26} {'ratio':>9}    limit")
        for bar in self.bars:
            print(bar.line())
        return all(bar.holds() for bar in self.bars)
