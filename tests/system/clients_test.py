# SPDX-License-Identifier: Apache-2.0
"""What the Globus command line and the Python SDK send, call by call, answered as they need it.

The requests are written out: their query strings with `True` and empty filters, their bodies with
nulls, their trailing slashes. Each answer is checked for the members that these programs read.
"""

import base64
import contextlib
import re
import sqlite3
import unittest
import urllib.parse
import uuid

import served
import system

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\Z")
FILE_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00\Z")
CLI_TEMPLATE = "95fdeba8-fac2-42bd-a357-e068d82ff78e"
FINAL = ("SUCCEEDED", "FAILED", "INACTIVE")


def quoted(**parameters) -> str:
    """A query string as `requests` writes it: blanks are '+', booleans are Python's."""
    return urllib.parse.urlencode({name.rstrip("_"): value for name, value in parameters.items()}, doseq=True)


class ClientsTest(unittest.TestCase):
    """One service for all, one identity for each test."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = system.Scratch()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.scratch.env["WHERRY_SERVE_ENDPOINT_DIRECTORY"] = str(cls.scratch.root / "made")
        cls.service = served.Service(cls.scratch)
        cls.addClassCleanup(cls.service.stop)

    def setUp(self):
        self.client = self.service.client(self.id())
        self.call = served.Bearer(self.service, self.service.token(self.client, served.TRANSFER))

    # Answers

    def answer(self, status, method, target, document=None, call=None):
        reply = (call or self.call)(method, target, document)
        self.assertEqual(reply.status, status, f"{method} {target}: {reply}")
        self.assertEqual(reply.headers.get_content_type(), "application/json", f"{method} {target}")
        self.assertIsInstance(reply.json, dict)
        return reply.json

    def get(self, target, call=None):
        return self.answer(200, "GET", target, call=call)

    def error(self, status, code, method, target, document=None):
        told = self.answer(status, method, target, document)
        self.assertEqual(told["code"], code, told)
        self.assertIsInstance(told["message"], str)
        self.assertRegex(told["request_id"], r"\A[0-9A-Za-z]{9}\Z")
        return told

    def result(self, code, told, data_type="result"):
        self.assertEqual((told["DATA_TYPE"], told["code"]), (data_type, code))
        self.assertTrue(told["message"])  # printed as it is
        self.assertRegex(told["request_id"], r"\A[0-9A-Za-z]{9}\Z")
        self.assertTrue(told["resource"].startswith("/v0.10/"))

    def endpoint(self, *options):
        return self.service.endpoint(f"place-{uuid.uuid4()}", self.client[0], *options)

    def two_endpoints(self):
        (self.source, self.source_directory), (self.target, self.target_directory) = self.endpoint(), self.endpoint()

    def wait(self, task_id):
        """As `globus task wait` does, but without its second between two looks."""
        while (task := self.get(f"/v0.10/task/{task_id}"))["status"] not in FINAL:
            pass
        return task

    # Login

    def test_login_registers_a_client_and_reads_the_keys(self):
        registered = self.service.request(
            "POST", "/v2/api/clients",
            b'{"client": {"template_id": "%s", "name": "Globus CLI"}}' % CLI_TEMPLATE.encode(),
            {"Content-Type": "application/json"})
        self.assertEqual(registered.status, 201, registered)
        credential = registered.json["included"]["client_credential"]
        self.assertRegex(credential["client"], UUID)
        self.assertTrue(credential["secret"])
        configuration = self.service.request("GET", "/.well-known/openid-configuration").json
        self.assertTrue(configuration["id_token_signing_alg_values_supported"])
        keys = urllib.parse.urlsplit(configuration["jwks_uri"]).path
        key = self.service.request("GET", keys).json["keys"][0]
        self.assertEqual((key["kty"], key["e"]), ("RSA", "AQAB"))
        basic = credential["client"], credential["secret"]
        told = self.service.form("/v2/oauth2/token/validate", {"token": "stale"}, basic)
        self.assertEqual((told.status, told.json), (200, {"active": False}))
        # `globus logout --delete-client`: tokens that it lacks are revoked too, by nobody in particular.
        told = self.service.form("/v2/oauth2/token/revoke", {"client_id": CLI_TEMPLATE})
        self.assertEqual((told.status, told.json), (200, {"active": False}))
        authorization = base64.b64encode(":".join(basic).encode()).decode()
        gone = self.service.request("DELETE", f"/v2/api/clients/{basic[0]}",
                                    headers={"Authorization": f"Basic {authorization}"})
        self.assertEqual(gone.status, 200, gone)
        after = self.service.form("/v2/oauth2/token/validate", {"token": "stale"}, basic)
        self.assertEqual(after.status, 401, after)

    def test_client_mode_gets_one_token_for_each_service(self):
        for scope, server in ((served.TRANSFER, "transfer.api.globus.org"),
                              (served.AUTH, "auth.globus.org"),
                              (served.TIMERS, "524230d7-ea86-4a52-8312-86065a9e0417")):
            told = self.service.form("/v2/oauth2/token", {"grant_type": "client_credentials", "scope": scope},
                                     self.client).json
            self.assertEqual((told["resource_server"], told["other_tokens"]), (server, []))
            self.assertEqual(set(told["scope"].split()), set(scope.split()))
            self.assertIsInstance(told["expires_in"], int)
        refused = self.service.form("/v2/oauth2/token", {"grant_type": "client_credentials", "scope": served.TRANSFER},
                                    (self.client[0], "wrong"))
        self.assertEqual((refused.status, refused.json["error"]), (401, "invalid_client"))

    def test_whoami_session_show_and_get_identities(self):
        auth = served.Bearer(self.service, self.service.token(self.client, served.AUTH))
        me = self.get("/v2/oauth2/userinfo", call=auth)
        self.assertEqual((me["sub"], me["preferred_username"]),
                         (self.client[0], f"{self.client[0]}@clients.auth.globus.org"))
        self.assertTrue(me["identity_set"])
        session = self.service.form("/v2/oauth2/token/introspect", {"token": auth.token, "include": "session_info"},
                                    self.client).json
        self.assertIn("authentications", session["session_info"])
        found = self.get(f"/v2/api/identities?{quoted(ids=self.client[0])}", call=auth)["identities"]
        self.assertEqual([one["id"] for one in found], [self.client[0]])
        for name in ("username", "name", "status", "identity_provider", "organization", "email"):
            self.assertIn(name, found[0])
        name = f"{uuid.uuid4()}@example.org"
        user = self.service.user(name, "a password of some length")
        found = self.get(f"/v2/api/identities?{quoted(usernames=name, provision=False)}", call=auth)["identities"]
        self.assertEqual([one["id"] for one in found], [user])
        found = self.get(f"/v2/api/identities?{quoted(usernames='nobody@example.org', provision='false')}", call=auth)
        self.assertEqual(found["identities"], [])

    # Endpoints

    def test_endpoint_search_show_update_delete(self):
        endpoint, _ = self.endpoint("--description", "first")
        shown = self.get(f"/v0.10/endpoint/{endpoint}")
        self.assertIs(type(shown["is_globus_connect"]), bool)
        query = quoted(filter_scope="all", filter_fulltext=shown["display_name"], limit=100)
        found = self.get(f"/v0.10/endpoint_search?{query}")
        self.assertIs(found["has_next_page"], False)
        self.assertEqual([one["id"] for one in found["DATA"]], [endpoint])
        for name in ("id", "owner_string", "display_name", "canonical_name", "tlsftp_server", "gcs_manager_url"):
            self.assertIn(name, found["DATA"][0])
        query = quoted(filter_scope="my-endpoints", filter_non_functional=False, limit=100)
        self.assertEqual([one["id"] for one in self.get(f"/v0.10/endpoint_search?{query}")["DATA"]], [endpoint])
        told = self.answer(200, "PUT", f"/v0.10/endpoint/{endpoint}",
                           {"DATA_TYPE": "endpoint", "description": "second", "organization": None,
                            "keywords": None, "default_directory": None, "force_encryption": None})
        self.result("Updated", told)
        self.assertEqual(self.get(f"/v0.10/endpoint/{endpoint}")["description"], "second")
        servers = self.get(f"/v0.10/endpoint/{endpoint}/server_list")
        self.assertEqual(servers["DATA_TYPE"], "endpoint_server_list")
        self.result("Deleted", self.answer(200, "DELETE", f"/v0.10/endpoint/{endpoint}"))
        self.error(404, "EndpointNotFound", "GET", f"/v0.10/endpoint/{endpoint}")

    def test_gcp_create_mapped(self):
        made = self.answer(201, "POST", "/v0.10/endpoint",
                           {"DATA_TYPE": "endpoint", "is_globus_connect": True, "display_name": f"own {uuid.uuid4()}",
                            "public": True, "description": None, "subscription_id": None})
        self.result("Created", made, "endpoint_create_result")
        self.assertRegex(made["id"], UUID)
        self.assertIn("globus_connect_setup_key", made)

    # Files

    def test_ls_recursive_ls_and_stat(self):
        endpoint, directory = self.endpoint()
        for name in ("one.txt", "two.dat", "d/three.txt", "d/e/four.txt", ".hidden"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(name)
        operation = f"/v0.10/operation/endpoint/{endpoint}"
        listed = self.get(f"{operation}/ls?{quoted(path='/', show_hidden=0)}")
        self.assertEqual([one["name"] for one in listed["DATA"]], ["d", "one.txt", "two.dat"])
        for name, kinds in {"DATA_TYPE": str, "name": str, "type": str, "size": int, "last_modified": str,
                            "permissions": str, "user": (str, type(None)), "group": (str, type(None)),
                            "link_target": (str, type(None)), "link_size": (int, type(None)),
                            "link_user": (str, type(None)), "link_group": (str, type(None)),
                            "link_last_modified": (str, type(None))}.items():
            self.assertIsInstance(listed["DATA"][0][name], kinds, name)
        self.assertRegex(listed["DATA"][0]["last_modified"], FILE_TIME)
        self.assertEqual(len(self.get(f"{operation}/ls?{quoted(path='/', show_hidden='True')}")["DATA"]), 4)
        ordered = self.get(f"{operation}/ls?{quoted(path='~/', show_hidden=0, orderby='name DESC,size')}")
        self.assertEqual([one["name"] for one in ordered["DATA"]], ["two.dat", "one.txt", "d"])
        # Recursion: all directories, and the names that match; children are asked for without a slash.
        found, left = [], ["/"]
        while left:
            path = left.pop()
            reply = self.get(f"{operation}/ls?{quoted(path=path, show_hidden=1, filter=['type:dir', 'name:~*.txt'])}")
            self.assertTrue(reply["path"].endswith("/"))
            for one in reply["DATA"]:
                (left if one["type"] == "dir" else found).append(reply["path"] + one["name"])
        self.assertEqual(sorted(found), ["/d/e/four.txt", "/d/three.txt", "/one.txt"])
        self.assertEqual(self.get(f"{operation}/stat?{quoted(path='/one.txt', local_user='')}")["size"], 7)
        self.error(404, "NotFound", "GET", f"{operation}/stat?{quoted(path='/none')}")
        self.error(404, "ClientError.NotFound", "GET", f"{operation}/ls?{quoted(path='/none')}")

    def test_mkdir_and_rename(self):
        endpoint, directory = self.endpoint()
        operation = f"/v0.10/operation/endpoint/{endpoint}"
        self.result("DirectoryCreated",
                    self.answer(202, "POST", f"{operation}/mkdir", {"DATA_TYPE": "mkdir", "path": "~/d"}),
                    "mkdir_result")
        told = self.error(502, "ExternalError.MkdirFailed.Exists", "POST", f"{operation}/mkdir",
                          {"DATA_TYPE": "mkdir", "path": "d", "local_user": None})
        self.assertIn("d", told["message"])
        self.result("FileRenamed", self.answer(200, "POST", f"{operation}/rename", {
            "DATA_TYPE": "rename", "old_path": "/~/d", "new_path": "/e/", "local_user": None}))
        self.assertEqual([one.name for one in directory.iterdir()], ["e"])

    # Tasks

    def transfer(self, **more):
        """The body of `globus transfer`, which says all that it knows and sends nulls."""
        return {"DATA_TYPE": "transfer", "source_endpoint": self.source, "destination_endpoint": self.target,
                "label": None, "submission_id": self.get("/v0.10/submission_id")["value"], "sync_level": None,
                "verify_checksum": True, "preserve_timestamp": False, "encrypt_data": False,
                "skip_source_errors": False, "fail_on_quota_errors": False, "delete_destination_extra": False,
                "deadline": None, "filter_rules": None, "source_local_user": None, "destination_local_user": None,
                "skip_activation_check": True, "perf_cc": 4, "perf_udt": True, **more}

    @staticmethod
    def item(source, target, **more):
        return {"DATA_TYPE": "transfer_item", "source_path": source, "destination_path": target, **more}

    def submit(self, body):
        told = self.answer(202, "POST", "/v0.10/transfer", body)
        self.result("Accepted", told, "transfer_result")
        self.assertEqual(told["submission_id"], body["submission_id"])
        return told["task_id"]

    def test_transfer_and_task_commands(self):
        self.two_endpoints()
        (self.source_directory / "tree" / "sub").mkdir(parents=True)
        (self.source_directory / "tree" / "sub" / "file").write_bytes(b"\0binary\xff")
        (self.source_directory / "tree" / "left.tmp").write_bytes(b"")
        task_id = self.submit(self.transfer(
            label="sync job", deadline="2031-01-01 00:00:00", notify_on_succeeded=False, notify_on_failed=False,
            notify_on_inactive=False, preserve_timestamp=True, sync_level=3,
            filter_rules=[{"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp", "type": "file"}],
            DATA=[self.item("~/tree", "/copy//of/./tree/", recursive=True)]))
        task = self.wait(task_id)
        self.assertEqual(task["status"], "SUCCEEDED", task)
        self.assertEqual((self.target_directory / "copy/of/tree/sub/file").read_bytes(), b"\0binary\xff")
        self.assertFalse((self.target_directory / "copy/of/tree/left.tmp").exists())
        query = quoted(limit=1000, orderby="request_time DESC", filter="status:SUCCEEDED/type:TRANSFER/label:=sync job")
        listed = self.get(f"/v0.10/task_list?{query}")
        self.assertEqual((listed["total"], [one["task_id"] for one in listed["DATA"]]), (1, [task_id]))
        query = quoted(filter="type:TRANSFER,DELETE/status:ACTIVE,INACTIVE", fields="task_id", limit=1000, offset=0)
        self.assertEqual(self.get(f"/v0.10/task_list?{query}")["total"], 0)
        events = self.get(f"/v0.10/task/{task_id}/event_list?{quoted(limit=1000, filter='')}")
        self.assertEqual(events["total"], len(events["DATA"]))
        self.assertEqual((events["DATA"][0]["code"], events["DATA"][-1]["code"]), ("SUCCEEDED", "STARTED"))
        for event in events["DATA"]:
            self.assertRegex(event["time"], TIME)
        done = self.get(f"/v0.10/task/{task_id}/successful_transfers?{quoted(marker=0)}")
        self.assertIsNone(done["next_marker"])
        self.assertEqual([one["destination_path"] for one in done["DATA"]], ["/copy/of/tree/sub/file"])
        self.assertEqual(self.get(f"/v0.10/task/{task_id}/skipped_errors")["DATA"], [])
        self.assertEqual(self.get(f"/v0.10/task/{task_id}/?format=json")["task_id"], task_id)

    def test_batch_of_files_and_a_repeated_submission(self):
        self.two_endpoints()
        for number in range(20):
            (self.source_directory / f"{number}").write_text("x" * number)
        body = self.transfer(DATA=[self.item(f"/{n}", f"/new/{n}") for n in range(20)])
        task_id = self.submit(body)
        again = self.answer(200, "POST", "/v0.10/transfer", body)
        self.result("Duplicate", again, "transfer_result")
        self.assertEqual(again["task_id"], task_id)
        self.assertEqual(self.wait(task_id)["files_transferred"], 20)

    def test_task_update_and_cancel_all(self):
        self.two_endpoints()
        (self.source_directory / "file").write_bytes(b"x" * (16 << 20))
        self.target, self.target_directory = self.endpoint("--bandwidth", "512KiB")  # half a minute
        task_id = self.submit(self.transfer(DATA=[self.item("/file", "/file")]))
        self.result("Updated", self.answer(200, "PUT", f"/v0.10/task/{task_id}",
                                           {"DATA_TYPE": "task", "label": "new", "deadline": "2030-01-01 00:00:00+00:00"}))
        query = quoted(filter="type:TRANSFER,DELETE/status:ACTIVE,INACTIVE", fields="task_id", limit=1000)
        active = self.get(f"/v0.10/task_list?{query}")["DATA"]
        self.assertEqual([one["task_id"] for one in active], [task_id])
        told = self.answer(200, "POST", f"/v0.10/task/{task_id}/cancel")
        self.assertIn(told["code"], ("Canceled", "CancelAccepted"))
        task = self.wait(task_id)
        self.assertEqual((task["status"], task["fatal_error"]["code"]), ("FAILED", "CANCELED"))
        self.assertEqual((task["label"], task["deadline"]), ("new", "2030-01-01T00:00:00+00:00"))

    def test_delete_and_rm(self):
        self.two_endpoints()
        for name in ("a.txt", "b.txt", "c.dat"):
            (self.target_directory / name).write_text(name)
        body = {"DATA_TYPE": "delete", "endpoint": self.target, "label": None, "deadline": None, "local_user": None,
                "submission_id": self.get("/v0.10/submission_id")["value"], "recursive": False,
                "ignore_missing": True, "interpret_globs": True, "skip_activation_check": True,
                "DATA": [{"DATA_TYPE": "delete_item", "path": "/~/*.txt"}]}
        told = self.answer(202, "POST", "/v0.10/delete", body)
        self.result("Accepted", told, "delete_result")
        self.assertEqual(self.wait(told["task_id"])["status"], "SUCCEEDED")
        self.assertEqual([one.name for one in self.target_directory.iterdir()], ["c.dat"])

    # Bookmarks

    def test_bookmark_commands(self):
        endpoint, _ = self.endpoint()
        made = self.answer(201, "POST", "/v0.10/bookmark",
                           {"endpoint_id": endpoint, "path": "/home/", "name": "Work"})
        self.assertEqual({name: made[name] for name in ("DATA_TYPE", "name", "endpoint_id", "path", "pinned")},
                         {"DATA_TYPE": "bookmark", "name": "Work", "endpoint_id": endpoint, "path": "/home/",
                          "pinned": False})
        self.assertRegex(made["id"], UUID)
        listed = self.get("/v0.10/bookmark_list")
        self.assertEqual((listed["DATA_TYPE"], [one["id"] for one in listed["DATA"]]), ("bookmark_list", [made["id"]]))
        self.assertEqual(self.get(f"/v0.10/bookmark/{made['id']}")["name"], "Work")
        self.error(404, "BookmarkNotFound", "GET", f"/v0.10/bookmark/{uuid.uuid4()}")
        self.assertEqual(self.answer(200, "PUT", f"/v0.10/bookmark/{made['id']}", {"name": "work"})["name"], "work")
        self.result("Deleted", self.answer(200, "DELETE", f"/v0.10/bookmark/{made['id']}"))
        self.error(404, "BookmarkNotFound", "GET", f"/v0.10/bookmark/{made['id']}")

    # Timers

    def test_timer_commands(self):
        self.two_endpoints()
        timers = served.Bearer(self.service, self.service.token(self.client, served.TIMERS))
        body = {"DATA_TYPE": "transfer", "source_endpoint": self.source, "destination_endpoint": self.target,
                "label": None, "DATA": [self.item("/missing", "/missing")]}
        made = self.answer(201, "POST", "/v2/timer", {"timer": {
            "timer_type": "transfer", "name": "nightly", "body": body,
            "schedule": {"type": "recurring", "interval_seconds": 86400, "start": "2026-12-31T23:00:00+00:00",
                         "end": {"condition": "iterations", "count": 5}}}}, call=timers)["timer"]
        for name in ("job_id", "name", "timer_type", "schedule", "body", "status", "submitted_at", "last_ran_at",
                     "next_run", "number_of_runs", "number_of_errors", "inactive_reason", "activity"):
            self.assertIn(name, made)
        job = f"/jobs/{made['job_id']}"
        listed = self.get(f"/jobs/?{quoted(order='submitted_at asc')}", call=timers)["jobs"]
        self.assertEqual([one["job_id"] for one in listed], [made["job_id"]])
        shown = self.get(job, call=timers)
        for name in ("job_id", "name", "timer_type", "start", "interval", "schedule", "stop_after", "status",
                     "submitted_at", "last_ran_at", "next_run", "n_runs", "n_errors", "callback_url", "callback_body",
                     "scope", "inactive_reason", "activity", "results"):
            self.assertIn(name, shown)
        self.assertEqual(shown["callback_url"], "https://actions.automate.globus.org/transfer/transfer/run")
        self.assertEqual(shown["interval"], 86400)
        self.assertTrue(self.answer(200, "POST", f"{job}/pause", call=timers)["message"])
        paused = self.get(job, call=timers)
        self.assertEqual((paused["status"], paused["inactive_reason"]["cause"]), ("inactive", "user"))
        self.assertTrue(self.answer(200, "POST", f"{job}/resume", {"update_credentials": False}, call=timers)["message"])
        self.assertNotEqual(self.get(job, call=timers)["status"], "inactive")
        self.assertEqual(self.answer(200, "DELETE", job, call=timers)["job_id"], made["job_id"])
        gone = self.answer(404, "GET", job, call=timers)["error"]
        self.assertEqual(gone["status"], 404)

    # Old scripts

    # B21: clients of one old version alone were served.
    def test_unknown_parameters_and_old_nulls_are_tolerated(self):
        self.get("/v0.10/task_list?format=json&fields=&filter=&limit=1&offset=0&unknown=x")
        self.get("/v0.10/task_list/?limit=1")
        self.get("/v0.10/submission_id/")

    def test_malformed_bodies_are_told_as_such(self):
        for body in (b"", b"{", b"[]", b'"text"', b'{"DATA": {}}', b"\xff\xfe", b"[" * 100_000):
            reply = self.service.request("POST", "/v0.10/transfer", body, {
                "Authorization": f"Bearer {self.call.token}", "Content-Type": "application/json"})
            self.assertEqual(reply.status, 400, reply)
            self.assertIsInstance(reply.json["code"], str)


class BoundsTest(unittest.TestCase):
    def test_who_asks_too_much_is_told_when_to_come_again(self):
        with system.Scratch() as scratch:
            scratch.env["WHERRY_SERVE_REQUESTS_PER_SECOND"] = "1"
            service = served.Service(scratch)
            try:
                call, other = (served.Bearer(service, service.token(service.client(name), served.TRANSFER))
                               for name in ("busy", "other"))
                answers = [call("GET", "/v0.10/submission_id") for _ in range(30)]
                self.assertEqual(answers[0].status, 200)
                refused = next(answer for answer in answers if answer.status != 200)
                self.assertEqual(refused.status, 429, refused)
                self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
                self.assertIsInstance(refused.json["code"], str)
                self.assertEqual(other("GET", "/v0.10/submission_id").status, 200)
            finally:
                service.stop()


class TwoServicesOfOneState(unittest.TestCase):
    def kill(self, service):
        service.process.kill()
        with self.assertRaises(AssertionError):
            service.stop()
        service.notify.close()

    def test_print_env_names_the_first_while_it_lives_and_none_that_was_killed(self):
        with system.Scratch() as scratch:
            first = served.Service(scratch)
            url = first.env["WHERRY_SERVICE"]
            second = served.Service(scratch)
            self.assertEqual(second.env["WHERRY_SERVICE"], url)
            second.stop()
            self.assertIn(url, scratch.run("serve", "--print-env"))
            self.kill(first)
            self.assertNotIn(url, scratch.run("serve", "--print-env"))
            third = served.Service(scratch)
            self.assertEqual(third.env["WHERRY_SERVICE"], third.url.rstrip("/"))
            third.stop()

    def test_one_that_died_under_another_host_name_is_not_named(self):
        with system.Scratch() as scratch:
            self.kill(served.Service(scratch))
            with contextlib.closing(sqlite3.connect(scratch.state / "wherry.db")) as database, database:
                renamed = database.execute("update claim set host = 'elsewhere' where kind = 'service'")
                self.assertEqual(renamed.rowcount, 1)
            second = served.Service(scratch)
            self.assertEqual(second.env["WHERRY_SERVICE"], second.url.rstrip("/"))
            second.stop()
            self.assertFalse((scratch.state / "serve" / "service.env").exists())


if __name__ == "__main__":
    unittest.main()
