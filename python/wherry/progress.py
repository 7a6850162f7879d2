# SPDX-License-Identifier: Apache-2.0
"""Bars for running tasks.

::

    from wherry import progress

    tasks = [transfer_task("lab", "archive", f"/run/{name}", f"/copy/{name}") for name in names]
    progress.wait(tasks)

With tqdm installed the bar is tqdm's, in notebooks as well; otherwise it is one line on standard error, drawn anew if
that is a terminal, and printed once at the end if not.
"""

from __future__ import annotations

import concurrent.futures
import sys
from typing import Any, Callable, Dict, Iterable, List, Optional, TextIO

from .errors import WherryError
from .futures import DataTask
from .model import Task, _size

__all__ = ["wait"]


def wait(tasks: Iterable[DataTask], *, every: float = 0.5, bar: Optional[Callable[..., Any]] = None,
         file: Optional[TextIO] = None) -> List[bool]:
    """Waits for all tasks with a bar, then answers their results in order: True or False.

    If `result()` of one raises, so does this, with the first of these, once all have ended. Ctrl-C ends the waiting, not
    the tasks.

    every
        Seconds between looks.
    bar
        A class with tqdm's arguments and methods, to be used in place of tqdm.
    file
        Where the bar is drawn; by default standard error.
    """
    all_tasks = list(tasks)
    stream = file or sys.stderr
    shown = (bar or _tqdm() or _Line)(total=len(all_tasks), unit="task", file=stream)
    try:
        left = set(all_tasks)
        before = 0
        while left:
            _, left = concurrent.futures.wait(left, timeout=every)
            ended = len(all_tasks) - len(left)
            shown.set_postfix_str(_shown_bytes(all_tasks), refresh=False)
            shown.update(ended - before)
            before = ended
    finally:
        shown.close()
    return [task.result() for task in all_tasks]


def _tqdm() -> Optional[Callable[..., Any]]:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def _shown_bytes(tasks: List[DataTask]) -> str:
    """What has moved so far. Tasks that travel together are asked for once."""
    moved = sum(task.bytes_transferred for task in tasks if task.done())
    asked: Dict[str, Task] = {}
    for task in tasks:
        if not task.done() and task.task_id and task.task_id not in asked:
            try:
                if (now := task.progress()) is not None:
                    asked[task.task_id] = now
            except WherryError:
                continue  # the future itself will tell
    return _size(moved + sum(task.bytes_transferred for task in asked.values()))


class _Line:
    """What is needed of tqdm, on one line."""

    def __init__(self, total: int, unit: str, file: TextIO):
        self._total, self._unit, self._file = total, unit, file
        self._done = 0
        self._text = ""
        self._is_terminal = file.isatty()

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        self._text = text

    def update(self, count: int) -> None:
        self._done += count
        if self._is_terminal:
            self._file.write("\r\x1b[K" + self._line())
            self._file.flush()

    def close(self) -> None:
        self._file.write(("\r\x1b[K" if self._is_terminal else "") + self._line() + "\n")
        self._file.flush()

    def _line(self) -> str:
        filled = 24 * self._done // max(self._total, 1)
        return f"[{'#' * filled}{'.' * (24 - filled)}] {self._done} of {self._total} {self._unit}s, {self._text}"
