#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler cannot see. Runs in a second, needs nothing but Python.

tools/tidy.py                 checks the tree; exit 1 and one line per finding if a rule is broken
tools/tidy.py --docs BINARY   checks that the generated pages of docs/ equal what the binary prints
tools/tidy.py --docs BINARY --accept   rewrites them instead

Long functions and files are printed as notes and never fail: a reader decides.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Iterator, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What each module may include, as docs/architecture.md draws it. "module/file.h" allows one header.
MODULES = {
    "base": set(),
    "schedulers": {"base"},
    "storage": {"base"},
    "catalog": {"base"},
    "engine": {"base", "storage"},
    "endpoints": {"base", "storage"},
    "tasks": {"base", "storage", "engine", "endpoints"},
    # A sync speaks to tasks::TransferService alone; of the engine it knows the words of a request.
    "sync": {"base", "storage", "catalog", "tasks", "engine/types.h"},
    # Jobs know of a transfer what a client of the service knows.
    "jobs": {"base", "schedulers", "storage", "tasks", "engine/types.h"},
    # So do flows.
    "flow": {"base", "schedulers", "tasks", "endpoints/endpoint.h", "engine/types.h"},
    # The two network faces speak through the same documents, and know nothing of each other.
    "api": {"base", "storage", "engine", "endpoints", "tasks", "sync", "jobs"},
    "server": {"base", "storage", "engine", "endpoints", "tasks", "sync", "jobs", "api"},
    "globus": {"base", "storage", "engine", "endpoints", "tasks", "sync", "api"},
    "app": {"base", "schedulers", "storage", "catalog", "engine", "endpoints", "tasks", "sync", "jobs", "flow", "api", "server", "globus"},
    "cli": {"base", "schedulers", "storage", "catalog", "engine", "endpoints", "tasks", "sync", "jobs", "flow", "api", "server", "globus",
            "app"},
    # The bindings: what they pass on, and nothing else.
    "python": {"base", "endpoints", "tasks", "engine/types.h", "sync", "jobs", "flow", "app"},
}


class Ban(NamedTuple):
    pattern: re.Pattern
    allowed: re.Pattern  # paths where it stands for a reason
    instead: str


TEST_PATHS = r"_test\.cc$|^tests/|^bench/"
BANS = [
    Ban(re.compile(r"\bstd::j?thread\b(?!::)"),
        re.compile(r"^src/base/worker_pool|^src/tasks/(scheduler|watcher)|^src/globus/task_watcher|^src/flow/(data_tasks|command_inbox)|^src/sync/schedule|^src/server/(http_server|scripted_server)|" + TEST_PATHS),
        "threads live in base/worker_pool and the named loops of docs/architecture.md: use WorkerPool"),
    Ban(re.compile(r"\bstd::async\b|\bpthread_create\b"), re.compile(r"$^"), "use WorkerPool"),
    Ban(re.compile(r"(?<![\w.>])(?:std)?::rename\s*\(|\brenameat2?\s*\("),
        re.compile(r"^src/base/file|^src/storage/|" + TEST_PATHS),
        "state files are renamed by durable_rename of base/file.h, users' files by storage"),
    Ban(re.compile(r"\bsystem_clock::now\b|\bsteady_clock::now\b|\bgettimeofday\b|(?<![\w.>:])time\s*\(\s*(?:NULL|nullptr|0)\s*\)"),
        re.compile(r"^src/base/clock|^bench/|^tests/"),
        "take a Clock from base/clock.h, so that tests can turn it"),
    Ban(re.compile(r"\bcatch\s*\(\s*\.\.\.\s*\)"),
        re.compile(r"^src/base/worker_pool|^src/cli/main|^src/tasks/(scheduler|watcher)|^src/sync/schedule"),
        "only main and thread entries catch everything; name the library's exception, in its wrapper"),
    Ban(re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(|\bnanosleep\s*\("),
        re.compile(r"^src/base/(clock|worker_pool)|^bench/|^tests/system/"),
        "wait on a condition with a deadline and a stop token; tests turn a FakeClock"),
    Ban(re.compile(r"\busing namespace\b(?! (?:std::(?:chrono_|string_view_)?)?literals)"), re.compile(r"^bench/|^tests/"),
        "name what you use"),
    Ban(re.compile(r"\bassert\s*\("), re.compile(r"$^"), "CHECK of base/check.h stays on in release"),
    Ban(re.compile(r"\brand\s*\(\s*\)|\bstd::random_device\b"), re.compile(r"^src/base/random|" + TEST_PATHS),
        "take a Random from base/random.h, so that a seed replays"),
]

# File of docs/ -> the arguments with which the binary prints it.
GENERATED_DOCS = {
    "api/rest.md": ["serve", "--print-routes"],
    "reference/backends.md": ["help", "backends", "--markdown"],
    "reference/job-states.md": ["help", "job-states", "--markdown"],
    "reference/cli.md": ["help", "--markdown"],
    "reference/options.md": ["config", "show", "--markdown"],
}

FUNCTION_LINES = 70
FILE_LINES = 700


class Finding(NamedTuple):
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


class Tree:
    """The text files of a source tree, by path relative to its root."""

    def __init__(self, root: pathlib.Path):
        self.files: dict[str, str] = {}
        for path in list_files(root):
            full = root / path
            if full.is_file() and not full.is_symlink():
                try:
                    self.files[path] = full.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    pass  # a binary test file

    def matching(self, pattern: str) -> Iterator[tuple[str, str]]:
        regex = re.compile(pattern)
        return ((path, text) for path, text in sorted(self.files.items()) if regex.search(path))


def list_files(root: pathlib.Path) -> list[str]:
    """What git tracks or would track; every file where there is no git."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                            cwd=root, capture_output=True)
    if listed.returncode == 0:
        return sorted({name.decode(errors="surrogateescape") for name in listed.stdout.split(b"\0") if name})
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def blank(match: re.Match) -> str:
    """Spaces in place of a comment or literal, line ends kept, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


LITERAL_OR_COMMENT = re.compile(
    r'R"(?P<tag>[^(\s]{0,16})\((?:.|\n)*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'|//[^\n]*|/\*(?:.|\n)*?\*/")


def code_only(text: str) -> str:
    return LITERAL_OR_COMMENT.sub(blank, text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def is_test(path: str) -> bool:
    return re.search(TEST_PATHS, path) is not None


def below(module: str) -> set[str]:
    """Modules that a module's tests may use: everything that it stands on, however far down."""
    names = list(MODULES)
    return set(names[:names.index(module)])


def check_includes(tree: Tree) -> Iterator[Finding]:
    include = re.compile(r'^#include "([^"]+)"', re.M)
    for path, text in tree.matching(r"^src/[^/]+/.*\.(cc|h)$"):
        module = path.split("/")[1]
        if module not in MODULES:
            yield Finding(path, 0, f"module '{module}' stands in no drawing: add it to MODULES here and to "
                                   "docs/architecture.md")
            continue
        for match in include.finditer(text):
            header = match.group(1)
            target = header.split("/")[0]
            allowed = MODULES[module] | {module} | (below(module) if is_test(path) else set())
            line = line_of(text, match.start())
            if "/" not in header:
                yield Finding(path, line, f'"{header}": include project headers from src/, as "module/file.h"')
            elif target in MODULES and target not in allowed and header not in allowed:
                yield Finding(path, line, f"{module} may not include {header}: it may use "
                                          f"{', '.join(sorted(MODULES[module])) or 'nothing'}")


def cmake_named_files(tree: Tree) -> set[str]:
    """Paths that a CMake list names, relative to the list's directory."""
    named = set()
    for path, text in tree.matching(r"(^|/)CMakeLists\.txt$"):
        directory = pathlib.PurePosixPath(path).parent
        text = re.sub(r"#[^\n]*", "", text)
        for name in re.findall(r"[\w./+-]+\.(?:cc|h|py)\b", text):
            named.add(str(directory / name))
    return named


def check_dead_files(tree: Tree) -> Iterator[Finding]:
    named = cmake_named_files(tree)
    included = set()
    for _, text in tree.matching(r"\.(cc|h)$"):
        included.update(re.findall(r'^#include "([^"]+)"', text, re.M))
    for path, _ in tree.matching(r"^(src|tests|bench)/.*\.(cc|h)$"):
        if path in named:
            continue
        if path.endswith(("_test.cc", "_fuzz.cc")):
            yield Finding(path, 0, "no CMake list names this test: it never runs")
        elif path.endswith(".cc"):
            yield Finding(path, 0, "no CMake list names this file: build it or delete it")
        elif path.removeprefix("src/") not in included:
            yield Finding(path, 0, "no CMake list names this header and nothing includes it")
    for path, _ in tree.matching(r"^tests/.*_test\.py$"):
        if path not in named:
            yield Finding(path, 0, "no CMake list names this test: it never runs")


def check_bans(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.matching(r"^(src|tests|bench)/.*\.(cc|h)$"):
        code = code_only(text)
        for ban in BANS:
            if ban.allowed.search(path):
                continue
            for match in ban.pattern.finditer(code):
                yield Finding(path, line_of(code, match.start()), f"'{match.group(0)}': {ban.instead}")


UNNAMED_NAMESPACE = re.compile(r"^namespace \{$(?P<body>.*?)^\}  // namespace$", re.M | re.S)
# What begins in column 0, as clang-format leaves it.
UNNAMED = re.compile(
    r"^(?:template <[^;{]*?>\n)?"
    r"(?:(?:struct|enum class|enum|class) (?P<type>\w+)(?= final|[ :]*[^;()=]*\{)"
    r"|(?:constexpr|const|thread_local|inline) [^=({;]*?\b(?P<constant>k[A-Z]\w*)(?:\[[^\]]*\])*(?=\s*[={(])"
    r"|[A-Za-z][\w:<>,*& ]*?[ *&](?P<function>[a-z]\w*)\((?P<parameters>[^;{}]*?)\)(?: noexcept)?\s*\{)", re.M)


def parameter_types(parameters: str) -> str:
    """Without names and defaults: two functions of one name and of these types are one to the compiler."""
    depth, types = 0, [""]
    for character in parameters:
        depth += (character in "<([") - (character in ">)]")
        if character == "," and depth == 0:
            types.append("")
        else:
            types[-1] += character
    return ",".join(re.sub(r"(?<=[\s&*>])\w+\s*$", "", " ".join(each.split("=")[0].split())).removeprefix("const ").strip(" ")
                    for each in types)


def check_unnamed_names(tree: Tree) -> Iterator[Finding]:
    """A unity build (the preset `ci`) compiles several files as one: their unnamed namespaces are then one, too."""
    seen: dict[tuple[str, bool, str], str] = {}
    for path, text in tree.matching(r"^(src/[^/]+|tests/sim)/[^/]+\.cc$"):
        directory, _, name = path.rpartition("/")
        with_tests = is_test(path) or name.startswith("test_")
        code = code_only(text)
        for namespace in UNNAMED_NAMESPACE.finditer(text):
            for found in UNNAMED.finditer(code, *namespace.span("body")):
                called = found["type"] or found["constant"] or found["function"]
                kind = f"{called}({parameter_types(found['parameters'])})" if found["function"] else called
                other = seen.setdefault((directory, with_tests, kind), path)
                if other != path:
                    yield Finding(path, line_of(code, found.start()),
                                  f"'{called}' is also in {other}, which the preset `ci` compiles together with this: "
                                  "give it a more specific name, or put what both use into a header")


def check_todo(tree: Tree) -> Iterator[Finding]:
    marker = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
    for path, text in tree.matching(r"\.(cc|h|cmake)$|^scripts/|(^|/)CMakeLists\.txt$"):
        for match in marker.finditer(text):
            yield Finding(path, line_of(text, match.start()), f"{match.group(1)} without an issue: write "
                                                              f"{match.group(1)}(#12), or do it")


def check_licence(tree: Tree) -> Iterator[Finding]:
    pattern = r"\.(cc|h|py|cmake|lua)$|^scripts/[^.]+$|^\.ci/|^bench/run$|(^|/)CMakeLists\.txt$"
    for path, text in tree.matching(pattern):
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.split("\n")[:3]):
            yield Finding(path, 1, "starts with no line 'SPDX-License-Identifier: Apache-2.0'")


def check_links(tree: Tree) -> Iterator[Finding]:
    """Relative links of the documents lead to files that exist."""
    for path, text in tree.matching(r"\.md$"):
        directory = pathlib.PurePosixPath(path).parent
        for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            target = match.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            resolved = normalized(directory / target)
            if resolved not in tree.files and not any(name.startswith(resolved + "/") for name in tree.files):
                yield Finding(path, line_of(text, match.start()), f"link to '{target}', which does not exist")


def known_commands(reference: str) -> dict[str, set[str]]:
    """Each command of docs/reference/cli.md with the options that it takes."""
    option = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
    row = re.compile(r"^\| `(-[^`]*)` \|([^\n]*)", re.M)

    def options_of(text: str) -> set[str]:
        found = set()
        for match in row.finditer(text):
            found.update(option.findall(match.group(1)))
            found.update(re.findall(r"The same as (--[\w-]+)\.", match.group(2)))
        return found

    common, *sections = re.split(r"^### wherry ", reference, flags=re.M)
    return {section.partition("\n")[0]: options_of(section) | options_of(common) for section in sections}


def wrong_words(line: str, commands: dict[str, set[str]]) -> str:
    """What is wrong with a command line that begins with 'wherry'; empty if nothing is, or if it names no command."""
    words = re.split(r"\s+", re.sub(r"'[^']*'|\"[^\"]*\"", "x", line.partition("#")[0]).strip())[1:]
    while words and words[0].startswith("--"):  # options may stand before the command; these take a value
        words = words[2:] if words[0] in ("--format", "--service", "--state-dir", "--set", "--log-level") else words[1:]
    nouns = {name[:at] for name in commands for at in range(len(name) + 1) if name[at:at + 1] in (" ", "")}
    name = ""
    while words and re.fullmatch(r"[a-z][a-z-]*", words[0]) and name not in commands:
        name = f"{name} {words.pop(0)}".strip()
        if name not in nouns:
            return f"there is no command 'wherry {name}'"
    if name not in commands:
        return ""  # `wherry sync`, as a name for all of its commands
    for word in words:
        if word in ("|", "||", "&&", ";", "--"):
            break
        flag = re.match(r"--?[A-Za-z][\w-]*", word)
        if flag and flag.group(0) not in commands[name] and flag.group(0)[:2] not in commands[name]:
            return f"'wherry {name}' has no option '{flag.group(0)}'"
    return ""


def check_commands(tree: Tree) -> Iterator[Finding]:
    """Command lines of documents and messages name commands and options that there are."""
    commands = known_commands(tree.files.get("docs/reference/cli.md", ""))
    in_backticks = re.compile(r"`(wherry [^`]*)`")
    in_block = re.compile(r"^(?:    )?(wherry (?:[^\n\\]|\\\n)*)", re.M)
    in_message = re.compile(r"[:;] (wherry [a-z][a-z -]*)")
    for path, text in tree.matching(r"\.md$|^src/.*\.(cc|h)$"):
        # Messages are split over literals, comments over lines; each stands for a space or nothing.
        joined = re.sub(r'"\s*\n\s*"', lambda match: "\0" * len(match.group(0)), text)
        joined = re.sub(r"\n\s*//", lambda match: " " + "\0" * (len(match.group(0)) - 1), joined)
        for pattern in (in_backticks, in_block if path.endswith(".md") else in_message):
            for match in pattern.finditer(joined):
                line = re.sub(r"\\\n", " ", match.group(1).replace("\0", ""))
                if wrong := wrong_words(line, commands):
                    yield Finding(path, line_of(text, match.start()), wrong)


def check_named_tests(tree: Tree) -> Iterator[Finding]:
    """The tests that the tables of tests name, as `Suite.Test` or `file_test.py: name`, are there."""
    sources = "\n".join(text for _, text in tree.matching(r"^src/.*_test\.cc$"))
    tests = {f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", sources, re.M)}
    for path, text in tree.matching(r"^tests/(system|python)/\w+_test\.py$"):
        tests.update(f"{path.split('/')[-1]}: {name}" for name in re.findall(r"^ *(?:def|class) (\w+)\(", text, re.M))
    for path, text in tree.matching(r"^(CONTRIBUTING|docs/howto/from-(balsam|chiltepin))\.md$"):
        for match in re.finditer(r"`([A-Z]\w+\.[A-Z]\w+|\w+_test\.py: \w+)`", text):
            if match.group(1) not in tests:
                yield Finding(path, line_of(text, match.start()), f"names the test '{match.group(1)}', which does not exist")


def normalized(path: pathlib.PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def note_lengths(tree: Tree) -> Iterator[Finding]:
    """Relies on clang-format: a function outside a class starts and ends in column 0."""
    not_function = re.compile(r"^(namespace|class|struct|enum|union|extern|#|constexpr|const |static const|//|\}|template)")
    for path, text in tree.matching(r"^(src|tests|bench)/.*\.(cc|h)$"):
        lines = text.split("\n")
        if len(lines) - 1 > FILE_LINES:
            yield Finding(path, 0, f"{len(lines) - 1} lines; files read best under {FILE_LINES}")
        start = None
        for number, line in enumerate(code_only(text).split("\n"), 1):
            if start is None and re.match(r"\S", line) and not not_function.match(line) and line.rstrip()[-1:] in "{,(":
                start = number
            elif line.startswith("}") or (start is not None and line.rstrip().endswith(";") and re.match(r"\S", line)):
                if start is not None and number - start + 1 > FUNCTION_LINES:
                    name = re.sub(r"\s*[({].*", "", lines[start - 1])
                    yield Finding(path, start, f"{name}: {number - start + 1} lines; functions read best under "
                                               f"{FUNCTION_LINES}")
                start = None


def check_docs(binary: str, accept: bool) -> Iterator[Finding]:
    """The generated pages are what the binary prints, byte for byte."""
    for name, arguments in GENERATED_DOCS.items():
        page = ROOT / "docs" / name
        shown = f"docs/{name}"
        with tempfile.TemporaryDirectory() as state:
            printed = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60,
                                     stdin=subprocess.DEVNULL, env={**os.environ, "WHERRY_STATE_DIR": state})
        if printed.returncode != 0:
            yield Finding(shown, 0, f"'wherry {' '.join(arguments)}' exits {printed.returncode}: {printed.stderr.strip()}")
        elif accept:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(printed.stdout, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != printed.stdout:
            yield Finding(shown, 0, f"is not what 'wherry {' '.join(arguments)}' prints: run "
                                    f"tools/tidy.py --docs {binary} --accept")
        if name == "api/rest.md":
            yield from check_compatibility(printed.stdout)


def check_compatibility(table: str) -> Iterator[Finding]:
    """The pages that compare routes with their contract have a row for each, and are right about which there are."""
    row = re.compile(r"^\| (?P<routes>`[A-Z]+ /[^|]*) \| (?P<verdict>[^|]+) \|", re.M)
    route = re.compile(r"`([A-Z]+ /\S*)`")
    served = {found.group(1) for found in re.finditer(r"^\| `([A-Z]+ /\S*)` \|", table, re.M)}
    compared = set()
    for page in ("docs/api/compatibility.md", "docs/api/jobs.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for found in row.finditer(text):
            for name in route.findall(found["routes"]):
                compared.add(name)
                if (name in served) == (found["verdict"].strip() == "not there"):
                    yield Finding(page, line_of(text, found.start()),
                                  f"says '{found['verdict'].strip()}' of {name}, which is "
                                  f"{'' if name in served else 'not '}served")
    for name in sorted(served - compared):
        page = "docs/api/jobs.md" if " /v1/" in name else "docs/api/compatibility.md"
        yield Finding(page, 0, f"has no row for the route {name}: say how it compares with the contract")


CHECKS = [check_includes, check_dead_files, check_bans, check_unnamed_names, check_todo, check_licence, check_links,
          check_commands, check_named_tests]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", metavar="BINARY", help="check the generated pages against this binary instead")
    parser.add_argument("--accept", action="store_true", help="with --docs: rewrite the pages")
    arguments = parser.parse_args()
    if arguments.docs:
        findings = list(check_docs(arguments.docs, arguments.accept))
    else:
        tree = Tree(ROOT)
        findings = [finding for check in CHECKS for finding in check(tree)]
        for note in note_lengths(tree):
            print(f"note: {note}")
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
