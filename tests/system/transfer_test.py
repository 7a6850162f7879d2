# SPDX-License-Identifier: Apache-2.0
"""Transfers and tasks of the real binary, from submission to the last byte."""

import time

from harness import WherryTest, os, signal, unittest


class Transfer(WherryTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.target = self.endpoint("scratch")

    def make_run(self):
        for name in ("a.tif", "b.txt", "d/c.tif", "d/e/f.txt"):
            self.write(self.lab / "run42" / name, os.urandom(10_000))
        (self.lab / "run42" / "empty").mkdir()

    def test_one_file(self):
        self.write(self.lab / "a", b"hello")
        task = self.wherry_json("transfer", "lab:/a", "scratch:/new/dir/a", "--label", "first")
        self.assertEqual((task["status"], task["label"], task["files_transferred"]), ("SUCCEEDED", "first", 1))
        self.assertEqual((self.target / "new/dir/a").read_bytes(), b"hello")

    def test_a_tree_with_empty_directories(self):
        self.make_run()
        self.wherry("transfer", "lab:/run42/", "scratch:/run42/", "--recursive")
        self.assertEqual(self.tree(self.target / "run42"), self.tree(self.lab / "run42"))

    def test_plain_paths(self):
        self.write(self.work / "a", b"x")
        self.wherry("transfer", "a", "b")
        self.assertEqual((self.work / "b").read_bytes(), b"x")

    def test_sync_level_copies_only_what_differs(self):
        self.make_run()
        self.wherry("transfer", "-r", "lab:/run42", "scratch:/run42")
        (self.lab / "run42" / "a.tif").write_bytes(os.urandom(10_000))
        task = self.wherry_json("transfer", "-r", "lab:/run42", "scratch:/run42", "--sync-level", "checksum")
        self.assertEqual((task["files_transferred"], task["files_skipped"]), (1, 3))
        self.assertEqual(self.tree(self.target / "run42"), self.tree(self.lab / "run42"))

    def test_the_order_of_include_and_exclude_counts(self):
        self.make_run()
        self.wherry("transfer", "-r", "lab:/run42", "scratch:/t", "--include", "*.tif", "--exclude", "*")
        files = [name for name, content in self.tree(self.target / "t").items() if content is not None]
        self.assertEqual(sorted(files), [b"a.tif", b"d/c.tif"])

    def test_delete_destination_extra(self):
        self.make_run()
        self.write(self.target / "run42" / "old")
        self.wherry("transfer", "-r", "lab:/run42", "scratch:/run42", "--delete-destination-extra")
        self.assertEqual(self.tree(self.target / "run42"), self.tree(self.lab / "run42"))

    def test_preserve_mtime(self):
        path = self.write(self.lab / "a")
        os.utime(path, ns=(0, 1_539_601_563_123_456_789))
        self.wherry("transfer", "lab:/a", "scratch:/a", "--preserve-mtime")
        self.assertEqual((self.target / "a").stat().st_mtime_ns, 1_539_601_563_123_456_789)

    def test_a_batch_from_standard_input(self):
        self.make_run()
        batch = b"# two lines\na.tif out/a.tif\n'd' out/d --recursive\n"
        task = self.wherry_json("transfer", "lab:/run42", "scratch:/", "--batch", "-", stdin=batch)
        self.assertEqual(task["files_transferred"], 3)
        self.assertEqual((self.target / "out/a.tif").read_bytes(), (self.lab / "run42/a.tif").read_bytes())
        self.assertEqual(self.tree(self.target / "out/d"), self.tree(self.lab / "run42/d"))

    def test_an_external_checksum_must_match(self):
        self.write(self.lab / "a", b"hello")
        self.wherry("transfer", "lab:/a", "scratch:/a", "--external-checksum", "5d41402abc4b2a76b9719d911017c592")
        done = self.run_wherry("transfer", "lab:/a", "scratch:/b", "--external-checksum", "0" * 32)
        self.assertEqual(done.returncode, 1)
        self.assertFalse((self.target / "b").exists())

    def test_dry_run_shows_and_stores_nothing(self):
        self.make_run()
        shown = self.wherry_json("transfer", "-r", "lab:/run42", "scratch:/run42", "--dry-run")
        self.assertEqual(shown["DATA"][0]["source_path"], "/run42")
        self.assert_nothing_stored()

    def test_a_submission_id_makes_one_task(self):
        self.write(self.lab / "a")
        submission = self.wherry("task", "generate-submission-id", "-F", "unix").strip()
        first = self.wherry_json("transfer", "lab:/a", "scratch:/a", "--submission-id", submission)
        again = self.wherry_json("transfer", "lab:/a", "scratch:/a", "--submission-id", submission)
        self.assertEqual(first["task_id"], again["task_id"])
        self.assertEqual(len(self.tasks()), 1)

    def test_a_failed_file_is_named_with_what_next(self):
        self.make_run()
        os.symlink("nowhere", self.lab / "run42" / "dangling")
        done = self.run_wherry("transfer", "-r", "lab:/run42", "scratch:/run42", "--symlinks", "copy")
        self.assertEqual(done.returncode, 1)
        self.assertIn("dangling", done.err)
        self.assertIn("wherry task resume", done.err)
        self.assertEqual((self.target / "run42/a.tif").read_bytes(), (self.lab / "run42/a.tif").read_bytes())
        task = self.tasks()[0]["task_id"]
        errors = self.wherry_json("task", "show", task, "--errors")["DATA"]
        self.assertEqual(len(errors), 1)

    def test_names_of_any_bytes_arrive(self):
        names = [b"\xff\xfe", b"new\nline", b"tab\t", b"%41", b"n" * 255, "é".encode(), "é".encode(), b"-rf", b"Aa", b"aA"]
        (self.lab / "d").mkdir()
        for name in names:
            with open(os.path.join(os.fsencode(self.lab / "d"), name), "wb") as file:
                file.write(name)
        self.wherry("transfer", "-r", "lab:/d", "scratch:/d")
        self.assertEqual(self.tree(self.target / "d"), self.tree(self.lab / "d"))


class Tasks(WherryTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.target = self.endpoint("scratch")

    def start_slow_transfer(self, *options):
        """One that takes long enough to be interrupted."""
        for number in range(40):
            self.write(self.lab / "run" / f"{number:03}", os.urandom(200_000))
        self.wherry("endpoint", "update", "scratch", "--bandwidth", "1MB")
        process = self.start("transfer", "-r", "lab:/run", "scratch:/run", *options)
        self.wait_until(lambda: any(self.tree(self.target).values()), "the first file")
        return process, self.tasks()[0]["task_id"]

    def finish_fast(self, task):
        self.wherry("endpoint", "update", "scratch", "--bandwidth", "0")
        self.wherry("task", "resume", task)
        self.assertEqual(self.tree(self.target), self.tree(self.lab))

    def test_ctrl_c_leaves_a_task_that_can_be_resumed(self):
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=signal_number):
                process, task = self.start_slow_transfer()
                process.send_signal(signal_number)
                _, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 130, err)
                self.assertIn(f"wherry task resume {task}", err.decode())
                self.assertEqual(self.wherry_json("task", "show", task)["status"], "INACTIVE")
                self.finish_fast(task)
                self.wherry("rm", "-r", "scratch:/run")

    def test_a_killed_task_can_be_resumed(self):
        process, task = self.start_slow_transfer()
        process.kill()
        process.communicate()
        self.finish_fast(task)

    def test_cancel_ends_a_running_task(self):
        process, task = self.start_slow_transfer()
        self.wherry("task", "cancel", task)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        shown = self.wherry_json("task", "show", task)
        self.assertEqual((shown["status"], shown["fatal_error_code"]), ("FAILED", "CANCELED"))
        self.refused(1, "task", "resume", task)
        left = [name for name in self.tree(self.target) if b".wherry" in name]
        self.assertEqual(left, [])

    def test_detach_runs_in_the_background_and_wait_waits(self):
        self.write(self.lab / "a", os.urandom(1_000_000))
        answer = self.wherry_json("transfer", "lab:/a", "scratch:/a", "--detach")
        self.assertEqual(answer["code"], "Accepted")
        self.wherry("task", "wait", answer["task_id"], "--timeout", "60")
        self.assertEqual((self.target / "a").read_bytes(), (self.lab / "a").read_bytes())

    def test_wait_gives_up_with_the_code_that_was_asked_for(self):
        process, task = self.start_slow_transfer()
        begun = time.monotonic()
        self.refused(7, "task", "wait", task, "--timeout", "0.2", "--timeout-exit-code", "7")
        self.assertLess(time.monotonic() - begun, 10)
        self.end(process)

    def test_lists_events_and_transferred_files(self):
        self.write(self.lab / "d" / "a", b"hello")
        task = self.wherry_json("transfer", "-r", "lab:/d", "scratch:/d", "--label", "good one")["task_id"]
        moved = self.wherry_json("task", "show", task, "--successful-transfers")["DATA"]
        self.assertEqual([(row["source_path"], row["size"]) for row in moved], [("/d/a", 5)])
        codes = [row["code"] for row in self.wherry_json("task", "event-list", task)["DATA"]]
        self.assertEqual(codes[0], "SUCCEEDED")
        self.assertEqual(self.wherry_json("task", "list", "--filter-label", "good")["length"], 1)
        self.assertEqual(self.wherry_json("task", "list", "--filter-label", "good", "--exact")["length"], 0)
        self.assertEqual(self.wherry_json("task", "list", "--filter-status", "FAILED")["length"], 0)

    def test_skipped_errors_are_listed_and_the_task_succeeds(self):
        self.write(self.lab / "a")
        batch = b"/a /a\n/missing /missing\n"
        task = self.wherry_json("transfer", "lab:", "scratch:", "--batch", "-", "--skip-source-errors", stdin=batch)
        self.assertEqual(task["status"], "SUCCEEDED")
        skipped = self.wherry_json("task", "show", task["task_id"], "--skipped-errors")["DATA"]
        self.assertEqual([(row["source_path"], row["error_code"]) for row in skipped], [("/missing", "FILE_NOT_FOUND")])

    def test_update_changes_label_and_deadline(self):
        process, task = self.start_slow_transfer("--label", "old")
        self.wherry("task", "update", task, "--label", "new", "--deadline", "2200-01-01")
        shown = self.wherry_json("task", "show", task)
        self.assertEqual((shown["label"], shown["deadline"][:10]), ("new", "2200-01-01"))
        self.end(process)


if __name__ == "__main__":
    unittest.main()
