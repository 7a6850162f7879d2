# SPDX-License-Identifier: Apache-2.0
"""`Client`: the endpoints, files and tasks of a service.

::

    from wherry import Client

    with Client() as client:                       # this machine; Client("globus"), Client("https://wherry.example.org")
        client.create_endpoint("lab", "/data/lab")
        client.create_endpoint("archive", "/archive")
        for file in client.ls("lab", "/run42"):
            print(file.name, file.size)
        task = client.transfer("lab", "archive", "/run42", "/2018/run42", recursive=True)
        print(task.result())
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from . import _process
from .model import Endpoint, Event, FailedFile, FileInfo, Task, TransferredFile

if TYPE_CHECKING:
    from . import _wherry
    from .futures import DataTask

__all__ = ["Client", "default_client"]

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

_SLICE = 0.5  # seconds between looks for ctrl-C while a call waits


class Client:
    """A service, as programs use it: its endpoints, their files, and the tasks that move them.

    service
        Where endpoints and tasks are: "local" (the state directory of this user, as the command ``wherry`` uses it;
        this process then does the work), "globus", or the address of a ``wherry serve``. None takes the setting
        `service`, which is "local" by default. For a service elsewhere, log in once with ``wherry login``.
    state_dir
        The state directory, by default that of the setting `state.dir`, ~/.local/state/wherry.
    settings
        Instead of those of the settings file and the variables WHERRY_*; names and values are those of
        ``wherry config show``: ``Client(settings={"transfer.workers": "4"})``.
    batch_window
        Transfers between the same two endpoints with the same options that are started within this many seconds
        travel in one task, each with its own result. 0 makes each a task of its own.

    It is cheap to make: nothing is opened or asked before the first call. Safe for concurrent calls. Clients of one state
    directory share what they have open, which ends with the last of them or with the interpreter; their settings must
    be the same. A client can be pickled; the copy opens the state directory where it is used.

    Endpoints are given by name or id, paths from the root of the endpoint, with or without a slash before them. What goes
    wrong is a `WherryError`: `NotFoundError` for an endpoint, file or task that does not exist, `LoginNeededError` where
    ``wherry login`` is needed; the others are in `wherry.errors`.
    """

    def __init__(self, service: Optional[str] = None, *, state_dir: Optional[Path] = None,
                 settings: Optional[Mapping[str, str]] = None, batch_window: float = 0.05):
        self._service_name = service
        self._settings: Dict[str, str] = {str(name): str(value) for name, value in (settings or {}).items()}
        if state_dir is not None:
            self._settings["state.dir"] = os.fsdecode(os.path.abspath(state_dir))
        if batch_window < 0:
            raise ValueError("batch_window is negative")
        self._batch_window = float(batch_window)
        self._lock = threading.Lock()
        self._directory: Optional[str] = None
        self._session: Optional["_wherry.Session"] = None
        self._service: Optional["_wherry.Service"] = None
        self._pid = os.getpid()
        self._is_closed = False

    # Opening and closing

    @property
    def service(self) -> str:
        """Which service it is: "local", "globus" or an address."""
        self._open()
        assert self._service_name is not None
        return self._service_name

    @property
    def state_dir(self) -> str:
        """The path of the state directory."""
        self._open()
        assert self._directory is not None
        return self._directory

    def close(self) -> None:
        """Ends the use of this client; ``with Client() as client:`` calls it.

        If no other client of this process uses the state directory, its threads end, and tasks of `wherry.data` that
        have not ended become False here. At the service they stay as they are: those of this machine go on with the
        next program that runs tasks, those of a service elsewhere go on there.
        """
        with self._lock:
            self._is_closed = True
            directory, self._directory, self._session, self._service = self._directory, None, None, None
        if directory is not None and self._pid == os.getpid():
            _process.release(directory)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _open(self) -> "_wherry.Service":
        if self._pid != os.getpid():
            # A fork: its threads may have held the lock. If the parent had nothing open, all is as new.
            self._lock, self._pid = threading.Lock(), os.getpid()
            self._directory = self._session = self._service = None
        service = self._service
        if service is not None:
            return service
        with self._lock:
            if self._is_closed:
                raise ValueError("the client is closed")
            if self._service is None:
                directory, configured, session = _process.acquire(self._settings)
                self._directory, self._session = directory, session
                self._service_name = self._service_name or configured
                self._service = session.service(self._service_name)
            return self._service

    def __getstate__(self) -> Dict[str, Any]:
        return {"service": self._service_name, "settings": self._settings, "batch_window": self._batch_window}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__init__(state["service"], settings=state["settings"], batch_window=state["batch_window"])  # type: ignore

    def __repr__(self) -> str:
        return f"<wherry.Client of {self._service_name or 'the configured service'}>"

    # Endpoints

    def endpoints(self, search: str = "", limit: int = 1000) -> List[Endpoint]:
        """At most `limit` endpoints, sorted by name: those with `search` in name, description, organization or keywords."""
        return [Endpoint(**fields) for fields in self._open().endpoints(search, limit)]

    def endpoint(self, name_or_id: str) -> Endpoint:
        """One endpoint. `NotFoundError` if there is none; an error that lists their ids if several have the name."""
        return Endpoint(**self._open().endpoint(name_or_id))

    def create_endpoint(self, name: str, directory: Path, *, read_only: bool = False,
                        bytes_per_second: int = 0) -> Endpoint:
        """Makes a directory of this machine an endpoint, as ``wherry endpoint create`` does. Of the service "local" only.

        `read_only` refuses to write there. `bytes_per_second` is what transfers from and to it take together; 0: as
        much as they can.
        """
        return Endpoint(**self._open().create_endpoint(name, os.fsencode(os.path.abspath(directory)), read_only,
                                                       bytes_per_second))

    def delete_endpoint(self, name_or_id: str) -> None:
        """Forgets an endpoint of the service "local". Its files stay."""
        self._open().delete_endpoint(name_or_id)

    # Files

    def ls(self, endpoint: str, path: Path = "/") -> List[FileInfo]:
        """The files and directories in a directory, sorted by name."""
        return [FileInfo._of(fields) for fields in self._open().list(endpoint, os.fsencode(path))]

    def stat(self, endpoint: str, path: Path) -> FileInfo:
        """One file or directory."""
        return FileInfo._of(self._open().stat(endpoint, os.fsencode(path)))

    def mkdir(self, endpoint: str, path: Path) -> None:
        """Makes a directory, in one that exists; a `WherryError` with code "already exists" if there is one."""
        self._open().make_directory(endpoint, os.fsencode(path))

    def rename(self, endpoint: str, old_path: Path, new_path: Path) -> None:
        """Renames a file or directory within its endpoint. Nothing is replaced: a `WherryError` with code "already exists"."""
        self._open().rename(endpoint, os.fsencode(old_path), os.fsencode(new_path))

    # Moving data

    def transfer(self, source_endpoint: str, destination_endpoint: str, source_path: Path, destination_path: Path,
                 **options: Any) -> "DataTask":
        """Starts a transfer, and answers at once; `options` are those of `wherry.data.transfer_task`."""
        from .data import transfer_task
        return transfer_task(source_endpoint, destination_endpoint, source_path, destination_path, client=self, **options)

    def delete(self, endpoint: str, path: Path, **options: Any) -> "DataTask":
        """Starts a deletion, and answers at once; `options` are those of `wherry.data.delete_task`."""
        from .data import delete_task
        return delete_task(endpoint, path, client=self, **options)

    # Tasks

    def task(self, task_id: str) -> Task:
        """A task by its id."""
        return Task._of(self._open().task(task_id), self)

    def tasks(self, status: Union[str, Sequence[str]] = (), *, label: str = "", limit: int = 100) -> List[Task]:
        """At most `limit` tasks, newest first.

        `status` is one or several of "ACTIVE", "INACTIVE", "SUCCEEDED" and "FAILED"; by default any. `label` is a pattern
        with ``*`` and ``?`` for the whole label.
        """
        statuses = [status] if isinstance(status, str) else list(status)
        return [Task._of(fields, self) for fields in self._open().tasks(statuses, label, limit)]

    def wait(self, task_id: str, timeout: Optional[float] = None) -> Task:
        """Blocks until a task is not ACTIVE, and answers it: see its `status`. `TimeoutError` after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if end is None else min(_SLICE, max(end - time.monotonic(), 0.0))
            if (fields := self._open().wait(task_id, left)) is not None:
                return Task._of(fields, self)
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"task {task_id} has not ended after {timeout} s; it goes on")

    def cancel(self, task_id: str) -> None:
        """Asks the service to end a task; what was copied stays. `wait` tells when it has ended."""
        self._open().cancel(task_id)

    def events(self, task_id: str, limit: int = 100) -> List[Event]:
        """What happened to a task, newest first, at most `limit` events."""
        return [Event._of(fields) for fields in self._open().events(task_id, limit)]

    def transferred_files(self, task_id: str) -> List[TransferredFile]:
        """What a task copied and verified so far."""
        return [TransferredFile(**fields) for fields in _all_pages(self._open().successful_transfers, task_id)]

    def failed_files(self, task_id: str) -> List[FailedFile]:
        """What a task could not copy or delete."""
        return [FailedFile(**fields) for fields in _all_pages(self._open().item_errors, task_id)]


def _all_pages(ask: Any, task_id: str) -> List[Dict[str, Any]]:
    rows: List[Dict[str, Any]] = []
    marker: Optional[int] = 0
    while marker is not None:
        page, marker = ask(task_id, marker)
        rows.extend(page)
    return rows


_default: Optional[Client] = None


def default_client() -> Client:
    """What is used where no client is given: a `Client()`, of the configured service. The same one each time."""
    global _default
    if _default is None:
        _default = Client()
    return _default
