# SPDX-License-Identifier: Apache-2.0
"""Directories that are kept mirrored: the syncs of this user, which ``wherry sync`` shows as well.

::

    from wherry.sync import Sync

    frames = Sync.add("frames", "detector", "/2018", "archive", "/2018", deletions="keep")
    report = frames.run()
    print(report.end, report.counts["added"], "new files")
    for path, message in report.problems:
        print(path, message)

A sync remembers what is confirmed at its destination, so that a pass looks at the source alone and moves what changed.
``wherry sync watch`` runs the passes of all by themselves.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import _wherry
from .client import Client, default_client
from .data import FilterRule, _rule_of

__all__ = ["Pass", "Sync"]


@dataclasses.dataclass(frozen=True)
class Pass:
    """What one pass of a sync did.

    number
        From 1; 0 for a dry run.
    label
        What its tasks are called.
    end
        "done"; "incomplete": something failed, and is tried again by the next pass; "stopped": more would have been
        deleted than `max_delete` allows, so nothing was done; "failed": it could not go on.
    message
        Why it did not end well, and what to do.
    started
        In UTC.
    counts
        How many "files" there are at the source; how many were "added", "modified", "renamed" and "removed"; how many
        were left for a later pass because they are still being written ("not_quiet") or failed lately ("delayed"); how
        many could not be read ("unreadable") or moved ("failed"); and how many "bytes" were to be copied.
    task_ids
        The tasks that moved its files.
    problems
        (path, message) of the first hundred.
    """

    number: int
    label: str
    end: str
    message: str
    started: datetime.datetime
    counts: Dict[str, int]
    task_ids: List[str]
    problems: List[Tuple[str, str]]

    @property
    def is_done(self) -> bool:
        """Whether nothing failed."""
        return self.end == "done"

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> "Pass":
        started = datetime.datetime.fromtimestamp(fields["started"], datetime.timezone.utc)
        return cls(**{**fields, "started": started})


class Sync:
    """A named, repeated copy of one directory tree to another endpoint, of what changed. Made by `Sync.add`.

    name
        What it is called.
    source_endpoint_id, source_path
        Which tree.
    destination_endpoint_id, destination_path
        Where its copy is.
    deletions
        "keep", "propagate" or "archive"; see `add`.
    paused
        Whether no pass begins.

    The fields are as they were when it was made or asked for. A call that finds no such sync any more raises
    `NotFoundError`.
    """

    def __init__(self, fields: Dict[str, Any], client: Client):
        self._client = client
        self.name: str = fields["name"]
        self.source_endpoint_id: str = fields["source_endpoint_id"]
        self.source_path: str = fields["source_path"]
        self.destination_endpoint_id: str = fields["destination_endpoint_id"]
        self.destination_path: str = fields["destination_path"]
        self.deletions: str = fields["deletions"]
        self.paused: bool = fields["paused"]

    def __repr__(self) -> str:
        return f"<Sync {self.name}: {self.source_path} -> {self.destination_path}>"

    # Finding and making

    @classmethod
    def add(cls, name: str, source_endpoint: str, source_path: str, destination_endpoint: str, destination_path: str, *,
            every: float = 0, cron: str = "", settle: float = 10, deletions: str = "keep", max_delete: float = 50,
            symlinks: str = "ignore", filters: Sequence[FilterRule] = (), verify_checksum: bool = True,
            preserve_mtime: bool = True, renames: bool = True, client: Optional[Client] = None) -> "Sync":
        """Makes a sync; nothing is copied before its first pass. Endpoints are given by name or id.

        name
            Letters, digits, "-", "_" and "."; at most 64. A `WherryError` with code "already exists" if there is one.
        every, cron
            When ``wherry sync watch`` looks at everything: each so many seconds, or by a line of cron in local time,
            "0 3 * * *". With neither, as often as it does by default; changes of local directories it sees at once.
        settle
            Seconds for which a file must have been left alone before it goes.
        deletions
            What becomes at the destination of what has gone at the source: "keep" it, "propagate" the deletion, or
            "archive": move it aside at the destination.
        max_delete
            If more than this percentage of the files would be deleted, the pass stops and does nothing.
        symlinks, filters, verify_checksum, preserve_mtime
            As `wherry.data.transfer_task` takes them.
        renames
            Rename at the destination what was renamed here, instead of moving it again.
        """
        client = client or default_client()
        return cls(_syncs(client).add({
            "name": name, "source_endpoint": source_endpoint, "source_path": source_path,
            "destination_endpoint": destination_endpoint, "destination_path": destination_path, "every": float(every),
            "cron": cron, "settle": float(settle), "deletions": deletions, "max_delete": float(max_delete),
            "symlinks": symlinks, "filters": [_rule_of(rule) for rule in filters], "verify_checksum": verify_checksum,
            "preserve_mtime": preserve_mtime, "renames": renames}), client)

    @classmethod
    def get(cls, name: str, client: Optional[Client] = None) -> "Sync":
        """The sync of that name. `NotFoundError` if there is none."""
        client = client or default_client()
        return cls(_syncs(client).get(name), client)

    @classmethod
    def all(cls, client: Optional[Client] = None) -> List["Sync"]:
        """Every sync, sorted by name."""
        client = client or default_client()
        return [cls(fields, client) for fields in _syncs(client).list()]

    # Using

    def run(self, *, dry_run: bool = False, allow_deletions: bool = False, full: bool = False) -> Pass:
        """Makes a pass now, and answers what it did. Ctrl-C ends it; the next pass finishes what it began.

        `dry_run` finds the changes and does nothing; `allow_deletions` deletes however much is gone; `full` looks at every
        file, also where nothing seems to have changed. A paused sync raises a `WherryError`.
        """
        options = {"dry_run": dry_run, "allow_deletions": allow_deletions, "full": full}
        stop = _wherry.StopSignal()
        # By another thread, so that this one can take ctrl-C.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(_syncs(self._client).run, self.name, options, stop)
            try:
                return Pass._of(running.result())
            except BaseException:
                stop.request()
                raise

    def history(self, limit: int = 20) -> List[Pass]:
        """Its passes, newest first, at most `limit`."""
        return [Pass._of(fields) for fields in _syncs(self._client).history(self.name, limit)]

    def pause(self) -> None:
        """No pass begins until `resume()`."""
        _syncs(self._client).pause(self.name)
        self.paused = True

    def resume(self) -> None:
        """Passes begin again."""
        _syncs(self._client).resume(self.name)
        self.paused = False

    def remove(self) -> None:
        """Forgets it, with its history. What is at the destination stays."""
        _syncs(self._client).remove(self.name)


def _syncs(client: Client) -> _wherry.Syncs:
    client._open()
    return _wherry.Syncs(client._session)
