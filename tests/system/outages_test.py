# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between two machines in a long campaign, and what users of Wherry notice of it.

outages_test.py [--files N] [TEST...]    N: how many files go through a bad network
"""

import argparse
import base64
import concurrent.futures
import json
import os
import re
import shlex
import signal
import sys
import unittest

from fault_proxy import SUBMISSIONS, Fault
from two_wherrys import SCOPE, ThroughFaults

TOKEN = "/v2/oauth2/token"
TRANSFER = "transfer.api.globus.org"


class Outages(ThroughFaults):
    rates = {}  # the network is good; each test says what is not

    def add_sync(self, name, source, target, *options):
        self.wherry("sync", "add", name, f"{source}:/", f"{target}:/", "--settle", "0s", *options)

    def names_endpoint(self, endpoint):
        """Whether a request is about it, as a function of the request."""
        return lambda seen: endpoint in seen.path or endpoint.encode() in seen.body


class Persons(Outages):
    """Somebody logs in, with endpoints of her own: `here` to `there`, and `here` to `away`."""

    def setUp(self):
        super().setUp()
        user = self.new_person()
        self.ids = {}
        for name in ("here", "there", "away"):
            (self.scratch / name).mkdir()
            made = self.at_service("endpoint", "create", name, self.scratch / name, "--owner", user,
                                   "--format", "json")
            self.ids[name] = json.loads(made)["id"]
        self.fill(self.scratch / "here", 20)
        self.log_in("login")

    def login(self):
        """The person's, as it is stored."""
        (file,) = self.scratch.rglob("tokens.json")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        (login,) = json.loads(file.read_text())["logins"]
        return login

    def revoke(self, kind):
        """Ends a token, at the service."""
        login = self.login()
        basic = base64.b64encode(f"{login['client_id']}:{login['client_secret']}".encode()).decode()
        self.ask(TOKEN + "/revoke", form={"token": login["tokens"][TRANSFER][kind]}, authorization="Basic " + basic)

    def exchanges(self):
        return [seen for seen in self.proxy.seen if seen.path == TOKEN and b"grant_type=refresh_token" in seen.body]

    # Scenario 8.
    def test_a_token_is_exchanged_once_for_all_who_need_it_even_if_the_answer_is_lost(self):
        self.revoke("access_token")
        self.proxy.fault_for = lambda seen: (
            Fault.RESET_AFTER if seen.path == TOKEN and len(self.exchanges()) == 1 else None)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda _: self.wherry("ls", "here:/d1"), range(8)))
        self.assertEqual(set(said), {"file 1\nfile 15\nfile 8\n"})
        self.assertEqual(len(self.exchanges()), 2)
        self.assertEqual(len({seen.body for seen in self.exchanges()}), 1)
        self.login()
        self.assert_no_secret_was_told()

    def test_work_waits_for_a_new_login_when_the_old_one_is_revoked(self):
        self.add_sync("mirror", "here", "there")
        self.revoke("refresh_token")
        said = self.refused(4, "sync", "run", "mirror", says="wherry login")
        self.assertNotIn("failed", said)
        self.log_in("login")
        report = self.wherry_json("sync", "run", "mirror")
        self.assertEqual((report["result"], report["added"], report["failed"]), ("done", 20, 0))
        self.assert_same(self.scratch / "here", self.scratch / "there")
        self.assert_no_secret_was_told()

    def test_a_missing_consent_holds_up_only_what_needs_it_and_is_named(self):
        scope = f"{SCOPE}[*https://auth.globus.org/scopes/{self.ids['away']}/data_access]"
        self.at_service("endpoint", "update", "away", "--data-access-consent")
        self.add_sync("consented", "here", "there")
        self.add_sync("not-consented", "here", "away")
        said = self.refused(4, "sync", "run", "not-consented", "consented", says="not-consented")
        self.assert_same(self.scratch / "here", self.scratch / "there")
        command = shlex.split(re.search(r"wherry (session consent '.*?')", said).group(1))
        self.assertEqual(command, ["session", "consent", scope])
        self.log_in(*command)
        self.wherry("sync", "run", "not-consented")
        self.assert_same(self.scratch / "here", self.scratch / "away")
        self.assertEqual(self.login()["scopes"], [scope])
        self.assert_no_secret_was_told()


class Endpoints(Outages):
    def test_an_endpoint_that_is_offline_holds_up_only_its_own_work(self):
        self.fill(self.lab_files, 20)
        away, _ = self.served_endpoint("away")
        self.add_sync("good", "lab", "archive")
        self.add_sync("offline", "lab", "away", "--source-root", f"{self.lab_files}=/")
        is_about, is_offline = self.names_endpoint(away), [True]
        self.proxy.answer_instead = lambda seen: (
            (502, {"code": "ExternalError.DirListingFailed.GCDisconnectedException", "resource": seen.path,
                   "message": "The Globus Connect endpoint is not connected", "request_id": "abcdefghi"})
            if is_offline and is_about(seen) and "/operation/" in seen.path else None)
        self.refused(1, "sync", "run", "offline", "good", says=["offline", "not connected"])
        self.assert_same(self.lab_files, self.archive_files)
        self.assertLess(len([seen for seen in self.proxy.seen if is_about(seen)]), 20, "nobody hammers at it")
        is_offline.clear()
        report = self.wherry_json("sync", "run", "offline")
        self.assertEqual((report["result"], report["failed"]), ("done", 0))
        self.assertEqual(sorted(path.name for path in self.served.rglob("file 13")), ["file 13"] * 3)

    def test_a_full_target_ends_the_pass_and_only_the_rest_is_moved_when_there_is_space(self):
        for number in range(10):
            self.write(self.lab_files / f"file{number}", os.urandom(100_000))
        self.add_sync("mirror", "lab", "archive")
        self.at_service("endpoint", "update", self.archive, "--daily-quota", "650KB")
        report = self.run_wherry("sync", "run", "mirror")
        self.assertEqual(report.returncode, 1, report.out + report.err)
        self.assertIn("quota", report.err.lower())
        before = {path.name: path.stat().st_ino for path in self.archive_files.iterdir()}
        self.assertEqual(len(before), 6)
        self.at_service("endpoint", "update", self.archive, "--daily-quota", "0")
        self.wherry("sync", "run", "mirror")
        self.assert_same(self.lab_files, self.archive_files)
        for name, inode in before.items():
            self.assertEqual((self.archive_files / name).stat().st_ino, inode, "moved again")

    def test_an_endpoint_is_named_exactly_or_by_its_id_which_takes_no_search(self):
        self.fill(self.lab_files, 8)
        self.refused(1, "ls", "labor:/", says=["labor", "wherry endpoint search"])
        twins = {"DATA": [{"id": self.lab, "display_name": "lab"}, {"id": self.archive, "display_name": "lab"}],
                 "has_next_page": False}
        self.proxy.answer_instead = lambda seen: (200, twins) if "endpoint_search" in seen.path else None
        self.refused(2, "ls", "lab:/", says=[self.lab, self.archive])
        self.proxy.answer_instead = lambda seen: None
        before = len(self.proxy.seen)
        self.wherry("transfer", f"{self.lab}:/d1", f"{self.archive}:/d1", "--recursive")
        self.assertNotIn("endpoint_search", " ".join(seen.path for seen in self.proxy.seen[before:]))

    def test_waiting_for_a_task_tells_how_it_ended(self):
        self.fill(self.lab_files, 8)
        good = self.submit("d1/'file 1' one\n")
        self.wherry("task", "wait", good)
        bad = self.submit("missing two\n")
        self.assertEqual(self.run_wherry("task", "wait", bad).returncode, 1)
        self.assertEqual(self.wherry_json("task", "show", bad)["status"], "FAILED")
        slow = self.submit(f"{self.make_slow()} big\n")
        said = self.refused(7, "task", "wait", slow, "--timeout", "0.5", "--timeout-exit-code", "7")
        self.assertIn(slow, said)
        self.wherry("task", "cancel", slow)
        self.assertEqual(self.run_wherry("task", "wait", slow).returncode, 1)
        self.refused(1, "task", "wait", "11111111-1111-4111-8111-111111111111")

    def test_ctrl_c_ends_a_sync_that_waits_for_its_service(self):
        self.add_sync("mirror", "lab", "archive")
        before = len(self.proxy.seen)
        self.proxy.fault_for = lambda seen: Fault.RESET_BEFORE
        process = self.start("sync", "run", "mirror")
        self.wait_until(lambda: len(self.proxy.seen) > before, "the first request")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertLess(len(self.proxy.seen) - before, 5, "it was not repeated to the end")

    def test_a_submission_that_was_never_answered_is_made_once_by_its_id(self):
        self.fill(self.lab_files, 8)
        self.proxy.fault_for = lambda seen: Fault.RESET_AFTER if seen.path in SUBMISSIONS else None
        words = ["transfer", "lab:/d1", "archive:/d1", "--recursive"]
        said = self.refused(1, *words, says="whether the task was accepted is not known")
        self.proxy.fault_for = lambda seen: None
        self.wherry(*words, *re.search(r"--submission-id \S+", said).group(0).split())
        self.assert_same(self.lab_files / "d1", self.archive_files / "d1")
        self.assert_each_submission_is_one_task()
        self.assertEqual(len(self.stored_tasks()), 1)

    def submit(self, batch):
        answer = self.wherry_json("transfer", "lab:/", "archive:/", "--batch", "-", "--detach", stdin=batch.encode())
        return answer["task_id"]


class Overload(ThroughFaults):
    rates = {Fault.RESET_BEFORE: 0.03, Fault.RESET_AFTER: 0.02, Fault.DELAY: 0.05, Fault.GARBLE: 0.05,
             Fault.BUSY: 0.05, Fault.UNAVAILABLE: 0.05}
    server_settings = {"WHERRY_SERVE_REQUESTS_PER_SECOND": "20"}
    files = 1000

    def test_many_files_arrive_through_an_overloaded_service(self):
        for number in range(self.files):
            self.write(self.lab_files / f"run{number % 5}" / f"file{number}", b"%d" % number)
        self.wherry("sync", "add", "mirror", "lab:/", "archive:/", "--settle", "0s",
                    "--batch-files", str(self.files // 10), "--source-root", f"{self.lab_files}=/")
        report = self.wherry_json("sync", "run", "mirror")
        self.assertEqual((report["result"], report["added"], report["failed"]), ("done", self.files, 0))
        self.assert_same(self.lab_files, self.archive_files)
        self.assert_each_submission_is_one_task()
        self.assertGreater(len(self.proxy.faults()), 3)
        refused = sum(1 for seen in self.proxy.seen if seen.status == 429)
        self.assertLess(refused, len(self.proxy.seen) / 4, "who is told to wait waits")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=Overload.files)
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    Overload.files = arguments.files
    unittest.main(argv=[sys.argv[0], *arguments.tests])


if __name__ == "__main__":
    main()
