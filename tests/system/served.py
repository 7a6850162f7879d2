# SPDX-License-Identifier: Apache-2.0
"""`wherry serve` on a port of its own, and the requests that tests send to it without any client library."""

import base64
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import subprocess
import threading
import urllib.parse

import system

TRANSFER = "urn:globus:auth:scope:transfer.api.globus.org:all"
TIMERS = "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer"
JOBS = "urn:wherry:scope:jobs:all"
AUTH = "openid profile email urn:globus:auth:scope:auth.globus.org:view_identity_set"
TROUBLE = ("terminate called", "AddressSanitizer", "runtime error:", "internal error", "check failed")


def basic(credentials: tuple[str, str]) -> str:
    """The header of HTTP Basic for an id and a secret."""
    return "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


class Answer:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:600]!r}"


class Service:
    """Runs until stop(). `env` points clients at it, as `wherry serve --print-env` says.

    The settings of `scratch` may bound how much it does in a second; without, it answers a whole test
    from one address at once.
    """

    def __init__(self, scratch: system.Scratch, *options: str):
        self.scratch = scratch
        for bound in ("REQUESTS", "LOGINS"):
            scratch.env.setdefault(f"WHERRY_SERVE_{bound}_PER_SECOND", "0")
        # What systemd listens at; abstract, because a path may be too long for a socket.
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("")
        self.notify.settimeout(60)
        name = "@" + self.notify.getsockname()[1:].decode()
        self.process = subprocess.Popen(
            [system.BINARY, "serve", "--listen", "127.0.0.1:0", *options], env={**scratch.env, "NOTIFY_SOCKET": name},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.log: list[str] = []
        self.url = self._wait_for_url()
        self._expect_told("READY=1")
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()
        printed = scratch.run("serve", "--print-env")
        words = [shlex.split(line)[1] for line in printed.splitlines()]
        self.env = dict(word.split("=", 1) for word in words)
        self.context = None
        if self.url.startswith("https:"):
            self.context = ssl.create_default_context(cafile=self.env["NODE_EXTRA_CA_CERTS"])

    def _wait_for_url(self) -> str:
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))
            if match := re.match(r"wherry: serving (\S+)", self.log[-1]):
                return match.group(1)
        raise AssertionError(f"wherry serve ended at once: {''.join(self.log)}")

    def _expect_told(self, state: str) -> None:
        told = self.notify.recv(100).decode()
        if told != state:
            raise AssertionError(f"wherry serve told systemd {told}, not {state}")

    def _read_on(self) -> None:
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))

    def stop(self) -> None:
        """Ends it as systemd would; complains of anything that no service may say or do."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"wherry serve did not end: {self.tail()}") from None
        finally:
            self._reader.join()
            self.process.stderr.close()
        said = "".join(self.log)
        if code != 0 or any(word in said for word in TROUBLE):
            raise AssertionError(f"wherry serve ended with {code}: {self.tail()}")
        self._expect_told("STOPPING=1")
        self.notify.close()

    def tail(self) -> str:
        return "".join(self.log)[-6000:]

    # Who and what there is

    def client(self, name: str) -> tuple[str, str]:
        """The id and the secret of a new one."""
        made = self.scratch.json("client", "create", name)
        return made["id"], made["secret"]

    def user(self, name: str, password: str) -> str:
        file = self.scratch.root / "password"
        file.write_text(password + "\n")
        return self.scratch.json("user", "create", name, "--password-file", file)["id"]

    def endpoint(self, name: str, owner: str, *options: str) -> tuple[str, pathlib.Path]:
        """The id and the directory of a new one."""
        directory = self.scratch.root / "endpoints" / name
        directory.mkdir(parents=True)
        made = self.scratch.json("endpoint", "create", name, directory, "--owner", owner, *options)
        return made["id"], directory

    # Requests

    def request(self, method: str, target: str, body: bytes | None = None, headers=()) -> Answer:
        url = urllib.parse.urlsplit(self.url)
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=60, context=self.context)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.request(method, target, body=body, headers=dict(headers))
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def form(self, target: str, fields: dict, credentials: tuple[str, str] | None = None) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if credentials:
            headers["Authorization"] = basic(credentials)
        return self.request("POST", target, urllib.parse.urlencode(fields).encode(), headers)

    def token(self, client: tuple[str, str], scope: str) -> str:
        answer = self.form("/v2/oauth2/token", {"grant_type": "client_credentials", "scope": scope}, client)
        if answer.status != 200:
            raise AssertionError(f"no token for {scope}: {answer}")
        return answer.json["access_token"]


class Bearer:
    """Sends requests with a token, as the Python SDK does."""

    def __init__(self, service: Service, token: str):
        self.service, self.token = service, token

    def __call__(self, method: str, target: str, document=None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json",
                   "X-Globus-Client-Info": "product=python-sdk,version=4.9.0"}
        body = None
        if document is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(document).encode()
        return self.service.request(method, target, body, headers)
