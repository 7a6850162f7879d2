# SPDX-License-Identifier: Apache-2.0
"""What this process has open: one session for each state directory, shared by every client of it.

A session has threads of its own. They end before the interpreter does, and do not exist in the child of a fork.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING, Dict, Mapping, Tuple

from . import _wherry
from .errors import ForkedError, WherryError

if TYPE_CHECKING:
    from .futures import DataTask

_FORKED = ("this process is a fork of one that uses Wherry, whose threads it does not have; start processes with the "
           "method 'spawn' or 'forkserver' (multiprocessing.set_start_method), or use Wherry after the fork only")


class _Entry:
    def __init__(self, session: _wherry.Session, settings: Dict[str, str]):
        self.session, self.settings, self.users = session, settings, 0


def _without_place(settings: Mapping[str, str]) -> Dict[str, str]:
    return {name: value for name, value in settings.items() if name not in ("state.dir", "service")}


_lock = threading.Lock()
_sessions: Dict[str, _Entry] = {}
_unended: Dict[int, "DataTask"] = {}  # by id(); a task is kept until it has ended
_is_forked = False
_is_ending = False


def acquire(settings: Mapping[str, str]) -> Tuple[str, str, _wherry.Session]:
    """The state directory, the service that the settings name, and the session there; to be given back by `release`."""
    with _lock:
        check_usable()
        directory, service = _wherry.place_of_session(dict(settings))
        entry = _sessions.get(directory)
        if entry is None:
            entry = _sessions[directory] = _Entry(_wherry.Session(dict(settings)), _without_place(settings))
        elif entry.settings != _without_place(settings):
            raise WherryError(f"the state directory '{directory}' is open in this process with other settings; close "
                              "those clients first, or give all the same", code="conflict")
        entry.users += 1
        return directory, service, entry.session


def release(directory: str) -> None:
    """Closes the session when its last user has gone."""
    with _lock:
        entry = _sessions.get(directory)
        if entry is None:
            return
        entry.users -= 1
        if entry.users > 0:
            return
        del _sessions[directory]
    entry.session.close()


def check_usable() -> None:
    if _is_forked:
        raise ForkedError(_FORKED, code="unsupported")
    if _is_ending:
        raise WherryError("the interpreter is ending", code="cancelled")


def keep(task: "DataTask") -> None:
    _unended[id(task)] = task


def forget(task: "DataTask") -> None:
    _unended.pop(id(task), None)


def _end() -> None:
    """At the end of the interpreter: what waits ends, threads are joined, tasks are left to whoever comes next."""
    global _is_ending
    with _lock:
        _is_ending = True
        entries = list(_sessions.values())
        _sessions.clear()
    waiting = [task.task_id for task in list(_unended.values())]
    if waiting:
        started = [name for name in waiting if name]
        logging.getLogger("wherry").warning(
            "the program ends before %d of its tasks, of which %d were submitted%s: those of this machine stay ACTIVE and "
            "go on with the next program that runs tasks, those of a service elsewhere go on there", len(waiting),
            len(started), f" ({', '.join(started[:5])})" if started else "")
    for entry in entries:
        entry.session.close()


def _after_fork_in_child() -> None:
    global _is_forked, _lock
    _lock = threading.Lock()
    if not _sessions:
        return
    _is_forked = True
    for entry in _sessions.values():
        entry.session.abandon()
    _sessions.clear()
    tasks = list(_unended.values())
    _unended.clear()
    for task in tasks:
        task._abandon(ForkedError("the task belongs to the process that this one was forked from", code="unsupported"))


atexit.register(_end)
# The lock is held over a fork, so that the child finds the table as a whole.
os.register_at_fork(before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(),
                    after_in_child=_after_fork_in_child)
