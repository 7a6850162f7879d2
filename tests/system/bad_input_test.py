# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a request is said clearly, at once, with the right exit code; nothing is stored."""

import sqlite3

from harness import WherryTest, os, signal, unittest


class BadInput(WherryTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.target = self.endpoint("scratch")
        self.write(self.lab / "run42" / "a.tif")

    def refuse(self, exit_code, *words, says=(), **options):
        self.refused(exit_code, *words, says=says, **options)
        self.assert_nothing_stored()
        self.assertEqual(self.tree(self.target), {})

    def test_unknown_endpoint(self):
        self.refuse(1, "transfer", "lba:/run42/a.tif", "scratch:/a", says=["lba", "lab"])
        self.refuse(1, "ls", "nowhere:/", says="nowhere")

    def test_ambiguous_endpoint_lists_the_ids(self):
        other = self.endpoint("other")
        with sqlite3.connect(self.scratch / "state" / "wherry.db") as database:
            database.execute("update endpoint set display_name = 'lab', owner = 'somebody' where display_name = 'other'")
        database.close()
        ids = [row["id"] for row in self.wherry_json("endpoint", "list")["DATA"] if row["display_name"] == "lab"]
        self.assertEqual(len(ids), 2)
        self.refuse(1, "transfer", "lab:/run42/a.tif", "scratch:/a", says=ids)
        self.assertTrue(other.exists())

    def test_relative_path_where_absolute_is_needed(self):
        self.refuse(2, "transfer", "lab:run42/a.tif", "scratch:/a", says=["relative", "lab:/run42/a.tif"])

    def test_path_outside_the_root(self):
        self.refuse(2, "transfer", "lab:/../../etc/passwd", "scratch:/a", says="..")
        os.symlink("/etc", self.lab / "way_out")
        self.refuse(1, "transfer", "lab:/way_out/passwd", "scratch:/a", says="way_out")

    def test_file_where_a_directory_is_meant(self):
        self.refuse(2, "transfer", "--recursive", "lab:/run42/a.tif", "scratch:/a", says="is a file")
        self.refuse(1, "ls", "lab:/run42/a.tif", says="run42/a.tif")

    def test_directory_where_a_file_is_meant(self):
        self.refuse(2, "transfer", "lab:/run42", "scratch:/a", says="add --recursive")
        self.refuse(2, "transfer", "lab:/run42/a.tif", "scratch:/", says=["is a directory", "scratch:/a.tif"])

    def test_delete_of_a_directory_without_recursive(self):
        self.refuse(2, "rm", "lab:/run42", says="--recursive")
        self.assertTrue((self.lab / "run42" / "a.tif").exists())

    def test_delete_of_root_or_home(self):
        self.refuse(2, "rm", "-r", "lab:/", says="root")
        self.refuse(2, "rm", "-r", "/", says="root")
        self.refuse(2, "rm", "-r", "~", says="home directory")
        self.refuse(2, "rm", "-r", "", says="empty")

    def test_delete_of_what_is_above_or_of_the_state_of_wherry(self):
        place = self.scratch / "some" / "where"
        place.mkdir(parents=True)
        for path in (f"{place}/..", f"{place}/../", f"{place}/.", "..", "lab:/run42/.."):
            self.refuse(2, "rm", "-r", path, says="'.")
        for path in ("state", "state/wherry.db", "st*", "state/*"):
            self.refuse(2, "rm", "-r", f"local:{self.scratch}/{path}", says="the state of Wherry")
        self.refuse(2, "delete", "-r", "local:/", "--batch", "-", stdin=f"{place}/..\n".encode(), says="line 1")
        self.refuse(2, "delete", "-r", "local:/", "--batch", "-", stdin=f"{self.scratch}\n".encode(), says="the state of Wherry")
        self.assertTrue(place.exists())

    def test_overlapping_source_and_target(self):
        self.refuse(2, "transfer", "-r", "lab:/run42", "lab:/run42/copy", says="run42")
        self.refuse(2, "transfer", "-r", "lab:/", f"{self.lab}/copy")

    def test_unknown_command_option_or_value_names_the_nearest(self):
        self.refuse(2, "trasnfer", "a", "b", says="did you mean 'wherry transfer'?")
        self.refuse(2, "transfer", "--recursiv", "a", "b", says="did you mean '--recursive'?")
        self.refuse(2, "transfer", "-s", "cheksum", "a", "b", says="did you mean 'checksum'?")
        self.refuse(2, "endpoint", "update", "lab", "--daily-quota", "lots", says="--daily-quota")

    def test_unreadable_settings_name_file_line_and_key(self):
        (self.scratch / "settings.yml").write_text("transfer:\n  workers: 2\n  grup_bytes: 3\n")
        self.refused(2, "endpoint", "list", says=["settings.yml', line 3", "grup_bytes", "transfer.group_bytes"])

    def test_label_of_129_characters(self):
        self.refuse(2, "transfer", "lab:/run42/a.tif", "scratch:/a", "--label", "é" * 129, says=["129", "128"])

    def test_deadline_in_the_past(self):
        self.refuse(2, "transfer", "lab:/run42/a.tif", "scratch:/a", "--deadline", "2018-10-15", says="has passed")

    def test_batch_of_100001_items(self):
        batch = b"/run42/a.tif /a\n" * 100_001
        self.refuse(2, "transfer", "lab:", "scratch:", "--batch", "-", stdin=batch, says=["100001", "100000"])

    def test_batch_that_does_not_parse_names_the_line(self):
        self.refuse(2, "transfer", "lab:", "scratch:", "--batch", "-", stdin=b"/a /b\n/c\n", says="line 2")

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self):
        self.wherry("transfer", "lab:", "scratch:", "--batch", "-", stdin=b"\xef\xbb\xbfrun42/a.tif a\r\n")
        self.assertEqual(list(self.tree(self.target)), [b"a"])

    def test_a_damaged_database(self):
        database = self.scratch / "state" / "wherry.db"
        for name in ("wherry.db-wal", "wherry.db-shm"):
            (self.scratch / "state" / name).unlink(missing_ok=True)
        database.write_bytes(b"no database at all" * 1000)
        self.refused(1, "endpoint", "list", says="wherry.db")

    def test_a_newer_database(self):
        with sqlite3.connect(self.scratch / "state" / "wherry.db") as database:
            database.execute("update schema_version set version = 999 where module = 'tasks'")
        database.close()
        self.refused(1, "endpoint", "list", says="newer")

    def test_a_missing_source(self):
        self.refuse(1, "transfer", "lab:/run42/none.tif", "scratch:/a", says="none.tif")

    def test_a_read_only_target(self):
        self.wherry("endpoint", "update", "scratch", "--read-only")
        done = self.run_wherry("transfer", "lab:/run42/a.tif", "scratch:/a")
        self.assertEqual(done.returncode, 1, done.err)
        self.assert_nothing_stored()

    def test_a_service_that_cannot_start_makes_no_client(self):
        nowhere = str(self.scratch / "nowhere.pem")
        self.refuse(2, "serve", "--certificate", nowhere, "--key", nowhere, says="nowhere.pem")
        self.refuse(2, "serve", "--listen", "somewhere", says="serve.listen")
        self.assertEqual(self.wherry_json("client", "list")["DATA"], [])

    def test_a_task_that_another_live_process_runs_is_named_by_pid(self):
        self.write(self.lab / "big", os.urandom(20_000_000))
        self.wherry("endpoint", "update", "scratch", "--bandwidth", "1MB")
        process = self.start("transfer", "lab:/big", "scratch:/big")
        self.wait_until(lambda: any(task["status"] == "ACTIVE" for task in self.tasks()), "the task runs")
        task = self.tasks()[0]["task_id"]
        self.wait_until(lambda: self.wherry_json("task", "show", task)["holder"], "the task is held")
        self.refused(1, "task", "resume", task, says=str(process.pid))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 130)


if __name__ == "__main__":
    unittest.main()
