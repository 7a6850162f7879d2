# SPDX-License-Identifier: Apache-2.0
"""Rows of bench/run about `wherry serve`: requests per second, large documents, what it costs to be remote."""

import contextlib
import http.client
import json
import os
import pathlib
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import types
import urllib.parse
import uuid
from typing import Iterator, NamedTuple

from measure import COPY_TURNS, MIB, Bench, Usage, empty_files, let_rest, peak_of, run

CONNECTIONS = 64
IDLE_CONNECTIONS = 1000
LISTED_FILES = 1000
STORED_TASKS = 1_000_000
ITEMS = 100_000


class Load(NamedTuple):
    """What wrk saw."""
    per_second: float
    p50: float  # milliseconds
    p99: float


class Place(NamedTuple):
    id: str
    directory: pathlib.Path


class Site:
    """A service with one client, who may do as much as it likes.

    What it wrote is removed with the rest at the end: after so much is deleted, the rows that copy would be slow.
    """

    def __init__(self, bench: "ApiRows"):
        served, system = serving(bench.binary)
        os.environ["TMPDIR"] = str(bench.work)
        self.scratch = system.Scratch()
        self.scratch.env["WHERRY_SERVE_PENDING_TASKS"] = "0"
        self.served = served
        self.service = served.Service(self.scratch)
        self.client = self.service.client("bench")
        self.token = self.service.token(self.client, served.TRANSFER)
        self.call = served.Bearer(self.service, self.token)
        # wherry in the same shell acts for that client.
        self.env = {**os.environ, **self.service.env, "WHERRY_CLIENT_ID": self.client[0],
                    "WHERRY_CLIENT_SECRET": self.client[1], "WHERRY_STATE_DIR": str(bench.fresh("client")),
                    "WHERRY_SETTINGS": "/dev/null"}

    def endpoint(self, name: str) -> Place:
        return Place(*self.service.endpoint(name, self.client[0]))

    def ask(self, method: str, target: str, document=None) -> dict:
        answer = self.call(method, target, document)
        if answer.status >= 300:
            sys.exit(f"bench: {method} {target} is answered {answer}")
        return answer.json

    def transfer(self, source: Place, target: Place, items: list) -> dict:
        """The document of a transfer of (path, path) pairs."""
        return {"DATA_TYPE": "transfer", "submission_id": str(uuid.uuid4()), "source_endpoint": source.id,
                "destination_endpoint": target.id, "verify_checksum": True,
                "DATA": [{"DATA_TYPE": "transfer_item", "source_path": path, "destination_path": to,
                          "recursive": False} for path, to in items]}

    def hold(self, place: Place) -> None:
        """Tasks that use the endpoint are accepted and wait: what is measured is not their work."""
        self.ask("POST", "/v0.10/endpoint_manager/pause_rule", {
            "DATA_TYPE": "pause_rule", "endpoint_id": place.id, "message": "bench",
            "pause_task_transfer_write": True, "pause_task_transfer_read": True})

    def wait(self, task: str) -> None:
        while self.ask("GET", f"/v0.10/task/{task}")["status"] == "ACTIVE":
            time.sleep(0.05)

    def peak_resident(self) -> int:
        """Bytes, since its start."""
        return peak_of(self.service.process.pid)


def serving(binary: pathlib.Path) -> tuple[types.ModuleType, types.ModuleType]:
    """The modules with which the system tests run a service, made to run this binary."""
    os.environ["WHERRY_BINARY"] = str(binary)
    tests = str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "system")
    if tests not in sys.path:
        sys.path.append(tests)
    import served
    import system
    return served, system


class ApiRows(Bench):
    @contextlib.contextmanager
    def site(self) -> Iterator[Site]:
        site = Site(self)
        try:
            yield site
        finally:
            site.service.stop()

    @contextlib.contextmanager
    def hello(self) -> Iterator[str]:
        """The URL of a server that does nothing but answer."""
        process = subprocess.Popen([self.build / "bench" / "wherry_hello_server"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()
            process.wait(timeout=30)
            process.stdout.close()

    def load(self, url: str, **env: str) -> Load:
        """wrk on one thread: the server has the other core."""
        time.sleep(0.5)  # until what the load before left unanswered is done: it counts among what may be under way
        script = pathlib.Path(__file__).resolve().parent / "requests.lua"
        answer = subprocess.run(
            ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration",
             f"{self.arguments.load_seconds}s", "--timeout", "30s", "--script", script, url],
            env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        told = json.loads(answer.stdout.rstrip().rpartition("\n")[2])
        if told["failed"]:
            sys.exit(f"bench: {told['failed']} of {told['requests']} requests to {url} failed")
        return Load(told["requests"] * 1e6 / told["microseconds"], told["p50"] / 1e3, told["p99"] / 1e3)

    # --- rows --------------------------------------------------------------------------------

    def row_api(self) -> None:
        """Requests per second beside those of a bare server, and whether idle connections cost any."""
        with self.site() as site, self.hello() as hello:
            contenders = {"hello": lambda: self.load(hello), **self.requests(site)}
            # Each beside its like: what is submitted in between makes others slower.
            runs = {}
            for name in contenders:
                runs[name] = contenders[name]
                if name != "hello":
                    runs[f"{name}, idle"] = lambda name=name: self.beside_idle(site, contenders[name])
            results = self.turns(runs, at_least=7)
        rates = {}
        for name, loads in results.items():
            rates[name] = statistics.median(load.per_second for load in loads)
            self.note(f"  {name:44} median {rates[name]:8.0f} /s, p50 "
                      f"{statistics.median(load.p50 for load in loads):.2f} ms, p99 "
                      f"{statistics.median(load.p99 for load in loads):.2f} ms")
        for name in contenders:
            if name == "hello":
                continue
            limit = 0.5 if name == "task get" else 0.0
            self.bar(f"{name}, {CONNECTIONS} connections", f"{rates[name]:.0f} /s", f"hello {rates['hello']:.0f} /s",
                     rates[name] / rates["hello"], limit)
            # Of each round by itself: what disturbs a round disturbs both of its loads.
            pairs = zip(results[f"{name}, idle"], results[name])
            self.bar(f"{name}, beside {IDLE_CONNECTIONS} idle", f"{rates[f'{name}, idle']:.0f} /s",
                     f"{name} {rates[name]:.0f} /s",
                     statistics.median(idle.per_second / alone.per_second for idle, alone in pairs), 0.9)

    def requests(self, site: Site) -> dict:
        """What is asked of the service again and again."""
        lab, archive, closed = site.endpoint("lab"), site.endpoint("archive"), site.endpoint("closed")
        for number in range(LISTED_FILES):
            (lab.directory / f"scan_{number:05}.tif").write_bytes(b"x" * 100)
        for number in range(100):
            name = f"scan_{number:05}.tif"
            task = site.ask("POST", "/v0.10/transfer", site.transfer(lab, archive, [(f"/{name}", f"/{name}")]))
            site.wait(task["task_id"])
        site.hold(closed)
        document = site.transfer(lab, closed, [("/scan_00000.tif", "/scan_00000.tif")])
        document["submission_id"] = "SUBMISSION"
        url, runs = site.service.url.rstrip("/"), iter(range(1, 1_000_000))
        get = {"WHERRY_TOKEN": site.token}
        return {
            "task get": lambda: self.load(f"{url}/v0.10/task/{task['task_id']}", **get),
            # Of those that have ended: what is submitted here does not change the list.
            "task list": lambda: self.load(f"{url}/v0.10/task_list?limit=10&filter=status:SUCCEEDED", **get),
            f"ls of {LISTED_FILES}": lambda: self.load(f"{url}/v0.10/operation/endpoint/{lab.id}/ls", **get),
            "submit": lambda: self.load(f"{url}/v0.10/transfer", WHERRY_TRANSFER=json.dumps(document),
                                        WHERRY_RUN=str(next(runs)), **get),
        }

    def beside_idle(self, site: Site, contender) -> Load:
        url = urllib.parse.urlsplit(site.service.url)
        with contextlib.ExitStack() as opened:
            for number in range(IDLE_CONNECTIONS):
                # From several addresses of this host: the service bounds what one may have.
                connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60,
                                                        source_address=(f"127.0.0.{2 + number // 200}", 0))
                opened.callback(connection.close)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            return contender()

    def row_document(self) -> None:
        """One request with as many items as there may be."""
        seconds, peaks = [], []
        for _ in range(self.arguments.repeat):
            with self.site() as site:
                lab, closed = site.endpoint("lab"), site.endpoint("closed")
                site.hold(closed)
                paths = [(f"/2018/experiment01/sample{i // 1800:04}/sample_{i:06}.tif",
                          f"/archive/sample{i // 1800:04}/sample_{i:06}.tif") for i in range(ITEMS)]
                document = site.transfer(lab, closed, paths)
                body = json.dumps(document).encode()
                start = time.monotonic()
                answer = site.service.request("POST", "/v0.10/transfer", body, {
                    "Authorization": f"Bearer {site.token}", "Content-Type": "application/json"})
                seconds.append(time.monotonic() - start)
                peaks.append(site.peak_resident())
                if answer.status != 202:
                    sys.exit(f"bench: a transfer of {ITEMS} items is answered {answer}")
        self.note(f"  a body of {len(body) / 1e6:.1f} MB")
        self.value_bar(f"a transfer of {ITEMS} items, accepted", statistics.median(seconds), 2, "s")
        self.value_bar("peak resident set of the service", max(peaks) / MIB, 400, "MiB")

    def row_stored_tasks(self) -> None:
        """Lists of few among very many."""
        with self.site() as site:
            lab, archive = site.endpoint("lab"), site.endpoint("archive")
            (lab.directory / "a").write_bytes(b"a")
            task = site.ask("POST", "/v0.10/transfer", site.transfer(lab, archive, [("/a", "/a")]))["task_id"]
            site.wait(task)
            store_copies(site.scratch.state / "wherry.db", task, STORED_TASKS)
            for state in ("SUCCEEDED", "FAILED"):
                target = f"/v0.10/task_list?filter=status:{state}&limit=100"
                seconds = []
                for _ in range(max(11, self.arguments.repeat)):
                    start = time.monotonic()
                    listed = site.ask("GET", target)
                    seconds.append(time.monotonic() - start)
                    if len(listed["DATA"]) != 100 or {row["status"] for row in listed["DATA"]} != {state}:
                        sys.exit(f"bench: {target} lists {len(listed['DATA'])} tasks")
                self.note(f"  {listed['total']} of {STORED_TASKS} tasks are {state}")
                self.value_bar(f"task_list of {state} among a million", statistics.median(seconds) * 1000, 50, "ms")

    def row_served_copy(self) -> None:
        """The same transfer through a service and without one."""
        with self.site() as site:
            source = site.endpoint("source")
            self.make_tree(source.directory, "--data", "--files", "20000", "--size", "16KiB")
            target = site.endpoint("target")
            embedded = self.wherry()

            def through(env: dict, places: tuple) -> Usage:
                name = self.fresh_name("target")
                let_rest(self.work)
                usage = run([self.binary, "transfer", f"{places[0]}/", f"{places[1]}/{name}/", "--recursive"], env=env)
                empty_files(target.directory / name)
                return usage

            results = self.rotate({
                "wherry transfer": lambda: through(embedded.env, (source.directory, target.directory)),
                "wherry transfer, through a service": lambda: through(site.env, (f"{source.id}:", f"{target.id}:")),
            }, at_least=COPY_TURNS)
        self.time_bar("20,000 x 16 KiB through a service", results, "wherry transfer, through a service",
                      "wherry transfer", 1.15, True)


def store_copies(database: pathlib.Path, task: str, count: int) -> None:
    """Adds copies of an ended task to the state database, one in ten of them FAILED."""
    with contextlib.closing(sqlite3.connect(database)) as sql, sql:
        columns = [row[1] for row in sql.execute("pragma table_info(task)")]
        changed = {"number": "null", "id": "printf('%08x-0000-4000-8000-%012x', 1, n)",
                   "submission_id": "printf('%08x-0000-4000-8000-%012x', 2, n)",
                   "state": "iif(n % 10 = 0, 'FAILED', state)",
                   "requested": "requested - n * 1000000", "completed": "completed - n * 1000000"}
        values = ", ".join(changed.get(column, column) for column in columns)
        sql.execute(f"with recursive counted(n) as (select 1 union all select n + 1 from counted where n < {count})"
                    f" insert into task ({', '.join(columns)}) select {values} from counted, task where id = '{task}'")
