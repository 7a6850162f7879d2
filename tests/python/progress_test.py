# SPDX-License-Identifier: Apache-2.0
"""wherry.progress: bars with and without tqdm."""

import io

import wherry.progress
from wherry.data import transfer_task


class Bar:
    """Takes the place of tqdm and remembers."""

    def __init__(self, total, unit, file):
        self.total, self.unit, self.done, self.texts, self.is_closed = total, unit, 0, [], False
        Bar.last = self

    def set_postfix_str(self, text, refresh=True):
        self.texts.append(text)

    def update(self, count):
        self.done += count

    def close(self):
        self.is_closed = True


class Terminal(io.StringIO):
    def isatty(self):
        return True


def some_tasks(laptop):
    laptop.write("a", b"x" * 3000)
    return [transfer_task("my-laptop", "hpc-scratch", name, name) for name in ("a", "missing")]


def test_a_bar_shows_tasks_and_bytes_and_ends(laptop, scratch):
    assert wherry.progress.wait(some_tasks(laptop), bar=Bar) == [True, False]
    assert (Bar.last.total, Bar.last.unit, Bar.last.done, Bar.last.is_closed) == (2, "task", 2, True)
    assert Bar.last.texts[-1] == "2.9 KiB"


def test_without_a_terminal_one_line_is_written_at_the_end(laptop, scratch):
    file = io.StringIO()
    assert wherry.progress.wait(some_tasks(laptop), bar=wherry.progress._Line, file=file) == [True, False]
    assert file.getvalue() == f"[{'#' * 24}] 2 of 2 tasks, 2.9 KiB\n"


def test_a_terminal_sees_it_grow(laptop, scratch):
    file = Terminal()
    wherry.progress.wait(some_tasks(laptop), bar=wherry.progress._Line, file=file, every=0.01)
    assert file.getvalue().count("\r") >= 2 and file.getvalue().endswith("\n")


def test_nothing_to_wait_for_is_no_error():
    assert wherry.progress.wait([], file=io.StringIO()) == []
