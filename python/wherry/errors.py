# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, as exceptions.

All are a `WherryError`, which is a `RuntimeError`. Its text says what was being done, where, why it failed and what to
do next; `code` says the kind of trouble in a word or two, `retry` whether trying again can help:

=================  =================================================================  =====================
`code`             meaning                                                            class
=================  =================================================================  =====================
not found          the named thing does not exist                                     `NotFoundError`
already exists     a thing of that name is in the way                                 `WherryError`
denied             permission refused                                                 `WherryError`
login needed       nobody is logged in at the service; run ``wherry login``           `LoginNeededError`
invalid            the request makes no sense, or is refused as dangerous             `InvalidRequestError`
conflict           the state of the world forbids it now                              `WherryError`
no space           disk or quota full                                                 `WherryError`
corrupt            data does not match its checksum                                   `WherryError`
unsupported        this storage or service cannot do it                               `WherryError`
unavailable        a device, network or service is away                               `WherryError`
timeout            a deadline passed                                                  `WherryError`
cancelled          somebody asked to stop                                             `WherryError`
=================  =================================================================  =====================
"""

from __future__ import annotations

from typing import Optional, Tuple

__all__ = ["DependencyError", "ForkedError", "InvalidRequestError", "LoginNeededError", "NotFoundError", "TransferError",
           "WherryError"]


class WherryError(RuntimeError):
    """Something that Wherry was asked for failed. See the table of `wherry.errors` for its `code`."""

    def __init__(self, message: str = "", *, code: str = "", retry: str = "never"):
        super().__init__(message)
        #: The kind of trouble, as in the table of this module.
        self.code = code
        #: "never", "later" (it can pass by itself) or "after user" (a person must act first).
        self.retry = retry


class NotFoundError(WherryError):
    """The named endpoint, file, directory or task does not exist."""


class InvalidRequestError(WherryError, ValueError):
    """The request makes no sense, or is refused as dangerous. Nothing was done."""


class LoginNeededError(WherryError):
    """Nobody is logged in at the service, or a consent is missing. The text names the command to run."""


class ForkedError(WherryError):
    """This process is a fork of one that uses Wherry, and has none of its threads."""


class DependencyError(WherryError):
    """A future that the task was to wait for failed, so the task was never started. The reason is its ``__cause__``."""


class TransferError(WherryError):
    """A transfer or deletion did not succeed. Raised by tasks with ``strict=True``; others have it as `DataTask.error`.

    `task_id` is None if it was never submitted. `timed_out` tells a time-out, after which the task may still go on;
    the text says whether it does.
    """

    def __init__(self, message: str = "", *, code: str = "", retry: str = "never", task_id: Optional[str] = None):
        super().__init__(message, code=code, retry=retry)
        self.task_id = task_id

    @property
    def timed_out(self) -> bool:
        """Whether the time was up before the task had ended."""
        return self.code == "timeout"

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return self.code == "cancelled"


_CLASSES = {"not found": NotFoundError, "invalid": InvalidRequestError, "login needed": LoginNeededError}


def error_of(parts: Tuple[str, str, str]) -> WherryError:
    """The exception for the code, retry class and message that the library gave."""
    code, retry, message = parts
    return _CLASSES.get(code, WherryError)(message, code=code, retry=retry)
