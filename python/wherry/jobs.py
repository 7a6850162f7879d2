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
names of states, slots and fields are those of docs/howto/stage-jobs.md and docs/reference/job-states.md. `Job.objects`,
`TransferItem.objects` and `EventLog.objects` are queries of all: see `Query` for what they can be asked. `connect` chooses
another state directory than the default.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from typing import (Any, Dict, Generic, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type,
                    TypeVar, Union)

from . import _wherry
from .client import Client, default_client
from .errors import NotFoundError, WherryError

__all__ = ["ApplicationDefinition", "DoesNotExist", "EventLog", "Job", "JobFailed", "JobQuery", "MultipleObjectsReturned",
           "Query", "Site", "TransferItem", "WaitResult", "connect"]

_client: Optional[Client] = None
_BULK = 5_000  # what one call takes
_PAGE = 100_000  # rows of one answer
_FIRST_PAUSE = 0.02  # seconds between the first two looks of a wait


class WaitResult(NamedTuple):
    """What `Job.objects.wait` answers: the jobs that have ended, and the others."""

    done: List["Job"]
    not_done: List["Job"]


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
    """Rows of one kind: `Job.objects`, `TransferItem.objects`, `EventLog.objects`, and what is made of these.

    `filter`, `exclude`, `order_by` and slices with positive numbers answer a new query. Nothing is asked before it is
    iterated, counted or indexed, and iterating it twice asks twice. What can be asked for, as in
    ``Job.objects.filter(state="FAILED", tags={"run": "42"})``:

    jobs
        id, site (a `Site`, its name or number), site_id, app (a name or an `ApplicationDefinition`), app_id, parent_id,
        state, state__ne, batch_job_id, tags (all must be there), workdir__contains, last_update_after, last_update_before
        (a `datetime.datetime`, or seconds since 1970), pending_file_cleanup.
        Ordered by "id", which is the default, "last_update", "state" or "workdir".
    transfer items
        id, site, site_id, job_id, state, direction ("in", "out"), job_state, location_alias, task_id, tags (of the job),
        remote_path__contains. Ordered by "id", which is the default, "last_update" or "state".
    events
        job_id, site, site_id, tags (of the job), from_state, to_state, timestamp_after, timestamp_before.
        Ordered by "timestamp"; by default the newest first.
    """

    _FILTERS: Mapping[str, Tuple[str, ...]] = {
        "jobs": ("id", "site_id", "app_id", "parent_id", "state", "state__ne", "batch_job_id", "tags", "workdir__contains",
                 "last_update_after", "last_update_before", "pending_file_cleanup"),
        "items": ("id", "site_id", "job_id", "state", "direction", "job_state", "location_alias", "task_id", "tags",
                  "remote_path__contains"),
        "events": ("job_id", "site_id", "tags", "from_state", "to_state", "timestamp_after", "timestamp_before"),
    }
    _ORDERS: Mapping[str, Tuple[str, ...]] = {
        "jobs": ("id", "last_update", "state", "workdir"), "items": ("id", "last_update", "state"),
        "events": ("timestamp",)}
    _SINGLE = frozenset(("batch_job_id", "workdir__contains", "remote_path__contains", "direction", "pending_file_cleanup",
                         "from_state", "to_state"))

    def __init__(self, row: Type[Row], filters: Dict[str, Any]):
        self._row, self._filters = row, filters

    # Narrowing

    def all(self) -> "Query[Row]":
        """The same rows."""
        return self

    def filter(self, **conditions: Any) -> "Query[Row]":
        """Rows that meet all conditions; of several values for one, any: ``filter(state=["READY", "RUNNING"])``.

        A second condition for the same field takes the place of the first.
        """
        found = dict(self._filters)
        for name, value in conditions.items():
            found.update(self._condition(name, value))
        return type(self)(self._row, found)

    def exclude(self, *, state: Union[str, Iterable[str]]) -> "Query[Row]":
        """Without jobs of this state, or of these."""
        return self.filter(state__ne=state)

    def order_by(self, field: str) -> "Query[Row]":
        """Sorted by a field, see the class; with a minus before it, descending: ``order_by("-last_update")``."""
        name = field[1:] if field.startswith("-") else field
        if name not in self._ORDERS[self._row._KIND]:
            raise ValueError(f"{self._row.__name__}s cannot be ordered by '{name}'; known: "
                             + ", ".join(self._ORDERS[self._row._KIND]))
        return type(self)(self._row, {**self._filters, "order": name, "descending": field.startswith("-")})

    def _condition(self, name: str, value: Any) -> Dict[str, Any]:
        kind = self._row._KIND
        if name == "site":
            name, value = "site_id", Site._id_of(value)
        elif name == "app":
            known = value.app_name() if _is_app_class(value) else str(value)
            name, value = "app_id", [app["id"] for app in _stores().apps([]) if app["name"] == known] or [-1]
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
        rows: List[Dict[str, Any]] = []
        wanted, offset = self._filters.get("limit", 1 << 62), self._filters.get("offset", 0)
        while True:
            limit = min(wanted - len(rows), _PAGE)
            _, page = self._ask(limit=limit, offset=offset + len(rows))
            rows.extend(page)
            if len(page) < limit or len(rows) == wanted:
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
        """The one row that meets the conditions; `DoesNotExist` or `MultipleObjectsReturned` if it is not one."""
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
        """Changes all jobs of the query (state, workdir, tags, parameters, data), or none; answers how many.

        ``Job.objects.filter(tags={"run": "42"}).update(state="RESTART_READY")``. A state that a job may not be set to by
        hand is refused. `tags` and `parameters` take the place of those that were there.
        """
        if self._row is not Job:
            raise TypeError(f"{self._row.__name__}s are not changed by hand")
        return _stores().modify(self._whole("update"), _job_change(changes))

    def delete(self) -> int:
        """Deletes all jobs of the query; what runs or is being moved for them is ended. Answers how many."""
        if self._row is not Job:
            raise TypeError(f"{self._row.__name__}s go with their jobs")
        return _stores().remove(self._whole("delete"))

    def retry(self) -> int:
        """Has the transfer items of the query that are in error tried again, and their FAILED jobs go on. Answers how many."""
        if self._row is not TransferItem:
            raise TypeError("retry() is for transfer items; of a job, call Job.retry()")
        return _stores().retry_items(self._whole("retry"))

    def __repr__(self) -> str:
        shown = list(self[:5])
        more = self.count() - len(shown)
        return f"[{', '.join(map(repr, shown))}{f', and {more} more' if more > 0 else ''}]"


class _HasObjects(type):
    """Of a class with rows. Here, because `help()` shows each attribute of a class itself, and would ask for all rows."""

    _MANAGER: Any

    @property
    def objects(cls) -> Any:
        """All rows of the class."""
        return cls._MANAGER(cls, {})


class _Record(metaclass=_HasObjects):
    """A row with its fields as attributes."""

    _KIND = ""
    _MANAGER: Any = Query
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
    """A directory in which jobs run. Sites are made by ``wherry site init``, and run by ``wherry site start``.

    ``Site.objects.all()`` is a list of all, ``Site.objects.get("beamline")`` one by name, number or part of its path.

    id, name, path
        Its number, its name, and the directory.
    last_refresh
        When its process last gave a sign of life, in UTC; None if it never ran.
    alert
        What somebody has to do; empty: nothing.
    """

    name: str
    path: str
    last_refresh: Optional[datetime.datetime]
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
    """An app, which is what can be run at a site, as a class; see the module. The same as a file in the `apps` of the site.

    site
        Where it is run: a `Site`, or its name or number. None: the site in whose directory the program works, or the
        only one.
    name
        What it is called; by default as the class.
    description
        For people; by default the docstring of the class.
    command_template
        Is run by sh in the work directory of the job, with the value of each ``{{ parameter }}`` as one word.
    parameters
        By name a dictionary: default (a text; without one the parameter must be given), help. A placeholder of the
        command that is not among them must be given.
    transfers
        The slots, by name a dictionary: direction ("in", the default, or "out"), local_path (below the work directory),
        required (True by default), recursive (False by default; needed for directories), description.
    preamble
        Lines of sh before the command.
    environment_variables
        For the command.
    cleanup_files
        Patterns of files of the work directory that are deleted once a job is JOB_FINISHED.
    resources
        What its jobs get that do not say it themselves: num_nodes, wall_time_min, ... as `Job` takes them.
    error_retries, timeout_retries
        How often a run that failed, or was cut off, is repeated before the job is FAILED.
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
    resources: Mapping[str, Any] = {}
    error_retries: int = 0
    timeout_retries: int = 3

    @classmethod
    def app_name(cls) -> str:
        """What the app is called: `name`, or the name of the class."""
        return cls.name or cls.__name__

    @classmethod
    def sync(cls) -> None:
        """Makes the app known at its site, or changes it there."""
        parameters: Dict[str, Dict[str, Any]] = {name: {"required": True}
                                                 for name in _wherry.placeholders(cls.command_template)}
        for name, parameter in cls.parameters.items():
            fields = {key: value if key == "required" else str(value) for key, value in parameter.items()}
            fields.setdefault("required", "default" not in fields)
            parameters[name] = fields
        _stores().put_app(Site._id_of(cls.site), {
            "name": cls.app_name(), "description": cls.description or (cls.__doc__ or ""),
            "command_template": cls.command_template, "parameters": parameters,
            "transfers": {name: dict(slot) for name, slot in cls.transfers.items()}, "preamble": cls.preamble,
            "environment_variables": dict(cls.environment_variables), "cleanup_files": list(cls.cleanup_files),
            "resources": _resources(cls.resources),
            "error_retries": cls.error_retries, "timeout_retries": cls.timeout_retries})

    @classmethod
    def job(cls, workdir: str, **fields: Any) -> "Job":
        """A job of it, not yet stored: for `Job.objects.bulk_create`. What is no argument of `Job` is a parameter."""
        own = {name: fields.pop(name) for name in list(fields) if name in Job._NEW}
        return Job(workdir, cls, **{"site": cls.site, **own, "parameters": {**own.get("parameters", {}), **fields}})

    @classmethod
    def submit(cls, workdir: str, **fields: Any) -> "Job":
        """Stores a job of it, with the arguments of `job`, and answers that."""
        return cls.job(workdir, **fields).save()


class JobQuery(Query["Job"]):
    """`Job.objects`: a `Query` that also makes jobs and waits for them."""

    def create(self, workdir: str, app_id: Any, **fields: Any) -> "Job":
        """Stores one job; the arguments are those of `Job`."""
        return Job(workdir, app_id, **fields).save()

    def bulk_create(self, jobs: Iterable["Job"]) -> List["Job"]:
        """Stores many, and answers them with their numbers. What is wrong with one is an `InvalidRequestError`.

        5,000 of a site at a time, each time all or none.
        """
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
        """Stores what was changed of each, one after another."""
        for job in jobs:
            job.save()

    def wait(self, jobs: Iterable["Job"], return_when: str = "ALL_COMPLETED", timeout: Optional[float] = None,
             poll_interval: float = 1.0) -> WaitResult:
        """Waits until all jobs (with "FIRST_COMPLETED": one) have ended, at most `timeout` seconds if that is given.

        Answers those that have ended, JOB_FINISHED or FAILED, and the others; that the time is up is no error. It looks
        often at first, and then each `poll_interval` seconds. `DoesNotExist` if a job was deleted.
        """
        if return_when not in ("ALL_COMPLETED", "FIRST_COMPLETED"):
            raise ValueError(f"return_when={return_when!r}: one of 'ALL_COMPLETED', 'FIRST_COMPLETED'")
        if not poll_interval > 0:
            raise ValueError(f"poll_interval={poll_interval!r}: must be more than 0")
        left = {job._number(): job for job in jobs}
        done: List[Job] = []
        end = None if timeout is None else time.monotonic() + timeout
        pause = min(_FIRST_PAUSE, poll_interval)
        while left:
            done.extend(self._take_ended(left))
            if not left or (done and return_when == "FIRST_COMPLETED"):
                break
            remaining = pause if end is None else end - time.monotonic()
            if remaining <= 0:
                break
            time.sleep(min(pause, remaining))
            pause = min(pause * 1.5, poll_interval)
        return WaitResult(done, list(left.values()))

    @staticmethod
    def _take_ended(left: Dict[int, "Job"]) -> List["Job"]:
        """Takes those that have ended out of `left`, with their fields as they are now."""
        done: List[Job] = []
        ids = list(left)
        for begin in range(0, len(ids), _BULK):
            asked = ids[begin:begin + _BULK]
            for now in Job.objects.filter(id=asked, state=sorted(Job.ENDED)):
                ended = left.pop(now._number())
                ended.__dict__.update(now.__dict__)
                done.append(ended)
            waiting = [number for number in asked if number in left]
            if waiting and Job.objects.filter(id=waiting).count() < len(waiting):
                gone = set(waiting) - {job.id for job in Job.objects.filter(id=waiting)}
                raise DoesNotExist(f"job {min(gone)} was deleted while it was waited for", code="not found")
        return done

    def as_completed(self, jobs: Iterable["Job"], timeout: Optional[float] = None,
                     poll_interval: float = 1.0) -> Iterator["Job"]:
        """Jobs as they end; `TimeoutError` if not all have after `timeout` seconds. See `wait`."""
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

    workdir
        Where it runs, below the `data` of the site; made when it is needed.
    app_id
        What it runs: an `ApplicationDefinition`, or the name or number of an app of the site.
    site
        Where: a `Site`, or its name or number. None: the site in whose directory the program works, or the only one.
    site_name
        The same, as Balsam calls it.
    tags, parameters
        Labels to find it by, and values of the app's parameters: dictionaries of text.
    transfers
        Fills the slots of the app: ``{"input": "lab:/run/1.h5"}``, where "lab" is a location of the site's settings.
    parent_ids
        Jobs, or their numbers, that must be JOB_FINISHED first.
    data
        A dictionary that is kept with it, as JSON.
    num_nodes, ranks_per_node, threads_per_rank, threads_per_core, gpus_per_rank, node_packing_count, launch_params
        What its run gets; what is not given is as the app has it. `node_packing_count` is how many such jobs share a
        node.
    wall_time_min
        Minutes after which a run is cut off; 0: never.

    Once it is stored it also has these, as they were when it was last asked for (`refresh_from_db` asks again):

    id, site_id
        Its number, and that of its site.
    state
        "READY", "RUNNING", "JOB_FINISHED", "FAILED", ...: see docs/reference/job-states.md.
    return_code
        Of the last run; 128 + n if signal n ended it; None before.
    created, last_update
        In UTC.
    batch_job_id
        In which allocation of a cluster it runs or ran, or None.
    """

    _KIND = "jobs"
    _MANAGER = JobQuery
    _RESOURCES = ("num_nodes", "ranks_per_node", "threads_per_rank", "threads_per_core", "gpus_per_rank",
                  "node_packing_count", "wall_time_min", "launch_params")
    _NEW = ("tags", "parameters", "transfers", "parent_ids", "data", "site", "site_name", *_RESOURCES)
    _CHANGED = ("workdir", "tags", "parameters", "data", "state")
    #: The states in which a job goes on no more by itself.
    ENDED = frozenset(("JOB_FINISHED", "FAILED"))

    state: str = "CREATED"
    return_code: Optional[int] = None

    def __init__(self, workdir: str, app_id: Union[str, int, Type[ApplicationDefinition]], *,
                 tags: Optional[Mapping[str, str]] = None, parameters: Optional[Mapping[str, Any]] = None,
                 transfers: Optional[Mapping[str, Union[str, Mapping[str, str]]]] = None,
                 parent_ids: Iterable[Union[int, "Job"]] = (), data: Optional[Mapping[str, Any]] = None,
                 site: Union[Site, str, int, None] = None, site_name: Optional[str] = None, **resources: Any):
        self.site, self.app, self.workdir = site_name or site, app_id, workdir
        self.tags, self.parameters = dict(tags or {}), {key: str(value) for key, value in (parameters or {}).items()}
        self.transfers = dict(transfers or {})
        self.parent_ids = [parent.id if isinstance(parent, Job) else parent for parent in parent_ids]
        self.data: Any = dict(data or {})
        self.resources = _resources(resources)

    def _set(self, fields: Dict[str, Any]) -> None:
        super()._set({**fields, **fields["resources"], "data": json.loads(fields["data"] or "{}")})
        self._stored = {name: _copy(getattr(self, name)) for name in self._CHANGED}

    def _new_fields(self) -> Dict[str, Any]:
        fields: Dict[str, Any] = {
            "app": self.app.app_name() if _is_app_class(self.app) else str(self.app), "workdir": os.fspath(self.workdir),
            "tags": {str(key): str(value) for key, value in self.tags.items()}, "parameters": self.parameters,
            "transfers": {slot: _place(place) for slot, place in self.transfers.items()},
            "parent_ids": list(self.parent_ids), "data": json.dumps(self.data)}
        if self.resources:
            fields["resources"] = self.resources
        return fields

    def save(self) -> "Job":
        """Stores it, and answers it: makes it if it is new, else changes what was changed.

        That can be workdir, tags, parameters, data and state.
        """
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
        """Deletes it; what runs or is being moved for it is ended."""
        Job.objects.filter(id=self._number()).delete()

    def cancel(self) -> None:
        """Makes it FAILED; what runs or is being moved for it is ended."""
        self._set(_stores().cancel(self._number()))

    def retry(self) -> None:
        """Has a FAILED job go on where it was: what has arrived is not moved again."""
        self._set(_stores().retry(self._number()))

    def transfer_items(self) -> Query["TransferItem"]:
        """Its transfer items."""
        return TransferItem.objects.filter(job_id=self._number())

    def events(self) -> Query["EventLog"]:
        """What happened to it, newest first."""
        return EventLog.objects.filter(job_id=self._number())

    def done(self) -> bool:
        """Whether it has ended, JOB_FINISHED or FAILED. Asks anew."""
        self.refresh_from_db()
        return self.state in self.ENDED

    def result(self, timeout: Optional[float] = None, poll_interval: float = 1.0) -> Optional[int]:
        """Waits for its end, and answers the exit code of its command.

        `JobFailed` if it is FAILED, `TimeoutError` if it has not ended after `timeout` seconds; then it goes on.
        """
        done, _ = Job.objects.wait([self], timeout=timeout, poll_interval=poll_interval)
        if not done:
            self.refresh_from_db()
            raise TimeoutError(f"job {self.id} has not ended after {timeout} s; it is {self.state}")
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
    """A file or directory that is moved for a job. They come and go with their jobs.

    id, job_id, site_id
        Its number, and those of its job and site.
    slot
        Which slot of the app it fills.
    direction
        "in" (to the site, before the job runs) or "out".
    location_alias, remote_path
        Where it comes from or goes to: a location of the site's settings, and a path there.
    local_path
        Where it is in the work directory.
    recursive
        Whether it is a directory.
    state
        "pending", "active", "done", "error", ...: see docs/reference/job-states.md.
    task_id
        The transfer task that carries it, or last did; None before.
    attempts
        How many tasks have carried it.
    error
        Why the last attempt failed: (code, description), or None.
    last_update
        In UTC.
    """

    _KIND = "items"
    job_id: int
    site_id: int
    slot: str
    direction: str
    location_alias: str
    remote_path: str
    local_path: str
    recursive: bool
    state: str
    task_id: Optional[str]
    attempts: int
    error: Optional[Tuple[str, str]]
    last_update: datetime.datetime

    def __repr__(self) -> str:
        return f"<TransferItem {self.id} {self.direction} {self.location_alias}:{self.remote_path}: {self.state}>"


class EventLog(_Record):
    """A change of the state of a job, or of one of its transfer items.

    job_id, item_id
        Whose; `item_id` is None if it is about the job itself.
    from_state, to_state, message
        What happened, and why.
    timestamp
        In UTC.
    """

    _KIND = "events"
    job_id: int
    item_id: Optional[int]
    from_state: str
    to_state: str
    message: str
    timestamp: datetime.datetime

    def __repr__(self) -> str:
        return f"<EventLog of job {self.job_id}: {self.from_state} -> {self.to_state} {self.message}>"


def _resources(given: Mapping[str, Any]) -> Dict[str, Any]:
    if unknown := set(given) - set(Job._RESOURCES):
        raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
    params = given.get("launch_params")
    texts = {} if params is None else {"launch_params": {str(key): str(value) for key, value in params.items()}}
    return {**given, **texts}


def _is_app_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, ApplicationDefinition)


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
