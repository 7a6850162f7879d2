# SPDX-License-Identifier: Apache-2.0
"""Requests and answers of `wherry serve` as documents that are the same in every run.

What differs from run to run is replaced: what a story has named by its name ("<lab>"), other ids by
their order in the document ("<uuid 1>"), times about now by "<time>", tokens and the like by what
they are. Times that a story chose itself, years away, stand as they are.
"""

import datetime
import difflib
import json
import pathlib
import re
import time
import urllib.parse

import served

STORE = pathlib.Path(__file__).resolve().parent.parent / "data" / "api" / "routes"
PATIENCE = 60  # seconds until what a story waits for has come
NEAR = datetime.timedelta(days=800)  # what is further from now was chosen by the story

HEADERS = ("Content-Type", "Location", "Allow", "Retry-After", "WWW-Authenticate", "Cache-Control", "Set-Cookie")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)([T ])\d\d:\d\d:\d\d(\+00:00)?")
# Ids that are the same everywhere: of services, templates and what a story chose.
FIXED = re.compile(r"524230d7-ea86-4a52-8312-86065a9e0417|95fdeba8-fac2-42bd-a357-e068d82ff78e|"
                   r"6d6f6f72-696e-4720-8173-776865727279|00000000-0000-4000-8000-.*|5b000000-.*")
# Parts of texts that are random, and what they are told as.
RANDOM = [
    (re.compile(r"(code=)[\w-]{20,}"), r"\1<code>"),
    (re.compile(r'(name="csrf" value=")[^"]+'), r"\1<csrf>"),
    (re.compile(r"(wherry_\w+=)[\w-]{20,}"), r"\1<csrf>"),
    (re.compile(r'(id="code">)[\w-]{20,}'), r"\1<code>"),
]
# Members whose values are random, or depend on the machine and its user.
BY_MEMBER = {
    "access_token": "<access token>", "refresh_token": "<refresh token>", "id_token": "<id token>",
    "token": "<token>", "client_secret": "<secret>", "secret": "<secret>", "code": "<code>",
    "code_verifier": "<verifier>", "csrf": "<csrf>", "n": "<modulus>", "kid": "<key id>", "effective_bytes_per_second": "<rate>",
    "request_id": "<request id>", "user": "<user>", "group": "<group>", "link_user": "<user>",
    "link_group": "<group>", "exp": "<unix time>", "iat": "<unix time>", "nbf": "<unix time>",
    "auth_time": "<unix time>", "retry-after": "<seconds>",
}


class Document:
    """Puts stable names into one request and its answer."""

    def __init__(self, names: dict[str, str]):
        self.names = sorted(names.items(), key=lambda pair: -len(pair[0]))
        self.numbered: dict[str, dict] = {}

    def number(self, kind: str, value) -> str:
        known = self.numbered.setdefault(kind, {})
        return f"<{kind} {known.setdefault(value, len(known) + 1)}>"

    def text(self, text: str) -> str:
        for value, name in self.names:
            text = text.replace(value, f"<{name}>")
        for pattern, told in RANDOM:
            text = pattern.sub(told, text)
        text = UUID.sub(lambda found: found[0] if FIXED.fullmatch(found[0]) else self.number("uuid", found[0]), text)
        return TIME.sub(self.time, text)

    @staticmethod
    def time(found: re.Match) -> str:
        day = datetime.date.fromisoformat(found[1])
        if abs(day - datetime.date.today()) > NEAR:
            return found[0]
        return "<time>" if found[2] == "T" else "<file time>"

    def value(self, value, member: str = ""):
        if isinstance(value, dict):
            return self.object(value)
        if isinstance(value, list):
            return [self.value(each, member) for each in value]
        # Codes of errors and results are words; those that are bought with are not.
        is_random = member in BY_MEMBER and (member != "code" or re.fullmatch(r"[\w-]{40,}", str(value)))
        if is_random and value not in (None, "", 0):
            return BY_MEMBER[member]
        return self.text(value) if isinstance(value, str) else value

    def object(self, document: dict) -> dict:
        told = {self.text(name): self.value(value, name) for name, value in document.items()}
        if document.get("DATA_TYPE") == "file" and document.get("type") == "dir":
            told["size"] = "<size>"  # of a directory: the file system's affair
        if document.get("DATA_TYPE") in ("successful_transfers", "skipped_errors"):
            told["DATA"].sort(key=lambda row: row["destination_path"])  # in the order in which files ended
        if "dependency_path" in document:
            told["id"] = self.number("consent", document["id"])
            told["dependency_path"] = [self.number("consent", each) for each in document["dependency_path"]]
        if {"status", "title", "detail"} <= document.keys():
            told["id"] = "<request id>"
        return told

    def body(self, body: bytes, content_type: str):
        if not body:
            return None
        if content_type == "application/json":
            return self.value(json.loads(body))
        if content_type == "application/x-www-form-urlencoded":
            return self.object(dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)))
        if body.startswith(b"# HELP"):  # numbers of metrics are never the same; their names are
            return [line for line in body.decode().splitlines() if line.startswith("# TYPE")]
        return self.text(body.decode())


class Recorder:
    """Plays requests and keeps them as documents, by the file that each belongs to."""

    def __init__(self, service: served.Service):
        self.names: dict[str, str] = {}
        self.documents: dict[str, dict] = {}
        self.use(service)

    def use(self, service: served.Service) -> None:
        """Requests go to this service from now on."""
        self.service = service
        self.name(service.url.rstrip("/"), "service")
        self.name(urllib.parse.urlsplit(service.url).netloc, "host")
        self.name(str(service.scratch.root), "scratch")

    def name(self, value: str, name: str) -> str:
        self.names[value] = name
        return value

    def play(self, route: str, case: str, at: dict | None = None, query: str = "", *, token: str | None = None,
             body=None, form: dict | None = None, basic: tuple[str, str] | None = None, headers: dict | None = None,
             status: int = 200, until=None) -> served.Answer:
        """Asks "METHOD /pattern/{name}" with `at` for its names; repeats it until `until` likes the answer."""
        method, pattern = route.split(" ")
        target = re.sub(r"\{(\w+)\}", lambda found: (at or {})[found[1]], pattern) + ("?" + query if query else "")
        sent = dict(headers or {})
        content, kind = None, ""
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if basic is not None:
            sent["Authorization"] = served.basic(basic)
        if form is not None:
            content, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif body is not None:
            content, kind = (body if isinstance(body, bytes) else json.dumps(body).encode()), "application/json"
        if kind:
            sent["Content-Type"] = kind
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.service.request(method, target, content, sent)
            is_liked = answer.status == status and (until is None or until(answer.json))
            if is_liked or until is None or time.monotonic() > deadline:
                break
        if not is_liked:
            raise AssertionError(f"{route} ({case}): {answer}")
        self.keep(route, case, target, sent, content, kind, answer)
        return answer

    def keep(self, route, case, target, sent, content, kind, answer) -> None:
        method, pattern = route.split(" ")
        document = Document(self.names)
        request = {"method": method, "target": document.text(urllib.parse.unquote_plus(target)), "headers": {}}
        if "Authorization" in sent:
            request["headers"]["Authorization"] = sent["Authorization"].split(" ")[0] + " <credentials>"
        for name, value in sent.items():
            if name != "Authorization":
                request["headers"][name] = document.text(value)
        if content is not None:
            is_json = kind != "application/json" or is_document(content)
            request["body"] = document.body(content, kind) if is_json else content.decode()
        told = {name: document.value(answer.headers[name], name.lower()) for name in HEADERS if name in answer.headers}
        if method == "OPTIONS":
            told.update({name: value for name, value in answer.headers.items() if name.startswith("Access-Control")})
        response = {"status": answer.status, "headers": told,
                    "body": document.body(answer.body, answer.headers.get_content_type())}
        directory = pattern.strip("/").replace("{", "").replace("}", "")
        name = f"{directory}/{method}.{case}.json"
        if name in self.documents:
            raise AssertionError(f"{name} is played twice")
        self.documents[name] = {"route": route, "request": request, "response": response}


def is_document(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), (dict, list))
    except ValueError:
        return False


def text_of(document: dict) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def stored() -> dict[str, str]:
    files = (path for path in sorted(STORE.rglob("*.json")) if path.is_file())
    return {str(path.relative_to(STORE)): path.read_text() for path in files}


def accept(documents: dict[str, dict]) -> None:
    """Makes the store hold these documents and no others."""
    for name in stored().keys() - documents.keys():
        (STORE / name).unlink()
    for name, document in documents.items():
        (STORE / name).parent.mkdir(parents=True, exist_ok=True)
        (STORE / name).write_text(text_of(document))


def difference(name: str, expected: str, played: str) -> str:
    lines = difflib.unified_diff(expected.splitlines(), played.splitlines(), f"stored {name}", "played", lineterm="")
    return "\n".join(lines)
