# SPDX-License-Identifier: Apache-2.0
"""What system tests share: the binary with a state directory of its own, and trees to compare."""

import atexit
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

BINARY = os.environ.get("WHERRY_BINARY", "build/dev/src/cli/wherry")
MAKE_TREE = os.environ.get("WHERRY_MAKE_TREE", "build/dev/bench/wherry_make_tree")
NOBODY = 65534


def drop_root() -> None:
    """Makes root become nobody, with copies of the programs that nobody may run."""
    global BINARY, MAKE_TREE
    if os.geteuid() != 0:
        return
    home = tempfile.mkdtemp(prefix="wherry-nobody-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    BINARY, MAKE_TREE = shutil.copy(BINARY, home), shutil.copy(MAKE_TREE, home)
    os.chown(home, NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.environ["TMPDIR"] = home
    atexit.register(shutil.rmtree, home, ignore_errors=True)


class Scratch:
    """A directory that is removed at the end, and a Wherry that keeps its state in it."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wherry-system-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.state = self.root / "state"
        # A service that the developer's shell is pointed at is not asked.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("WHERRY_", "GLOBUS_"))}
        self.env = {**own, "WHERRY_STATE_DIR": str(self.state),
                    "WHERRY_SETTINGS": str(self.root / "settings.yml")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A process that ends may take files of the database away at the same moment.
        for _ in range(10):
            with contextlib.suppress(FileNotFoundError):
                return shutil.rmtree(self.root)

    def start(self, *words) -> subprocess.Popen:
        return subprocess.Popen([BINARY, *map(str, words)], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def run(self, *words, expect: int = 0) -> str:
        done = subprocess.run([BINARY, *map(str, words)], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=600)
        if done.returncode != expect:
            raise AssertionError(f"wherry {' '.join(map(str, words))} exits {done.returncode}, not {expect}:\n"
                                 f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.run(*words, "--format", "json"))


def make_tree(root: pathlib.Path, *words) -> None:
    subprocess.run([MAKE_TREE, *map(str, words), str(root)], check=True, capture_output=True)


def walk(root: pathlib.Path) -> dict[bytes, pathlib.Path]:
    """Every file below a directory by its path relative to it."""
    found = {}
    base = os.fsencode(root)
    for directory, _, names in os.walk(base):
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, base)] = pathlib.Path(os.fsdecode(path))
    return found


def temporaries(root: pathlib.Path) -> list[str]:
    return [str(path) for name, path in walk(root).items() if os.path.basename(name).startswith(b".wherry-")]
