# SPDX-License-Identifier: Apache-2.0
"""unittest cases on the real binary, each with a scratch directory and a state of its own."""

import json
import os
import select
import signal
import subprocess
import time
import unittest

import system

TIMEOUT = 120


class WherryTest(unittest.TestCase):
    def setUp(self):
        place = system.Scratch()
        self.addCleanup(place.__exit__)
        self.scratch = place.root
        self.environment = {**place.env, "HOME": str(place.root), "LC_ALL": "C.UTF-8"}
        self.work = self.scratch / "work"
        self.work.mkdir()

    # Running

    def run_wherry(self, *words, stdin=None, cwd=None):
        done = subprocess.run([system.BINARY, *words], input=stdin, capture_output=True, env=self.environment,
                              cwd=cwd or self.work, timeout=TIMEOUT)
        done.out = done.stdout.decode(errors="surrogateescape")
        done.err = done.stderr.decode(errors="surrogateescape")
        for trace in ("terminate called", "Segmentation", "AddressSanitizer", "runtime error:", "internal error"):
            self.assertNotIn(trace, done.err, f"wherry {words}")
        return done

    def wherry(self, *words, **options):
        """Runs a command that must succeed; answers what it printed."""
        done = self.run_wherry(*words, **options)
        self.assertEqual(done.returncode, 0, f"wherry {words}: {done.out}{done.err}")
        return done.out

    def wherry_json(self, *words, **options):
        return json.loads(self.wherry(*words, "--format", "json", **options))

    def refused(self, exit_code, *words, says=(), **options):
        """Runs a command that must fail with this code and say these things; answers its complaint."""
        done = self.run_wherry(*words, **options)
        self.assertEqual(done.returncode, exit_code, f"wherry {words}: {done.out}{done.err}")
        self.assertTrue(done.err.startswith("wherry: "), done.err)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, done.err)
        return done.err

    def start(self, *words):
        process = subprocess.Popen([system.BINARY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment, cwd=self.work)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def wait_until(self, condition, what):
        """Looks now and then; the system tests have no other way to see into another process."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited in vain: {what}")
            select.select([], [], [], 0.02)

    # Files

    def endpoint(self, name, *options):
        """Makes a directory and an endpoint of that name on it."""
        directory = self.scratch / name
        directory.mkdir(exist_ok=True)
        self.wherry("endpoint", "create", name, str(directory), *options)
        return directory

    @staticmethod
    def write(path, content=b"content"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @staticmethod
    def tree(directory):
        """Names (bytes) to contents; None for directories, the target in brackets for links."""
        found = {}
        root = os.fsencode(directory)
        for parent, directories, files in os.walk(root):
            for name in directories + files:
                path = os.path.join(parent, name)
                shown = os.path.relpath(path, root)
                if os.path.islink(path):
                    found[shown] = [os.readlink(path)]
                elif os.path.isdir(path):
                    found[shown] = None
                else:
                    with open(path, "rb") as file:
                        found[shown] = file.read()
        return found

    # Tasks

    def tasks(self):
        return self.wherry_json("task", "list", "--limit", "1000")["DATA"]

    def assert_nothing_stored(self):
        self.assertEqual(self.tasks(), [])


__all__ = ["WherryTest", "json", "os", "signal", "subprocess", "unittest"]
