# SPDX-License-Identifier: Apache-2.0
"""Sites, apps, jobs and transfer items in the object style of Balsam's API.

::

    from wherry.jobs import ApplicationDefinition, Job, TransferItem

    class Correlate(ApplicationDefinition):
        site = "beamline"
        command_template = "corr {{ mode }} input.h5 > result.txt"
        parameters = {"mode": {"default": "fast"}}
        transfers = {"input": {"direction": "in", "local_path": "input.h5"},
                     "result": {"direction": "out", "local_path": "result.txt"}}

    Correlate.sync()
    jobs = Job.objects.bulk_create(
        Correlate.job(f"run/{n}", transfers={"input": f"lab:/run/{n}.h5", "result": f"archive:/run/{n}.txt"})
        for n in range(100))
    Job.objects.wait(jobs, timeout=3600)
    for item in TransferItem.objects.filter(direction="in", state="active"):
        print(item.remote_path, item.task_id)

What there is lives in the state directory of this user, which the process of the site (``wherry site start``) shares; the
names of states, slots and fields are those of docs/howto/stage-jobs.md. Queries are lazy: `filter`, `exclude`, `order_by`
and slices answer a new query, and ask nothing before they are iterated, counted or indexed. `connect` chooses another
state directory than the default.
"""

from __future__ import annotations

import collections
import datetime
import json
import os
import time
from typing import Any, Dict, Generic, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _wherry
from .client import Client, default_client
from .errors import NotFoundError, WherryError

__all__ = ["ApplicationDefinition", "DoesNotExist", "EventLog", "Job", "JobFailed", "MultipleObjectsReturned", "Site",
           "TransferItem", "WaitResult", "connect"]

_client: Optional[Client] = None
_BULK = 5_000  # what one call takes

#: What `Job.objects.wait` answers: the jobs that have ended, and the others.
WaitResult = collections.namedtuple("WaitResult", "done not_done")


class DoesNotExist(NotFoundError):
    """`get` found nothing."""


class MultipleObjectsReturned(WherryError):
    """`get` found several."""


class JobFailed(WherryError):
    """The job whose result was asked for is FAILED."""


def connect(client: Optional[Client]) -> None:
    """Has everything of this module use the state directory of a client; None: the default one."""
    global _client
    _client = client


def _stores() -> _wherry.JobStores:
    client = _client or default_client()
    client._open()
    return _wherry.JobStores(client._session)


# Queries

Row = TypeVar("Row", bound="_Record")


class Query(Generic[Row]):
    """Rows of one kind; see the module. Iterating it twice asks twice."""

    _FILTERS: Mapping[str, Tuple[str, ...]] = {
        "jobs": ("id", "site_id", "app_id", "parent_id", "state", "state__ne", "batch_job_id", "tags", "workdir__contains",
                 "last_update_after", "last_update_before", "pending_file_cleanup"),
        "items": ("id", "site_id", "job_id", "state", "direction", "job_state", "location_alias", "task_id", "tags",
                  "remote_path__contains"),
        "events": ("job_id", "site_id", "tags", "from_state", "to_state", "timestamp_after", "timestamp_before"),
    }
    _SINGLE = frozenset(("batch_job_id", "workdir__contains", "remote_path__contains", "direction", "pending_file_cleanup",
                         "from_state", "to_state"))

    def __init__(self, row: Type[Row], filters: Dict[str, Any]):
        self._row, self._filters = row, filters

    # Narrowing

    def all(self) -> "Query[Row]":
        """The same rows."""
        return self

    def filter(self, **conditions: Any) -> "Query[Row]":
        """Rows that meet all conditions; of several values for one, any: ``filter(state=["READY", "RUNNING"])``."""
        found = dict(self._filters)
        for name, value in conditions.items():
            found.update(self._condition(name, value))
        return type(self)(self._row, found)

    def exclude(self, *, state: Union[str, Iterable[str]]) -> "Query[Row]":
        """Without jobs of these states."""
        return self.filter(state__ne=state)

    def order_by(self, field: str) -> "Query[Row]":
        """Sorted by "id", "last_update", "state" or "workdir"; with a minus, descending."""
        name = field.lstrip("-")
        if name not in ("id", "last_update", "state", "workdir", "timestamp"):
            raise ValueError(f"cannot order by '{name}'")
        return type(self)(self._row, {**self._filters, "order": name, "descending": field.startswith("-")})

    def _condition(self, name: str, value: Any) -> Dict[str, Any]:
        kind = self._row._KIND
        if name == "site":
            name, value = "site_id", Site._id_of(value)
        elif name == "app":
            name, value = "app_id", [app["id"] for app in _stores().apps([]) if app["name"] == str(value)] or [-1]
        if name not in self._FILTERS[kind]:
            raise TypeError(f"{self._row.__name__} cannot be filtered by '{name}'; known: {', '.join(self._FILTERS[kind])}")
        if name == "tags":
            return {name: {str(key): str(text) for key, text in value.items()}}
        if isinstance(value, datetime.datetime):
            return {name: value.timestamp()}
        if name in self._SINGLE or name.endswith(("_after", "_before")):
            return {name: value}
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            value = [value]
        return {name: [each.id if isinstance(each, _Record) else each for each in value]}

    # Asking

    def count(self) -> int:
        """How many there are."""
        return min(max(self._ask(limit=1)[0] - self._filters.get("offset", 0), 0), self._filters.get("limit", 1 << 62))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return self.count() > 0

    def __iter__(self) -> Iterator[Row]:
        _, rows = self._ask()
        return iter([self._row._of(fields) for fields in rows])

    def __getitem__(self, at: Union[int, slice]) -> Any:
        if isinstance(at, int):
            if at < 0:
                raise ValueError("a query has no negative index; order_by() the other way")
            return list(self[at:at + 1])[0]
        if at.step not in (None, 1) or (at.start or 0) < 0 or (at.stop or 0) < 0:
            raise ValueError("a query has no negative index and no steps")
        begin = at.start or 0
        limit = self._filters.get("limit", 1 << 62) - begin
        if at.stop is not None:
            limit = min(limit, at.stop - begin)
        more = {"offset": self._filters.get("offset", 0) + begin}
        return type(self)(self._row, {**self._filters, **more, **({"limit": max(limit, 0)} if limit < 1 << 61 else {})})

    def first(self) -> Optional[Row]:
        """The first row, or None."""
        return next(iter(self[:1]), None)

    def get(self, **conditions: Any) -> Row:
        """The one row; `DoesNotExist` or `MultipleObjectsReturned` if it is not one."""
        rows = list(self.filter(**conditions)[:2])
        if not rows:
            raise DoesNotExist(f"no {self._row.__name__} with {conditions}", code="not found")
        if len(rows) > 1:
            raise MultipleObjectsReturned(f"several {self._row.__name__}s with {conditions}", code="conflict")
        return rows[0]

    def _ask(self, **more: Any) -> Tuple[int, List[Dict[str, Any]]]:
        filters = {**self._filters, **more}
        if filters.get("limit") == 0:
            return 0, []
        return getattr(_stores(), self._row._KIND)(filters)

    def _whole(self, what: str) -> Dict[str, Any]:
        if "limit" in self._filters or "offset" in self._filters:
            raise ValueError(f"cannot {what} a slice of a query")
        return self._filters

    # Changing

    def update(self, **changes: Any) -> int:
        """Changes all of them (jobs: state, workdir, tags, parameters, data); answers how many."""
        if self._row is not Job:
            raise TypeError(f"{self._row.__name__}s are not changed by hand")
        return _stores().modify(self._whole("update"), _job_change(changes))

    def delete(self) -> int:
        """Deletes all of them (jobs); what is being moved for them is cancelled. Answers how many."""
        if self._row is not Job:
            raise TypeError(f"{self._row.__name__}s go with their jobs")
        return _stores().remove(self._whole("delete"))

    def retry(self) -> int:
        """Has transfer items in error tried again, and their failed jobs go on; answers how many."""
        if self._row is not TransferItem:
            raise TypeError("retry() is for transfer items; of a job, call Job.retry()")
        return _stores().retry_items(self._whole("retry"))

    def __repr__(self) -> str:
        shown = list(self[:5])
        more = self.count() - len(shown)
        return f"[{', '.join(map(repr, shown))}{f', and {more} more' if more > 0 else ''}]"


class _Objects:
    """`objects` of a class: its rows."""

    def __get__(self, _: Any, owner: Any) -> Any:
        return owner._MANAGER(owner, {})


class _Record:
    """A row with its fields as attributes."""

    _KIND = ""
    _MANAGER: Any = Query
    objects = _Objects()
    id: Optional[int] = None

    @classmethod
    def _of(cls, fields: Dict[str, Any]) -> Any:
        made = cls.__new__(cls)
        made._set(fields)
        return made

    def _set(self, fields: Dict[str, Any]) -> None:
        for name, value in fields.items():
            if name in ("created", "last_update", "timestamp", "last_refresh") and value is not None:
                value = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
            setattr(self, name, value)

    def __eq__(self, other: Any) -> bool:
        return type(other) is type(self) and self.id is not None and other.id == self.id

    def __hash__(self) -> int:
        return hash((type(self), self.id))


# The kinds


class Site(_Record):
    """A directory in which jobs run. `Site.objects` is a list of all; sites are made by ``wherry site init``."""

    name: str
    path: str
    alert: str

    class _Sites:
        def __init__(self, *_: Any):
            pass

        def all(self) -> List["Site"]:
            """Every site."""
            return [Site._of(fields) for fields in _stores().sites()]

        def get(self, name: Union[str, int]) -> "Site":
            """The site of that name, number, or part of its path."""
            try:
                return Site._of(_stores().site(str(name)))
            except NotFoundError as error:
                raise DoesNotExist(str(error), code=error.code) from None

        def __iter__(self) -> Iterator["Site"]:
            return iter(self.all())

    _MANAGER = _Sites

    @staticmethod
    def _id_of(site: Union["Site", str, int, None]) -> int:
        if isinstance(site, Site):
            assert site.id is not None
            return site.id
        if site is not None:
            return _stores().site(str(site))["id"]
        sites = _stores().sites()
        here = os.getcwd()
        inside = [each for each in sites if os.path.commonpath([each["path"], here]) == each["path"]]
        if len(inside or sites) != 1:
            raise ValueError("which site? give site=, or work in its directory; there are: "
                             + (", ".join(each["name"] for each in sites) or "none"))
        return (inside or sites)[0]["id"]

    def __repr__(self) -> str:
        return f"<Site {self.id} {self.name}>"


class ApplicationDefinition:
    """What can be run at a site, as a class; see the module. The same as a file in the `apps` of the site.

    `command_template` is run by sh, with the value of each ``{{ parameter }}`` as one word. `transfers` are the slots:
    direction ("in", "out"), local_path, required, recursive, description.
    """

    site: Union[Site, str, int, None] = None
    name: str = ""
    description: str = ""
    command_template: str = ""
    parameters: Mapping[str, Mapping[str, Any]] = {}
    transfers: Mapping[str, Mapping[str, Any]] = {}
    preamble: str = ""
    environment_variables: Mapping[str, str] = {}
    cleanup_files: Sequence[str] = ()
    error_retries: int = 0
    timeout_retries: int = 3

    @classmethod
    def app_name(cls) -> str:
        """What the app is called: `name`, or the name of the class."""
        return cls.name or cls.__name__

    @classmethod
    def sync(cls) -> None:
        """Makes the app known at its site, or changes it there."""
        parameters = {}
        for name, parameter in cls.parameters.items():
            fields = {key: value if key == "required" else str(value) for key, value in parameter.items()}
            fields.setdefault("required", "default" not in fields)
            parameters[name] = fields
        _stores().put_app(Site._id_of(cls.site), {
            "name": cls.app_name(), "description": cls.description or (cls.__doc__ or ""),
            "command_template": cls.command_template, "parameters": parameters,
            "transfers": {name: dict(slot) for name, slot in cls.transfers.items()}, "preamble": cls.preamble,
            "environment_variables": dict(cls.environment_variables), "cleanup_files": list(cls.cleanup_files),
            "error_retries": cls.error_retries, "timeout_retries": cls.timeout_retries})

    @classmethod
    def job(cls, workdir: str, **fields: Any) -> "Job":
        """A job of it, not yet stored: for `Job.objects.bulk_create`. What is no field of a job is a parameter."""
        own = {name: fields.pop(name) for name in list(fields) if name in Job._NEW}
        return Job(workdir, cls, site=cls.site, **{**own, "parameters": {**own.get("parameters", {}), **fields}})

    @classmethod
    def submit(cls, workdir: str, **fields: Any) -> "Job":
        """Stores a job of it."""
        return cls.job(workdir, **fields).save()


class JobQuery(Query["Job"]):
    """`Job.objects`."""

    def create(self, workdir: str, app_id: Any, **fields: Any) -> "Job":
        """Stores one job."""
        return Job(workdir, app_id, **fields).save()

    def bulk_create(self, jobs: Iterable["Job"]) -> List["Job"]:
        """Stores many, 5,000 at a time, each time all or none; answers them with their numbers."""
        made: List[Job] = []
        by_site: Dict[int, List[Job]] = {}
        for job in jobs:
            by_site.setdefault(Site._id_of(job.site), []).append(job)
        for site, of_site in by_site.items():
            for begin in range(0, len(of_site), _BULK):
                rows = _stores().create(site, [job._new_fields() for job in of_site[begin:begin + _BULK]])
                made.extend(Job._of(fields) for fields in rows)
        return made

    def bulk_update(self, jobs: Iterable["Job"]) -> None:
        """Stores what was changed of each."""
        for job in jobs:
            job.save()

    def wait(self, jobs: Iterable["Job"], return_when: str = "ALL_COMPLETED", timeout: Optional[float] = None,
             poll_interval: float = 1.0) -> WaitResult:
        """Waits until all jobs (or with "FIRST_COMPLETED" one) have ended, or the time is up."""
        left = {job.id: job for job in jobs}
        done: List[Job] = []
        end = None if timeout is None else time.monotonic() + timeout
        while left:
            ids = list(left)
            for begin in range(0, len(ids), _BULK):
                for job in self.filter(id=ids[begin:begin + _BULK], state=sorted(Job.ENDED)):
                    left.pop(job.id).__dict__.update(job.__dict__)
                    done.append(job)
            if not left or (done and return_when == "FIRST_COMPLETED"):
                break
            if end is not None and time.monotonic() >= end:
                break
            time.sleep(poll_interval if end is None else max(min(poll_interval, end - time.monotonic()), 0.0))
        return WaitResult(done, list(left.values()))

    def as_completed(self, jobs: Iterable["Job"], timeout: Optional[float] = None,
                     poll_interval: float = 1.0) -> Iterator["Job"]:
        """Jobs as they end; `TimeoutError` when the time is up."""
        left = list(jobs)
        end = None if timeout is None else time.monotonic() + timeout
        while left:
            remaining = None if end is None else end - time.monotonic()
            done, left = self.wait(left, "FIRST_COMPLETED", remaining, poll_interval)
            if not done:
                raise TimeoutError(f"{len(left)} jobs have not ended")
            yield from done


class Job(_Record):
    """One run of an app. Made with `Job(...).save()`, `Job.objects.create` or `Job.objects.bulk_create`.

    `transfers` fills the slots of the app: ``{"input": "lab:/run/1.h5"}``. `parameters` and `tags` are text.
    """

    _KIND = "jobs"
    _MANAGER = JobQuery
    _RESOURCES = ("num_nodes", "ranks_per_node", "threads_per_rank", "threads_per_core", "gpus_per_rank",
                  "node_packing_count", "wall_time_min", "launch_params")
    _NEW = ("tags", "parameters", "transfers", "parent_ids", "data", "site", *_RESOURCES)
    _CHANGED = ("workdir", "tags", "parameters", "data", "state")
    #: The states in which a job goes on no more by itself.
    ENDED = frozenset(("JOB_FINISHED", "FAILED"))

    state: str = "CREATED"
    return_code: Optional[int] = None

    def __init__(self, workdir: str, app_id: Union[str, int, Type[ApplicationDefinition]], *,
                 tags: Optional[Mapping[str, str]] = None, parameters: Optional[Mapping[str, Any]] = None,
                 transfers: Optional[Mapping[str, Union[str, Mapping[str, str]]]] = None, parent_ids: Iterable[int] = (),
                 data: Optional[Mapping[str, Any]] = None, site: Union[Site, str, int, None] = None, **resources: Any):
        if unknown := set(resources) - set(self._RESOURCES):
            raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
        self.site, self.app, self.workdir = site, app_id, workdir
        self.tags, self.parameters = dict(tags or {}), {key: str(value) for key, value in (parameters or {}).items()}
        self.transfers = dict(transfers or {})
        self.parent_ids = [parent.id if isinstance(parent, Job) else parent for parent in parent_ids]
        self.data: Any = dict(data or {})
        self.resources = resources

    def _set(self, fields: Dict[str, Any]) -> None:
        super()._set({**fields, **fields["resources"], "data": json.loads(fields["data"] or "{}")})
        self._stored = {name: _copy(getattr(self, name)) for name in self._CHANGED}

    def _new_fields(self) -> Dict[str, Any]:
        is_class = isinstance(self.app, type) and issubclass(self.app, ApplicationDefinition)
        fields: Dict[str, Any] = {
            "app": self.app.app_name() if is_class else str(self.app), "workdir": os.fspath(self.workdir),
            "tags": {str(key): str(value) for key, value in self.tags.items()}, "parameters": self.parameters,
            "transfers": {slot: _place(place) for slot, place in self.transfers.items()},
            "parent_ids": list(self.parent_ids), "data": json.dumps(self.data)}
        if self.resources:
            fields["resources"] = self.resources
        return fields

    def save(self) -> "Job":
        """Stores it: makes it if it is new, else changes what was changed (workdir, tags, parameters, data, state)."""
        if self.id is None:
            [fields] = _stores().create(Site._id_of(self.site), [self._new_fields()])
            self._set(fields)
            return self
        changes = {name: getattr(self, name) for name in self._CHANGED if getattr(self, name) != self._stored[name]}
        if changes:
            Job.objects.filter(id=self.id).update(**changes)
            self.refresh_from_db()
        return self

    def refresh_from_db(self) -> None:
        """Reads its fields again."""
        self.__dict__.update(Job.objects.get(id=self._number()).__dict__)

    def delete(self) -> None:
        """Deletes it; what is being moved for it is cancelled."""
        Job.objects.filter(id=self._number()).delete()

    def cancel(self) -> None:
        """Makes it FAILED; what runs or is being moved for it is ended."""
        self._set(_stores().cancel(self._number()))

    def retry(self) -> None:
        """Has a FAILED job go on where it can."""
        self._set(_stores().retry(self._number()))

    def transfer_items(self) -> Query["TransferItem"]:
        """Its transfer items."""
        return TransferItem.objects.filter(job_id=self._number())

    def events(self) -> Query["EventLog"]:
        """What happened to it, newest first."""
        return EventLog.objects.filter(job_id=self._number())

    def done(self) -> bool:
        """Whether it has ended. Asks."""
        self.refresh_from_db()
        return self.state in self.ENDED

    def result(self, timeout: Optional[float] = None, poll_interval: float = 1.0) -> Optional[int]:
        """Waits for its end, and answers its exit code. `JobFailed` if it is FAILED, `TimeoutError` when time is up."""
        done, _ = Job.objects.wait([self], timeout=timeout, poll_interval=poll_interval)
        if not done:
            raise TimeoutError(f"job {self.id} has not ended; it is {self.state}")
        self.refresh_from_db()
        if self.state == "FAILED":
            last = self.events().first()
            raise JobFailed(f"job {self.id} is FAILED" + (f": {last.message}" if last else ""))
        return self.return_code

    def _number(self) -> int:
        if self.id is None:
            raise ValueError("the job is not stored: save() it first")
        return self.id

    def __repr__(self) -> str:
        return f"<Job {self.id if self.id is not None else 'not stored'} {self.workdir}: {self.state}>"


class TransferItem(_Record):
    """A file or directory that is moved for a job. They come and go with their jobs."""

    _KIND = "items"
    job_id: int
    direction: str
    location_alias: str
    remote_path: str
    local_path: str
    state: str
    task_id: Optional[str]
    error: Optional[Tuple[str, str]]

    def __repr__(self) -> str:
        return f"<TransferItem {self.id} {self.direction} {self.location_alias}:{self.remote_path}: {self.state}>"


class EventLog(_Record):
    """A change of the state of a job, or of one of its items."""

    _KIND = "events"
    job_id: int
    from_state: str
    to_state: str
    message: str
    timestamp: datetime.datetime

    def __repr__(self) -> str:
        return f"<EventLog of job {self.job_id}: {self.from_state} -> {self.to_state} {self.message}>"


def _copy(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def _place(place: Union[str, Mapping[str, str], Sequence[str]]) -> Tuple[str, str]:
    """The alias and path of "alias:/path"."""
    if isinstance(place, Mapping):
        return place["location_alias"], place["path"]
    if not isinstance(place, str):
        alias, path = place
        return alias, path
    alias, colon, path = place.partition(":")
    if not colon:
        raise ValueError(f"'{place}' is no place: write alias:/path")
    return alias, path


def _job_change(changes: Mapping[str, Any]) -> Dict[str, Any]:
    if unknown := set(changes) - set(Job._CHANGED):
        raise TypeError(f"of a job these can be changed: {', '.join(Job._CHANGED)}; not {', '.join(sorted(unknown))}")
    fields = dict(changes)
    for name in ("tags", "parameters"):
        if name in fields:
            fields[name] = {str(key): str(value) for key, value in fields[name].items()}
    if "data" in fields:
        fields["data"] = json.dumps(fields["data"])
    return fields
