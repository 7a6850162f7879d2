# SPDX-License-Identifier: Apache-2.0
"""Jobs through `wherry serve`: a site of this machine that is shared, and one that a client made."""

import hashlib
import time
import unittest

import served
import system

PATIENCE = 100  # seconds until a job has ended
FINAL = ("JOB_FINISHED", "FAILED")

SEEN = b"what the detector saw"
HASH = """\
command: sha256sum < input.dat | cut -d ' ' -f 1 > {{ name }}
parameters:
  name: {default: hash.txt, help: where the hash goes}
transfers:
  input: {direction: in, local_path: input.dat}
  result: {direction: out, local_path: hash.txt, required: false}
"""


class JobServiceTest(unittest.TestCase):
    def setUp(self):
        self.scratch = system.Scratch()
        self.addCleanup(self.scratch.__exit__)
        self.scratch.env["WHERRY_SERVE_SITE_DIRECTORY"] = str(self.scratch.root / "sites")
        self.service = served.Service(self.scratch)
        self.addCleanup(self.service.stop)
        self.ada, self.ben = self.caller("ada"), self.caller("ben")
        self.lab = self.scratch.root / "lab"
        self.lab.mkdir()
        (self.lab / "odd: name.dat").write_bytes(SEEN)

    def caller(self, name: str) -> served.Bearer:
        credentials = self.service.client(name)
        caller = served.Bearer(self.service, self.service.token(credentials, served.JOBS))
        caller.id = credentials[0]
        return caller

    def settings(self) -> str:
        return (f"transfers:\n  transfer_locations:\n    lab: file://{self.lab}\n  service_period: 1\n"
                "launcher:\n  idle_time: 1s\n")

    def start_site(self, name: str) -> None:
        process = self.scratch.start("site", "start", name)

        def stop():
            process.terminate()
            process.communicate(timeout=60)
        self.addCleanup(stop)

    def wait(self, caller: served.Bearer, job: int) -> dict:
        deadline = time.monotonic() + PATIENCE
        while True:
            told = caller("GET", f"/v1/jobs/{job}").json
            if told["state"] in FINAL or time.monotonic() > deadline:
                return told
            time.sleep(0.1)

    def run_one(self, caller: served.Bearer, app: int, result: str) -> dict:
        made = caller("POST", "/v1/jobs", [{"app_id": app, "workdir": f"run/{result}", "tags": {"run": "1"},
                                            "transfers": {"input": "lab:/odd: name.dat", "result": f"lab:/{result}"}}])
        self.assertEqual(made.status, 201, made)
        return self.wait(caller, made.json[0]["id"])

    def check_result(self, result: str) -> None:
        self.assertEqual((self.lab / result).read_text().strip(), hashlib.sha256(SEEN).hexdigest())

    def test_a_site_of_this_machine_is_used_by_whom_it_is_shared_with(self):
        site = self.scratch.root / "beamline"
        self.scratch.run("site", "init", site, "-n", "beamline")
        (site / "settings.yml").write_text(self.settings())
        (site / "apps" / "hash.yml").write_text(HASH)
        self.scratch.run("site", "sync", "beamline")
        self.assertEqual(self.ada("GET", "/v1/sites").json["count"], 0)
        self.scratch.run("site", "share", "beamline", self.ada.id)
        self.start_site("beamline")
        app = self.ada("GET", "/v1/apps?name=hash").json["results"][0]
        job = self.run_one(self.ada, app["id"], "result-1")
        self.assertEqual(job["state"], "JOB_FINISHED", self.ada("GET", f"/v1/events?job_id={job['id']}").json)
        self.check_result("result-1")
        self.assertEqual(self.ben("GET", f"/v1/jobs/{job['id']}").status, 404)
        evil = {"site_id": app["site_id"], "name": "evil", "command": "touch evil"}
        self.assertEqual(self.ada("POST", "/v1/apps", evil).status, 403)
        self.scratch.run("site", "unshare", "beamline", self.ada.id)
        self.assertEqual(self.ada("GET", f"/v1/jobs/{job['id']}").status, 404)

    def test_a_parameter_never_becomes_a_command(self):
        site = self.scratch.root / "beamline"
        self.scratch.run("site", "init", site, "-n", "beamline")
        (site / "settings.yml").write_text(self.settings())
        (site / "apps" / "print.yml").write_text("command: echo {{ word }} > out.txt\nparameters:\n  word: {help: a word}\n")
        self.scratch.run("site", "sync", "beamline")
        self.scratch.run("site", "share", "beamline", self.ada.id)
        self.start_site("beamline")
        words = ["$(touch evil)", "a; touch evil", "'; touch evil; '", "`touch evil`\ntouch evil"]
        app = self.ada("GET", "/v1/apps?name=print").json["results"][0]["id"]
        made = self.ada("POST", "/v1/jobs", [{"app_id": app, "workdir": f"run/{i}", "parameters": {"word": word}}
                                             for i, word in enumerate(words)]).json
        for i, (job, word) in enumerate(zip(made, words)):
            self.assertEqual(self.wait(self.ada, job["id"])["state"], "JOB_FINISHED")
            self.assertEqual((site / "data" / "run" / str(i) / "out.txt").read_text(), word + "\n")
        self.assertEqual(list(site.rglob("evil")), [])

    def test_a_client_makes_a_site_and_runs_on_it_once_it_is_started(self):
        sites = self.scratch.root / "sites"
        sites.mkdir()
        lab, self.lab = self.service.endpoint("lab", self.ada.id)
        (self.lab / "odd: name.dat").write_bytes(SEEN)
        here = self.scratch.json("endpoint", "create", "sites", sites, "--owner", self.ada.id)["id"]
        settings = (f"transfers:\n  transfer_locations:\n    lab: wherry://{lab}\n    host: file:///\n"
                    f"  globus_endpoint_id: {here}\n  globus_endpoint_site_path: /mine\n  service_period: 1\n"
                    "launcher:\n  idle_time: 1s\n")
        made = self.ada("POST", "/v1/sites", {"name": "mine", "path": str(sites / "mine"), "settings": settings})
        self.assertEqual(made.status, 201, made)
        app = self.ada("POST", "/v1/apps", {
            "site_id": made.json["id"], "name": "hash", "command": "sha256sum < input.dat | cut -d ' ' -f 1 > hash.txt",
            "transfers": {"input": {"direction": "in", "local_path": "input.dat"},
                          "result": {"direction": "out", "local_path": "hash.txt"}}}).json["id"]
        self.assertEqual(self.ben("GET", f"/v1/apps/{app}").status, 404)
        stolen = [{"app_id": app, "workdir": "stolen", "transfers": {"input": "host:/etc/passwd", "result": "lab:/x"}}]
        stolen = self.ada("POST", "/v1/jobs", stolen).json[0]["id"]
        self.start_site(str(made.json["id"]))
        job = self.run_one(self.ada, app, "result-2")
        self.assertEqual(job["state"], "JOB_FINISHED", self.ada("GET", f"/v1/events?job_id={job['id']}").json)
        self.check_result("result-2")
        events = self.ada("GET", f"/v1/events?job_id={job['id']}&ordering=timestamp").json["results"]
        self.assertIn("STAGED_OUT", [event["to_state"] for event in events])
        # Data moves with the rights of the site's owner: this machine as a whole is not Ada's.
        self.assertIn(self.ada("GET", f"/v1/jobs/{stolen}").json["state"], ("READY", "FAILED"))
        self.assertFalse((sites / "mine" / "data" / "stolen" / "input.dat").exists())


if __name__ == "__main__":
    unittest.main()
