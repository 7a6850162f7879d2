#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/demo-flow that comes after the build: demo_flow.py BINARY PACKAGE FILES

PACKAGE is the directory in which this Python finds the package wherry."""

import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

from demo_shared import BELOW, ROOT, make_scratch, real_files

SIZES = range(200, 1 << 20)
PATIENCE = 600

FLOW = """\
description: Compresses files of this machine.
params:
  files: [%(files)s]
  pause: 0
directory: "%(scratch)s"
tasks:
  stage:
    foreach: files
    transfer:
      source: "machine:/{{ item }}"
      target: "scratch:/{{ item }}"
  compress:
    needs: stage.each
    command: |
      sleep {{ pause }}
      gzip -n -c -9 < {{ item }} > {{ item }}.gz
  keep:
    needs: compress.each
    transfer:
      source: "scratch:/{{ item }}.gz"
      target: "results:/{{ flow.run }}/{{ item }}.gz"
      cleanup: verified
  clean:
    needs: keep
    foreach: files
    delete: "scratch:/{{ item }}"
"""

# The results of a first step move to a place that refuses them.
FAILING = """\
tasks:
  make:
    directory: "%(scratch)s"
    command: |
      mkdir -p precious
      echo "the only copy" > precious/result
  keep:
    needs: make
    transfer: {source: "scratch:/precious", target: "machine:/forbidden", recursive: true}
  clean:
    needs: keep
    delete: {path: "scratch:/precious", recursive: true}
"""


class Demo:
    def __init__(self, binary: str, scratch: pathlib.Path):
        self.binary, self.scratch = binary, scratch
        self.work, self.results = scratch / "work", scratch / "results"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("WHERRY_", "GLOBUS_"))}
        self.env = {**own, "WHERRY_STATE_DIR": str(scratch / "state"), "WHERRY_SETTINGS": str(scratch / "settings.yml")}

    def wherry(self, *words: str, expect: int = 0) -> str:
        done = subprocess.run([self.binary, *words], env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != expect:
            sys.stderr.write(done.stdout + done.stderr)
            raise subprocess.CalledProcessError(done.returncode, ["wherry", *words])
        return done.stdout

    def ask(self, *words: str):
        return json.loads(self.wherry(*words, "--format", "json"))

    def states(self, flow: str) -> dict[str, str]:
        return {row["task"]: row["state"] for row in self.ask("flow", "status", flow)["DATA"]}

    def write(self, name: str, text: str, files: list[pathlib.Path]) -> str:
        path = self.scratch / name
        listed = ", ".join(json.dumps(str(file.relative_to(ROOT))) for file in files)
        path.write_text(text % {"scratch": self.work, "files": listed})
        return str(path)

    def prepare(self) -> None:
        self.work.mkdir()
        self.results.mkdir()
        self.wherry("endpoint", "create", "machine", str(ROOT), "--read-only")
        self.wherry("endpoint", "create", "scratch", str(self.work))
        self.wherry("endpoint", "create", "results", str(self.results))


def choose(count: int) -> list[pathlib.Path]:
    """Files that are spread over all that there are, each once."""
    files = [file for file in real_files(SIZES) if str(file).isascii() and str(file).isprintable()]
    if len(files) < count:
        raise SystemExit(f"demo-flow: only {len(files)} readable files below "
                         f"{', '.join(str(ROOT / below) for below in BELOW)}; ask for fewer")
    return [files[number * len(files) // count] for number in range(count)]


def check_results(demo: Demo, run: str, files: list[pathlib.Path]) -> int:
    """How many results are not what the same command answers when it is run directly, or were left in the scratch."""
    wrong = 0
    for file in files:
        result = demo.results / run / (str(file.relative_to(ROOT)) + ".gz")
        direct = subprocess.run(["gzip", "-n", "-c", "-9"], stdin=open(file, "rb"), capture_output=True, check=True).stdout
        if not result.is_file() or result.read_bytes() != direct:
            print(f"demo-flow: {result} is not what gzip answers for {file}", file=sys.stderr)
            wrong += 1
    for left in demo.work.rglob("*"):
        if left.is_file():
            print(f"demo-flow: {left} was left behind", file=sys.stderr)
            wrong += 1
    return wrong


def check(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"demo-flow: {what}")


def show_whole_run(demo: Demo, files: list[pathlib.Path]) -> int:
    print(f"== stage -> process -> stage out -> clean up: {len(files)} files of {ROOT}, as one flow", flush=True)
    flow = demo.write("compress.yml", FLOW, files)
    demo.wherry("flow", "check", flow)
    begun = time.monotonic()
    demo.wherry("flow", "run", flow)
    seconds = time.monotonic() - begun
    tasks = demo.ask("task", "list", "--limit", "1000")["DATA"]
    transfers = [task for task in tasks if task["type"] == "TRANSFER"]
    print(f"   {seconds:.1f} s; {2 * len(files)} transfers travelled in {len(transfers)} tasks")
    return check_results(demo, "1", files)


def show_protected_source(demo: Demo) -> None:
    print("== a stage out that fails: the endpoint refuses what the flow wants to keep there", flush=True)
    flow = demo.write("failing.yml", FAILING, [])
    demo.wherry("flow", "run", flow, expect=1)
    states = demo.states("failing")
    for task, state in states.items():
        print(f"   {task:<6} {state}")
    check(states == {"make": "SUCCEEDED", "keep": "FAILED", "clean": "BLOCKED"}, "these are not the states")
    precious = demo.work / "precious" / "result"
    check(precious.read_text() == "the only copy\n", "the source is gone")
    print("   the deletion never started; the source is there")
    shutil.rmtree(precious.parent)


def show_resumed_run(demo: Demo, files: list[pathlib.Path]) -> int:
    print("== killed in the middle, and resumed", flush=True)
    flow = str(demo.scratch / "compress.yml")
    process = subprocess.Popen([demo.binary, "flow", "run", flow, "--param", "pause=1"], env=demo.env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while "RUNNING" not in {state for task, state in demo.states("compress").items()
                                if task.startswith("compress[")}:
            check(process.poll() is None and time.monotonic() < deadline, "the run did not get far enough")
            select.select([], [], [], 0.05)
    finally:
        process.kill()
        process.wait()
    before = list(demo.states("compress").values())
    print(f"   killed with {before.count('SUCCEEDED')} done, {before.count('RUNNING')} under way, "
          f"{before.count('WAITING')} waiting")
    demo.wherry("flow", "run", flow, "--resume")
    run = str(demo.ask("flow", "show", "compress")["run"])
    check(set(demo.states("compress").values()) == {"SUCCEEDED"}, "the resumed run is not at its end")
    print("   resumed to its end")
    return check_results(demo, run, files)


def show_python(demo: Demo, package: str, files: list[pathlib.Path]) -> int:
    print("== the same as a program, with the futures of the package wherry", flush=True)
    program = pathlib.Path(__file__).with_name("demo_workflow.py")
    words = [sys.executable, "-B", str(program), str(demo.work), *(str(file.relative_to(ROOT)) for file in files)]
    subprocess.run(words, env={**demo.env, "PYTHONPATH": package}, check=True, timeout=PATIENCE)
    return check_results(demo, "python", files)


def main() -> int:
    binary, package, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing stays behind then, either
    scratch = make_scratch("demo-flow")
    demo = Demo(binary, scratch)
    try:
        files = choose(count)
        demo.prepare()
        wrong = show_whole_run(demo, files)
        show_protected_source(demo)
        wrong += show_resumed_run(demo, files)
        wrong += show_python(demo, package, files)
        if wrong:
            print(f"demo-flow: {wrong} results are wrong", file=sys.stderr)
            return 1
        print(f"\nAll {3 * len(files)} results are what gzip answers when it is run directly; nothing is left in the "
              "scratch place.")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"demo-flow: '{' '.join(map(str, error.cmd))}' exits {error.returncode}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
