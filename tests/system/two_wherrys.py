# SPDX-License-Identifier: Apache-2.0
"""Two Wherrys: one serves, the other (`self.wherry(...)`) works against it."""

import base64
import contextlib
import html
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import fault_proxy
import harness
import system

USER = "ada@example.org"
PASSWORD = "correct horse battery"
SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"
# They hold secrets and tokens, for their owner alone.
SECRET_FILES = ("client.env", "service.env", "tokens.json")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TwoWherrys(harness.WherryTest):
    server_settings = {}  # as environment variables

    def setUp(self):
        super().setUp()
        self.said = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.served = self.scratch / "served"
        self.server_environment = {**self.environment, "WHERRY_STATE_DIR": str(self.scratch / "server-state"),
                                   **self.server_settings}
        self.serve()
        text = (self.scratch / "server-state" / "serve" / "client.env").read_text()
        self.client = re.search(r"^\S*ID=(\S+)", text, re.M).group(1)
        self.secret = re.search(r"^\S*SECRET=(\S+)", text, re.M).group(1)
        self.environment.update(WHERRY_SERVICE=self.url, WHERRY_CLIENT_ID=self.client, WHERRY_CLIENT_SECRET=self.secret)
        self.lab, self.lab_files = self.served_endpoint("lab")
        self.archive, self.archive_files = self.served_endpoint("archive")

    def run_wherry(self, *words, **options):
        done = super().run_wherry(*words, **options)
        self.said += [done.out, done.err]
        return done

    # The service

    def serve(self):
        log = open(self.scratch / "serve.log", "ab")
        self.addCleanup(log.close)
        self.server = subprocess.Popen(
            [system.BINARY, "serve", "--listen", self.url.removeprefix("http://"),
             "--set", f"serve.endpoint_directory={self.served}"],
            stdout=log, stderr=log, env=self.server_environment, cwd=self.work)
        self.addCleanup(self.stop_server, self.server, signal.SIGKILL)
        self.wait_until(self.answers, "the service answers")

    def kill_server(self):
        self.stop_server(self.server, signal.SIGKILL)

    def answers(self):
        self.assertIsNone(self.server.poll(), (self.scratch / "serve.log").read_text())
        try:
            return urllib.request.urlopen(self.url + "/healthz", timeout=10).status == 200
        except OSError:
            return False

    @staticmethod
    def stop_server(server, how):
        if server.poll() is None:
            server.send_signal(how)
        server.wait(timeout=harness.TIMEOUT)

    def at_service(self, *words):
        """Runs a command as the administrator of the service."""
        done = subprocess.run([system.BINARY, *map(str, words)], env=self.server_environment, capture_output=True,
                              cwd=self.work, timeout=harness.TIMEOUT)
        self.assertEqual(done.returncode, 0, f"wherry {words}: {done.stdout}{done.stderr}")
        return done.stdout.decode()

    def ask(self, path, document=None, form=None, authorization=""):
        body = json.dumps(document).encode() if form is None else urllib.parse.urlencode(form).encode()
        kind = "application/json" if form is None else "application/x-www-form-urlencoded"
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind, "Authorization": authorization})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def bearer(self):
        """What the client shows to Transfer."""
        basic = "Basic " + base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        return "Bearer " + self.ask("/v2/oauth2/token", form={"grant_type": "client_credentials", "scope": SCOPE},
                                    authorization=basic)["access_token"]

    def served_endpoint(self, name, **more):
        """Makes an endpoint of the client at the service; answers its id and its directory."""
        before = set(self.served.iterdir()) if self.served.exists() else set()
        made = self.ask("/v0.10/endpoint", {"DATA_TYPE": "endpoint", "is_globus_connect": True, "display_name": name,
                                            **more}, authorization=self.bearer())
        (directory,) = set(self.served.iterdir()) - before
        return made["id"], directory

    # A person

    def new_person(self):
        """Makes a user of the service, for whom `wherry` works after log_in("login"). Answers the id."""
        password = self.write(self.scratch / "password", PASSWORD.encode() + b"\n")
        made = self.at_service("user", "create", USER, "--password-file", password, "--format", "json")
        del self.environment["WHERRY_CLIENT_ID"], self.environment["WHERRY_CLIENT_SECRET"]
        return json.loads(made)["id"]

    def log_in(self, *words):
        """Runs a command that shows a page, and does there what the person would do."""
        process = subprocess.Popen([system.BINARY, *words, "--no-local-server"], stdin=subprocess.PIPE, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, cwd=self.work)
        self.addCleanup(self.end, process)
        url = next((line.strip() for line in process.stderr if line.startswith("http")), None)
        self.assertTrue(url, "the command shows a page")
        told = process.communicate(self.code_of(url) + "\n", timeout=harness.TIMEOUT)
        self.assertEqual(process.returncode, 0, told)

    @staticmethod
    def code_of(url):
        with urllib.request.urlopen(url, timeout=60) as page:
            cookie, text = page.headers["Set-Cookie"].split(";")[0], page.read().decode()
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
        form = {name: html.unescape(value) for name, value in hidden.items()}
        form.update(username=USER, password=PASSWORD, decision="allow")
        request = urllib.request.Request(url.split("?")[0], urllib.parse.urlencode(form).encode(), {"Cookie": cookie})
        with urllib.request.urlopen(request, timeout=60) as page:
            return re.search(r'id="code">([^<]+)<', page.read().decode())[1]

    # Files

    def tree(self, directory):
        return {str(path.relative_to(directory)): path.read_bytes()
                for path in directory.rglob("*") if path.is_file() and not path.name.startswith(".wherry")}

    def fill(self, directory, count):
        for i in range(count):
            path = directory / f"d{i % 7}" / f"file {i}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(i * 37))

    def make_slow(self):
        """From now on what goes to the archive takes a while; answers a file that takes minutes."""
        self.at_service("endpoint", "update", self.archive, "--bandwidth", "1MB")
        self.write(self.lab_files / "big", os.urandom(1_000_000) * 120)
        return "big"

    def assert_same(self, left, right):
        """The same names with the same bytes, and nothing left over."""
        left, right = self.tree(left), self.tree(right)
        self.assertEqual(sorted(left), sorted(right))
        self.assertEqual([name for name in left if left[name] != right[name]], [])
        self.assertEqual(system.temporaries(self.served), [])


class ThroughFaults(TwoWherrys):
    """The same with a network between them that does wrong by `seed`."""

    seed = 1
    rates = fault_proxy.RATES

    def setUp(self):
        super().setUp()
        self.proxy = fault_proxy.FaultProxy(self.port, self.seed, self.rates)
        self.addCleanup(self.proxy.close)
        self.environment["WHERRY_SERVICE"] = self.proxy.url

    @contextlib.contextmanager
    def calm(self):
        """Requests that only look at what has come of it meet no faults."""
        self.proxy.is_on = False
        try:
            yield
        finally:
            self.proxy.is_on = True

    def stored_tasks(self):
        with self.calm():
            return self.tasks()

    # What must hold whatever happened

    def assert_each_submission_is_one_task(self, has_been_killed=False):
        """Of all that was sent: and there are no other tasks."""
        told = {}
        for seen in self.proxy.submissions():
            told.setdefault(seen["submission_id"], []).append(seen)
        ids = []
        for submission, answers in told.items():
            self.assertEqual(len({answer["task_id"] for answer in answers}), 1, submission)
            ids.append(answers[0]["task_id"])
            if not has_been_killed:
                codes = [answer["code"] for answer in answers]
                self.assertEqual(codes, ["Accepted"] + ["Duplicate"] * (len(codes) - 1), submission)
        self.assertEqual(sorted(task["task_id"] for task in self.stored_tasks()), sorted(ids))

    def assert_nothing_moved_twice(self, label=None):
        """No two tasks tell that they moved a file to the same place."""
        with self.calm():
            for task in self.tasks():
                if task["type"] != "TRANSFER" or label not in (None, task["label"]):
                    continue
                rows = self.wherry_json("task", "show", task["task_id"], "--successful-transfers")["DATA"]
                places = [row["destination_path"] for row in rows]
                self.assertEqual(len(places), len(set(places)), task)

    def assert_no_secret_was_told(self):
        secrets = {secret.encode() for secret in {self.secret, *self.proxy.secrets()}}
        self.assertGreater(len(secrets), 1)
        texts = {"what commands said": "".join(self.said).encode(errors="surrogateescape")}
        # A first start tells whoever started it how to reach it, once.
        log = (self.scratch / "serve.log").read_bytes()
        self.assertEqual(log.count(self.secret.encode()), 1)
        texts["the log of the service"] = log.replace(self.secret.encode(), b"")
        for path in pathlib.Path(self.scratch).rglob("*"):
            if path.is_file() and path.name not in SECRET_FILES and self.served not in path.parents:
                texts[str(path)] = path.read_bytes()
        del texts[str(self.scratch / "serve.log")]
        for place, text in texts.items():
            for secret in secrets:
                self.assertFalse(secret in text, f"a secret or token is in {place}")
