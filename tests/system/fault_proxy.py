# SPDX-License-Identifier: Apache-2.0
"""A proxy that does to HTTP what networks, and the machines in them, do to it.

What becomes of a request follows from the seed, from its method and route (the path, with all ids
taken for the same), and from how many such requests there were before. So a seed repeats what it
did, however the requests of several routes mingle. One and the same request fails a few times at
most, so that who repeats it gets through.
"""

import base64
import enum
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import socket
import struct
import threading
import time
import traceback
import urllib.parse

IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SUBMISSIONS = ("/v0.10/transfer", "/v0.10/delete")
FAILURES_IN_A_ROW = 3  # of the same request
HOP_BY_HOP = ("connection", "keep-alive", "content-length", "transfer-encoding")
PATIENCE = 120


class Fault(enum.Enum):
    NONE = "passed on"
    DELAY = "passed on after a while"
    RESET_BEFORE = "connection reset, nothing passed on"
    RESET_AFTER = "passed on, and the connection reset instead of the answer"
    TRUNCATE = "passed on, and the answer cut short"
    GARBLE = "passed on, and another page in place of the answer"
    BUSY = 429
    ERROR = 500
    BAD_GATEWAY = 502
    UNAVAILABLE = 503


RATES = {Fault.DELAY: 0.08, Fault.RESET_BEFORE: 0.04, Fault.RESET_AFTER: 0.06, Fault.TRUNCATE: 0.04,
         Fault.GARBLE: 0.02, Fault.BUSY: 0.02, Fault.ERROR: 0.02, Fault.BAD_GATEWAY: 0.02, Fault.UNAVAILABLE: 0.02}
HARMLESS = (Fault.NONE, Fault.DELAY)


class Exchange:
    """A request, what was done with it, and what the service answered."""

    def __init__(self, method, path, authorization, body):
        self.method, self.path, self.authorization, self.body = method, path, authorization, body
        self.at = time.monotonic()
        self.fault = Fault.NONE
        self.delay = 0.0
        self.status = 0  # of the service's own answer; 0: none
        self.headers = []
        self.answer = b""

    @property
    def route(self):
        return self.method + " " + IDS.sub("*", self.path.split("?")[0])

    def __repr__(self):
        return f"{self.method} {self.path}: {self.fault.name}, {self.status}"


class FaultProxy:
    """Runs until close(). `is_on`: whether it does wrong by itself. What a test wants to happen to a
    request (an Exchange) two functions say: `answer_instead` may answer (status, document) in place
    of the service, `fault_for` the fault."""

    def __init__(self, port, seed, rates=RATES):
        self.port, self.seed, self.rates = port, seed, dict(rates)
        self.is_on = True
        self.answer_instead = lambda exchange: None
        self.fault_for = lambda exchange: None
        self.seen = []
        self.troubles = []
        self._lock = threading.Lock()
        self._count = {}
        self._failures = {}
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self.troubles:
            raise AssertionError("the proxy itself failed:\n" + "\n".join(self.troubles))

    def faults(self):
        """How often it did what."""
        found = {}
        for exchange in list(self.seen):
            found[exchange.fault] = found.get(exchange.fault, 0) + 1
        return found

    def submissions(self):
        """What the service answered to submissions, in the order of their coming."""
        found = []
        for exchange in list(self.seen):
            if exchange.path in SUBMISSIONS and exchange.status in (200, 202):
                found.append({**json.loads(exchange.body), **json.loads(exchange.answer)})
        return found

    def secrets(self):
        """Every token and secret that passed."""
        found = set()
        for exchange in list(self.seen):
            if exchange.authorization:
                kind, _, secret = exchange.authorization.partition(" ")
                found.add(secret)
                if kind == "Basic":
                    found.add(base64.b64decode(secret).decode().partition(":")[2])
            if exchange.path == "/v2/oauth2/token" and exchange.status == 200:
                document = json.loads(exchange.answer)
                for token in [document, *document.get("other_tokens", [])]:
                    found.update(token[name] for name in ("access_token", "refresh_token") if token.get(name))
                form = urllib.parse.parse_qs(exchange.body.decode())
                found.update(form[name][0] for name in ("refresh_token", "code", "attempt") if name in form)
        return found

    def reseed(self, seed):
        """Goes on as a new one of that seed would."""
        with self._lock:
            self.seed = seed
            self._count.clear()
            self._failures.clear()

    # Used by the handlers

    def begin(self, exchange):
        """Chooses the fault; answers what the test answers in place of the service, or None."""
        with self._lock:
            self.seen.append(exchange)
            instead, wanted = self.answer_instead(exchange), self.fault_for(exchange)
            if wanted is not None:
                exchange.fault = wanted
            elif self.is_on and instead is None:
                self._choose(exchange)
        return instead

    def _choose(self, exchange):
        number = self._count.get(exchange.route, 0)
        self._count[exchange.route] = number + 1
        chance = random.Random(f"{self.seed} {exchange.route} {number}")
        exchange.delay = chance.uniform(0.02, 0.3)
        roll = chance.random()
        request = hashlib.sha256(f"{exchange.method} {exchange.path} ".encode() + exchange.body).digest()
        if self._failures.get(request, 0) < FAILURES_IN_A_ROW:
            for fault, rate in self.rates.items():
                roll -= rate
                if roll < 0:
                    exchange.fault = fault
                    break
        self._failures[request] = 0 if exchange.fault in HARMLESS else self._failures.get(request, 0) + 1

    def pass_on(self, exchange, headers):
        """False: the service is not there, or died before it answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(exchange.method, exchange.path, exchange.body or None, headers)
            reply = connection.getresponse()
            answer = reply.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        exchange.headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        exchange.answer, exchange.status = answer, reply.status
        return True


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, proxy):
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        told = traceback.format_exc()
        # A client that was killed is no trouble of the proxy.
        if "ConnectionResetError" not in told and "BrokenPipeError" not in told and "TimeoutError" not in told:
            self.proxy.troubles.append(told)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = PATIENCE  # of a connection that nobody uses

    def log_message(self, *_):
        pass

    def relay(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the client was killed
            return
        exchange = Exchange(self.command, self.path, self.headers.get("Authorization", ""), body)
        instead = self.server.proxy.begin(exchange)
        if instead is not None:
            status, document = instead
            self.answer(status, [("Content-Type", "application/json")], json.dumps(document).encode())
        elif exchange.fault == Fault.RESET_BEFORE:
            self.reset()
        elif isinstance(exchange.fault.value, int):
            headers = [("Content-Type", "text/html")]
            if exchange.fault == Fault.BUSY:
                headers.append(("Retry-After", "1"))
            self.answer(exchange.fault.value, headers, b"<html>The proxy is out of order.</html>")
        else:
            self.pass_on(exchange)

    do_GET = do_POST = do_PUT = do_DELETE = relay

    def pass_on(self, exchange):
        if exchange.fault == Fault.DELAY:
            time.sleep(exchange.delay)
        if not self.server.proxy.pass_on(exchange, dict(self.headers.items())) or exchange.fault == Fault.RESET_AFTER:
            self.reset()
        elif exchange.fault == Fault.TRUNCATE:
            self.answer(exchange.status, exchange.headers, exchange.answer, sent=len(exchange.answer) // 2)
        elif exchange.fault == Fault.GARBLE and exchange.status < 300:
            self.answer(exchange.status, [("Content-Type", "text/html")], b"<html>Please log in to the network.</html>")
        else:
            self.answer(exchange.status, exchange.headers, exchange.answer)

    def answer(self, status, headers, body, sent=None):
        """`sent`: how much of the body is, before the connection ends."""
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in [*headers, ("Content-Length", len(body))]]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body[:sent])
        if sent is not None:
            self.close_connection = True

    def reset(self):
        """Not an orderly end: the other side sees that the connection was reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        os.close(self.connection.detach())
