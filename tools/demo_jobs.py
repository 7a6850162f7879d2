#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/demo-jobs that comes after the build: demo_jobs.py BINARY JOBS"""

import csv
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from demo_shared import BELOW, ROOT, make_scratch, real_files, shown

SIZES = range(200, 4 << 20)
PATIENCE = "15m"

SETTINGS = """\
transfers:
  transfer_locations:
    machine: wherry://machine
    results: wherry://results
  transfer_batch_size: 50
  max_concurrent_transfers: 3
  service_period: 1
"""

# What a job runs; the same words are run directly on the original file to check its result.
COMMANDS = {"compress": "gzip -n -c -9 < input.dat > result", "hash": "sha256sum < input.dat > result"}
DIRECT = {"compress": ["gzip", "-n", "-c", "-9"], "hash": ["sha256sum"]}
APP = """\
command: {command}
transfers:
  input: {{direction: in, local_path: input.dat}}
  result: {{direction: out, local_path: result}}
cleanup_files: [input.dat]
"""


class Job(NamedTuple):
    app: str
    source: pathlib.Path
    result: str  # its name below the endpoint "results"


class Latency(NamedTuple):
    what: str
    seconds: list[float]


class Demo:
    def __init__(self, binary: str, scratch: pathlib.Path):
        self.binary, self.scratch = binary, scratch
        self.site, self.results = scratch / "site", scratch / "results"
        # Settings and state of its own: the user's stay untouched, and a service that the shell is pointed at
        # (`wherry serve --print-env`) is not asked.
        self.env = {**{name: value for name, value in os.environ.items() if not name.startswith(("WHERRY_", "GLOBUS_"))},
                    "WHERRY_STATE_DIR": str(scratch / "state"),
                    "WHERRY_SETTINGS": str(scratch / "settings.yml")}

    def wherry(self, *words: str) -> None:
        print("$ wherry " + " ".join(words), flush=True)
        subprocess.run([self.binary, *words], env=self.env, check=True)

    def ask(self, *words: str) -> dict:
        answer = subprocess.run([self.binary, *words, "--format", "json"], env=self.env, check=True, capture_output=True)
        return json.loads(answer.stdout)

    def prepare(self) -> None:
        self.results.mkdir()
        self.wherry("endpoint", "create", "machine", str(ROOT), "--read-only")
        self.wherry("endpoint", "create", "results", str(self.results))
        self.wherry("site", "init", str(self.site), "--name", "demo")
        (self.site / "settings.yml").write_text(SETTINGS)
        shutil.rmtree(self.site / "apps")
        (self.site / "apps").mkdir()
        for name, command in COMMANDS.items():
            (self.site / "apps" / f"{name}.yml").write_text(APP.format(command=json.dumps(command)))
        self.wherry("site", "sync", "demo")

    def create(self, jobs: list[Job]) -> None:
        file = self.scratch / "jobs.csv"
        with open(file, "w", newline="", encoding="utf-8", errors="surrogateescape") as out:
            rows = csv.writer(out)
            rows.writerow(["workdir", "app", "tag.demo", "stage.input", "stage.result"])
            for number, job in enumerate(jobs):
                source = "/" + str(job.source.relative_to(ROOT))
                rows.writerow([f"{job.app}/{number}", job.app, "yes", f"machine:{source}", f"results:/{job.result}"])
        self.wherry("job", "create", "--site", "demo", "--batch", str(file))

    def run(self) -> None:
        self.wherry("site", "start", "demo", "--detach")
        try:
            self.wherry("job", "wait", "--all", "--site", "demo", "--timeout", PATIENCE)
        finally:
            subprocess.run([self.binary, "site", "stop", "demo"], env=self.env)

    def latencies(self) -> list[Latency]:
        """How long jobs took from one state to another."""
        reached: dict[int, dict[str, float]] = {}
        for event in self.ask("job", "events", "--site", "demo", "--limit", "1000000")["DATA"]:
            if event["item_id"] is None:
                reached.setdefault(event["job_id"], {})[event["to_state"]] = event["unix_time"]
        created = {job: min(states.values()) for job, states in reached.items()}
        steps = [("created", "STAGED_IN"), ("STAGED_IN", "RUN_DONE"), ("RUN_DONE", "JOB_FINISHED"),
                 ("created", "JOB_FINISHED")]
        found = []
        for begin, end in steps:
            seconds = [states[end] - (created[job] if begin == "created" else states[begin])
                       for job, states in reached.items() if end in states and (begin == "created" or begin in states)]
            found.append(Latency(f"{begin} -> {end}", seconds))
        return found


def choose(count: int) -> list[Job]:
    """Jobs over files that are spread over all that there are; each file once, again only if there are too few."""
    files = list(real_files(SIZES))
    if not files:
        raise SystemExit(f"demo-jobs: no readable files below {', '.join(str(ROOT / below) for below in BELOW)}")
    apps = sorted(COMMANDS)
    chosen = [files[number * len(files) // count] for number in range(count)]
    return [Job(apps[number % len(apps)], path, f"{apps[number % len(apps)]}/{number}")
            for number, path in enumerate(chosen)]


def report(demo: Demo, jobs: list[Job], seconds: float) -> None:
    states = demo.ask("job", "ls", "--by-state", "--site", "demo")["DATA"]
    items = demo.ask("transfer-item", "ls", "--site", "demo")["DATA"]
    tasks = {item["task_id"] for item in items if item["task_id"]}
    moved = sum(demo.ask("task", "show", task)["bytes_transferred"] for task in tasks)
    rows = [("jobs", ", ".join(f"{row['count']} {row['state']}" for row in states)),
            ("transfer items", f"{len(items)}, {sum(item['state'] == 'done' for item in items)} of them done"),
            ("transfer tasks", f"{len(tasks)}: {len(items) / max(1, len(tasks)):.0f} items each"),
            ("bytes moved", f"{shown(moved)}: {shown(sum(job.source.stat().st_size for job in jobs))} of inputs,"
                            " and the results"),
            ("time in all", f"{seconds:.1f} s, {len(jobs) / seconds:.1f} jobs per second")]
    print()
    for what, told in rows:
        print(f"{what:<28} {told}")
    print(f"\n{'latency':<28} {'median':>9} {'worst':>9}")
    for latency in demo.latencies():
        if latency.seconds:
            print(f"{latency.what:<28} {statistics.median(latency.seconds):>7.2f} s {max(latency.seconds):>7.2f} s")


def differences(demo: Demo, jobs: list[Job]) -> list[str]:
    """Results that are not what the same command answers when it is run directly."""
    found = []
    for job in jobs:
        with open(job.source, "rb") as source:
            direct = subprocess.run(DIRECT[job.app], stdin=source, capture_output=True, check=True).stdout
        result = demo.results / job.result
        if not result.is_file():
            found.append(f"{job.app} of {job.source}: there is no result")
        elif result.read_bytes() != direct:
            found.append(f"{job.app} of {job.source}: {result} differs from what the command answers")
    return found


def show_log(demo: Demo) -> None:
    log = demo.site / "log" / "site.log"
    if log.exists():
        print(f"the end of {log}:\n{log.read_text(errors='replace')[-4000:]}", file=sys.stderr)


def enough_room(jobs: list[Job], scratch: pathlib.Path) -> bool:
    """For inputs, what they become and the results; and what Wherry keeps of each job."""
    needed = sum(3 * job.source.stat().st_size + (64 << 10) for job in jobs)
    free = shutil.disk_usage(scratch).free
    if needed > free:
        print(f"demo-jobs: needs {shown(needed)} in {scratch}, {shown(free)} are free; set TMPDIR or ask for fewer jobs",
              file=sys.stderr)
    return needed <= free


def main() -> int:
    binary, count = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing stays behind then, either
    scratch = make_scratch("demo-jobs")
    demo = Demo(binary, scratch)
    try:
        jobs = choose(count)
        if not enough_room(jobs, scratch):
            return 1
        print(f"== a site with two apps; inputs come from {ROOT}, results go to {demo.results}", flush=True)
        demo.prepare()
        print(f"== {len(jobs)} jobs over real files, submitted at once", flush=True)
        begun = time.monotonic()
        demo.create(jobs)
        demo.run()
        report(demo, jobs, time.monotonic() - begun)
        wrong = differences(demo, jobs)
        for complaint in wrong[:20]:
            print(f"demo-jobs: {complaint}", file=sys.stderr)
        if wrong:
            print(f"demo-jobs: {len(wrong)} of {len(jobs)} results are wrong", file=sys.stderr)
            return 1
        print(f"\nAll {len(jobs)} results are what the same commands answer when they are run directly.")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"demo-jobs: '{' '.join(map(str, error.cmd))}' exits {error.returncode}", file=sys.stderr)
        show_log(demo)
        return 1
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
