# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about jobs: the control plane that keeps them, and the site that runs them."""

import subprocess

from measure import Bench


class JobRows(Bench):
    def jobs_bench(self, what: str, program: str = "wherry_jobs_bench") -> dict[str, float]:
        """What a program of lines "name: NUMBER unit" says of one of its parts."""
        answer = subprocess.run([self.build / "bench" / program, self.fresh("jobs"), what],
                                capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        self.note(answer.stdout.rstrip())
        values = {}
        for line in answer.stdout.splitlines():
            name, _, value = line.strip().rpartition(": ")
            values[name] = float(value.split()[0])
        return values

    def row_jobs_create(self) -> None:
        seconds = self.jobs_bench("create")["100,000 jobs created"]
        self.value_bar("100,000 jobs with an input each, in bulk", seconds, 20, "s")

    def row_jobs_update(self) -> None:
        values = self.jobs_bench("update")
        self.value_bar("bulk change of 5,000 jobs", max(values.values()), 1, "s")

    def row_jobs_list(self) -> None:
        worst = self.jobs_bench("list")["worst filtered list over 1,000,000 items"]
        self.value_bar("filtered list over 1,000,000 items", worst, 200, "ms")

    def row_site_latency(self) -> None:
        values = self.jobs_bench("latency", "wherry_site_bench")
        self.value_bar("from a task's end to STAGED_IN, median", values["from a task's end to STAGED_IN, median"], 1, "s")
        self.value_bar("from a task's end to STAGED_IN, worst", values["from a task's end to STAGED_IN, worst"], 1.5, "s")
        self.value_bar("a lone item until it is submitted", values["a lone item until it is submitted"], 1, "s")

    def row_site_throughput(self) -> None:
        self.jobs_bench("throughput", "wherry_site_bench")  # has no bar: its lines are the result
