# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about flows: transfers as futures."""

from measure import Bench


class FlowRows(Bench):
    def row_futures_together(self) -> None:
        values = self.lines_of("wherry_flow_bench", "together")
        self.value_bar("100 futures of 1 MiB, tasks of 2 s: tasks", values["100 futures of 1 MiB, tasks"], 3, "tasks")
        self.value_bar("100 futures of 1 MiB, tasks of 2 s: time", values["100 futures of 1 MiB, time"], 6, "s")

    def row_futures_waiting(self) -> None:
        values = self.lines_of("wherry_flow_bench", "waiting")
        self.value_bar("10,000 waiting futures: requests", values["10,000 waiting futures, requests"], 2, "/s")
        self.value_bar("10,000 waiting futures: memory", values["10,000 waiting futures, peak memory"], 100, "MiB")
