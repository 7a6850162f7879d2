#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The flow of scripts/demo-flow as a program: demo_workflow.py SCRATCH FILE...

FILEs are paths at the endpoint "machine"; SCRATCH is the directory of the endpoint "scratch". Results go to
/python/FILE.gz of the endpoint "results". Ends with an error if something was deleted that had to be kept.
"""

import concurrent.futures
import pathlib
import subprocess
import sys

from wherry.data import delete_task, transfer_task


def compress(path: pathlib.Path) -> None:
    with open(path, "rb") as whole, open(f"{path}.gz", "wb") as packed:
        subprocess.run(["gzip", "-n", "-c", "-9"], stdin=whole, stdout=packed, check=True)


def keep_compressed(pool: concurrent.futures.Executor, scratch: pathlib.Path, files: list[str]) -> set[str]:
    """Stages, compresses, keeps the result and cleans up; answers the transfer tasks in which all that travelled."""

    def process(staged: concurrent.futures.Future, file: str) -> None:
        if not staged.result():
            raise RuntimeError(f"{file} was not staged: {staged.error}")
        compress(scratch / file)

    staged = [transfer_task("machine", "scratch", f"/{file}", f"/{file}") for file in files]
    processed = [pool.submit(process, *each) for each in zip(staged, files)]
    kept = [transfer_task("scratch", "results", f"/{file}.gz", f"/python/{file}.gz", inputs=[done])
            for file, done in zip(files, processed)]
    cleaned = [delete_task("scratch", f"/{file}{suffix}", inputs=[task])
               for file, task in zip(files, kept) for suffix in ("", ".gz")]
    for task in [*staged, *kept, *cleaned]:
        if not task.result():
            raise RuntimeError(f"{task}: {task.error}")
    return {task.task_id for task in [*staged, *kept]}


def show_protected_source(scratch: pathlib.Path) -> None:
    precious = scratch / "precious"
    precious.write_text("the only copy\n")
    lost = transfer_task("scratch", "machine", "/precious", "/forbidden")
    cleaned = delete_task("scratch", "/precious", inputs=[lost])
    print(f"   lost.result()    -> {lost.result()}: {lost.error}")
    print(f"   cleaned.result() -> {cleaned.result()}: {cleaned.error}")
    if lost.result() or cleaned.result() or precious.read_text() != "the only copy\n":
        raise RuntimeError("the source was not protected")
    print("   the source is there", flush=True)
    precious.unlink()


def main() -> None:
    scratch, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tasks = keep_compressed(pool, scratch, files)
    print(f"   {2 * len(files)} transfers travelled in {len(tasks)} tasks", flush=True)
    print("== and a stage out that fails", flush=True)
    show_protected_source(scratch)


if __name__ == "__main__":
    main()
