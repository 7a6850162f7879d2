# SPDX-License-Identifier: Apache-2.0
"""Tasks as futures.

A `DataTask` is a `concurrent.futures.Future`: `result()`, `exception()`, `done()`, `add_done_callback()`,
`concurrent.futures.wait()` and `as_completed()` work as with any other, it can be passed to whatever takes a future
(an app of Parsl, another task of Wherry), and it can be awaited::

    ok = await transfer_task("laptop", "scratch", "/data/a.dat", "/run/a.dat")

No thread waits for it, so thousands cost nothing but their memory. Callbacks are called by one thread of Wherry, one
after another: they should be short, and must not wait for another task.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import html
import threading
from typing import TYPE_CHECKING, Any, Callable, Generator, Iterable, List, Optional

from . import _process
from .errors import DependencyError, ForkedError, TransferError, error_of
from .model import Task, TransferredFile

if TYPE_CHECKING:
    from . import _wherry
    from .client import Client

__all__ = ["DataTask", "is_future"]


def is_future(value: Any) -> bool:
    """Whether a value is a future of `concurrent.futures`, of Parsl or of Wherry."""
    if isinstance(value, concurrent.futures.Future):
        return True
    if asyncio.isfuture(value) or asyncio.iscoroutine(value):
        raise TypeError("an asyncio future cannot be waited for by a task: await it, and pass what it gives")
    return False


class DataTask(concurrent.futures.Future):
    """A transfer or deletion under way; `wherry.data` and `Client` make them.

    Its result is True when everything it names is proven to be done, and False when it failed, was cancelled, needs a
    person (INACTIVE) or ran out of time; then `error` says why. With ``strict=True`` `result()` raises that error
    instead. What is wrong with the request itself, such as an endpoint that does not exist, is raised in both cases.

    error
        Why the result is False, a `TransferError`; None while that is not known, and after success.
    """

    def __init__(self, what: str, client: "Client", strict: bool):
        super().__init__()
        self._what = what
        self._client = client
        self._strict = strict
        self._lock = threading.Lock()
        self._handle: Optional["_wherry.Handle"] = None
        self._cancel_requested = False
        self._files_done = 0
        self._bytes_done = 0
        self.error: Optional[TransferError] = None

    # What there is to know

    @property
    def task_id(self) -> Optional[str]:
        """The id of the task at the service; None before it was submitted. Tasks that travel together share one."""
        return self._handle.task_id if self._handle else None

    def progress(self) -> Optional[Task]:
        """The task as the service has it now; None before it was submitted."""
        handle = self._handle
        if handle is None or handle.task_id is None:
            return None
        return Task._of(handle.progress(), self._client)

    def files(self) -> List[TransferredFile]:
        """The files of this transfer that are proven at the destination so far."""
        handle = self._handle
        if handle is None or handle.task_id is None:
            return []
        return [TransferredFile(**fields) for fields in handle.files()]

    @property
    def bytes_transferred(self) -> int:
        """Bytes that this transfer alone has copied; 0 before its end. `progress()` tells of the whole task before."""
        return self._bytes_done

    @property
    def files_transferred(self) -> int:
        """Files that this transfer alone has copied; 0 before its end, or if all were there already."""
        return self._files_done

    # Ending it

    def cancel(self) -> bool:
        """Asks for its end, and answers at once: False if it has ended already, else True.

        The result is False then (with ``strict=True`` a `TransferError` whose `cancelled` is true), once the service
        has ended the task; at once if it was not yet submitted. If other transfers travel in the same task, only this
        one ends. The future itself is never `cancelled()`: it has that result.
        """
        with self._lock:
            if self.done():
                return False
            handle, was_requested = self._handle, self._cancel_requested
            self._cancel_requested = True
        if handle is not None:
            handle.cancel()
        elif not was_requested:
            self._fail(TransferError(f"{self._what}: cancelled before it was submitted", code="cancelled"))
        return True

    # Waiting for it

    def result(self, timeout: Optional[float] = None) -> bool:
        """Waits for its end, for at most `timeout` seconds if given, and answers True or False; see the class.

        `TimeoutError` (of `concurrent.futures`) when it has not ended by then: it goes on. Otherwise raises what
        `exception()` answers.
        """
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Waits as `result()` does, and answers what that raises; None after True and False.

        A `TransferError` with ``strict=True``; `DependencyError` if a future that it was to wait for failed;
        `InvalidRequestError` and others if the request itself is wrong: see `wherry.errors`.
        """
        return super().exception(timeout)

    def __await__(self) -> Generator[Any, None, bool]:
        return asyncio.wrap_future(self).__await__()

    def __repr__(self) -> str:
        return f"<DataTask {self._what}: {self._shown_state()}>"

    def _repr_html_(self) -> str:
        rows = [("what", self._what), ("state", self._shown_state()), ("task", self.task_id or "")]
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<table>{cells}</table>"

    def _shown_state(self) -> str:
        if not self.done():
            return f"task {self.task_id}" if self.task_id else "not yet submitted"
        if self.error:
            return f"failed: {self.error}"
        if self.exception():
            return f"failed: {self.exception()}"
        return f"done, task {self.task_id}"

    def __reduce__(self) -> Any:
        raise TypeError("a task cannot be pickled: it belongs to the process that started it; pass its task_id, or "
                        "its result")

    # Starting it. Each of these is called once.

    def _start_after(self, futures: Iterable[concurrent.futures.Future], begin: Callable[[], "_wherry.Handle"]) -> None:
        """Starts it by `begin` when all `futures` have succeeded."""
        _process.keep(self)
        waiting = list({id(future): future for future in futures}.values())
        missing = len(waiting)
        lock = threading.Lock()

        def ended(_: concurrent.futures.Future) -> None:
            nonlocal missing
            with lock:
                missing -= 1
                if missing > 0:
                    return
            self._start(waiting, begin)

        if not waiting:
            self._start(waiting, begin)
        for future in waiting:
            future.add_done_callback(ended)

    def _start(self, waited: List[concurrent.futures.Future], begin: Callable[[], "_wherry.Handle"]) -> None:
        try:
            if self.done():
                return
            if unsuccessful := _first_unsuccessful(waited):
                self._fail(TransferError(f"{self._what}: not started, because what it was to wait for did not succeed: "
                                         f"{unsuccessful.error}", code=unsuccessful.error.code))
                return
            with self._lock:
                if self._cancel_requested:
                    return
                self.set_running_or_notify_cancel()
                self._handle = begin()
            self._handle.on_ready(self._finish)
        except BaseException as error:  # whoever waits for it learns of it, whatever it is
            _process.forget(self)
            self.set_exception(error)
            if not isinstance(error, Exception):
                raise

    def _finish(self, error: Any, done: Any) -> None:
        """Called by the library."""
        if done is not None:
            _, self._files_done, self._bytes_done = done
            self._end(True)
            return
        code, retry, message = error
        if self.task_id is not None or not _is_about_request(code, message):
            self._fail(TransferError(message, code=code, retry=retry, task_id=self.task_id))
        else:
            _process.forget(self)
            self.set_exception(error_of(error))

    def _fail(self, error: TransferError) -> None:
        self.error = error
        if self._strict:
            _process.forget(self)
            self.set_exception(error)
        else:
            self._end(False)

    def _end(self, result: bool) -> None:
        _process.forget(self)
        self.set_result(result)

    def _abandon(self, error: ForkedError) -> None:
        """In the child of a fork: whoever waits learns that nothing will come. Locks may be held by lost threads."""
        self._condition = threading.Condition()
        self._lock = threading.Lock()
        self._done_callbacks = []
        self._handle = None
        if not self.done():
            self.set_exception(error)


def _is_about_request(code: str, message: str) -> bool:
    """Whether an error of what was never submitted is raised in any case: what no other state of the files could cure."""
    if code == "not found":
        return message.endswith("could not be found")  # an endpoint; of files it is a failure like others
    return code not in ("timeout", "cancelled", "denied", "no space")


def _first_unsuccessful(futures: Iterable[concurrent.futures.Future]) -> Optional[DataTask]:
    """The first task of Wherry that ended with False. An exception of a future is raised as `DependencyError`."""
    found = None
    for future in futures:
        error = concurrent.futures.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            raise DependencyError(f"not started, because what it was to wait for failed: {error!r}",
                                  code=getattr(error, "code", "")) from error
        if found is None and isinstance(future, DataTask) and future.result() is not True:
            found = future
    return found
