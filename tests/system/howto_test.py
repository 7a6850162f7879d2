# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/howto work as they stand: the commands of their sections are run, word for word, by bash. What a
page leaves to its reader, names of directories and numbers of tasks, is replaced; each replacement must be needed."""

import pathlib
import re
import shutil

import system
from harness import WherryTest, os, signal, subprocess, unittest

HOWTO = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto"
LONG_AGO = 1_500_000_000


def section(page, heading):
    text = (HOWTO / f"{page}.md").read_text()
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def commands(page, heading):
    """The indented lines of a section."""
    text = re.sub(r"^```.*?^```$", "", section(page, heading), flags=re.M | re.S)  # files, not commands
    lines = [line[4:] + "\n" for line in text.split("\n") if line.startswith("    ")]
    assert lines, (page, heading)
    return "".join(lines)


class HowTo(WherryTest):
    def setUp(self):
        super().setUp()
        self.environment["PATH"] = f"{pathlib.Path(system.BINARY).resolve().parent}:{os.environ['PATH']}"

    def replaced(self, text, replace):
        for old, new in replace.items():
            self.assertIn(old, text)
            text = text.replace(old, str(new))
        return text

    def follow(self, page, heading, replace=None, without=(), cwd=None):
        """Runs the commands of a section; answers what they printed."""
        script = commands(page, heading)
        for line in without:
            self.assertIn(f"{line}\n", script)
            script = script.replace(f"{line}\n", "")
        script = self.replaced(script, replace or {})
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=self.environment, cwd=cwd or self.work,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def directory(self, name, *files):
        """Files that were written long ago."""
        (self.scratch / name).mkdir()
        for file in files:
            os.utime(self.write(self.scratch / name / file, file.encode() * 100), (LONG_AGO, LONG_AGO))
        return self.scratch / name

    def test_first_transfer(self):
        lab = self.directory("lab", "run42/a.tif", "run42/b.tif", "run42/notes.txt", "run42/sub/c.tif")
        mine = self.directory("mine")
        self.follow("first-transfer", "Name the places", {"/data": lab, "/scratch/me": mine})
        self.follow("first-transfer", "Copy")
        copied = self.tree(mine / "run42")
        self.assertEqual(copied.pop(b"sub/b.tif"), copied[b"b.tif"])  # by the batch
        self.assertEqual(copied, self.tree(lab / "run42"))
        newest = 'wherry task list --limit 1 --format unix | cut -f 1'
        told = self.follow("first-transfer", "Follow it", {"TASK_ID": f'"$({newest})"'},
                           without=["wherry task cancel TASK_ID"])
        self.assertIn("SUCCEEDED", told)
        self.follow("first-transfer", "In scripts")

    def test_mirror_a_detector(self):
        detector = self.directory("detector", "2018/frame1.dat", "2018/frame2.dat")
        archive = self.directory("archive")
        self.follow("mirror-a-detector", "Set it up", {"/data/detector": detector, "create archive /archive":
                                                       f"create archive {archive}", "--settle 10s": "--settle 0s"})
        self.assertEqual(self.tree(archive / "2018"), self.tree(detector / "2018"))
        printed = self.follow("mirror-a-detector", "Keep it going", without=["wherry sync watch"])
        self.assertIn("[Service]", printed)
        self.assertIn("sync run frames", printed)
        self.follow("mirror-a-detector", "Look at it")

    def serve(self):
        process = self.start("serve", "--listen", "127.0.0.1:0")
        posted = self.scratch / "state" / "serve" / "service.env"
        self.wait_until(lambda: posted.exists() or process.poll() is not None, "the service has begun")
        self.assertIsNone(process.poll())
        return process

    def test_self_hosted_service(self):
        page = "self-hosted-service"
        lab = self.directory("lab", "run42/a.tif")
        target = self.directory("target", "ada/hello.txt")
        self.follow(page, "Start it", {"/data": lab, "scratch /scratch": f"scratch {target}"}, without=["wherry serve"])
        process = self.serve()
        self.follow(page, "Let somebody use an endpoint")
        self.wherry("site", "init", str(self.scratch / "site"), "-n", "beamline")
        self.assertIn("ada@example.org", self.follow(page, "Let somebody run jobs"))
        listed = self.follow(page, "Use it")
        self.assertIn("lab", listed)
        self.assertIn("SUCCEEDED", listed)
        self.assertEqual(self.tree(target / "run42"), self.tree(lab / "run42"))
        if shutil.which("curl"):
            globus = [line for line in commands(page, "Use it with other programs").splitlines() if "globus " in line]
            listed = self.follow(page, "Use it with other programs", {
                "token=": 'eval "$(wherry serve --print-env)"; token=', " | jq .": "",
                "jq -r .access_token": "sed 's/.*\"access_token\":\"//; s/\".*//'"}, without=globus)
            self.assertIn('"DATA_TYPE":"task_list"', listed)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)

    def test_stage_jobs(self):
        page = "stage-jobs"
        lab = self.directory("lab", "run42/a.tif", "run42/b.tif", "run42/c.tif")
        archive = self.directory("archive")
        site = self.scratch / "beamline"
        self.follow(page, "Make a site")
        self.wherry("endpoint", "create", "lab", str(lab), "--read-only")
        settings = re.search(r"```yaml\n(.*?)```", section(page, "Make a site"), re.S)[1]
        (site / "settings.yml").write_text(self.replaced(settings, {"/data/archive": archive}))
        self.follow(page, "Write an app", cwd=site)
        self.follow(page, "Run it", cwd=site)
        self.addCleanup(self.run_wherry, "site", "stop", "beamline")
        table = [line for line in commands(page, "Make jobs").splitlines() if line.count(",") > 4]
        (site / "jobs.csv").write_text("\n".join(table) + "\n")
        self.follow(page, "Make jobs", cwd=site, without=table)
        self.wherry("job", "wait", "--all", "--site", "beamline", "--timeout", "100")
        self.assertEqual(sorted(self.tree(archive)), [b"run42", b"run42/a.tif.gz", b"run42/b.tif.gz", b"run42/c.tif.gz"])
        self.assertIn("JOB_FINISHED", self.follow(page, "Look at them", {" 17": " 1"}, cwd=site))

    def test_workflows(self):
        page = "workflows"
        home = self.environment["HOME"]
        self.follow(page, "Name the places")
        flows = pathlib.Path(home) / "flows"
        (flows / "count.yml").write_text(re.search(r"```yaml\n(.*?)```", section(page, "Write the flow"), re.S)[1])
        self.follow(page, "Look before you run", cwd=flows)
        self.assertTrue((flows / "count.svg").read_text().startswith("<svg "))
        told = self.follow(page, "Run it", cwd=flows)
        self.assertIn("2 rows", told)
        self.assertIn("it failed", told)
        self.assertEqual(list((flows / "scratch").iterdir()), [])
        self.assertIn("it has ended already", self.follow(page, "Go on after a failure", cwd=flows))
        self.assertEqual((flows / "lab/run43/count.txt").read_text(), "1 rows\n")
        (flows / "frames.yml").write_text(re.search(r"```yaml\n(.*?)```", section(page, "Many files at once"), re.S)[1])
        told = self.follow(page, "Many files at once", cwd=flows)
        self.assertIn("b.tif.gz", told)


if __name__ == "__main__":
    unittest.main()
