# SPDX-License-Identifier: Apache-2.0
"""A site whose service has the limits of Globus: three active transfers and so many requests in a second of one user."""

import collections
import re
import time
import unittest
import urllib.request

import harness
import two_wherrys

JOBS = 60
ITEMS_OF_A_TASK = 5
COPY = """\
command: cp input.dat result.dat
transfers:
  input: {direction: in, local_path: input.dat}
  result: {direction: out, local_path: result.dat}
"""


class SiteElsewhere(two_wherrys.TwoWherrys):
    requests_per_second = 20
    batch_size = ITEMS_OF_A_TASK

    def setUp(self):
        # The service itself would run more at once.
        self.server_settings = {"WHERRY_SERVE_ACTIVE_TRANSFERS": "3", "WHERRY_TASKS_ACTIVE": "8",
                                "WHERRY_TASKS_ACTIVE_PER_ENDPOINT": "8",
                                "WHERRY_SERVE_REQUESTS_PER_SECOND": str(self.requests_per_second)}
        super().setUp()
        del self.environment["WHERRY_SERVICE"]  # the site's settings name it
        self.site = self.scratch / "site"
        self.wherry("site", "init", self.site, "-n", "far")
        there = harness.json.loads(self.at_service("endpoint", "create", "site", self.site, "--owner", self.client,
                                                   "--format", "json"))["id"]
        (self.site / "settings.yml").write_text(
            f"transfers:\n  service: {self.url}\n  globus_endpoint_id: {there}\n  globus_endpoint_site_path: /\n"
            f"  transfer_locations:\n    lab: wherry://{self.lab}\n    archive: wherry://{self.archive}\n"
            f"  transfer_batch_size: {self.batch_size}\n  service_period: 1s\nlauncher:\n  idle_time: 1s\n")
        (self.site / "apps" / "copy.yml").write_text(COPY)
        self.wherry("site", "sync", "far")

    def run_jobs(self, count):
        """Answers how long it took."""
        lines = ["workdir,app,stage.input,stage.result"]
        for number in range(count):
            self.write(self.lab_files / f"{number}.dat", f"content {number}".encode())
            lines.append(f"run/{number},copy,lab:/{number}.dat,archive:/{number}.dat")
        batch = self.write(self.scratch / "jobs.csv", "\n".join(lines).encode() + b"\n")
        self.wherry("job", "create", "--site", "far", "--batch", batch)
        began = time.monotonic()
        self.wherry("site", "start", "far", "--detach")
        self.addCleanup(self.run_wherry, "site", "stop", "far")
        done = self.run_wherry("job", "wait", "--site", "far", "--all", "--timeout", "150")
        self.assertEqual(done.returncode, 0, f"{done.out}{done.err}{self.log()}")
        for number in range(count):
            self.assertEqual((self.archive_files / f"{number}.dat").read_bytes(), f"content {number}".encode())
        return time.monotonic() - began

    def log(self):
        return (self.site / "log" / "site.log").read_text(errors="replace")[-4000:]

    def answers_by_status(self):
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as page:
            text = page.read().decode()
        counts = collections.Counter()
        for status, number in re.findall(r'^wherry_http_requests_total\{.*status="(\d+)"\} (\d+)', text, re.M):
            counts[int(status)] += int(number)
        return counts

    def served_tasks(self):
        request = urllib.request.Request(self.url + "/v0.10/task_list?limit=1000",
                                         headers={"Authorization": self.bearer()})
        with urllib.request.urlopen(request, timeout=60) as page:
            return harness.json.load(page)["DATA"]


class Below(SiteElsewhere):
    def test_a_site_keeps_to_the_limits_of_globus(self):
        before = self.answers_by_status()
        took = self.run_jobs(JOBS)
        answers = self.answers_by_status() - before
        # When several tasks end at once, what is asked about them may be too much for one moment.
        self.assertLessEqual(answers[429], sum(answers.values()) // 30, answers)
        # As the service counts: what may be saved up, and so many for each second.
        self.assertLessEqual(sum(answers.values()), self.requests_per_second * (took + 4))
        tasks = self.served_tasks()
        self.assertGreaterEqual(len(tasks), 2 * JOBS // ITEMS_OF_A_TASK)
        self.assertEqual({task["status"] for task in tasks}, {"SUCCEEDED"})
        # Times are of whole seconds: a task that ends makes room for the next within its second.
        for task in tasks:
            beside = [one for one in tasks
                      if one["request_time"] <= task["request_time"] < one["completion_time"]]
            self.assertLessEqual(len(beside), 3, [(one["request_time"], one["completion_time"]) for one in beside])


class Above(SiteElsewhere):
    requests_per_second = 3
    batch_size = 1

    def test_a_site_that_asks_too_often_waits_and_loses_nothing(self):
        self.run_jobs(10)
        answers = self.answers_by_status()
        self.assertGreater(answers[429], 0, "the limit was not reached: the test shows nothing")
        items = self.wherry_json("transfer-item", "ls", "--site", "far", "-v")["DATA"]
        self.assertEqual({(item["state"], item["attempts"]) for item in items}, {("done", 1)})
        self.assertEqual(len(self.served_tasks()), len(items), "each was sent once")
        self.assertLess(answers[429], sum(answers.values()) - answers[429], answers)


if __name__ == "__main__":
    unittest.main()
