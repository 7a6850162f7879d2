# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about jobs: the control plane that keeps them, and the site that runs them."""

import select
import subprocess
import time

from measure import MIB, Bench, peak_of

BACKLOG = 100_000
PATIENCE = 120  # seconds until the site has seen that its service is away
WATCHED = 20  # seconds after that
NOBODY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
# Port 9 is that of a service that throws everything away, where it is there at all.
AWAY = f"""\
transfers:
  service: http://127.0.0.1:9
  globus_endpoint_id: {NOBODY}
  transfer_locations: {{lab: "wherry://{NOBODY}"}}
"""


class JobRows(Bench):
    def jobs_bench(self, what: str, program: str = "wherry_jobs_bench") -> dict[str, float]:
        return self.lines_of(program, what)

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

    def row_site_memory(self) -> None:
        """A site with a backlog, whose service is away."""
        wherry = self.wherry()
        wherry.env.update(WHERRY_CLIENT_ID=NOBODY, WHERRY_CLIENT_SECRET="none")
        site = self.work / self.fresh_name("site")
        wherry.run("site", "init", site, "-n", "away")
        (site / "settings.yml").write_text(AWAY)
        (site / "apps" / "app.yml").write_text("command: wc input\ntransfers: {data: {direction: in, local_path: input}}\n")
        wherry.run("site", "sync", "away")
        batch = wherry.state / "jobs.csv"
        with open(batch, "w", encoding="ascii") as file:
            file.write("workdir,app,stage.data\n")
            file.writelines(f"run/{number},app,lab:/data/{number:06}.h5\n" for number in range(BACKLOG))
        wherry.run("job", "create", "--site", "away", "--batch", batch)
        process = subprocess.Popen([str(word) for word in wherry.command("site", "start", "away")], env=wherry.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE
            while not wherry.json("site", "show", "away").get("alert"):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("the site has not seen that its service is away")
                select.select([], [], [], 0.5)
            select.select([], [], [], WATCHED)
            peak = peak_of(process.pid)
        finally:
            process.terminate()
            process.wait()
        self.value_bar("a site with 100,000 jobs, its service away", peak / MIB, 128, "MiB")
