# SPDX-License-Identifier: Apache-2.0
"""What is asked of `wherry serve` for the golden documents: a short life of two clients and a user.

Each chapter asks the routes of one area, and each route at least once so that it can answer and once
so that it cannot. The chapters build on each other, in the order of `CHAPTERS`.
"""

import base64
import datetime
import hashlib
import http.cookies
import os
import re

import golden
import served
TEMPLATE = "95fdeba8-fac2-42bd-a357-e068d82ff78e"
VERIFIER = "0123456789012345678901234567890123456789abc"
PASSWORD = "correct horse battery"
NOWHERE = "00000000-0000-4000-8000-000000000000"
WHEN = 1_600_000_000  # of the files: 2020-09-13 12:26:40
LATER = "2090-01-01T00:00:00+00:00"
VIEW_CONSENTS = "urn:globus:auth:scope:auth.globus.org:view_consents"
FINAL = ("SUCCEEDED", "FAILED")

T = "/v0.10"
E = f"{T}/endpoint/{{endpoint_id}}"
O = f"{T}/operation/endpoint/{{endpoint_id}}"
K = f"{T}/task/{{task_id}}"
M = f"{T}/endpoint_manager"


class Person:
    """A client that acts for itself, with a token for each service."""

    def __init__(self, recorder: golden.Recorder, name: str):
        service = recorder.service
        self.id, self.secret = service.client(name)
        recorder.name(self.id, name)
        self.basic = (self.id, self.secret)
        self.transfer = service.token(self.basic, served.TRANSFER)
        self.auth = service.token(self.basic, served.AUTH)
        self.timers = service.token(self.basic, served.TIMERS)
        self.jobs = service.token(self.basic, served.JOBS)


class World:
    def __init__(self, recorder: golden.Recorder):
        self.recorder, self.ask = recorder, recorder.play
        self.ada, self.ben = Person(recorder, "ada"), Person(recorder, "ben")
        self.cleo = recorder.name(recorder.service.user("cleo@example.org", PASSWORD), "cleo")
        self.lab, self.lab_files = self.endpoint("lab")
        self.archive, self.archive_files = self.endpoint("archive")
        self.secure, self.secure_files = self.endpoint("secure", "--data-access-consent")
        self.fill()
        self.submissions = 0

    def endpoint(self, name: str, *options: str):
        made, directory = self.recorder.service.endpoint(name, self.ada.id, *options)
        os.chmod(directory, 0o755)
        return self.recorder.name(made, name), directory

    def fill(self):
        run = self.lab_files / "run"
        (run / "sub").mkdir(parents=True)
        (run / "a.txt").write_bytes(b"alpha")
        (run / ".hidden").write_bytes(b"")
        (run / "sub" / "c.dat").write_bytes(b"\0" * 1000)
        (run / "link").symlink_to("a.txt")
        (run / "lost").symlink_to("nowhere")
        (self.secure_files / "secret.txt").write_bytes(b"secret")
        for directory in (self.lab_files, self.secure_files):
            for path in [directory, *directory.rglob("*")]:
                if not path.is_symlink():
                    os.chmod(path, 0o755 if path.is_dir() else 0o644)
                os.utime(path, (WHEN, WHEN), follow_symlinks=False)

    # Submissions

    def submission(self) -> str:
        """A new id, the same in every run."""
        self.submissions += 1
        return f"5b000000-0000-4000-8000-{self.submissions:012d}"

    def transfer(self, *items, **more) -> dict:
        return {"DATA_TYPE": "transfer", "submission_id": self.submission(), "source_endpoint": self.lab,
                "destination_endpoint": self.archive, "DATA": [self.item(*item) for item in items], **more}

    @staticmethod
    def item(source: str, target: str, recursive: bool = False) -> dict:
        return {"DATA_TYPE": "transfer_item", "source_path": source, "destination_path": target,
                "recursive": recursive}

    def deletion(self, path: str, **more) -> dict:
        return {"DATA_TYPE": "delete", "submission_id": self.submission(), "endpoint": self.archive,
                "DATA": [{"DATA_TYPE": "delete_item", "path": path}], **more}

    def submit(self, body: dict, name: str, kind: str = "transfer") -> str:
        """A task that no document tells of, but which has a name in the others."""
        answer = served.Bearer(self.recorder.service, self.ada.transfer)("POST", f"{T}/{kind}", body)
        assert answer.status == 202, answer
        return self.recorder.name(answer.json["task_id"], name)


def has_ended(task: dict) -> bool:
    return task["status"] in FINAL


# ---- Auth


def open_pages(world: World):
    ask = world.ask
    ask("GET /healthz", "ok")
    ask("GET /metrics", "ok")
    ask("GET /metrics", "not-of-this-host", headers={"X-Forwarded-For": "192.0.2.7"}, status=403)
    ask("GET /.well-known/openid-configuration", "ok")
    ask("GET /jwk.json", "ok")
    ask("GET /v2/web/logout", "ok")
    ask("GET /v2/web/auth-code", "ok", query="code=" + "c" * 43)
    ask("GET /v2/web/auth-code", "none", status=400)


def registration(world: World) -> tuple[str, str]:
    ask, clients = world.ask, "POST /v2/api/clients"
    made = ask(clients, "ok", body={"client": {"template_id": TEMPLATE, "name": "Globus CLI"}}, status=201).json
    credential = made["included"]["client_credential"]
    world.recorder.name(credential["client"], "command line")
    ask(clients, "another-template", body={"client": {"template_id": NOWHERE, "name": "Mine"}}, status=400)
    return credential["client"], credential["secret"]


def client_tokens(world: World):
    ask, ada, token = world.ask, world.ada, "POST /v2/oauth2/token"
    grant = {"grant_type": "client_credentials", "scope": served.TRANSFER}
    ask(token, "client-credentials", form=grant, basic=ada.basic)
    ask(token, "client-credentials-openid", form={**grant, "scope": served.AUTH}, basic=ada.basic)
    ask(token, "wrong-secret", form=grant, basic=(ada.id, "guess"), status=401)
    ask(token, "unknown-scope", form={**grant, "scope": "everything"}, basic=ada.basic, status=400)
    ask(token, "unknown-grant", form={"grant_type": "password"}, basic=ada.basic, status=400)
    for case, text in (("active", ada.transfer), ("inactive", "made-up")):
        form = {"token": text, "include": "session_info"}
        ask("POST /v2/oauth2/token/validate", case, form={"token": text}, basic=ada.basic)
        ask("POST /v2/oauth2/token/introspect", case, form=form, basic=ada.basic)
    for route in ("validate", "introspect"):
        ask(f"POST /v2/oauth2/token/{route}", "nobody", form={"token": "made-up"}, status=401)
    short = world.recorder.service.token(ada.basic, served.TRANSFER)
    ask("POST /v2/oauth2/token/revoke", "ok", form={"token": short}, basic=ada.basic)
    ask("POST /v2/oauth2/token/revoke", "no-token", form={"client_id": TEMPLATE})
    ask(f"GET {T}/submission_id", "revoked-token", token=short, status=401)


def login(world: World):
    """As a browser and the command line do it together."""
    ask, client = world.ask, registration(world)
    authorize, token = "/v2/oauth2/authorize", "POST /v2/oauth2/token"
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    asked = {"client_id": client[0], "redirect_uri": world.recorder.service.url + "v2/web/auth-code",
             "scope": f"openid profile email {served.TRANSFER}", "state": "_default", "response_type": "code",
             "access_type": "offline", "code_challenge_method": "S256",
             "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("=")}
    query = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in asked.items())
    page = ask(f"GET {authorize}", "ok", query=query)
    ask(f"GET {authorize}", "unknown-client", query=f"client_id={NOWHERE}&response_type=code", status=400)
    cookie = http.cookies.SimpleCookie(page.headers["Set-Cookie"])["wherry_login"].value
    sent = {**asked, "csrf": cookie, "username": "cleo@example.org", "password": PASSWORD, "decision": "allow"}
    headers = {"Cookie": f"wherry_login={cookie}"}
    back = ask(f"POST {authorize}", "ok", form=sent, headers=headers, status=303)
    ask(f"POST {authorize}", "denied", form={**sent, "decision": "deny"}, headers=headers, status=303)
    ask(f"POST {authorize}", "another-address", form={**sent, "redirect_uri": "https://example.org/"}, headers=headers,
        status=400)
    code = re.search(r"code=([\w-]+)", back.headers["Location"])[1]
    bought = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked["redirect_uri"],
              "code_verifier": VERIFIER}
    first = ask(token, "authorization-code", form=bought, basic=client).json
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    ask(token, "refresh-token", form=refresh, basic=client)
    ask(token, "refresh-token-again", form=refresh, basic=client, status=401)
    remove = "DELETE /v2/api/clients/{id}"
    ask(remove, "another-client", {"id": world.ada.id}, basic=client, status=403)
    ask(remove, "ok", {"id": client[0]}, basic=client)


def identities(world: World):
    ask, ada = world.ask, world.ada
    ask("GET /v2/oauth2/userinfo", "ok", token=ada.auth)
    ask("GET /v2/oauth2/userinfo", "nobody", status=401)
    ask("GET /v2/oauth2/userinfo", "lacks-the-scope", token=ada.transfer, status=403)
    many = "GET /v2/api/identities"
    ask(many, "by-id", query=f"ids={world.cleo},{ada.id},{NOWHERE}", token=ada.auth)
    ask(many, "by-name", query="usernames=cleo@example.org&provision=false", token=ada.auth)
    ask(many, "neither", token=ada.auth, status=400)
    ask("GET /v2/api/identities/{id}", "ok", {"id": world.cleo}, token=ada.auth)
    ask("GET /v2/api/identities/{id}", "unknown", {"id": NOWHERE}, token=ada.auth, status=404)


def consents(world: World):
    """Somebody comes to the data of an endpoint that asks for a consent."""
    ask, ada, at = world.ask, world.ada, {"endpoint_id": world.secure}
    path = "path=/secret.txt"
    refused = ask(f"GET {O}/stat", "consent-required", at, path, token=ada.transfer, status=403).json
    ask(f"POST {T}/transfer", "consent-required", token=ada.transfer, status=403,
        body={**world.transfer(("/secret.txt", "/a")), "source_endpoint": world.secure})
    (scope,) = refused["required_scopes"]
    service = world.recorder.service
    agreed = service.token(ada.basic, scope)
    ask(f"GET {O}/stat", "consented", at, path, token=ada.transfer)  # the token of before
    service.form("/v2/oauth2/token/revoke", {"token": agreed}, ada.basic)  # with it, the consent
    view, own = "GET /v2/api/identities/{id}/consents", {"id": world.ben.id}
    token = service.token(world.ben.basic, f"{VIEW_CONSENTS} openid")
    service.token(world.ben.basic, scope)
    ask(view, "ok", own, "all=True", token=token)
    ask(view, "lacks-the-scope", own, "all=True", token=world.ben.auth, status=403)
    ask(view, "somebody-else", own, "all=False", token=ada.auth, status=403)


# ---- Transfer


def errors(world: World):
    """What any route answers who may not ask, or asks for what is not there."""
    ask, ada = world.ask, world.ada
    ask(f"GET {T}/submission_id", "ok", token=ada.transfer)
    ask(f"GET {T}/submission_id", "no-token", status=401)
    ask(f"GET {T}/submission_id", "lacks-the-scope", token=ada.auth, status=403)
    ask(f"OPTIONS {T}/task_list", "of-a-browser", headers={"Origin": "https://example.org"}, status=204)
    ask(f"DELETE {T}/task_list", "not-allowed", token=ada.transfer, status=405)
    ask("GET /v2/tunnels", "not-there", token=ada.transfer, status=404)
    ask("GET /v2/bookmarks", "not-there", token=ada.transfer, status=404)
    ask(f"PUT {E}/subscription", "not-there", {"endpoint_id": world.lab}, token=ada.transfer,
        body={"subscription_id": "DEFAULT"}, status=404)


def endpoints(world: World):
    ask, ada, ben = world.ask, world.ada.transfer, world.ben.transfer
    lab, unknown = {"endpoint_id": world.lab}, {"endpoint_id": NOWHERE}
    search = f"GET {T}/endpoint_search"
    ask(search, "by-text", query="filter_fulltext=lab&limit=100", token=ada)
    ask(search, "own", query="filter_scope=my-endpoints&orderby=display_name+DESC&limit=1", token=ada)
    ask(search, "everything", query="filter_scope=all", token=ada, status=400)
    create = f"POST {T}/endpoint"
    made = ask(create, "ok", token=ada, status=201, body={
        "DATA_TYPE": "endpoint", "is_globus_connect": True, "display_name": "own", "public": True,
        "description": None, "contact_email": "ada@example.org"}).json["id"]
    own = {"endpoint_id": world.recorder.name(made, "own")}
    ask(create, "no-name", token=ada, body={"DATA_TYPE": "endpoint"}, status=400)
    ask(create, "same-name", token=ada, body={"display_name": "own"}, status=409)
    change = {"DATA_TYPE": "endpoint", "description": "the detector", "keywords": "x-ray,beam", "user_message": "hello",
              "default_directory": "/run/"}
    ask(f"PUT {E}", "ok", lab, token=ada, body=change)
    ask(f"PUT {E}", "wrong-type", lab, token=ada, body={"display_name": 7}, status=400)
    ask(f"PUT {E}", "of-somebody-else", own, token=ben, body=change, status=403)
    ask(f"GET {E}", "ok", lab, token=ada)
    ask(f"GET {E}", "of-nobody", unknown, token=ada, status=404)
    ask(f"GET {E}/server_list", "ok", lab, token=ada)
    ask(f"GET {E}/server_list", "of-nobody", unknown, token=ada, status=404)
    ask(f"GET {E}/server/{{server_id}}", "ok", {**lab, "server_id": "1"}, token=ada)
    ask(f"GET {E}/server/{{server_id}}", "unknown", {**lab, "server_id": "2"}, token=ada, status=404)
    ask(f"DELETE {E}", "of-somebody-else", own, token=ben, status=403)
    ask(f"DELETE {E}", "ok", own, token=ada)


def activation(world: World):
    ask, token, lab = world.ask, world.ada.transfer, {"endpoint_id": world.lab}
    for method, name in (("POST", "autoactivate"), ("POST", "activate"), ("POST", "deactivate"),
                         ("GET", "activation_requirements")):
        body = {} if method == "POST" else None
        ask(f"{method} {E}/{name}", "ok", lab, token=token, body=body)
        ask(f"{method} {E}/{name}", "of-nobody", {"endpoint_id": NOWHERE}, token=token, body=body, status=404)


def files(world: World):
    ask, token, ben = world.ask, world.ada.transfer, world.ben.transfer
    lab, archive = {"endpoint_id": world.lab}, {"endpoint_id": world.archive}
    ls, look = f"GET {O}/ls", f"GET {O}/stat"
    ask(ls, "ok", lab, "path=/run/&show_hidden=0", token=token)
    ask(ls, "default-directory", lab, token=token)
    ask(ls, "filtered", lab, "path=/run&filter=type:dir&filter=name:~*.txt&orderby=name+DESC&limit=1", token=token)
    ask(ls, "missing", lab, "path=/none", token=token, status=404)
    ask(ls, "of-a-file", lab, "path=/run/a.txt", token=token, status=502)
    ask(ls, "leads-out", lab, "path=/run/../..", token=token, status=400)
    ask(ls, "of-somebody-else", lab, "path=/run", token=ben, status=404)
    ask(look, "ok", lab, "path=/run/link", token=token)
    ask(look, "missing", lab, "path=/none", token=token, status=404)
    mkdir, path = f"POST {O}/mkdir", {"DATA_TYPE": "mkdir", "path": "/made"}
    ask(mkdir, "ok", archive, token=token, body=path, status=202)
    ask(mkdir, "exists", archive, token=token, body=path, status=502)
    ask(mkdir, "without-a-path", archive, token=token, body={"DATA_TYPE": "mkdir"}, status=400)
    rename, paths = f"POST {O}/rename", {"DATA_TYPE": "rename", "old_path": "/made", "new_path": "/renamed"}
    ask(rename, "ok", archive, token=token, body=paths)
    ask(rename, "missing", archive, token=token, body=paths, status=404)
    link, of = f"POST {O}/symlink", {"DATA_TYPE": "symlink", "symlink_target": "renamed", "path": "/link"}
    ask(link, "ok", archive, token=token, body=of, status=202)
    ask(link, "exists", archive, token=token, body=of, status=502)


def submissions(world: World):
    ask, token = world.ask, world.ada.transfer
    send, remove = f"POST {T}/transfer", f"POST {T}/delete"
    copy = world.transfer(("/run/", "/copy/", True), label="nightly", verify_checksum=True, preserve_timestamp=True,
                          recursive_symlinks="keep", sync_level=3, deadline=LATER, notify_on_succeeded=False,
                          filter_rules=[{"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp",
                                         "type": "file"}])
    world.copy = ask(send, "ok", token=token, body=copy, status=202).json["task_id"]
    world.recorder.name(world.copy, "copy")
    ask(send, "duplicate", token=token, body=copy)
    ask(f"GET {K}", "succeeded", {"task_id": world.copy}, token=token, until=has_ended)
    ask(send, "no-items", token=token, body=world.transfer(), status=400)
    ask(send, "unknown-endpoint", token=token, status=404,
        body={**world.transfer(("/a", "/a")), "source_endpoint": NOWHERE})
    ask(send, "wrong-member", token=token, body=world.transfer(("/a", "/a"), sync_level=4), status=400)
    ask(send, "malformed", token=token, body=b"{", status=400)
    world.skipping = world.submit(world.transfer(("/run/a.txt", "/some/a.txt"), ("/none", "/some/none"),
                                                 skip_source_errors=True), "skipping copy")
    ask(f"GET {K}", "succeeded-with-skipped-errors", {"task_id": world.skipping}, token=token, until=has_ended)
    world.failing = world.submit(world.transfer(("/none", "/none")), "failing copy")
    ask(f"GET {K}", "failed", {"task_id": world.failing}, token=token, until=has_ended)
    deletion = world.deletion("/some/", recursive=True, label="clean up", deadline=LATER)
    world.deletion_task = ask(remove, "ok", token=token, body=deletion, status=202).json["task_id"]
    world.recorder.name(world.deletion_task, "deletion")
    ask(remove, "duplicate", token=token, body=deletion)
    ask(f"GET {K}", "deleted", {"task_id": world.deletion_task}, token=token, until=has_ended)
    ask(remove, "whole-endpoint", token=token, body=world.deletion("/"), status=400)


def outcomes(world: World):
    ask, token, unknown = world.ask, world.ada.transfer, {"task_id": NOWHERE}
    copy = {"task_id": world.copy}
    events, moved, skipped = f"GET {K}/event_list", f"GET {K}/successful_transfers", f"GET {K}/skipped_errors"
    ask(events, "ok", copy, "limit=1000&filter=code:STARTED,SUCCEEDED", token=token)  # PROGRESS comes with time
    ask(events, "errors", {"task_id": world.failing}, "filter=is_error:1", token=token)
    ask(events, "unknown-field", copy, "filter=colour:red", token=token, status=400)
    ask(moved, "ok", copy, "marker=0", token=token)
    ask(moved, "of-a-deletion", {"task_id": world.deletion_task}, token=token, status=400)
    ask(skipped, "ok", {"task_id": world.skipping}, token=token)
    ask(skipped, "unknown", unknown, token=token, status=404)
    ask(f"GET {K}", "unknown", unknown, token=token, status=404)
    ask(f"GET {K}", "of-somebody-else", copy, token=world.ben.transfer, status=404)
    query = "filter=type:TRANSFER,DELETE/status:SUCCEEDED/label:=nightly&orderby=request_time+DESC&limit=1000"
    ask(f"GET {T}/task_list", "filtered", query=query, token=token)
    ask(f"GET {T}/task_list", "fields", query="fields=task_id,status&limit=2&offset=1", token=token)
    ask(f"GET {T}/task_list", "unknown-status", query="filter=status:DONE", token=token, status=400)


def held_tasks(world: World):
    """Tasks that a pause rule holds back are changed and cancelled."""
    ask, token = world.ask, world.ada.transfer
    world.held = held = world.submit(world.transfer(("/run/a.txt", "/held"), deadline=LATER), "held copy")
    at = {"task_id": held}
    ask(f"GET {K}", "paused", at, token=token, until=lambda task: task["is_paused"])
    ask(f"GET {K}/pause_info", "ok", at, token=token)
    ask(f"GET {K}/pause_info", "unknown", {"task_id": NOWHERE}, token=token, status=404)
    ask(f"PUT {K}", "ok", at, token=token, body={"DATA_TYPE": "task", "label": "for later", "deadline": LATER})
    ask(f"PUT {K}", "ended", {"task_id": world.copy}, token=token, body={"DATA_TYPE": "task", "label": "late"},
        status=409)
    cancelled = world.submit(world.transfer(("/run/a.txt", "/cancelled"), deadline=LATER), "cancelled copy")
    ask(f"POST {K}/cancel", "ok", {"task_id": cancelled}, token=token)
    ask(f"GET {K}", "cancelled", {"task_id": cancelled}, token=token, until=has_ended)
    ask(f"POST {K}/cancel", "ended", {"task_id": cancelled}, token=token)
    ask(f"POST {K}/cancel", "unknown", {"task_id": NOWHERE}, token=token, status=404)


def bookmarks(world: World):
    ask, token = world.ask, world.ada.transfer
    create, one = f"POST {T}/bookmark", f"{T}/bookmark/{{bookmark_id}}"
    wanted = {"endpoint_id": world.lab, "path": "/run/", "name": "Work"}
    made = ask(create, "ok", token=token, body=wanted, status=201).json["id"]
    at, unknown = {"bookmark_id": world.recorder.name(made, "bookmark")}, {"bookmark_id": NOWHERE}
    ask(create, "same-name", token=token, body=wanted, status=409)
    ask(create, "unknown-endpoint", token=token, body={**wanted, "endpoint_id": NOWHERE}, status=404)
    ask(f"GET {T}/bookmark_list", "ok", token=token)
    ask(f"GET {T}/bookmark_list", "no-token", status=401)
    ask(f"GET {one}", "ok", at, token=token)
    ask(f"GET {one}", "unknown", unknown, token=token, status=404)
    ask(f"PUT {one}", "ok", at, token=token, body={"name": "work"})
    ask(f"PUT {one}", "unknown", unknown, token=token, body={"name": "work"}, status=404)
    ask(f"DELETE {one}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {one}", "ok", at, token=token)


def access(world: World):
    ask, token, ben = world.ask, world.ada.transfer, world.ben.transfer
    lab = {"endpoint_id": world.lab}
    wanted = {"DATA_TYPE": "access", "principal_type": "identity", "principal": world.ben.id, "path": "/run/sub/",
              "permissions": "r", "notify_email": None}
    made = ask(f"POST {E}/access", "ok", lab, token=token, body=wanted, status=201).json["access_id"]
    at, unknown = {**lab, "access_id": world.recorder.name(made, "rule")}, {**lab, "access_id": NOWHERE}
    ask(f"POST {E}/access", "exists", lab, token=token, body=wanted, status=409)
    ask(f"POST {E}/access", "wrong-permissions", lab, token=token, body={**wanted, "permissions": "x"}, status=400)
    ask(f"GET {O}/ls", "granted", lab, "path=/run/sub", token=ben)
    ask(f"GET {O}/ls", "not-granted", lab, "path=/run", token=ben, status=403)
    ask(f"GET {E}/access_list", "ok", lab, token=token)
    ask(f"GET {E}/access_list", "not-a-manager", lab, token=ben, status=403)
    ask(f"GET {E}/access/{{access_id}}", "ok", at, token=token)
    ask(f"GET {E}/access/{{access_id}}", "unknown", unknown, token=token, status=404)
    ask(f"PUT {E}/access/{{access_id}}", "ok", at, token=token, body={"permissions": "rw", "expiration_date": LATER})
    ask(f"PUT {E}/access/{{access_id}}", "unknown", unknown, token=token, body={"permissions": "r"}, status=404)
    ask(f"DELETE {E}/access/{{access_id}}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {E}/access/{{access_id}}", "ok", at, token=token)


def roles(world: World):
    ask, token, lab = world.ask, world.ada.transfer, {"endpoint_id": world.lab}
    wanted = {"DATA_TYPE": "role", "principal_type": "identity", "principal": world.ben.id, "role": "activity_monitor"}
    made = ask(f"POST {E}/role", "ok", lab, token=token, body=wanted, status=201).json["id"]
    at, unknown = {**lab, "role_id": world.recorder.name(made, "role")}, {**lab, "role_id": NOWHERE}
    ask(f"POST {E}/role", "unknown-role", lab, token=token, body={**wanted, "role": "king"}, status=400)
    ask(f"GET {E}/role_list", "ok", lab, token=token)
    ask(f"GET {E}/role_list", "not-an-administrator", lab, token=world.ben.transfer, status=403)
    ask(f"GET {E}/role/{{role_id}}", "ok", at, token=token)
    ask(f"GET {E}/role/{{role_id}}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {E}/role/{{role_id}}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {E}/role/{{role_id}}", "ok", at, token=token)


def guests(world: World):
    ask, token, ben = world.ask, world.ada.transfer, world.ben.transfer
    lab, unknown = {"endpoint_id": world.lab}, {"endpoint_id": NOWHERE}
    create = f"POST {T}/shared_endpoint"
    wanted = {"DATA_TYPE": "shared_endpoint", "host_endpoint": world.lab, "host_path": "/run/", "display_name": "run",
              "description": "one run"}
    world.guest = ask(create, "ok", token=token, body=wanted, status=201).json["id"]
    world.recorder.name(world.guest, "guest")
    ask(create, "missing-directory", token=token, status=404,
        body={**wanted, "display_name": "none", "host_path": "/none/"})
    ask(create, "no-host", token=token, body={"display_name": "none"}, status=400)
    ask(f"GET {E}", "guest", {"endpoint_id": world.guest}, token=token)
    ask(f"GET {E}/my_shared_endpoint_list", "ok", lab, token=token)
    ask(f"GET {E}/my_shared_endpoint_list", "of-nobody", unknown, token=token, status=404)
    ask(f"GET {E}/shared_endpoint_list", "ok", lab, "max_results=1", token=token)
    ask(f"GET {E}/shared_endpoint_list", "of-somebody-else", lab, token=ben, status=404)


def pause_rules(world: World):
    ask, token = world.ask, world.ada.transfer
    create, one = f"POST {M}/pause_rule", f"{M}/pause_rule/{{rule_id}}"
    wanted = {"DATA_TYPE": "pause_rule", "endpoint_id": world.archive, "message": "the disks are moved",
              "identity_id": None, "start_time": None, "pause_mkdir": True, "pause_task_transfer_write": True}
    made = ask(create, "ok", token=token, body=wanted, status=201).json["id"]
    at, unknown = {"rule_id": world.recorder.name(made, "pause rule")}, {"rule_id": NOWHERE}
    ask(create, "without-a-message", token=token, body={"endpoint_id": world.archive}, status=400)
    ask(create, "of-somebody-else", token=world.ben.transfer, body=wanted, status=404)
    ask(f"GET {one}", "ok", at, token=token)
    ask(f"GET {one}", "unknown", unknown, token=token, status=404)
    ask(f"PUT {one}", "ok", at, token=token, body={"message": "until Monday"})
    ask(f"PUT {one}", "unknown", unknown, token=token, body={"message": "x"}, status=404)
    ask(f"GET {M}/pause_rule_list", "ok", query=f"filter_endpoint={world.archive}", token=token)
    ask(f"GET {M}/pause_rule_list", "no-token", status=401)
    effective, archive = f"GET {E}/my_effective_pause_rule_list", {"endpoint_id": world.archive}
    ask(effective, "ok", archive, token=token)
    ask(effective, "of-nobody", {"endpoint_id": NOWHERE}, token=token, status=404)
    ask(f"POST {O}/mkdir", "paused", archive, token=token, body={"path": "/d"}, status=409)
    held_tasks(world)
    manager_actions(world)
    ask(f"DELETE {one}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {one}", "ok", at, token=token)


def manager_actions(world: World):
    """What managers do to tasks: here to those that a rule holds back, which therefore stay as they are."""
    ask, token, ben = world.ask, world.ada.transfer, world.ben.transfer
    held, theirs = {"task_id_list": [world.held], "message": "please wait"}, {"task_id_list": [NOWHERE]}
    for action in ("admin_pause", "admin_resume", "admin_cancel"):
        ask(f"POST {M}/{action}", "unknown", token=token, body={**held, **theirs}, status=404)
    ask(f"POST {M}/admin_pause", "ok", token=token, body=held)
    ask(f"GET {M}/task/{{task_id}}/pause_info", "ok", {"task_id": world.held}, token=token)
    ask(f"GET {M}/task/{{task_id}}", "paused", {"task_id": world.held}, token=token)
    ask(f"POST {M}/admin_resume", "ok", token=token, body=held)
    answer = ask(f"POST {M}/admin_cancel", "ok", token=token, body={**held, "message": "not today"}).json
    at = {"request_id": world.recorder.name(answer["id"], "cancel request")}
    ask(f"GET {M}/admin_cancel/{{request_id}}", "ok", at, token=token, until=lambda request: request["done"])
    ask(f"GET {M}/admin_cancel/{{request_id}}", "of-somebody-else", at, token=ben, status=404)
    ask(f"GET {M}/task/{{task_id}}", "cancelled-by-admin", {"task_id": world.held}, token=token, until=has_ended)


def manager(world: World):
    ask, token, ben = world.ask, world.ada.transfer, world.ben.transfer
    lab, unknown = {"endpoint_id": world.lab}, {"endpoint_id": NOWHERE}
    ask(f"GET {M}/monitored_endpoints", "ok", token=token)
    ask(f"GET {M}/monitored_endpoints", "no-token", status=401)
    for name in ("", "/hosted_endpoint_list", "/access_list"):
        ask(f"GET {M}/endpoint/{{endpoint_id}}{name}", "ok", lab, token=token)
        ask(f"GET {M}/endpoint/{{endpoint_id}}{name}", "of-nobody", unknown, token=token, status=404)
    tasks = f"GET {M}/task_list"
    ask(tasks, "ok", token=token, query=f"filter_status=SUCCEEDED&filter_endpoint={world.lab}"
        "&filter_endpoint_use=source&limit=1")
    ask(tasks, "of-somebody-else", token=ben)
    ask(tasks, "wrong-use", query="filter_endpoint_use=both", token=token, status=400)
    copy, nothing = {"task_id": world.copy}, {"task_id": NOWHERE}
    ask(f"GET {M}/task/{{task_id}}", "of-somebody-else", copy, token=ben, status=404)
    ask(f"GET {M}/task/{{task_id}}/event_list", "ok", {"task_id": world.failing}, "filter_is_error=1", token=token)
    ask(f"GET {M}/task/{{task_id}}/successful_transfers", "ok", copy, token=token)
    ask(f"GET {M}/task/{{task_id}}/skipped_errors", "ok", {"task_id": world.skipping}, token=token)
    for name in ("event_list", "successful_transfers", "skipped_errors", "pause_info"):
        ask(f"GET {M}/task/{{task_id}}/{name}", "unknown", nothing, token=token, status=404)


# ---- Timers


def timers(world: World):
    ask, token, ben = world.ask, world.ada.timers, world.ben.timers
    body = {"DATA_TYPE": "transfer", "source_endpoint": world.lab, "destination_endpoint": world.archive,
            "label": None, "DATA": [world.item("/run/a.txt", "/timed")]}
    start = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).isoformat(timespec="seconds")
    wanted = {"timer_type": "transfer", "name": "nightly", "body": body,
              "schedule": {"type": "recurring", "interval_seconds": 86400, "start": start,
                           "end": {"condition": "iterations", "count": 5}}}
    create, jobs, job = "POST /v2/timer", "/jobs", "/jobs/{timer_id}"
    made = ask(create, "ok", token=token, body={"timer": wanted}, status=201).json["timer"]["job_id"]
    at, unknown = {"timer_id": world.recorder.name(made, "timer")}, {"timer_id": NOWHERE}
    ask(create, "flow", token=token, body={"timer": {**wanted, "timer_type": "flow"}}, status=422)
    ask(create, "consent-required", token=token, status=403,
        body={"timer": {**wanted, "body": {**body, "source_endpoint": world.secure}}})
    ask(create, "unknown-endpoint", token=token, status=422,
        body={"timer": {**wanted, "body": {**body, "source_endpoint": NOWHERE}}})
    ask(create, "no-token", body={"timer": wanted}, status=401)
    ask(create, "lacks-the-scope", token=world.ada.transfer, body={"timer": wanted}, status=403)
    older = {"callback_url": "https://actions.automate.globus.org/transfer/transfer/run",
             "callback_body": {"body": body}, "start": "2020-01-01T00:00:00", "interval": None, "name": "once"}
    once = ask(f"POST {jobs}", "ok", token=token, body=older, status=201).json["job_id"]
    world.recorder.name(once, "timer of one run")
    ask(f"POST {jobs}", "short-interval", token=token, body={**older, "interval": 1}, status=422)
    ran = ask(f"GET {job}", "ended", {"timer_id": once}, token=token, until=lambda job: job["status"] == "ended").json
    world.recorder.name(ran["results"]["data"][0]["data"]["task_id"], "task of the timer")
    ask(f"GET {job}", "ok", at, token=token, until=lambda job: job["status"] == "loaded")
    ask(f"GET {job}", "of-somebody-else", at, token=ben, status=404)
    ask(f"GET {jobs}", "ok", query="order=submitted_at+asc&filter_status=active", token=token)
    ask(f"GET {jobs}", "unknown-order", query="order=size", token=token, status=422)
    ask(f"PATCH {job}", "ok", at, token=token, body={"name": "weekly"})
    ask(f"PATCH {job}", "another-member", at, token=token, body={"interval": 60}, status=422)
    ask(f"POST {job}/pause", "ok", at, token=token)
    ask(f"POST {job}/pause", "ended", {"timer_id": once}, token=token, status=409)
    ask(f"GET {job}", "paused", at, token=token)
    ask(f"POST {job}/resume", "ok", at, token=token, body={"update_credentials": False})
    ask(f"POST {job}/resume", "unknown", unknown, token=token, body={}, status=404)
    ask(f"DELETE {job}", "ok", at, token=token)
    ask(f"DELETE {job}", "unknown", at, token=token, status=404)


# ---- Sites, apps, jobs


def job_site(world: World):
    ask, token, ben = world.ask, world.ada.jobs, world.ben.jobs
    sites, site, at = "/v1/sites", "/v1/sites/{site_id}", {"site_id": "1"}
    root = world.recorder.service.scratch.root / "sites"
    settings = f"transfers:\n  transfer_locations:\n    lab: wherry://{world.lab}\n"
    wanted = {"name": "theta", "path": str(root / "theta"), "settings": settings}
    ask(f"POST {sites}", "ok", token=token, body=wanted, status=201)
    ask(f"POST {sites}", "elsewhere", token=token, body={**wanted, "path": "/etc"}, status=422)
    ask(f"POST {sites}", "in-another", token=ben, body={**wanted, "path": str(root / "theta" / "data" / "x")}, status=409)
    ask(f"GET {sites}", "ok", query="name=theta", token=token)
    ask(f"GET {sites}", "of-nobody", token=ben)
    ask(f"GET {sites}", "unknown-filter", query="nmae=theta", token=token, status=422)
    ask(f"GET {sites}", "no-token", status=401)
    ask(f"GET {sites}", "lacks-the-scope", token=world.ada.transfer, status=403)
    ask(f"GET {site}", "ok", at, token=token)
    ask(f"GET {site}", "of-somebody-else", at, token=ben, status=404)
    ask(f"PUT {site}", "ok", at, token=token, body={"name": "polaris"})
    ask(f"PUT {site}", "wrong-settings", at, token=token, body={"settings": "transfers: 7"}, status=422)


def job_apps(world: World):
    ask, token, ben = world.ask, world.ada.jobs, world.ben.jobs
    apps, app, at, unknown = "/v1/apps", "/v1/apps/{app_id}", {"app_id": "1"}, {"app_id": "77"}
    wanted = {"site_id": 1, "name": "hash", "command": "sha256sum {{ flags }} input.dat > hash.txt",
              "description": "hashes a file", "parameters": {"flags": {"required": False, "default": "--binary"}},
              "transfers": {"input": {"direction": "in", "local_path": "input.dat"},
                            "result": {"direction": "out", "local_path": "hash.txt", "required": False}},
              "environment": {"LC_ALL": "C"}, "cleanup_files": ["*.tmp"], "num_nodes": 1}
    ask(f"POST {apps}", "ok", token=token, body=wanted, status=201)
    ask(f"POST {apps}", "exists", token=token, body=wanted, status=409)
    ask(f"POST {apps}", "unknown-member", token=token, body={**wanted, "source_code": ""}, status=422)
    ask(f"GET {apps}", "ok", query="site_name=polaris&name=hash", token=token)
    ask(f"GET {apps}", "wrong-number", query="id=one", token=token, status=422)
    ask(f"GET {app}", "ok", at, token=token)
    ask(f"GET {app}", "of-somebody-else", at, token=ben, status=404)
    ask(f"PUT {app}", "ok", at, token=token, body={"description": "hashes one file"})
    ask(f"PUT {app}", "unknown", unknown, token=token, body={}, status=404)
    other = {"site_id": 1, "name": "true", "command": "true"}
    made = ask(f"POST {apps}", "least", token=token, body=other, status=201).json
    ask(f"DELETE {app}", "unknown", unknown, token=token, status=404)
    ask(f"DELETE {app}", "ok", {"app_id": str(made["id"])}, token=token, status=204)


def jobs(world: World):
    ask, token, ben = world.ask, world.ada.jobs, world.ben.jobs
    all_jobs, job, at, unknown = "/v1/jobs", "/v1/jobs/{job_id}", {"job_id": "1"}, {"job_id": "77"}
    first = {"app_id": 1, "workdir": "run/1", "tags": {"run": "1"}, "transfers": {"input": "lab:/run/a.txt"},
             "parameters": {"flags": "--text"}, "data": {"sample": "a"}}
    second = {"app_id": 1, "workdir": "run/2", "tags": {"run": "2"}, "parent_ids": [],
              "transfers": {"input": {"location_alias": "lab", "path": "/run/sub/c.dat"},
                            "result": "lab:/results/2"}, "wall_time_min": 5}
    ask(f"POST {all_jobs}", "ok", token=token, body=[first, second], status=201)
    ask(f"POST {all_jobs}", "unknown-slot", token=token, status=422,
        body=[{**first, "workdir": "run/3", "transfers": {"inptu": "lab:/a"}}])
    ask(f"POST {all_jobs}", "same-workdir", token=token, body=[first, first], status=400)
    ask(f"POST {all_jobs}", "of-somebody-else", token=ben, body=[first], status=404)
    ask(f"GET {all_jobs}", "ok", query="state=READY&state=RUNNING&tags=run:1&ordering=-last_update", token=token)
    ask(f"GET {all_jobs}", "of-nobody", query="site_id=1", token=ben)
    ask(f"GET {all_jobs}", "unknown-state", query="state=DONE", token=token, status=422)
    ask(f"GET {job}", "ok", at, token=token)
    ask(f"GET {job}", "of-somebody-else", at, token=ben, status=404)
    ask(f"PATCH {all_jobs}", "ok", token=token, body=[{"id": 2, "num_nodes": 2}, {"id": 1, "tags": {"run": "one"}}])
    ask(f"PATCH {all_jobs}", "unknown", token=token, body=[{"id": 1, "tags": {}}, {"id": 77, "tags": {}}], status=404)
    ask(f"PUT {all_jobs}", "ok", query="tags=run:2", token=token, body={"tags": {"run": "two"}})
    ask(f"PUT {all_jobs}", "without-a-filter", token=token, body={"tags": {}}, status=422)
    ask(f"PUT {job}", "ok", at, token=token, body={"data": {"sample": "b"}})
    ask(f"PUT {job}", "wrong-state", at, token=token, body={"state": "RUNNING"}, status=409)
    ask(f"POST {job}/cancel", "ok", at, token=token)
    ask(f"POST {job}/cancel", "ended", at, token=token, status=409)
    ask(f"POST {job}/retry", "ok", at, token=token)
    ask(f"POST {job}/retry", "unknown", unknown, token=token, status=404)


def job_items(world: World):
    ask, token, ben = world.ask, world.ada.jobs, world.ben.jobs
    items, item, at = "/v1/transfers", "/v1/transfers/{transfer_id}", {"transfer_id": "1"}
    ask(f"GET {items}", "ok", query="direction=in&job_state=READY&job_id=1", token=token)
    ask(f"GET {items}", "unknown-direction", query="direction=up", token=token, status=422)
    ask(f"GET {item}", "ok", at, token=token)
    ask(f"GET {item}", "of-somebody-else", at, token=ben, status=404)
    ask(f"PUT {item}", "ok", at, token=token, body={"state": "active", "task_id": "globus:7"})
    ask(f"PUT {item}", "unknown-state", at, token=token, body={"state": "gone"}, status=422)
    failed = {"state": "error", "transfer_info": {"error": "no such file", "code": "FILE_NOT_FOUND"}}
    ask(f"PATCH {items}", "ok", token=token, body=[{"id": 1, **failed}])
    ask(f"PATCH {items}", "unknown", token=token, body=[{"id": 77, **failed}], status=404)
    ask(f"POST {items}/retry", "ok", query="state=error", token=token)
    ask(f"POST {items}/retry", "without-a-filter", token=token, status=422)
    ask("GET /v1/events", "ok", query="job_id=1&from_state=pending&to_state=active&ordering=timestamp", token=token)
    ask("GET /v1/events", "unknown-order", query="ordering=size", token=token, status=422)


def launchers(world: World):
    ask, token, ben = world.ask, world.ada.jobs, world.ben.jobs
    sessions, session, at = "/v1/sessions", "/v1/sessions/{session_id}", {"session_id": "1"}
    ask(f"POST {sessions}", "ok", token=token, body={"site_id": 1, "holder": "a program"}, status=201)
    ask(f"POST {sessions}", "of-somebody-else", token=ben, body={"site_id": 1}, status=404)
    ask(f"GET {sessions}", "ok", token=token)
    ask(f"GET {sessions}", "wrong-page", query="limit=-1", token=token, status=422)
    ask(f"POST {session}", "ok", at, token=token, body={"max_num_jobs": 8})
    ask(f"POST {session}", "too-many", at, token=token, body={"max_num_jobs": 9999}, status=422)
    ask(f"PUT {session}", "ok", at, token=token, body={"running": []})
    ask(f"PUT {session}", "of-somebody-else", at, token=ben, status=404)
    ask(f"DELETE {session}", "of-somebody-else", at, token=ben, status=404)
    ask(f"DELETE {session}", "ok", at, token=token, status=204)
    batches, batch, at = "/v1/batch-jobs", "/v1/batch-jobs/{batch_job_id}", {"batch_job_id": "1"}
    wanted = {"site_id": 1, "num_nodes": 2, "wall_time_min": 30, "job_mode": "mpi", "queue": "debug",
              "project": "beam", "filter_tags": {"run": "two"}}
    ask(f"POST {batches}", "ok", token=token, body=wanted, status=201)
    ask(f"POST {batches}", "unknown-mode", token=token, body={**wanted, "job_mode": "fast"}, status=422)
    ask(f"GET {batches}", "ok", query="state=pending_submission&queue=debug", token=token)
    ask(f"GET {batches}", "unknown-state", query="state=lost", token=token, status=422)
    ask(f"GET {batches}", "by-tag-and-time", query="filter_tags=run:two&start_time_after=2001-01-01&ordering=-end_time",
        token=token)
    ask(f"GET {batch}", "ok", at, token=token)
    ask(f"GET {batch}", "of-somebody-else", at, token=ben, status=404)
    ask(f"PUT {batch}", "another-state", at, token=token, body={"state": "running"}, status=422)
    ask(f"PUT {batch}", "ok", at, token=token, body={"state": "pending_deletion"})
    ask(f"DELETE {batch}", "of-somebody-else", at, token=ben, status=404)
    ask(f"POST {batches}", "least", token=token, body={"site_id": 1}, status=201)
    ask(f"DELETE {batch}", "ok", {"batch_job_id": "2"}, token=token, status=204)
    ask(f"POST {batches}", "another", token=token, body={"site_id": 1}, status=201)
    ask(f"PATCH {batches}", "ok", token=token, body=[{"id": 3, "state": "pending_deletion"}])
    ask(f"PATCH {batches}", "unknown", token=token, body=[{"id": 77, "state": "pending_deletion"}], status=404)
    ask(f"PATCH {batches}", "another-state", token=token, body=[{"id": 3, "state": "queued"}], status=422)


def end_of_jobs(world: World):
    ask, token = world.ask, world.ada.jobs
    at, unknown = {"job_id": "1"}, {"job_id": "77"}
    ask("DELETE /v1/apps/{app_id}", "has-jobs", {"app_id": "1"}, token=token, status=409)
    ask("DELETE /v1/jobs/{job_id}", "ok", at, token=token, status=204)
    ask("DELETE /v1/jobs/{job_id}", "unknown", unknown, token=token, status=404)
    ask("DELETE /v1/jobs", "ok", query="tags=run:two", token=token, status=204)
    ask("DELETE /v1/jobs", "without-a-filter", token=token, status=422)
    ask("DELETE /v1/sites/{site_id}", "of-somebody-else", {"site_id": "1"}, token=world.ben.jobs, status=404)
    ask("DELETE /v1/sites/{site_id}", "ok", {"site_id": "1"}, token=token, status=204)


CHAPTERS = [open_pages, client_tokens, login, identities, consents, errors, endpoints, activation, files, submissions,
            outcomes, bookmarks, access, roles, guests, pause_rules, manager, timers, job_site, job_apps, jobs,
            job_items, launchers, end_of_jobs]


def overload(recorder: golden.Recorder):
    """Of a service that answers one request in a second."""
    person = Person(recorder, "eve")
    for route, how in ((f"GET {T}/task_list", {"token": person.transfer}), ("GET /jobs", {"token": person.timers}),
                       ("POST /v2/oauth2/token", {"form": {"grant_type": "none"}})):
        recorder.play(route, "too-often", **how, status=429, until=lambda _: True)
