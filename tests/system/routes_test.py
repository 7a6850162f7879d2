# SPDX-License-Identifier: Apache-2.0
"""Every route of `wherry serve`, from its own table, asked by those who may not.

Without a token, with a made-up one, with one that lacks the scope, and with a good one of somebody
else: none gets anything, and nothing breaks.
"""

import re
import unittest
import uuid

import served
import system

ROUTE = re.compile(r"\| `(?P<method>[A-Z]+) (?P<pattern>/\S*)` \| (?:`(?P<scope>\S+)`)? \|")

# Routes that look for themselves who asks, and what they say to nobody in particular. A new one must
# be thought about and added here.
OPEN = {
    "GET /healthz": 200,
    "GET /metrics": 200,
    "GET /.well-known/openid-configuration": 200,
    "GET /jwk.json": 200,
    "GET /v2/oauth2/authorize": 400,
    "POST /v2/oauth2/authorize": 400,
    "GET /v2/web/auth-code": 400,
    "GET /v2/web/logout": 200,
    "POST /v2/oauth2/token": 400,
    "POST /v2/oauth2/token/revoke": 200,  # says nothing, whatever it was asked
    "POST /v2/oauth2/token/validate": 401,
    "POST /v2/oauth2/token/introspect": 401,
    "GET /v2/oauth2/userinfo": 401,
    "GET /v2/api/identities": 401,
    "GET /v2/api/identities/{id}": 401,
    "GET /v2/api/identities/{id}/consents": 401,
    "POST /v2/api/clients": 400,
    "DELETE /v2/api/clients/{id}": 401,
}
# Calls of a stranger that name nothing of anybody, and so may succeed.
OWN = {
    "GET /v0.10/submission_id", "GET /v0.10/task_list", "GET /v0.10/bookmark_list", "GET /jobs", "GET /jobs/",
    "GET /v0.10/endpoint_search", "GET /v0.10/endpoint_manager/monitored_endpoints",
    "GET /v0.10/endpoint_manager/task_list", "GET /v0.10/endpoint_manager/pause_rule_list",
    "GET /v1/sites", "GET /v1/apps", "GET /v1/jobs", "GET /v1/transfers", "GET /v1/events", "GET /v1/sessions",
    "GET /v1/batch-jobs",
}


class RoutesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = system.Scratch()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.scratch.env["WHERRY_SERVE_SITE_DIRECTORY"] = str(cls.scratch.root / "sites")
        cls.service = served.Service(cls.scratch)
        cls.addClassCleanup(cls.service.stop)
        printed = cls.scratch.run("serve", "--print-routes")
        cls.routes = [match.groupdict() for match in ROUTE.finditer(printed)]
        cls.make_things()

    @classmethod
    def make_things(cls):
        """One of each kind of thing, all of one owner."""
        owner = cls.service.client("owner")
        call = served.Bearer(cls.service, cls.service.token(owner, served.TRANSFER))
        cls.endpoint, directory = cls.service.endpoint("private", owner[0])
        (directory / "file").write_text("secret content")
        item = {"DATA_TYPE": "transfer_item", "source_path": "/file", "destination_path": "/copy"}
        cls.transfer = {"DATA_TYPE": "transfer", "source_endpoint": cls.endpoint,
                        "destination_endpoint": cls.endpoint, "DATA": [item]}
        task = call("POST", "/v0.10/transfer", {**cls.transfer, "submission_id": str(uuid.uuid4())}).json["task_id"]
        bookmark = call("POST", "/v0.10/bookmark", {"name": "mine", "endpoint_id": cls.endpoint, "path": "/"}).json["id"]
        identity = {"principal_type": "identity", "principal": cls.service.client("friend")[0]}
        at = f"/v0.10/endpoint/{cls.endpoint}"
        access = call("POST", f"{at}/access", {**identity, "path": "/", "permissions": "r"}).json["access_id"]
        role = call("POST", f"{at}/role", {**identity, "role": "access_manager"}).json["id"]
        timers = served.Bearer(cls.service, cls.service.token(owner, served.TIMERS))
        cls.timer = {"timer_type": "transfer", "name": "mine", "body": cls.transfer,
                     "schedule": {"type": "recurring", "interval_seconds": 3600, "start": "2027-01-01T00:00:00Z"}}
        timer = timers("POST", "/v2/timer", {"timer": cls.timer}).json["timer"]["job_id"]
        cls.things = {"endpoint_id": cls.endpoint, "task_id": task, "bookmark_id": bookmark, "timer_id": timer,
                      "id": owner[0], "access_id": access, "role_id": role}
        cls.make_jobs(owner)
        cls.owner, cls.directory = owner, directory

    @classmethod
    def make_jobs(cls, owner):
        """A site with one of each kind. All are of the number 1, as whatever a route names by a number."""
        call = served.Bearer(cls.service, cls.service.token(owner, served.JOBS))
        settings = f"transfers:\n  transfer_locations:\n    lab: wherry://{cls.endpoint}\n"
        slot = {"direction": "in", "local_path": "input"}
        made = [
            call("POST", "/v1/sites", {"name": "site-of-owner", "path": str(cls.scratch.root / "sites" / "one"),
                                       "settings": settings}),
            call("POST", "/v1/apps", {"site_id": 1, "name": "app-of-owner", "command": "true",
                                      "transfers": {"input": slot}}),
            call("POST", "/v1/jobs", [{"app_id": 1, "workdir": "job-of-owner", "transfers": {"input": "lab:/file"}}]),
            call("POST", "/v1/sessions", {"site_id": 1, "holder": "session-of-owner"}),
            call("POST", "/v1/batch-jobs", {"site_id": 1, "queue": "batch-job-of-owner"})]
        for answer in made:
            assert answer.status == 201, answer
        for kind in ("site", "app", "job", "session", "batch-job"):
            cls.things[kind] = f"{kind}-of-owner"

    def target(self, route) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.things.get(found[1], "1"), route["pattern"])

    def document(self, route):
        """A body that would be obeyed if it came from the owner."""
        if route["method"] not in ("POST", "PUT", "PATCH"):
            return None
        if route["method"] == "PATCH":
            return {"name": "taken"}
        return {"DATA_TYPE": "anything", **self.transfer, "submission_id": str(uuid.uuid4()), "name": "taken",
                "label": "taken", "display_name": "taken", "endpoint": self.endpoint, "endpoint_id": self.endpoint,
                "host_endpoint": self.endpoint, "host_path": "/", "path": "/taken/", "old_path": "/file",
                "new_path": "/taken", "symlink_target": "file", "timer": self.timer, "principal_type": "identity",
                "principal": self.owner[0], "permissions": "rw", "role": "administrator",
                "task_id_list": [self.things["task_id"]], "message": "taken", "subscription_id": None,
                "callback_body": {"body": self.transfer}, "pause_ls": True}

    def ask_all(self, token, judge, scope=None):
        """Asks each route that wants a scope, or this one, as who has this token (None: nobody)."""
        for route in self.routes:
            name = f"{route['method']} {route['pattern']}"
            if not route["scope"] or scope not in (None, route["scope"]):
                continue
            with self.subTest(name):
                ask = served.Bearer(self.service, token) if token else self.service.request
                answer = ask(route["method"], self.target(route), self.document(route) if token else None)
                self.assertLess(answer.status, 500, answer)
                self.assertEqual(answer.headers.get_content_type(), "application/json")
                self.assertNotIn("secret content", answer.body.decode())
                judge(route, name, answer)

    def test_the_table_tells_the_routes_of_all_services(self):
        patterns = {route["pattern"] for route in self.routes}
        for known in ("/v2/oauth2/token", "/v0.10/transfer", "/v0.10/task/{task_id}/cancel", "/v2/timer", "/healthz",
                      "/v2/oauth2/authorize"):
            self.assertIn(known, patterns)

    def test_routes_without_a_scope_are_known_and_tell_nobody_anything(self):
        for route in self.routes:
            name = f"{route['method']} {route['pattern']}"
            if route["scope"]:
                continue
            with self.subTest(name):
                self.assertIn(name, OPEN)
                answer = self.service.request(route["method"], self.target(route))
                self.assertEqual(answer.status, OPEN[name], answer)
                for kind, thing in self.things.items():
                    # Metrics, which only this host may read, are counted by endpoint.
                    if (name, kind) != ("GET /metrics", "endpoint_id"):
                        self.assertNotIn(thing, answer.body.decode())

    def test_without_a_token(self):
        self.ask_all(None, lambda route, name, answer: self.assertEqual(answer.status, 401, answer))

    def test_with_a_made_up_token(self):
        self.ask_all("made-up", lambda route, name, answer: self.assertEqual(answer.status, 401, answer))

    def test_with_a_revoked_token(self):
        client = self.service.client("of a revoked token")
        token = self.service.token(client, served.TRANSFER)
        self.assertEqual(self.service.form("/v2/oauth2/token/revoke", {"token": token}, client).status, 200)
        self.ask_all(token, lambda route, name, answer: self.assertEqual(answer.status, 401, answer))

    def test_with_a_token_that_lacks_the_scope(self):
        def judge(route, name, answer):
            self.assertEqual(answer.status, 403, answer)
            self.assertIn(route["scope"], answer.body.decode())
        self.ask_all(self.service.token(self.owner, "openid"), judge)

    def test_with_a_token_of_somebody_else(self):
        stranger = self.service.client("stranger")

        def judge(route, name, answer):
            asked = self.target(route) + str(self.document(route))
            for thing in self.things.values():
                if thing not in asked:
                    self.assertNotIn(thing, answer.body.decode())
            if name not in OWN:
                # 404, as for what does not exist; 400 where the thing is named in the body.
                self.assertIn(answer.status, (403, 404) if "{" in name else (400, 403, 404, 422), answer)

        for scope in {route["scope"] for route in self.routes if route["scope"]}:
            self.ask_all(self.service.token(stranger, scope), judge, scope)
        self.assertEqual([one.name for one in self.directory.iterdir() if one.name.startswith("taken")], [])


if __name__ == "__main__":
    unittest.main()
