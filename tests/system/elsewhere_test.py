#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two Wherrys: one serves, the other works against it."""

import re
import shlex
import unittest
import urllib.request

from two_wherrys import SCOPE, TwoWherrys


class Commands(TwoWherrys):
    def test_files_tasks_and_endpoints_are_those_of_the_service(self):
        self.fill(self.lab_files / "run", 30)
        self.assertIn("d0/", self.wherry("ls", "lab:/run"))
        self.assertEqual(self.wherry_json("stat", f"{self.lab}:/run/d1/file 1")["size"], 37)
        self.wherry("transfer", "lab:/run", "archive:/copy", "--recursive", "--label", "over the wire")
        self.assertEqual(self.tree(self.archive_files / "copy"), self.tree(self.lab_files / "run"))
        (task,) = self.wherry_json("task", "list")["DATA"]
        self.assertEqual((task["status"], task["label"]), ("SUCCEEDED", "over the wire"))
        self.assertIn("file 29", self.wherry("task", "show", task["task_id"], "--successful-transfers"))
        self.assertIn("SUCCEEDED", self.wherry("task", "event-list", task["task_id"]))
        self.wherry("mkdir", "archive:/new")
        self.wherry("rename", "archive:/copy/d0", "archive:/new/d0")
        self.assertTrue((self.archive_files / "new/d0/file 0").exists())
        self.wherry("rm", "--recursive", "archive:/new/d0")
        self.assertFalse((self.archive_files / "new/d0").exists())
        listed = self.wherry_json("endpoint", "list")["DATA"]
        self.assertEqual(sorted(row["display_name"] for row in listed), ["archive", "lab"])  # all that are there for the client
        self.assertEqual({row["access"] for row in listed}, {""})  # the service does not tell it
        found = self.wherry_json("endpoint", "search", "lab")["DATA"]
        self.assertEqual([each["id"] for each in found], [self.lab])

    def test_a_detached_task_runs_at_the_service(self):
        self.fill(self.lab_files, 10)
        answer = self.wherry_json("transfer", "lab:/d0", "archive:/d0", "--recursive", "--detach")
        self.wherry("task", "wait", answer["task_id"])
        self.assertEqual(self.tree(self.archive_files / "d0"), self.tree(self.lab_files / "d0"))

    def test_exit_codes_and_messages_say_what_to_do(self):
        self.refused(2, "ls", "/tmp", says="ENDPOINT:/path")
        self.refused(1, "ls", "nowhere:/", says="endpoint search")
        self.refused(1, "ls", "lab:/missing")
        self.refused(1, "endpoint", "create", "x", str(self.work), says="--service local")
        self.environment["WHERRY_CLIENT_SECRET"] = "guess"
        (self.state() / "tokens.json").unlink()
        self.assertNotIn("guess", self.refused(4, "ls", "lab:/", says=[self.client, "WHERRY_CLIENT_SECRET"]))
        self.refused(2, "login", says="unset WHERRY_CLIENT_ID")
        del self.environment["WHERRY_CLIENT_ID"], self.environment["WHERRY_CLIENT_SECRET"]
        self.refused(4, "ls", "lab:/", says=f"wherry login --service {self.url}")
        self.refused(2, "login", "--service", "local", says="--service")
        self.refused(2, "ls", "lab:/", "--service", "nonsense")

    def test_tokens_are_kept_from_others(self):
        self.assertIn(self.client, self.wherry("whoami"))
        self.assertEqual((self.state() / "tokens.json").stat().st_mode & 0o777, 0o600)
        self.wherry("logout")
        self.assertNotIn("access_token", (self.state() / "tokens.json").read_text())

    def state(self):
        return next(self.scratch.rglob("tokens.json")).parent


class Consents(TwoWherrys):
    """An endpoint asks whoever uses it to consent to that."""

    def setUp(self):
        super().setUp()
        self.secure, files = self.served_endpoint("secure", requires_data_access=True)
        self.write(files / "secret.txt")
        self.scope = f"{SCOPE}[*https://auth.globus.org/scopes/{self.secure}/data_access]"

    def person(self):
        """Makes a user who may read the endpoint, and whom `wherry` works for from now on."""
        user = self.new_person()
        self.ask(f"/v0.10/endpoint/{self.secure}/access", {
            "DATA_TYPE": "access", "principal_type": "identity", "principal": user,
            "path": "/", "permissions": "r"}, authorization=self.bearer())

    def test_a_person_is_told_the_command_to_consent_with(self):
        self.person()
        self.log_in("login")
        complaint = self.refused(4, "ls", "secure:/",
                                 says=["ConsentRequired", f"wherry session consent '{self.scope}'"])
        self.refused(4, "stat", "secure:/secret.txt", says="wherry session consent")
        self.refused(4, "transfer", "secure:/secret.txt", "secure:/copy", says="wherry session consent")
        command = shlex.split(re.search(r"wherry (session consent '[^']+' --service \S+)", complaint)[1])
        self.log_in(*command)
        self.assertEqual(self.wherry("ls", "secure:/"), "secret.txt\n")

    def test_a_client_consents_by_itself(self):
        self.assertEqual(self.wherry("ls", "secure:/"), "secret.txt\n")

    def test_without_the_option_nobody_is_asked(self):
        request = urllib.request.Request(f"{self.url}/v0.10/endpoint/{self.secure}",
                                         b'{"requires_data_access": false}', method="PUT",
                                         headers={"Authorization": self.bearer(), "Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).close()
        self.person()
        self.log_in("login")
        self.assertEqual(self.wherry("ls", "secure:/"), "secret.txt\n")


class Syncs(TwoWherrys):
    def add(self, *options):
        self.wherry("sync", "add", "mirror", "lab:/run", "archive:/mirror", "--settle", "0s", *options)

    def mirrored(self):
        self.assertEqual(self.tree(self.archive_files / "mirror"), self.tree(self.lab_files / "run"))

    def check_passes(self):
        self.fill(self.lab_files / "run", 60)
        # Where a sync has its endpoints is part of the sync: no other command has to say it.
        service = self.environment.pop("WHERRY_SERVICE")
        self.addCleanup(self.environment.__setitem__, "WHERRY_SERVICE", service)
        report = self.wherry_json("sync", "run", "mirror")
        self.assertEqual((report["result"], report["added"]), ("done", 60))
        self.mirrored()
        self.assertEqual(self.wherry_json("sync", "run", "mirror")["added"], 0)
        (self.lab_files / "run/d1/file 1").write_bytes(b"changed")
        (self.lab_files / "run/new").write_bytes(b"new")
        self.wherry("sync", "run", "mirror")
        self.mirrored()

    def test_the_source_is_listed_through_the_service(self):
        (self.lab_files / "run").mkdir()
        self.add()
        self.check_passes()

    def test_the_source_is_read_here_if_it_is_here(self):
        (self.lab_files / "run").mkdir()
        self.refused(2, "sync", "add", "x", "lab:/run", "archive:/m", "--source-root", f"{self.lab_files}/r=/ru",
                     says="is not in")
        self.add("--source-root", f"{self.lab_files}=/")
        shown = self.wherry_json("sync", "show", "mirror")
        self.assertEqual((shown["service"], shown["source_host"]), (self.url, str(self.lab_files / "run")))
        self.check_passes()
        # A rename is seen by its inode, and nothing is sent again.
        (self.lab_files / "run/d2").rename(self.lab_files / "run/renamed")
        self.assertEqual(self.wherry_json("sync", "run", "mirror")["renamed"], 1)

    def test_either_side_may_die(self):
        (self.lab_files / "run").mkdir()
        self.add("--batch-files", "20")
        self.fill(self.lab_files / "run", 100)
        for victim in ("client", "server") * 3:
            run = self.start("sync", "run", "mirror")
            self.wait_until(lambda: run.poll() is not None or self.tree(self.archive_files), "the pass has begun")
            if victim == "client":
                run.kill()
            else:
                self.kill_server()
                self.serve()
            self.end(run)
        self.wherry("sync", "run", "mirror")
        self.mirrored()
        labels = [task["label"] for task in self.wherry_json("task", "list", "--limit", "100")["DATA"]]
        self.assertLessEqual(len(labels), 5 * 7, "a batch is one task however often it was sent")


if __name__ == "__main__":
    unittest.main()
