# SPDX-License-Identifier: Apache-2.0
"""What a service tells: endpoints, files, tasks and what happened to them. Each is a snapshot, and never changes.

Times are `datetime.datetime` in UTC. Sizes are bytes. Names and paths are as `os.listdir` gives them: bytes that are not
UTF-8 are surrogates, and `os.fsencode` gives the bytes.
"""

from __future__ import annotations

import dataclasses
import datetime
import html
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Endpoint", "Event", "FailedFile", "FileInfo", "Task", "TransferredFile"]


def _time(seconds: Optional[float]) -> Optional[datetime.datetime]:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def _table(rows: List[Tuple[str, Any]]) -> str:
    cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A named place that holds files.

    id
        Its number, a UUID; what tasks tell.
    display_name
        Its name. On a service of many people several endpoints may have the same.
    owner
        Whose it is.
    description, organization, keywords
        What its owner says about it.
    default_directory
        Where people usually begin in it; empty: at its root, "/".
    read_only
        Whether nothing can be written there.
    """

    id: str
    display_name: str
    owner: str
    description: str
    organization: str
    keywords: List[str]
    default_directory: str
    read_only: bool

    def __str__(self) -> str:
        return self.display_name

    def _repr_html_(self) -> str:
        return _table([("name", self.display_name), ("id", self.id), ("owner", self.owner),
                       ("description", self.description), ("read only", self.read_only)])


@dataclasses.dataclass(frozen=True)
class FileInfo:
    """A file or directory, as `Client.ls` and `Client.stat` tell of it. Of a symlink: of what it leads to.

    name
        Without the path to it.
    type
        "file", "dir", "symlink" (one that leads nowhere) or "other".
    size
        Bytes.
    mode
        Permission bits, such as 0o644.
    last_modified
        In UTC.
    user, group
        By name; empty if that is not known.
    link_target
        Where it leads, if it is a symlink; else None.
    """

    name: str
    type: str
    size: int
    mode: int
    last_modified: Optional[datetime.datetime]
    user: str
    group: str
    link_target: Optional[str]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, or a symlink to one."""
        return self.type == "dir"

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> "FileInfo":
        return cls(**{**fields, "last_modified": _time(fields["last_modified"])})


@dataclasses.dataclass(frozen=True)
class TransferredFile:
    """A file that was copied and verified.

    source_path, destination_path
        From the root of their endpoints.
    size
        Bytes.
    checksum
        XXH3-128 of the content in hexadecimal; empty where the service does not tell.
    """

    source_path: str
    destination_path: str
    size: int
    checksum: str


@dataclasses.dataclass(frozen=True)
class FailedFile:
    """A file or directory that a task could not move, and why.

    source_path, destination_path
        From the root of their endpoints.
    code
        The kind of trouble: "FILE_NOT_FOUND", "PERMISSION_DENIED", ...
    details
        The same in a sentence.
    is_directory
        Whether it is a directory.
    """

    source_path: str
    destination_path: str
    code: str
    details: str
    is_directory: bool


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a task.

    time
        When, in UTC.
    code
        What: "STARTED", "SUCCEEDED", "CANCELED", "PERMISSION_DENIED", ...
    description, details
        The same for people: a few words, and all there is to say.
    is_error
        Whether it was a trouble.
    """

    time: datetime.datetime
    code: str
    description: str
    details: str
    is_error: bool

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> "Event":
        return cls(**{**fields, "time": _time(fields["time"])})


@dataclasses.dataclass(frozen=True)
class Task:
    """A transfer or deletion as the service had it when it was asked. `refresh()` asks again.

    task_id
        Its number, a UUID.
    type
        "TRANSFER" or "DELETE".
    status
        "ACTIVE", "INACTIVE" (it needs a person, for a login say), "SUCCEEDED" or "FAILED" (also: cancelled, or its
        deadline has passed).
    label
        What it is called.
    owner
        Who submitted it.
    source_endpoint_id, destination_endpoint_id
        Between which endpoints; a deletion has the first alone, the other is empty.
    request_time, deadline, completion_time
        When it was submitted, when it fails if it has not ended, and when it ended (None until then); in UTC.
    items
        How many paths were asked for. With `recursive` one path can be many files.
    files, directories, bytes
        Found so far; they grow while directories are read.
    files_transferred, bytes_transferred
        Copied so far.
    bytes_checksummed
        Verified by checksum so far.
    files_skipped
        Files that were up to date, or were to be ignored.
    files_failed
        Files that could not be copied; `failed_files()` names them.
    removed
        Files and directories that a deletion has removed.
    bytes_per_second
        On average, since work began.
    faults
        Troubles so far, those that passed when it tried again among them.
    nice_status, nice_status_details
        How it fares: "Queued", "OK" or the code of the trouble, with a sentence about that; empty when it has ended.
    is_paused
        Whether somebody who looks after an endpoint holds it back.
    current_file
        The file it was last seen at; empty when it has ended.
    fatal_error
        Why it failed as a whole: (code, description), or None.
    """

    task_id: str
    type: str
    status: str
    label: str
    owner: str
    source_endpoint_id: str
    destination_endpoint_id: str
    request_time: datetime.datetime
    deadline: datetime.datetime
    completion_time: Optional[datetime.datetime]
    items: int
    files: int
    directories: int
    files_transferred: int
    files_skipped: int
    files_failed: int
    removed: int
    bytes: int
    bytes_transferred: int
    bytes_checksummed: int
    bytes_per_second: float
    faults: int
    nice_status: str
    nice_status_details: str
    is_paused: bool
    current_file: str
    fatal_error: Optional[Tuple[str, str]]
    _client: Optional["Client"] = dataclasses.field(default=None, repr=False, compare=False)

    @classmethod
    def _of(cls, fields: Dict[str, Any], client: Optional["Client"]) -> "Task":
        times = {name: _time(fields[name]) for name in ("request_time", "deadline", "completion_time")}
        return cls(**{**fields, **times, "_client": client})

    @property
    def has_ended(self) -> bool:
        """Whether it is SUCCEEDED or FAILED. An INACTIVE one can go on."""
        return self.status in ("SUCCEEDED", "FAILED")

    @property
    def fraction(self) -> float:
        """How much is done of what was found so far, from 0 to 1: by bytes, or by files if all are empty."""
        if self.status == "SUCCEEDED":
            return 1.0
        if self.bytes:
            return min(self.bytes_transferred / self.bytes, 1.0)
        done = self.files_transferred + self.files_skipped
        return min(done / self.files, 1.0) if self.files else 0.0

    # What can be asked or done

    def refresh(self) -> "Task":
        """The task as it is now."""
        return self._service_client().task(self.task_id)

    def wait(self, timeout: Optional[float] = None) -> "Task":
        """Blocks until it is not ACTIVE, and answers it as it is then; `TimeoutError` after `timeout` seconds."""
        return self._service_client().wait(self.task_id, timeout)

    def cancel(self) -> None:
        """Asks the service to end it; what was copied stays. `wait()` tells when it has ended."""
        self._service_client().cancel(self.task_id)

    def events(self, limit: int = 100) -> List[Event]:
        """What happened to it, newest first."""
        return self._service_client().events(self.task_id, limit)

    def transferred_files(self) -> List[TransferredFile]:
        """What it copied and verified so far."""
        return self._service_client().transferred_files(self.task_id)

    def failed_files(self) -> List[FailedFile]:
        """What it could not move."""
        return self._service_client().failed_files(self.task_id)

    def _service_client(self) -> "Client":
        if self._client is None:
            raise ValueError("this task was unpickled without its client: ask Client.task(task_id)")
        return self._client

    def __str__(self) -> str:
        return f"{self.type.lower()} {self.task_id}: {self.status}, {self.fraction:.0%}"

    def _repr_html_(self) -> str:
        return _table([
            ("task", self.task_id), ("label", self.label), ("status", self.status + (" (paused)" if self.is_paused else "")),
            ("files", f"{self.files_transferred} of {self.files}, {self.files_failed} failed"),
            ("bytes", f"{_size(self.bytes_transferred)} of {_size(self.bytes)}, {_size(self.bytes_per_second)}/s"),
            ("trouble", ": ".join(self.fatal_error) if self.fatal_error else self.nice_status_details)])
