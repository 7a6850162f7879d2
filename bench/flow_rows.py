# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about flows: transfers as futures."""

import os
import pathlib
import statistics
import subprocess

from measure import Bench

HERE = pathlib.Path(__file__).resolve().parent
ONE_AFTER_ANOTHER = 200
PYTHON = "/usr/bin/python3"  # for which the module is built


class FlowRows(Bench):
    def row_futures_together(self) -> None:
        values = self.lines_of("wherry_flow_bench", "together")
        self.value_bar("100 futures of 1 MiB, tasks of 2 s: tasks", values["100 futures of 1 MiB, tasks"], 3, "tasks")
        self.value_bar("100 futures of 1 MiB, tasks of 2 s: time", values["100 futures of 1 MiB, time"], 6, "s")

    def row_futures_waiting(self) -> None:
        values = self.lines_of("wherry_flow_bench", "waiting")
        self.value_bar("10,000 waiting futures: requests", values["10,000 waiting futures, requests"], 2, "/s")
        self.value_bar("10,000 waiting futures: memory", values["10,000 waiting futures, peak memory"], 100, "MiB")

    def row_python_overhead(self) -> None:
        """One transfer through the Python package, and the same in C++."""
        def in_python() -> float:
            done = subprocess.run([PYTHON, "-B", HERE / "python_overhead.py", self.fresh("python"), str(ONE_AFTER_ANOTHER)],
                                  env={**os.environ, "PYTHONPATH": str(self.build / "python")}, check=True,
                                  capture_output=True, text=True)
            self.note("python " + done.stdout.rstrip())
            return float(done.stdout.split()[-2])

        results = self.turns({"python": in_python,
                              "c++": lambda: self.lines_of("wherry_flow_bench", "one")["one transfer of 16 KiB"]})
        ours, peer = statistics.median(results["python"]), statistics.median(results["c++"])
        self.bar("one transfer of 16 KiB from Python", f"{ours:.3g} ms", f"C++ {peer:.3g} ms", ours / peer, 1.2,
                 at_most=True)
