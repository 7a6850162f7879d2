# SPDX-License-Identifier: Apache-2.0
"""What users of the systems that Wherry replaces suffered from, as scenarios with the real binary.

Runs without root's rights, also when root starts it: a scenario needs files that may not be read.
"""

import shutil
import time

import system
from harness import WherryTest, os, signal, subprocess, unittest

DAY = 86_400


class Scenario(WherryTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(subprocess.run, ["chmod", "-R", "u+rwX", self.scratch], check=True)
        self.source = self.scratch / "source"
        self.target = self.scratch / "target"
        self.source.mkdir()
        self.target.mkdir()

    def transfer(self, *options, expect=0):
        words = ["transfer", f"{self.source}/", f"{self.target}/", "--recursive", *options]
        done = self.run_wherry(*words)
        self.assertEqual(done.returncode, expect, f"{words}: {done.out}{done.err}")

    def only_task(self):
        (row,) = self.tasks()
        return self.wherry_json("task", "show", row["task_id"])

    def add_sync(self, *options):
        self.wherry("sync", "add", "s", f"{self.source}/", f"{self.target}/", "--settle", "0s", *options)

    def run_pass(self, *options, name="s", expect=0):
        """Runs a pass; answers its row of the history."""
        done = self.run_wherry("sync", "run", name, *options)
        self.assertEqual(done.returncode, expect, f"pass of {name}: {done.out}{done.err}")
        return max(self.wherry_json("sync", "history", name)["DATA"], key=lambda row: row["number"])

    def write(self, name, text="content\n", root=None):
        return super().write((root or self.source) / name, text.encode())

    def assert_identical(self):
        compared = subprocess.run(["diff", "-r", "--no-dereference", self.source, self.target],
                                  capture_output=True, text=True, errors="replace")
        self.assertEqual(compared.stdout + compared.stderr, "")
        self.assertEqual(system.temporaries(self.target), [])


class BadInput(Scenario):
    def test_a_sync_that_makes_no_sense_is_refused_and_not_stored(self):
        source, target = f"{self.source}/", f"{self.target}/"
        self.write("file")
        for words, says, code in [
            (["add", "s", source, f"{source}in/"], "source", 2),
            (["add", "s", source, target, "--cron", "0 0 30 2 *"], "never", 2),
            (["add", "s", source, target, "--every", "soon"], "soon", 2),
            (["add", "s", source, target, "--max-delete", "150%"], "max-delete", 2),
            (["add", "a/b", source, target], "a/b", 2),
            (["run", "nosuch"], "nosuch", 1),
        ]:
            with self.subTest(" ".join(words)):
                self.refused(code, "sync", *words, says=says)
        self.assertEqual(self.wherry_json("sync", "list")["DATA"], [])


class Confinement(Scenario):
    def test_no_path_and_no_symlink_leaves_an_endpoint(self):
        self.write("secret", "secret\n", root=self.scratch)
        (self.source / "out").symlink_to(self.scratch / "secret")
        (self.source / "up").symlink_to("..")
        self.write("inside")
        (self.source / "in").symlink_to(self.source / "inside")
        self.wherry("endpoint", "create", "lab", self.source)
        for path in ["lab:/out", "lab:/up/secret", "lab:/../secret"]:
            with self.subTest(path):
                done = subprocess.run([system.BINARY, "transfer", path, str(self.target / "x")], env=self.environment,
                                      capture_output=True, timeout=60)
                self.assertIn(done.returncode, (1, 2))
                self.assertFalse((self.target / "x").exists())
        self.wherry("transfer", "lab:/in", f"{self.target}/x")  # an absolute link that stays inside
        self.assertEqual((self.target / "x").read_text(), "content\n")


class Trouble(Scenario):
    def test_one_unreadable_file_fails_alone_and_quickly(self):
        for number in range(20):
            self.write(f"file{number}")
        (self.source / "file7").chmod(0)
        start = time.monotonic()
        self.transfer(expect=1)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(len(os.listdir(self.target)), 19)
        task = self.only_task()
        self.assertEqual(task["status"], "FAILED")
        errors = self.wherry_json("task", "show", task["task_id"], "--errors")["DATA"]
        self.assertEqual([(row["error_code"], os.path.basename(row["source_path"])) for row in errors],
                         [("PERMISSION_DENIED", "file7")])
        (self.source / "file7").chmod(0o644)
        self.wherry("task", "resume", task["task_id"])
        self.assert_identical()

    def test_a_task_goes_on_below_a_directory_that_may_only_be_searched(self):
        self.write("file").chmod(0)
        inner = self.target / "outer/inner"
        inner.mkdir(parents=True)
        (self.target / "outer").chmod(0o111)
        self.refused(1, "transfer", f"{self.source}/", f"{inner}/new/", "--recursive")
        (self.source / "file").chmod(0o644)
        self.wherry("task", "resume", self.only_task()["task_id"])
        self.assertTrue((inner / "new/file").exists())

    def test_source_errors_may_be_skipped_and_are_listed(self):
        self.write("good")
        self.write("bad").chmod(0)
        self.transfer("--skip-source-errors")
        task = self.only_task()
        self.assertEqual(task["subtasks_skipped_errors"], 1)
        skipped = self.wherry_json("task", "show", task["task_id"], "--skipped-errors")["DATA"]
        self.assertEqual([os.path.basename(row["source_path"]) for row in skipped], ["bad"])

    def test_a_directory_that_may_not_be_written_fails_its_files_and_no_others(self):
        self.write("open/file")
        self.write("closed/file")
        (self.target / "closed").mkdir(mode=0o555)
        self.transfer(expect=1)
        self.assertTrue((self.target / "open/file").exists())
        self.assertFalse((self.target / "closed/file").exists())
        errors = self.wherry_json("task", "show", self.only_task()["task_id"], "--errors")["DATA"]
        self.assertEqual([row["error_code"] for row in errors], ["PERMISSION_DENIED"])
        self.assertIn("closed/file", errors[0]["error_details"])

    def test_a_full_disk_fails_with_quota_and_what_is_done_stays_done(self):
        for number in range(20):
            self.write(f"file{number:02}", "x" * 1_000_000)
        script = (f"set -e; mount -t tmpfs -o size=30m none '{self.target}'\n"
                  f"head -c 20000000 /dev/zero > '{self.target}/filler'\n"
                  f"w='{system.BINARY}'; id=$($w task generate-submission-id)\n"
                  f"if $w transfer '{self.source}/' '{self.target}/' -r --submission-id $id --fail-on-quota-errors; "
                  "then echo 'not full?'; exit 1; fi\n"
                  f"rm '{self.target}/filler'\n"
                  f"first=$(ls '{self.target}'/file* | head -n 1)\n"
                  "before=$(stat -c %i $first)\n"
                  "task=$($w task list --format unix | cut -f 1)\n"
                  "$w task resume $task\n"
                  "test $before = $(stat -c %i $first)\n"
                  f"diff -r '{self.source}' '{self.target}'\n")
        probe = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none",
                                self.target], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("this machine lets no user mount in a namespace")
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
                              env=self.environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_file_that_grows_during_the_copy_is_never_recorded_with_a_wrong_checksum(self):
        growing = self.source / "growing"
        with open(growing, "wb") as file:
            file.truncate(64 << 20)
        process = self.start("transfer", f"{self.source}/", f"{self.target}/", "--recursive")
        with open(growing, "ab") as file:
            while process.poll() is None:
                file.write(b"more")
                file.flush()
                time.sleep(0.001)
        output = b"".join(process.communicate()).decode()
        if process.returncode == 0:
            copy = (self.target / "growing").read_bytes()
            self.assertEqual(copy, growing.read_bytes()[:len(copy)])
        else:
            self.assertIn("changed", output)
            self.assertFalse((self.target / "growing").exists())

    def test_two_processes_never_run_one_task_or_sync_at_once(self):
        for number in range(100):
            self.write(f"file{number}", "x" * 200_000)
        self.wherry("endpoint", "create", "slow", self.target, "--bandwidth", "1MB")
        self.wherry("sync", "add", "s", f"{self.source}/", "slow:/", "--settle", "0s")
        first = self.start("sync", "run", "s")
        self.wait_until(lambda: self.tasks(), "the pass is under way")
        self.refused(1, "sync", "run", "s", says=str(first.pid))
        self.refused(1, "task", "resume", self.only_task()["task_id"], says=str(first.pid))
        first.send_signal(signal.SIGINT)
        first.communicate()
        self.wherry("endpoint", "update", "slow", "--bandwidth", "0")
        self.wherry("sync", "run", "s")
        self.assert_identical()


class Syncing(Scenario):
    def test_a_second_pass_over_an_unchanged_tree_moves_nothing_whatever_the_times(self):
        now = int(time.time())
        for number, seconds in enumerate([now + DAY, 0, now - 3600, now - 20 * 365 * DAY]):
            os.utime(self.write(f"file{number}"), (seconds, seconds))
        base = 1_600_000_000 * 10**9
        for number in range(3):
            os.utime(self.write(f"same-second{number}"), ns=(base + number, base + number))
        self.add_sync()
        self.assertEqual(self.run_pass()["added"], 7)
        self.assert_identical()
        second = self.run_pass()
        self.assertEqual((second["added"], second["modified"], second["removed"], second["bytes"]), (0, 0, 0, 0))

    def test_a_rewrite_with_the_old_size_and_time_is_noticed(self):
        path = self.write("file", "aaaa")
        self.add_sync()
        self.run_pass()
        times = path.stat()
        path.write_text("bbbb")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.run_pass()
        self.assert_identical()

    def test_a_restored_older_file_replaces_the_newer_one(self):
        path = self.write("file", "new!")
        self.add_sync()
        self.run_pass()
        path.write_text("old!")
        os.utime(path, (10**9, 10**9))
        self.run_pass()
        self.assert_identical()

    def test_any_name_arrives_byte_for_byte(self):
        twins = ["\u00e9".encode(), "e\u0301".encode()]  # look alike, composed and decomposed
        names = [*twins, b"not utf-8 \xff\xfe", b"new\nline", b"tab\t", b"100%", b"n" * 255,
                 b"CASE", b"case", b"-rf", b"back\\slash", b" ", b"\x01"]
        for name in names:
            with open(os.path.join(os.fsencode(self.source), name), "wb") as file:
                file.write(name)
        self.add_sync()
        self.run_pass()
        self.assertEqual(sorted(os.listdir(os.fsencode(self.target))), sorted(names))
        for name in names:
            with open(os.path.join(os.fsencode(self.target), name), "rb") as file:
                self.assertEqual(file.read(), name)
        second = self.run_pass()
        self.assertEqual((second["added"], second["modified"], second["removed"]), (0, 0, 0))

    def test_symlinks_follow_the_policy(self):
        self.write("file")
        self.write("directory/inner")
        for name, to in [("to-file", "file"), ("to-directory", "directory"), ("dangling", "nothing"),
                         ("loop-a", "loop-b"), ("loop-b", "loop-a"), ("outside", str(self.work))]:
            (self.source / name).symlink_to(to)
        self.add_sync("--symlinks", "keep")
        self.run_pass()
        self.assert_identical()
        ignoring = self.scratch / "ignoring"
        ignoring.mkdir()
        self.wherry("sync", "add", "ignoring", f"{self.source}/", f"{ignoring}/", "--settle", "0s",
                    "--symlinks", "ignore")
        row = self.run_pass(name="ignoring")
        self.assertEqual(row["links_skipped"], 6)
        self.assertEqual(sorted(os.listdir(ignoring)), ["directory", "file"])

    def test_empty_directories_and_changes_of_type_are_mirrored(self):
        for number in range(100):
            (self.source / f"empty{number}").mkdir()
        self.write("was-file")
        self.write("was-directory/inner")
        self.add_sync("--deletions", "propagate", "--max-delete", "100%")
        self.run_pass()
        self.assert_identical()
        (self.source / "was-file").unlink()
        self.write("was-file/inner")
        shutil.rmtree(self.source / "was-directory")
        self.write("was-directory")
        self.run_pass()
        self.assert_identical()

    def test_an_unreadable_directory_is_an_error_and_its_content_is_not_taken_for_deleted(self):
        self.write("closed/file")
        self.write("open/file")
        self.add_sync("--deletions", "propagate")
        self.run_pass()
        (self.source / "closed").chmod(0)
        self.write("open/new")
        row = self.run_pass(expect=1)
        self.assertEqual((row["unreadable"], row["removed"]), (1, 0))
        self.assertTrue((self.target / "closed/file").exists())
        self.assertTrue((self.target / "open/new").exists())
        (self.source / "closed").chmod(0o755)
        self.run_pass()
        self.assert_identical()

    def test_a_renamed_directory_and_a_moved_file_are_renamed_and_not_sent_again(self):
        system.make_tree(self.source, "--files", "3000", "--size", "64B", "--data")
        self.write("here/file", "x" * 100_000)
        (self.source / "there").mkdir()
        self.add_sync("--deletions", "propagate")
        self.run_pass()
        sample = next((self.source / "2018/experiment00").iterdir())
        sample.rename(sample.with_name("renamed"))
        (self.source / "here/file").rename(self.source / "there/moved")
        row = self.run_pass()
        self.assert_identical()
        self.assertEqual((row["renamed"], row["added"], row["removed"], row["bytes"]), (2, 0, 0, 0))

    def test_an_empty_source_and_mass_deletions_stop_the_pass(self):
        for number in range(100):
            self.write(f"directory/file{number}")
        self.add_sync("--deletions", "propagate")
        self.run_pass()
        aside = self.scratch / "aside"
        self.source.rename(aside)
        self.run_pass(expect=1)  # gone
        self.source.mkdir()
        self.run_pass(expect=1)  # empty, as an unmounted disk
        self.source.rmdir()
        aside.rename(self.source)
        for number in range(60):
            (self.source / f"directory/file{number}").unlink()
        self.run_pass(expect=1)  # 60 %
        self.assertEqual(len(os.listdir(self.target / "directory")), 100)
        for number in range(59):
            self.write(f"directory/file{number}")
        dry = self.wherry("sync", "run", "s", "--dry-run")
        self.assertIn("file59", dry)
        self.assertEqual(len(os.listdir(self.target / "directory")), 100)
        self.run_pass()  # 1 %
        self.assert_identical()

    def test_what_is_gone_stays_or_is_put_aside_when_that_is_asked(self):
        for deletions in ("keep", "archive"):
            with self.subTest(deletions):
                source, target = self.scratch / f"from-{deletions}", self.scratch / f"to-{deletions}"
                target.mkdir()
                self.write("gone", root=source)
                for number in range(5):
                    self.write(f"file{number}", root=source)
                self.wherry("sync", "add", deletions, f"{source}/", f"{target}/", "--settle", "0s",
                            "--deletions", deletions)
                self.run_pass(name=deletions)
                (source / "gone").unlink()
                self.run_pass(name=deletions)
                if deletions == "keep":
                    self.assertTrue((target / "gone").exists())
                else:
                    self.assertFalse((target / "gone").exists())
                    archived = list((target / ".wherry-archive").rglob("gone"))
                    self.assertEqual([path.read_text() for path in archived], ["content\n"])

    def test_what_failed_is_due_again_and_nothing_else(self):
        for number in range(10):
            self.write(f"file{number}")
        (self.source / "file3").chmod(0)
        self.add_sync()
        self.assertEqual(self.run_pass(expect=1)["failed"], 1)
        self.assertEqual(len(os.listdir(self.target)), 9)
        (self.source / "file3").chmod(0o644)
        deadline = time.monotonic() + 60
        while not (self.target / "file3").exists() and time.monotonic() < deadline:
            subprocess.run([system.BINARY, "sync", "run", "s"], env=self.environment, capture_output=True)
        self.assert_identical()

    def test_a_file_that_is_not_quiet_waits(self):
        old = self.write("old")
        os.utime(old, (time.time() - 3600,) * 2)
        self.wherry("sync", "add", "s", f"{self.source}/", f"{self.target}/", "--settle", "1h")
        row = self.run_pass()
        self.assertGreaterEqual(row["not_quiet"], 1)
        self.assertEqual(row["added"] + row["not_quiet"], 1)

    def test_a_lost_catalog_is_rebuilt_and_nothing_is_sent_again(self):
        system.make_tree(self.source, "--files", "500", "--size", "1KiB", "--data")
        self.add_sync()
        self.run_pass()
        for catalog in list((self.scratch / "state/catalogs").iterdir()):
            catalog.unlink()
        self.wherry("sync", "rebuild", "s")
        row = self.run_pass()
        self.assertEqual(row["bytes"], 0)
        self.wherry("sync", "verify", "s")
        (self.target / next(iter(system.walk(self.target))).decode()).write_text("damaged")
        self.refused(1, "sync", "verify", "s")


class Watching(Scenario):
    def test_one_process_keeps_eight_syncs_up_to_date(self):
        pairs = []
        for number in range(8):
            source, target = self.scratch / f"from{number}", self.scratch / f"to{number}"
            self.write("first", root=source)
            target.mkdir()
            self.wherry("sync", "add", f"sync{number}", f"{source}/", f"{target}/", "--settle", "200ms")
            pairs.append((source, target))
        watcher = self.start("sync", "watch")
        try:
            self.wait_for([target / "first" for _, target in pairs], 60)
            for source, _ in pairs:
                self.write("deep/down/second", root=source)
            seconds = self.wait_for([target / "deep/down/second" for _, target in pairs], 60)
            print(f"\n  eight changed syncs were up to date after {seconds:.1f} s")
        finally:
            watcher.send_signal(signal.SIGINT)
            output = b"".join(watcher.communicate(timeout=60)).decode()
        self.assertIn(watcher.returncode, (0, 130), output)

    def wait_for(self, paths, seconds):
        start = time.monotonic()
        while not all(path.exists() for path in paths):
            if time.monotonic() - start > seconds:
                self.fail(f"not there after {seconds} s: {[str(path) for path in paths if not path.exists()]}")
            time.sleep(0.02)
        return time.monotonic() - start


if __name__ == "__main__":
    system.drop_root()
    unittest.main()
