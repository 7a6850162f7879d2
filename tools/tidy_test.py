#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tidy.py finds what it is for, and leaves alone what looks like it."""

import pathlib
import tempfile
import unittest

import tidy

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)

    def write(self, path, text):
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def found(self, check):
        return [str(finding) for finding in check(tidy.Tree(self.root))]

    def assert_one(self, check, *words):
        found = self.found(check)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def assert_none(self, check):
        self.assertEqual(self.found(check), [])


class Includes(TidyTest):
    def test_a_module_may_not_include_what_stands_above_it(self):
        self.write("src/storage/posix.cc", '\n#include "tasks/types.h"\n')
        self.assert_one(tidy.check_includes, "src/storage/posix.cc:2", "storage may not include tasks/types.h")

    def test_a_module_may_include_itself_and_what_stands_below_it(self):
        self.write("src/engine/copy_file.cc", '#include "engine/copy_file.h"\n#include "storage/storage.h"\n')
        self.assert_none(tidy.check_includes)

    def test_siblings_may_not_include_each_other(self):
        self.write("src/catalog/reader.cc", '#include "storage/storage.h"\n')
        self.assert_one(tidy.check_includes, "catalog may not include storage/storage.h")

    def test_a_single_allowed_header_does_not_open_its_module(self):
        self.write("src/sync/pass.cc", '#include "engine/types.h"\n#include "engine/runner.h"\n')
        self.assert_one(tidy.check_includes, "src/sync/pass.cc:2", "engine/runner.h")

    def test_a_test_may_use_everything_below_its_module(self):
        self.write("src/tasks/store_test.cc", '#include "catalog/reader.h"\n')
        self.assert_none(tidy.check_includes)

    def test_a_test_may_not_use_what_stands_above_its_module(self):
        self.write("src/tasks/store_test.cc", '#include "sync/pass.h"\n')
        self.assert_one(tidy.check_includes, "tasks may not include sync/pass.h")

    def test_a_module_that_is_not_drawn_is_found(self):
        self.write("src/misc/things.h", "")
        self.assert_one(tidy.check_includes, "module 'misc'")

    def test_headers_are_named_from_the_source_root(self):
        self.write("src/base/file.cc", '#include "file.h"\n')
        self.assert_one(tidy.check_includes, '"module/file.h"')


class DeadFiles(TidyTest):
    def test_a_test_that_no_list_names_is_found(self):
        self.write("src/base/CMakeLists.txt", "wherry_module(base SOURCES file.cc TESTS path_test.cc)")
        self.write("src/base/file.cc", "")
        self.write("src/base/path_test.cc", "")
        self.write("src/base/file_test.cc", "")
        self.assert_one(tidy.check_dead_files, "src/base/file_test.cc", "never runs")

    def test_a_commented_name_in_a_list_does_not_count(self):
        self.write("src/base/CMakeLists.txt", "wherry_module(base SOURCES # file.cc\n)")
        self.write("src/base/file.cc", "")
        self.assert_one(tidy.check_dead_files, "src/base/file.cc")

    def test_a_header_that_something_includes_is_alive(self):
        self.write("src/base/CMakeLists.txt", "x(file.cc)")
        self.write("src/base/file.cc", '#include "base/helper.h"\n')
        self.write("src/base/helper.h", "")
        self.write("src/base/lonely.h", "")
        self.assert_one(tidy.check_dead_files, "src/base/lonely.h")

    def test_a_python_test_that_no_list_names_is_found(self):
        self.write("tests/system/CMakeLists.txt", "x(one_test.py)")
        self.write("tests/system/one_test.py", "")
        self.write("tests/system/two_test.py", "")
        self.assert_one(tidy.check_dead_files, "two_test.py")


class Bans(TidyTest):
    def test_each_banned_word_is_found_with_its_replacement(self):
        for code, word in [("std::thread t;", "WorkerPool"), ("::rename(a, b);", "durable_rename"),
                           ("auto x = std::chrono::system_clock::now();", "Clock"),
                           ("try {} catch (...) {}", "wrapper"), ("assert(x);", "CHECK"),
                           ("std::this_thread::sleep_for(1s);", "FakeClock"),
                           ("using namespace std;", "name what you use"), ("int x = rand();", "seed")]:
            with self.subTest(code):
                self.write("src/tasks/store.cc", code)
                self.assert_one(tidy.check_bans, word)

    def test_comments_strings_and_members_of_the_same_name_are_not_found(self):
        self.write("src/tasks/store.cc",
                   '// std::thread and catch (...)\nconst char* a = "system_clock::now";\n'
                   "storage.rename(a, b);\nvoid Posix::rename(int);\nstatic_assert(true);\n"
                   "auto n = std::thread::hardware_concurrency();\nchar q = '\"'; int big = 1'000'000;\n"
                   'auto raw = R"(assert(1))";\nusing namespace std::chrono_literals;\n')
        self.assert_none(tidy.check_bans)

    def test_a_word_is_allowed_where_it_belongs(self):
        self.write("src/base/clock.cc", "std::chrono::system_clock::now();")
        self.write("src/base/worker_pool.cc", "std::thread t; try {} catch (...) {}")
        self.assert_none(tidy.check_bans)

    def test_lines_are_counted_through_comments_and_raw_strings(self):
        self.write("src/tasks/store.cc", '/* a\nb */ auto x = R"(\n\n)";\nassert(x);\n')
        self.assert_one(tidy.check_bans, "store.cc:5:")


class UnnamedNames(TidyTest):
    def write_unnamed(self, path, body):
        self.write(path, f"namespace wherry {{\nnamespace {{\n\n{body}\n}}  // namespace\n}}\n")

    def assert_clash(self, one, other, name):
        self.write_unnamed("src/jobs/one.cc", one)
        self.write_unnamed("src/jobs/two.cc", other)
        self.assert_one(tidy.check_unnamed_names, "src/jobs/two.cc:4", f"'{name}' is also in src/jobs/one.cc")

    def test_a_type_of_two_files_of_a_module_is_found(self):
        self.assert_clash("struct Row {\n  int id;\n};\n", "enum class Row { kA };\n", "Row")

    def test_a_constant_of_two_files_of_a_module_is_found(self):
        self.assert_clash("constexpr int kMost = 4;\n", "const std::string kMost[] = {};\n", "kMost")

    def test_functions_that_differ_in_names_of_parameters_only_are_found(self):
        self.assert_clash("int count(const Map& all, int) {\n  return 1;\n}\n",
                          "long count(const Map& rest,\n           int most) {\n  return 2;\n}\n", "count")

    def test_an_overload_is_another_function(self):
        self.write_unnamed("src/jobs/one.cc", "int count(int number) {\n  return 1;\n}\n")
        self.write_unnamed("src/jobs/two.cc", "int count(long number) {\n  return 1;\n}\n")
        self.assert_none(tidy.check_unnamed_names)

    def test_names_of_other_modules_of_tests_and_outside_of_unnamed_namespaces_are_left_alone(self):
        self.write_unnamed("src/jobs/one.cc", "struct Row {\n};\n")
        self.write_unnamed("src/sync/one.cc", "struct Row {\n};\n")
        self.write_unnamed("src/jobs/one_test.cc", "struct Row {\n};\n")
        self.write("src/jobs/two.cc", "namespace wherry {\nvoid Row() {\n  struct Row {\n  };\n}\n}\n")
        self.assert_none(tidy.check_unnamed_names)


class Texts(TidyTest):
    def test_a_todo_needs_an_issue(self):
        self.write("src/base/file.cc", "// TODO" + ": later\n// TODO" + "(#12): with an issue\n")
        self.assert_one(tidy.check_todo, "file.cc:1")

    def test_every_source_and_script_names_its_licence(self):
        self.write("src/base/file.cc", LICENCE)
        self.write("src/base/file.h", "#pragma once\n")
        self.write("scripts/test", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.write("README.md", "")
        self.assert_one(tidy.check_licence, "src/base/file.h")

    def test_links_lead_to_files(self):
        self.write("docs/a.md", "[ok](b.md#part) [up](../README.md) [web](https://example.org/x) [dir](howto)")
        self.write("docs/b.md", "[gone](c.md)")
        self.write("docs/howto/x.md", "")
        self.write("README.md", "")
        self.assert_one(tidy.check_links, "docs/b.md:1", "c.md")


class Lengths(TidyTest):
    def test_a_long_function_is_noted_and_a_long_class_is_not(self):
        self.write("src/base/a.cc", "int short_one() {\n  return 1;\n}\n"
                                    "Result<void> long_one(\n    int a) {\n" + "  x();\n" * 70 + "}\n"
                                    "class Big {\n" + "  int a;\n" * 80 + "};\n")
        self.assert_one(tidy.note_lengths, "a.cc:4", "long_one", "73 lines")

    def test_a_long_file_is_noted(self):
        self.write("src/base/a.cc", "// x\n" * 701)
        self.assert_one(tidy.note_lengths, "701 lines")


class Commands(TidyTest):
    REFERENCE = """\
| `-F, --format FORM` | How. |

### wherry site sync

| `SITE` | Which. |

### wherry job create

| `-s, --stage SLOT=PLACE` | Where. The same as --stage-data. |
"""

    def setUp(self):
        super().setUp()
        self.write("docs/reference/cli.md", self.REFERENCE)

    def test_a_document_names_commands_and_options_that_there_are(self):
        self.write("docs/a.md", "`wherry site sync` or\n\n    wherry job create -F json --stage a=b \\\n"
                                "        --stage-data c=d   # --or not\n\n`wherry site`, `wherry --format json job create`\n")
        self.assert_none(tidy.check_commands)

    def test_a_command_that_is_not_there_is_found(self):
        self.write("docs/a.md", "First\n`wherry site list`.\n")
        self.assert_one(tidy.check_commands, "docs/a.md:2", "wherry site list")

    def test_an_option_that_is_not_there_is_found(self):
        self.write("docs/a.md", "    wherry job create \\\n        --stag a=b\n")
        self.assert_one(tidy.check_commands, "docs/a.md:1", "'wherry job create' has no option '--stag'")

    def test_a_message_that_is_split_over_literals_is_read_as_one(self):
        self.write("src/cli/a.cc", 'say("first:\\n"\n    " see `wherry site"\n    " lst`");\nsay("then: wherry job");\n'
                                   'say("do this: wherry jobs create");\n')
        found = self.found(tidy.check_commands)
        self.assertEqual([text.partition(": ")[0] for text in found], ["src/cli/a.cc:2", "src/cli/a.cc:5"], found)


class NamedTests(TidyTest):
    def setUp(self):
        super().setUp()
        self.write("src/jobs/a_test.cc", LICENCE + "TEST_F(Stage, Works) {}\nTEST(Stage,\n     AlsoThen) {}\n")
        self.write("tests/system/a_test.py", "class All(Case):\n    def test_it(self):\n        pass\n")

    def test_a_test_that_a_table_names_must_be_there(self):
        self.write("CONTRIBUTING.md", "| 1 | `Stage.Works`, `Stage.DoesNot`, `a_test.py: test_it` |\n")
        self.assert_one(tidy.check_named_tests, "CONTRIBUTING.md:1", "Stage.DoesNot")

    def test_what_is_there_is_found_however_it_is_written(self):
        self.write("docs/howto/from-balsam.md", "| `Stage.AlsoThen`, `a_test.py: All` | `Job.objects.filter` |\n")
        self.assert_none(tidy.check_named_tests)


if __name__ == "__main__":
    unittest.main()
