# SPDX-License-Identifier: Apache-2.0
"""Endpoints, file operations, formats, help and completion of the real binary."""

import shutil

import system
from harness import WherryTest, json, os, subprocess, unittest


class Endpoints(WherryTest):
    def test_create_list_show_update_search_delete(self):
        self.endpoint("lab", "--read-only", "--daily-quota", "750GB", "--description", "The beamline")
        shown = self.wherry_json("endpoint", "show", "lab")
        self.assertEqual(shown["access"], "read-only")
        self.assertEqual(shown["daily_quota"], 750_000_000_000)
        self.assertEqual(self.wherry_json("endpoint", "show", shown["id"]), shown)
        self.assertIn("lab", self.wherry("endpoint", "search", "BEAM", "--format", "unix"))
        self.wherry("endpoint", "update", "lab", "--name", "lab2", "--read-write")
        self.assertEqual(self.wherry_json("endpoint", "show", "lab2")["access"], "read-write")
        self.wherry("endpoint", "delete", "lab2")
        self.refused(1, "endpoint", "show", "lab2")
        self.assertTrue((self.scratch / "lab").is_dir())

    def test_the_built_in_endpoint_cannot_be_deleted(self):
        self.refused(1, "endpoint", "delete", "local")


class Bookmarks(WherryTest):
    def test_what_show_prints_is_a_place_for_other_commands(self):
        lab = self.endpoint("lab")
        self.write(lab / "run 42/a.txt")
        self.assertIn("Bookmark ID: ", self.wherry("bookmark", "create", "lab:/run 42/", "data"))
        place = self.wherry("bookmark", "show", "data").rstrip("\n")
        self.assertEqual(self.wherry("ls", place), "a.txt\n")

    def test_list_rename_delete(self):
        self.endpoint("lab")
        self.wherry("bookmark", "create", "lab:/", "data")
        self.refused(1, "bookmark", "create", "lab:/", "data")
        self.assertEqual(self.wherry("bookmark", "rename", "data", "Data"), "Success\n")
        listed = self.wherry_json("bookmark", "list")["DATA"]
        self.assertEqual([(row["name"], row["endpoint_name"], row["path"]) for row in listed], [("Data", "lab", "/")])
        self.wherry("bookmark", "delete", listed[0]["id"])
        self.refused(1, "bookmark", "show", "Data")


class Files(WherryTest):
    def test_ls_hides_dots_and_goes_down(self):
        lab = self.endpoint("lab")
        for name in ("b.txt", ".hidden", "d/a.tif", "d/e/f.tif"):
            self.write(lab / name)
        self.assertEqual(self.wherry("ls", "lab:/"), "b.txt\nd/\n")
        self.assertEqual(self.wherry("ls", "-a", "lab:"), ".hidden\nb.txt\nd/\n")
        self.assertEqual(self.wherry("ls", "-r", "--filter", "*.tif", "lab:/"), "d/a.tif\nd/e/f.tif\n")
        long = self.wherry("ls", "-l", "lab:/d")
        self.assertIn("Permissions", long)
        names = [row["name"] for row in self.wherry_json("ls", "lab:/")["DATA"]]
        self.assertEqual(names, ["b.txt", "d/"])

    def test_names_are_bytes_and_are_escaped_in_answers(self):
        lab = self.endpoint("lab")
        name = b"a\xff\n\t\\b"
        (lab / "d").mkdir()
        with open(os.path.join(os.fsencode(lab / "d"), name), "wb"):
            pass
        escaped = "a\\xff\\x0a\\x09\\x5cb"
        self.assertEqual(self.wherry("ls", "lab:/d"), escaped + "\n")
        self.assertEqual(self.wherry_json("ls", "lab:/d")["DATA"][0]["name"], escaped)
        self.wherry("rename", b"lab:/d/" + name, "lab:/d/plain")
        self.assertEqual(os.listdir(lab / "d"), ["plain"])

    def test_stat_mkdir_rename_rm(self):
        lab = self.endpoint("lab")
        self.write(lab / "a", b"12345")
        self.assertEqual(self.wherry_json("stat", "lab:/a")["size"], 5)
        self.assertIn("created successfully", self.wherry("mkdir", "lab:/d"))
        self.assertIn("renamed successfully", self.wherry("rename", "lab:/a", "lab:/d/b"))
        self.refused(1, "mkdir", "lab:/d")
        self.refused(1, "stat", "lab:/a")
        self.wherry("rm", "lab:/d/b")
        self.wherry("rm", "-r", "lab:/d")
        self.assertEqual(self.tree(lab), {})

    def test_rm_expands_wildcards_and_delete_takes_them_literally(self):
        lab = self.endpoint("lab")
        for name in ("a1", "a2", "b", "a*"):
            self.write(lab / name)
        self.wherry("delete", "lab:/a*")
        self.assertEqual(sorted(os.listdir(lab)), ["a1", "a2", "b"])
        self.wherry("rm", "lab:/a*")
        self.assertEqual(os.listdir(lab), ["b"])
        self.wherry("rm", "--ignore-missing", "lab:/none")

    def test_plain_paths_mean_this_machine(self):
        self.write(self.work / "a")
        self.assertEqual(self.wherry("ls", "."), "a\n")
        self.assertEqual(self.wherry("ls", str(self.work)), "a\n")
        self.wherry("mkdir", "d")
        self.wherry("rename", "a", "d/../d/a")
        self.assertEqual(self.wherry("ls", "d"), "a\n")


class Texts(WherryTest):
    def test_version_and_help_need_no_state(self):
        self.assertRegex(self.wherry("--version"), r"^wherry \d+\.\d+\.\d+\n$")
        self.assertIn("wherry transfer", self.wherry("help", "transfer"))
        self.assertFalse((self.scratch / "state").exists())

    def test_the_man_page_is_well_formed(self):
        if shutil.which("man") is None:
            self.skipTest("man is not installed")
        page = self.scratch / "wherry.1"
        page.write_text(self.wherry("help", "--man"))
        done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True,
                              env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--sync-level", done.stdout)

    def test_bash_completes_commands_options_and_endpoint_names(self):
        self.endpoint("scratch")
        script = f"""
            export PATH={os.path.dirname(os.path.abspath(system.BINARY))}:$PATH
            source <(wherry completion bash)
            complete_line() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wherry; echo "${{COMPREPLY[@]}}"; }}
            complete_line wherry tran
            complete_line wherry transfer --sync
            complete_line wherry transfer scr
        """
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=self.environment)
        self.assertEqual(done.stdout.split("\n")[:3], ["transfer transfer-item", "--sync-level", "scratch:"], done.stderr)

    def test_settings_tell_where_they_come_from(self):
        (self.scratch / "settings.yml").write_text("tasks:\n  active: 3\n")
        rows = {row["name"]: row for row in self.wherry_json("config", "show")["DATA"]}
        self.assertEqual(rows["tasks.active"]["value"], "3")
        self.assertIn("line 2", rows["tasks.active"]["origin"])
        self.assertEqual(rows["state.dir"]["origin"], "WHERRY_STATE_DIR")
        self.assertEqual(rows["log.level"]["origin"], "default")

    def test_json_answers_of_lists_are_documents(self):
        for words in (["task", "list"], ["endpoint", "list"], ["config", "show"]):
            document = json.loads(self.wherry(*words, "-F", "json"))
            self.assertEqual(document["length"], len(document["DATA"]))


if __name__ == "__main__":
    unittest.main()
