# SPDX-License-Identifier: Apache-2.0
"""What a service tells: endpoints, files, tasks and what happened to them. Each is a snapshot, and never changes."""

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
    """A named place that holds files."""

    id: str
    display_name: str
    owner: str
    description: str
    organization: str
    keywords: List[str]
    #: Where relative paths begin, for people; empty means "/".
    default_directory: str
    read_only: bool

    def __str__(self) -> str:
        return self.display_name

    def _repr_html_(self) -> str:
        return _table([("name", self.display_name), ("id", self.id), ("owner", self.owner),
                       ("description", self.description), ("read only", self.read_only)])


@dataclasses.dataclass(frozen=True)
class FileInfo:
    """A line of a listing. Names are as `os.listdir` gives them: bytes that are not UTF-8 are surrogates."""

    name: str
    #: "file", "dir", "symlink" (one that leads nowhere) or "other".
    type: str
    size: int
    #: Permission bits.
    mode: int
    last_modified: Optional[datetime.datetime]
    user: str
    group: str
    #: Where it leads, if it is a symlink.
    link_target: Optional[str]

    @property
    def is_directory(self) -> bool:
        return self.type == "dir"

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> "FileInfo":
        return cls(**{**fields, "last_modified": _time(fields["last_modified"])})


@dataclasses.dataclass(frozen=True)
class TransferredFile:
    """A file that was moved and verified. Paths begin at the root of their endpoint."""

    source_path: str
    destination_path: str
    size: int
    #: XXH3-128 of the content in hexadecimal; empty where the service does not tell.
    checksum: str


@dataclasses.dataclass(frozen=True)
class FailedFile:
    """What a task could not move, and why."""

    source_path: str
    destination_path: str
    #: FILE_NOT_FOUND, PERMISSION_DENIED, ...
    code: str
    details: str
    is_directory: bool


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a task."""

    time: datetime.datetime
    #: STARTED, SUCCEEDED, CANCELED, PERMISSION_DENIED, ...
    code: str
    description: str
    details: str
    is_error: bool

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> "Event":
        return cls(**{**fields, "time": _time(fields["time"])})


@dataclasses.dataclass(frozen=True)
class Task:
    """A transfer or deletion as the service had it when it was asked. `refresh()` asks again."""

    task_id: str
    #: "TRANSFER" or "DELETE".
    type: str
    #: "ACTIVE", "INACTIVE" (it needs a person), "SUCCEEDED" or "FAILED" (also: cancelled, expired).
    status: str
    label: str
    owner: str
    source_endpoint_id: str
    #: Empty for a deletion.
    destination_endpoint_id: str
    request_time: datetime.datetime
    deadline: datetime.datetime
    completion_time: Optional[datetime.datetime]
    #: Lines of the request.
    items: int
    #: Found so far; grows while directories are read.
    files: int
    directories: int
    files_transferred: int
    #: Up to date, or to be ignored.
    files_skipped: int
    files_failed: int
    #: Files and directories that were deleted.
    removed: int
    #: Of the files found so far.
    bytes: int
    bytes_transferred: int
    bytes_checksummed: int
    bytes_per_second: float
    faults: int
    #: "Queued", "OK" or the code of the trouble; empty when it has ended.
    nice_status: str
    nice_status_details: str
    is_paused: bool
    current_file: str
    #: (code, description) of a failed task.
    fatal_error: Optional[Tuple[str, str]]
    _client: Optional["Client"] = dataclasses.field(default=None, repr=False, compare=False)

    @classmethod
    def _of(cls, fields: Dict[str, Any], client: Optional["Client"]) -> "Task":
        times = {name: _time(fields[name]) for name in ("request_time", "deadline", "completion_time")}
        return cls(**{**fields, **times, "_client": client})

    @property
    def has_ended(self) -> bool:
        return self.status in ("SUCCEEDED", "FAILED")

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1: by bytes where there are any. Of what was found so far."""
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
        """Blocks until it is not ACTIVE; `TimeoutError` after `timeout` seconds."""
        return self._service_client().wait(self.task_id, timeout)

    def cancel(self) -> None:
        """Asks the service to end it."""
        self._service_client().cancel(self.task_id)

    def events(self, limit: int = 100) -> List[Event]:
        """What happened to it, newest first."""
        return self._service_client().events(self.task_id, limit)

    def transferred_files(self) -> List[TransferredFile]:
        """What it moved and verified so far."""
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
