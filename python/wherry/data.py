# SPDX-License-Identifier: Apache-2.0
"""Transfers and deletions as tasks of a workflow, with the names, order and defaults of Chiltepin's data tasks.

::

    from wherry.data import transfer_task, delete_task

    staged = transfer_task("my-laptop", "hpc-scratch", "/data/input.dat", "/scratch/input.dat")
    result = analyze(staged, "/scratch/input.dat")           # an app of Parsl, say: it waits for the future
    delete_task("hpc-scratch", "/scratch/input.dat", inputs=[result]).result()

`transfer_task` and `delete_task` answer at once with a future, a `wherry.futures.DataTask`; `transfer` and `delete` are
the same and wait. Endpoints are named by display name or id. Any argument may itself be a future (of
`concurrent.futures`, of Parsl, or another task of Wherry): the task starts when all have succeeded, with their results
in place of them. Futures in `inputs` are waited for and nothing else is done with them.

The result is True when all is proven at its destination: copied, verified by checksum and on disk. It is False when the
task failed, was cancelled, needs a person or ran out of time; `task.error` says why, and with ``strict=True`` that is
raised as a `wherry.errors.TransferError`. Chiltepin answers True for a task that failed. A task that waits for a task
of Wherry that did not succeed is never started, so nothing is deleted after a transfer that failed.

An endpoint that does not exist raises a `RuntimeError`, "Source endpoint 'X' could not be found". To delete "/", "~", an
empty path, or a directory without `recursive`, is refused.

Tasks started close together between the same two endpoints travel in one task of the service, each with its own result;
see `batch_window` of `wherry.Client`. All waiting is done by one thread, which asks for all tasks together.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _wherry
from .client import Client, default_client
from .futures import DataTask, is_future
from .model import Endpoint, Task

__all__ = ["delete", "delete_task", "transfer", "transfer_task"]

_SYNC_LEVELS = {"always": -1, "exists": 0, "missing": 0, "size": 1, "mtime": 2, "newer": 2, "checksum": 3}
_FILTER_METHODS = ("include", "exclude")
_FILTER_TYPES = ("", "file", "dir")

FilterRule = Union[Mapping[str, str], Tuple[str, str], Tuple[str, str, str]]


def transfer_task(
        src_ep: Any, dst_ep: Any, src_path: Any, dst_path: Any, timeout: Any = 3600, polling_interval: Any = 30,
        client: Optional[Client] = None, recursive: Any = False, executor: Union[str, Sequence[str]] = "all",
        inputs: Iterable[Any] = (), *, strict: bool = False, sync_level: Union[None, str, int] = None,
        verify_checksum: bool = True, filters: Sequence[FilterRule] = (), preserve_mtime: bool = False,
        symlinks: str = "ignore", label: Any = "", on_progress: Optional[Callable[[Task], Any]] = None,
        cancel_on_timeout: bool = False, alone: bool = False, chiltepin_task_geometry: Any = None,
        parsl_resource_specification: Any = None) -> DataTask:
    """Transfers a file, or with `recursive` a directory, from one endpoint to another.

    As Chiltepin's:

    src_ep, dst_ep
        The endpoints, by display name or id.
    src_path, dst_path
        The file or directory there, and the name that it gets here (not the directory that it goes into). `str`,
        `bytes` or a path; counted from the root of the endpoint.
    timeout
        Seconds until the result is False. The task then goes on, unless `cancel_on_timeout`; `task.error` says which.
    polling_interval
        Taken and not needed: tasks are looked at together, often at first and less often later.
    client
        A `wherry.Client`; by default that of the configured service.
    recursive
        Needed for directories.
    executor
        A name or a list of names; taken and not needed: no worker is occupied by waiting.
    inputs
        Futures that must succeed first.
    chiltepin_task_geometry, parsl_resource_specification
        Taken and not needed.

    Beyond Chiltepin's:

    strict
        Raise `TransferError` where the result would be False.
    sync_level
        When to copy what exists at the destination already: "exists" (never), "size", "mtime" or "checksum" (if that
        differs), or 0 to 3 as Globus counts them. By default always.
    verify_checksum
        Read what arrived again and compare it with what was read at the source; without it, compare sizes only.
    filters
        Which names of a directory take part, first match first: ``[("include", "*.h5"), ("exclude", "*", "file")]``, or
        Globus's form ``{"method": "exclude", "name": "*.tmp", "type": "file"}``.
    preserve_mtime
        Files keep their modification times.
    symlinks
        Met while recursing: "ignore" them, "keep" them as links, or "copy" what they lead to.
    label
        What ``wherry task list`` calls the task.
    on_progress
        Called with a `wherry.Task` when it is looked at, by the thread of Wherry that calls all callbacks: it should be
        short.
    cancel_on_timeout
        Cancel the task when the time is up.
    alone
        Never share a task of the service with other transfers.

    What is wrong with the arguments themselves, such as a negative timeout, is raised here as a `TypeError` or
    `ValueError`; what the service finds wrong is raised by the future.
    """
    task_client = _client_of(client)
    _check_ignored(executor)
    values = {"src_ep": src_ep, "dst_ep": dst_ep, "src_path": src_path, "dst_path": dst_path, "timeout": timeout,
              "polling_interval": polling_interval, "recursive": recursive, "label": label}
    level = _sync_level_of(sync_level)
    rules = [_rule_of(rule) for rule in filters]
    if symlinks not in ("ignore", "keep", "copy"):
        raise ValueError(f"symlinks={symlinks!r}: one of 'ignore', 'keep', 'copy'")

    def report(fields: Dict[str, Any]) -> None:
        assert on_progress is not None
        on_progress(Task._of(fields, task_client))

    def begin(given: Dict[str, Any]) -> "_wherry.Handle":
        arguments = _wherry.TransferArguments()
        arguments.source_endpoint = _name(given, "src_ep")
        arguments.destination_endpoint = _name(given, "dst_ep")
        arguments.source_path = _path(given, "src_path")
        arguments.destination_path = _path(given, "dst_path")
        arguments.recursive = bool(given["recursive"])
        arguments.sync_level = level
        arguments.verify_checksum = verify_checksum
        arguments.filters = rules
        arguments.preserve_mtime = preserve_mtime
        arguments.symlinks = symlinks
        arguments.label = str(given["label"])
        arguments.timeout = _seconds(given, "timeout")
        arguments.cancel_on_timeout = cancel_on_timeout
        arguments.alone = alone
        return task_client._open().transfer(arguments, task_client._batch_window,
                                            None if on_progress is None else report)

    what = f"transfer {_shown(src_ep)}:{_shown(src_path)} -> {_shown(dst_ep)}:{_shown(dst_path)}"
    return _start(what, task_client, strict, values, inputs, begin)


def delete_task(
        src_ep: Any, src_path: Any, timeout: Any = 3600, polling_interval: Any = 30, client: Optional[Client] = None,
        recursive: Any = False, executor: Union[str, Sequence[str]] = "all", inputs: Iterable[Any] = (), *,
        strict: bool = False, label: Any = "", cancel_on_timeout: bool = False, chiltepin_task_geometry: Any = None,
        parsl_resource_specification: Any = None) -> DataTask:
    """Deletes a file, or with `recursive` a directory and all that is in it. There is no way back.

    The arguments mean what they mean for `transfer_task`. The root of an endpoint, "/", "~", an empty path, and without
    `recursive` a directory, are refused: the future raises an `InvalidRequestError`, and nothing is deleted.
    """
    task_client = _client_of(client)
    _check_ignored(executor)
    values = {"src_ep": src_ep, "src_path": src_path, "timeout": timeout, "polling_interval": polling_interval,
              "recursive": recursive, "label": label}

    def begin(given: Dict[str, Any]) -> "_wherry.Handle":
        arguments = _wherry.RemovalArguments()
        arguments.endpoint = _name(given, "src_ep")
        arguments.path = _path(given, "src_path")
        arguments.recursive = bool(given["recursive"])
        arguments.label = str(given["label"])
        arguments.timeout = _seconds(given, "timeout")
        arguments.cancel_on_timeout = cancel_on_timeout
        return task_client._open().remove(arguments, task_client._batch_window)

    return _start(f"delete {_shown(src_ep)}:{_shown(src_path)}", task_client, strict, values, inputs, begin)


def transfer(src_ep: Any, dst_ep: Any, src_path: Any, dst_path: Any, timeout: Any = 3600, polling_interval: Any = 30,
             client: Optional[Client] = None, recursive: Any = False, **options: Any) -> bool:
    """Transfers, and waits for the result, True or False: `transfer_task(...).result()`, whose `options` it takes.

    Ctrl-C ends the waiting, not the task. It can be run by a worker of Parsl or of any other pool.
    """
    return transfer_task(src_ep, dst_ep, src_path, dst_path, timeout, polling_interval, client, recursive,
                         **options).result()


def delete(src_ep: Any, src_path: Any, timeout: Any = 3600, polling_interval: Any = 30,
           client: Optional[Client] = None, recursive: Any = False, **options: Any) -> bool:
    """Deletes, and waits for the result, True or False: `delete_task(...).result()`, whose `options` it takes."""
    return delete_task(src_ep, src_path, timeout, polling_interval, client, recursive, **options).result()


# Futures among the arguments


def _start(what: str, client: Client, strict: bool, values: Dict[str, Any], inputs: Iterable[Any],
           begin: Callable[[Dict[str, Any]], "_wherry.Handle"]) -> DataTask:
    waited = {name: value for name, value in values.items() if is_future(value)}
    awaited = list(waited.values()) + _futures_in(inputs)
    if not waited:
        _check(values)  # what is wrong is raised here, where the call is

    def begin_with_results() -> "_wherry.Handle":
        given = dict(values)
        for name, future in waited.items():
            given[name] = future.result()
        _check(given)
        return begin(given)

    task = DataTask(what, client, strict)
    task._start_after(awaited, begin_with_results)
    return task


def _futures_in(inputs: Iterable[Any]) -> List[Any]:
    """Also in lists, tuples and the values of dictionaries, as Parsl looks for them."""
    if is_future(inputs):
        return [inputs]
    if isinstance(inputs, (str, bytes)):
        return []
    found: List[Any] = []
    for value in inputs.values() if isinstance(inputs, Mapping) else inputs:
        if is_future(value):
            found.append(value)
        elif isinstance(value, (list, tuple, Mapping)):
            found.extend(_futures_in(value))
    return found


# Checks


def _check(given: Mapping[str, Any]) -> None:
    for name in given:
        if name.endswith("_ep"):
            _name(given, name)
        elif name.endswith("_path"):
            _path(given, name)
    _seconds(given, "timeout")
    if _seconds(given, "polling_interval") == 0:
        raise ValueError("polling_interval: must be more than 0")


def _name(given: Mapping[str, Any], name: str) -> bytes:
    value = given[name]
    if isinstance(value, Endpoint):
        value = value.id
    elif isinstance(value, uuid.UUID):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: give the name or id of an endpoint")
    return os.fsencode(value)


def _path(given: Mapping[str, Any], name: str) -> bytes:
    try:
        return os.fsencode(given[name])
    except TypeError:
        raise TypeError(f"{name}={given[name]!r}: give a path as str, bytes or os.PathLike") from None


def _seconds(given: Mapping[str, Any], name: str) -> float:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={value!r}: give seconds as a number")
    if not value >= 0:
        raise ValueError(f"{name}={value!r}: seconds cannot be negative")
    return float(value)


def _client_of(client: Optional[Client]) -> Client:
    if client is None:
        return default_client()
    if not isinstance(client, Client):
        raise TypeError(f"client={client!r}: give a wherry.Client, e.g. wherry.Client('globus'), which has its own login")
    return client


def _check_ignored(executor: Any) -> None:
    names = [executor] if isinstance(executor, str) else executor
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"executor={executor!r}: give a name or a list of names")


def _sync_level_of(level: Union[None, str, int]) -> int:
    if level is None:
        return _SYNC_LEVELS["always"]
    if isinstance(level, str) and level in _SYNC_LEVELS:
        return _SYNC_LEVELS[level]
    if isinstance(level, int) and not isinstance(level, bool) and 0 <= level <= 3:
        return level
    raise ValueError(f"sync_level={level!r}: one of None, 'exists', 'size', 'mtime', 'checksum', or 0 to 3")


def _rule_of(rule: FilterRule) -> Tuple[str, bytes, str]:
    if isinstance(rule, Mapping):
        parts = (rule.get("method", "exclude"), rule.get("name", ""), rule.get("type") or "")
    elif isinstance(rule, (tuple, list)) and len(rule) in (2, 3):
        parts = (*rule, "")[:3]  # type: ignore[assignment]
    else:
        raise TypeError(f"filter {rule!r}: give (method, pattern) or (method, pattern, type)")
    method, pattern, kind = parts
    if method not in _FILTER_METHODS or not pattern or kind not in _FILTER_TYPES:
        raise ValueError(f"filter {rule!r}: the method is 'include' or 'exclude', the pattern is not empty, the type is "
                         "'file', 'dir' or absent")
    return method, os.fsencode(pattern), kind


def _shown(value: Any) -> str:
    return "<future>" if is_future(value) else os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)
