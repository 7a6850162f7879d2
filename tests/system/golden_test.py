#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real `wherry serve` answers a fixed story as the documents of tests/data/api/routes say.

golden_test.py            compares
golden_test.py --accept   makes the documents what it answers now; look at the difference before you commit it

Each document is one request and its answer, in the file ROUTE/METHOD.case.json.
"""

import json
import os
import re
import sys
import unittest

import golden
import golden_story
import served
import system

ROUTE = re.compile(r"\| `(?P<method>[A-Z]+) (?P<pattern>/\S*)` \|")
# Routes that answer whatever is asked.
NEVER_FAIL = {"GET /healthz", "GET /.well-known/openid-configuration", "GET /jwk.json", "GET /v2/web/logout",
              "POST /v2/oauth2/token/revoke"}
# Members that hold others whose names clients chose.
CHOSEN = {"data", "tags", "filter_tags", "parameters", "transfers", "transfer_locations", "environment", "launch_params",
          "optional_params"}
SKIPPED = 77


def play() -> tuple[dict[str, dict], list[str]]:
    """The documents of the story, and the routes that the service has."""
    with system.Scratch() as scratch:
        scratch.env["WHERRY_SERVE_ENDPOINT_DIRECTORY"] = str(scratch.root / "made")
        scratch.env["WHERRY_SERVE_SITE_DIRECTORY"] = str(scratch.root / "sites")
        service = served.Service(scratch)
        try:
            recorder = golden.Recorder(service)
            world = golden_story.World(recorder)
            for chapter in golden_story.CHAPTERS:
                chapter(world)
            printed = scratch.run("serve", "--print-routes")
        finally:
            service.stop()
    with system.Scratch() as scratch:
        scratch.env.update(WHERRY_SERVE_REQUESTS_PER_SECOND="1", WHERRY_SERVE_LOGINS_PER_SECOND="1")
        service = served.Service(scratch)
        try:
            recorder.use(service)
            golden_story.overload(recorder)
        finally:
            service.stop()
    return recorder.documents, [f"{found['method']} {found['pattern']}" for found in ROUTE.finditer(printed)]


class GoldenTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.played, cls.routes = play()

    def test_each_answer_is_the_stored_one(self):
        stored = golden.stored()
        for name, document in self.played.items():
            with self.subTest(name):
                self.assertIn(name, stored, "new: look at it, and store it with --accept")
                if json.loads(stored[name]) != document:
                    self.fail(golden.difference(name, stored[name], golden.text_of(document)))

    def test_no_stored_document_is_left_over(self):
        self.assertEqual(sorted(golden.stored().keys() - self.played.keys()), [])

    def test_every_route_has_a_success_and_where_it_can_fail_a_failure(self):
        self.assertGreater(len(self.routes), 80)
        outcomes = {route: set() for route in self.routes}
        for document in self.played.values():
            outcomes.get(document["route"], set()).add(document["response"]["status"] < 400)
        for route, seen in outcomes.items():
            with self.subTest(route):
                self.assertEqual(seen, {True} if route in NEVER_FAIL else {True, False})


    def test_every_member_is_compared_with_the_contract(self):
        """The pages that say what is the same and what differs leave out nothing that is told."""
        pages = golden.STORE.parents[3] / "docs" / "api"
        text = "".join((pages / name).read_text() for name in ("compatibility.md", "jobs.md"))
        compared = set(re.findall(r"`(\w+)`", text))
        for name, document in self.played.items():
            with self.subTest(name):
                self.assertEqual(sorted(members_of(document["response"]["body"]) - compared), [])


def members_of(value) -> set[str]:
    """The names of all members; not of those that are named by what they are of."""
    if isinstance(value, list):
        return set().union(*map(members_of, value))
    if not isinstance(value, dict):
        return set()
    below = [members_of(each) for name, each in value.items() if name not in CHOSEN]
    chosen = [each for name in CHOSEN & value.keys() if isinstance(value[name], dict) for each in value[name].values()]
    return {name for name in value if not name.startswith("<")}.union(*below, *map(members_of, chosen))


if __name__ == "__main__":
    os.umask(0o022)  # what clients see of files does not depend on who runs this
    if "--accept" in sys.argv:
        documents, _ = play()
        golden.accept(documents)
        print(f"stored {len(documents)} documents in {golden.STORE}")
        sys.exit(SKIPPED)
    unittest.main()
