# SPDX-License-Identifier: Apache-2.0
"""The commands about syncs: what they say and how they exit. What passes do is in acceptance_test.py."""

from harness import WherryTest, unittest


class Syncs(WherryTest):
    def setUp(self):
        super().setUp()
        self.lab = self.endpoint("lab")
        self.archive = self.endpoint("archive")
        self.write(self.lab / "run42" / "a.tif")

    def add(self, *options, name="frames"):
        self.wherry("sync", "add", name, "lab:/run42", "archive:/run42", "--settle", "0s", *options)

    def test_add_list_show_pause_resume_remove(self):
        self.add("--deletions", "propagate", "--max-delete", "10%", "--include", "*.tif", "--exclude", "*")
        (row,) = self.wherry_json("sync", "list")["DATA"]
        self.assertEqual((row["name"], row["source"], row["paused"]), ("frames", "lab:/run42", False))
        shown = self.wherry_json("sync", "show", "frames")
        self.assertEqual((shown["max_delete_percent"], shown["filters"]), (10, ["include *.tif", "exclude *"]))
        self.wherry("sync", "pause", "frames")
        self.refused(1, "sync", "run", "frames", says="paused")
        self.wherry("sync", "resume", "frames")
        self.wherry("sync", "run", "frames")
        self.wherry("sync", "remove", "frames")
        self.refused(1, "sync", "show", "frames")
        self.assertTrue((self.archive / "run42" / "a.tif").exists())

    def test_run_says_what_it_did_and_history_remembers(self):
        self.add()
        self.assertIn("added         a.tif", self.wherry("sync", "run", "frames", "--dry-run"))
        self.assertEqual(self.tree(self.archive), {})
        done = self.wherry_json("sync", "run", "frames")
        self.assertEqual((done["result"], done["added"], done["bytes"]), ("done", 1, 7))
        again = self.wherry_json("sync", "run", "frames")
        self.assertEqual((again["files"], again["added"], again["bytes"]), (1, 0, 0))
        numbers = [row["number"] for row in self.wherry_json("sync", "history", "frames")["DATA"]]
        self.assertEqual(numbers, [2, 1])
        self.assertEqual(self.wherry_json("sync", "status", "frames")["last_pass"], 2)

    def test_run_of_several_goes_on_after_one_that_cannot(self):
        self.add(name="bad")
        self.add(name="good")
        self.wherry("sync", "pause", "bad")
        self.refused(1, "sync", "run", "bad", "good", says="bad")
        self.assertTrue((self.archive / "run42" / "a.tif").exists())

    def test_an_unknown_sync_is_answered_with_the_nearest(self):
        self.add()
        self.refused(1, "sync", "run", "frame", says="frames")
        self.refused(1, "sync", "run", "frames", "nothing", says="nothing")
        self.assertEqual(self.tree(self.archive), {})

    def test_cron_and_systemd_text_start_this_program_with_this_state(self):
        self.add("--every", "15m")
        line = self.wherry("sync", "run", "frames", "--print-cron")
        self.assertTrue(line.startswith("*/15 * * * * "), line)
        self.assertIn(f"WHERRY_STATE_DIR={self.scratch / 'state'} ", line)
        self.assertTrue(line.endswith("/wherry sync run frames\n"), line)
        line = self.wherry("sync", "run", "frames", "--print-cron", "--set", "transfer.workers=3")
        self.assertIn(" WHERRY_TRANSFER_WORKERS=3 ", line)
        self.assertIn("/wherry sync watch\n", self.wherry("sync", "watch", "--print-systemd"))
        (self.work / "own.yml").write_text("")
        self.environment["WHERRY_SETTINGS"] = "own.yml"
        unit = self.wherry("sync", "watch", "--print-systemd", "--set", "log.file=wherry.log")
        self.assertIn(f"WHERRY_SETTINGS={self.work}/own.yml\n", unit)
        self.assertIn(f"WHERRY_LOG_FILE={self.work}/wherry.log\n", unit)
        self.add("--cron", "5 4 * * 1", name="weekly")
        self.assertTrue(self.wherry("sync", "run", "weekly", "--print-cron").startswith("5 4 * * 1 "))

    def test_catalogs_can_be_looked_into(self):
        self.write(self.lab / "run42" / "d" / "b.tif", b"12345")
        self.add()
        self.wherry("sync", "run", "frames")
        catalog = str(self.scratch / "state" / "catalogs" / "frames.catalog")
        self.assertEqual(self.wherry_json("catalog", "show", catalog)["files"], 2)
        rows = self.wherry_json("catalog", "show", catalog, "d")["DATA"]
        self.assertEqual([(row["path"], row["size"]) for row in rows], [("d/b.tif", 5)])
        self.assertIn("sound", self.wherry("catalog", "check", catalog))
        with open(catalog, "r+b") as file:
            file.seek(-20, 2)
            file.write(b"\0" * 8)
        self.refused(1, "catalog", "check", catalog, says="frames.catalog")
        self.refused(1, "catalog", "show", str(self.scratch / "none"), says="none")

    def test_what_makes_no_sense_is_refused_and_not_stored(self):
        for code, says, words in [
            (2, "b/c", ["b/c", "lab:/", "archive:/"]),
            (1, "nowhere", ["s", "nowhere:/", "archive:/"]),
            (2, "exclude each other", ["s", "lab:/", "archive:/", "--every", "1h", "--cron", "@daily"]),
            (2, "--max-delete", ["s", "lab:/", "archive:/", "--max-delete", "101%"]),
            (2, "propagate", ["s", "lab:/", "archive:/", "--deletions", "propagat"]),
        ]:
            self.refused(code, "sync", "add", *words, says=says)
        self.assertEqual(self.wherry_json("sync", "list")["DATA"], [])


if __name__ == "__main__":
    unittest.main()
