# SPDX-License-Identifier: Apache-2.0
"""docs/howto/from-chiltepin.md works as it stands: its commands are run by bash and its programs by Python, word for
word but for the names of directories."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "from-chiltepin.md"


def section(heading):
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)[1]


def programs(heading):
    return re.findall(r"^```python\n(.*?)^```$", section(heading), re.M | re.S)


@pytest.fixture
def places(tmp_path, monkeypatch):
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    (home / "data").mkdir(parents=True)
    (home / "data" / "input.dat").write_bytes(b"input")
    (home / "data" / "notes.txt").write_bytes(b"notes")
    scratch.mkdir()
    binary = pathlib.Path(os.environ["WHERRY_BINARY"]).resolve()
    lines = [line[4:] for line in section("Name the places").split("\n") if line.startswith("    wherry endpoint")]
    assert len(lines) == 2
    script = "\n".join(lines).replace("/home/me", str(home)).replace("/scratch/me", str(scratch))
    assert str(home) in script and str(scratch) in script
    subprocess.run(["bash", "-euc", script], check=True, timeout=120,
                   env={**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}", "ASAN_OPTIONS": "detect_leaks=0"})
    return home, scratch


def follow(heading):
    told = []
    for program in programs(heading):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert told
    return "".join(told)


def test_the_import_line(places):
    home, scratch = places
    assert follow("Change the import line").startswith("staged by task ")
    assert (scratch / "project" / "input.dat").read_bytes() == b"input"


def test_tasks_that_wait(places):
    home, scratch = places
    told = follow("Let tasks wait for one another")
    assert told.startswith("cleaned up: True\ndeleted after a failed transfer: False\n")
    assert "not started" in told
    assert (home / "data" / "back.dat").read_bytes() == (home / "data" / "input.dat").read_bytes() == b"input"
    assert not (scratch / "project" / "copy.dat").exists()


def test_errors(places):
    told = follow("Have errors raised").splitlines()
    assert "no-such-file" in told[0]
    assert told[1] == "raised: Source endpoint 'my-labtop' could not be found"


def test_awaiting(places):
    assert follow("Await them") == "[True, True]\n"


def test_every_program_of_the_page_is_tried():
    tried = ["Change the import line", "Let tasks wait for one another", "Have errors raised", "Await them"]
    assert sum(len(programs(heading)) for heading in tried) == PAGE.read_text().count("```python")
