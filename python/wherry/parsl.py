# SPDX-License-Identifier: Apache-2.0
"""Parsl stages the files of its apps with Wherry.

::

    from parsl import Config, File, HighThroughputExecutor, bash_app
    from wherry.parsl import WherryStaging

    Config(executors=[HighThroughputExecutor(
        working_dir="/scratch/me/work",
        storage_access=[WherryStaging("hpc-scratch", endpoint_path="/me", local_path="/scratch/me")])])

    @bash_app
    def sort(inputs=(), outputs=()):
        return f"sort {inputs[0]} > {outputs[0]}"

    done = sort(inputs=[File("wherry://my-laptop/data/words.txt")],
                outputs=[File("wherry://my-laptop/data/sorted.txt")])
    done.outputs[0].result()

URLs are ``wherry://ENDPOINT/path`` and ``globus://ENDPOINT/path``, which mean the same; ENDPOINT is an id or a name (with
%20 for a space), the path is taken as it stands. ``file:///path`` is staged as well if `file_endpoint` says on which
endpoint those paths are. A URL that ends in a slash is a directory.

As Parsl's own provider for Globus, with these differences: files that are wanted close together travel in one task;
files of the same name do not overwrite each other, because each URL has a directory of its own below the working
directory; directories can be staged; and what fails, in either direction, is raised by the future that waits for it.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import posixpath
import threading
import urllib.parse
from typing import Any, Dict, Optional, Tuple

from .client import Client
from .data import transfer_task
from .errors import WherryError

try:
    from parsl.data_provider.staging import Staging
except ImportError:  # then nobody stages with it, but it can be imported and read about
    Staging = object

__all__ = ["WherryStaging"]


class WherryStaging(Staging):
    """A staging provider, for the `storage_access` of an executor that has a `working_dir`.

    endpoint
        The endpoint, by name or id, on which the working directory of the executor is.
    endpoint_path, local_path
        The same directory as the endpoint and as the executor see it; the working directory is in it. Both or neither:
        without them, paths are the same on both.
    client
        A `wherry.Client`; by default that of the configured service.
    file_endpoint
        The endpoint, from whose root ``file://`` URLs count. None leaves them to another provider.
    options
        Of every transfer, as `wherry.data.transfer_task` takes them: timeout, verify_checksum, label, ...
    """

    def __init__(self, endpoint: str, endpoint_path: Optional[str] = None, local_path: Optional[str] = None, *,
                 client: Optional[Client] = None, file_endpoint: Optional[str] = None, **options: Any):
        if (endpoint_path is None) != (local_path is None):
            raise ValueError("endpoint_path and local_path are the same directory seen from two sides: give both")
        self.endpoint = endpoint
        self.endpoint_path = endpoint_path
        self.local_path = local_path
        self.client = client
        self.file_endpoint = file_endpoint
        self.options = options
        self._lock = threading.Lock()
        self._coming: Dict[Tuple[str, str], concurrent.futures.Future] = {}

    def __repr__(self) -> str:
        return f"WherryStaging({self.endpoint!r}, {self.endpoint_path!r}, {self.local_path!r})"

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_coming")}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _coming={})

    # What Parsl calls

    def can_stage_in(self, file: Any) -> bool:
        """Whether it brings files of this URL."""
        return file.scheme in ("wherry", "globus") or (file.scheme == "file" and self.file_endpoint is not None)

    def can_stage_out(self, file: Any) -> bool:
        """Whether it takes results to this URL."""
        return self.can_stage_in(file)

    def stage_in(self, dm: Any, executor: str, file: Any, parent_fut: Any) -> concurrent.futures.Future:
        """Starts to bring a file; the answer is a future of it, which the app waits for."""
        there, path = self._place_of(file)
        here, file.local_path = self._staged_place(dm, executor, file, "in")
        key = (file.url, here)
        with self._lock:
            transfer = self._coming.get(key)
            if transfer is None or parent_fut is not None:
                # What came before is looked at again, and copied if it differs by now.
                transfer = transfer_task(there, self.endpoint, path, here, client=self.client, strict=True,
                                         recursive=_is_directory(file), inputs=[parent_fut] if parent_fut else [],
                                         **{"sync_level": "checksum", **self.options})
                self._coming[key] = transfer
        transfer.add_done_callback(lambda ended: self._has_come(key, ended))
        return _FileFuture(transfer, file)

    def stage_out(self, dm: Any, executor: str, file: Any, app_fu: Any) -> concurrent.futures.Future:
        """Starts to take a result away once the app has made it; the answer is a future of that."""
        there, path = self._place_of(file)
        here, file.local_path = self._staged_place(dm, executor, file, "out")
        self._make_directories(here if _is_directory(file) else posixpath.dirname(here))
        return transfer_task(self.endpoint, there, here, path, client=self.client, strict=True,
                             recursive=_is_directory(file), inputs=[app_fu], **self.options)

    def replace_task(self, dm: Any, executor: str, file: Any, func: Any) -> None:
        """None: the app is run as it is."""
        return None

    def replace_task_stage_out(self, dm: Any, executor: str, file: Any, func: Any) -> None:
        """None: the app is run as it is."""
        return None

    # Places

    def _place_of(self, file: Any) -> Tuple[str, str]:
        """The endpoint and the path there that a URL names."""
        if file.scheme == "file":
            assert self.file_endpoint is not None
            return self.file_endpoint, file.path
        if not file.netloc:
            raise ValueError(f"'{file.url}' names no endpoint: write {file.scheme}://ENDPOINT/path")
        return urllib.parse.unquote(file.netloc), file.path

    def _staged_place(self, dm: Any, executor: str, file: Any, direction: str) -> Tuple[str, str]:
        """Where a file is while an app works with it: as the endpoint and as the executor see it."""
        working_dir = dm.dfk.executors[executor].working_dir
        if not working_dir:
            raise ValueError(f"the executor '{executor}' has no working_dir; files are staged below it")
        working_dir = posixpath.normpath(os.fspath(working_dir))
        name = posixpath.basename(file.path.rstrip("/"))
        if not name:
            raise ValueError(f"'{file.url}' names no file or directory")
        url = hashlib.sha256(file.url.encode(errors="surrogateescape")).hexdigest()[:16]
        local = posixpath.join(working_dir, f"wherry-{direction}", url, name)
        if self.local_path is None or self.endpoint_path is None:
            return local, local
        root = posixpath.normpath(self.local_path)
        if posixpath.commonpath([root, local]) != root:
            raise ValueError(f"the working_dir '{working_dir}' of the executor '{executor}' is not in the local_path "
                             f"'{root}' of {self!r}")
        return posixpath.join(self.endpoint_path, posixpath.relpath(local, root)), local

    def _make_directories(self, path: str) -> None:
        client = self.client or Client()
        missing = []
        while path.strip("/"):
            try:
                client.stat(self.endpoint, path)
                break
            except WherryError as error:
                if error.code != "not found":
                    raise
            missing.append(path)
            path = posixpath.dirname(path)
        for directory in reversed(missing):
            try:
                client.mkdir(self.endpoint, directory)
            except WherryError as error:
                if error.code != "already exists":
                    raise

    def _has_come(self, key: Tuple[str, str], ended: concurrent.futures.Future) -> None:
        with self._lock:
            if self._coming.get(key) is ended:
                del self._coming[key]


class _FileFuture(concurrent.futures.Future):
    """A future of a file of Parsl: ends with the file when the transfer has, or with what is wrong with that."""

    def __init__(self, transfer: concurrent.futures.Future, file: Any):
        super().__init__()
        self.file_obj = file
        transfer.add_done_callback(self._ended)

    @property
    def filepath(self) -> str:
        return self.file_obj.filepath

    @property
    def filename(self) -> str:
        return self.filepath

    def _ended(self, transfer: concurrent.futures.Future) -> None:
        if error := transfer.exception():
            self.set_exception(error)
        else:
            self.set_result(self.file_obj)


def _is_directory(file: Any) -> bool:
    return file.url.endswith("/")
