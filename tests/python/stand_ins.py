# SPDX-License-Identifier: Apache-2.0
"""Small stand-ins for what workflows use beside Wherry: Parsl (its apps, files and data manager), and of pandas what
reads a table. Written from their documentation; only what the tests need."""

import concurrent.futures
import csv
import os
import types
import urllib.parse


class AppFuture(concurrent.futures.Future):
    """What an app answers."""

    def __init__(self):
        super().__init__()
        self.tid = 0
        self.outputs = []


class DataFuture(concurrent.futures.Future):
    """A file that will be there when another future has ended."""

    def __init__(self, parent, file_obj, tid=None):
        super().__init__()
        self.file_obj, self.tid = file_obj, tid
        parent.add_done_callback(self._ended)

    def _ended(self, parent):
        if error := parent.exception():
            self.set_exception(error)
        else:
            self.set_result(self.file_obj)


class Staging:
    """The interface of a staging provider."""

    def can_stage_in(self, file):
        return False

    def can_stage_out(self, file):
        return False

    def stage_in(self, dm, executor, file, parent_fut):
        return None

    def stage_out(self, dm, executor, file, app_fu):
        return None

    def replace_task(self, dm, executor, file, func):
        return None

    def replace_task_stage_out(self, dm, executor, file, func):
        return None


class File:
    def __init__(self, url):
        parsed = urllib.parse.urlparse(url)
        self.url, self.scheme, self.netloc, self.path = url, parsed.scheme or "file", parsed.netloc, parsed.path
        self.filename = os.path.basename(self.path)
        self.local_path = None

    def cleancopy(self):
        return File(self.url)

    @property
    def filepath(self):
        if self.local_path is not None:
            return self.local_path
        if self.scheme == "file":
            return self.path
        raise ValueError(f"no local path for {self.url}")

    def __fspath__(self):
        return self.filepath

    __str__ = __fspath__


class Executor:
    def __init__(self, working_dir=None, storage_access=()):
        self.working_dir, self.storage_access = working_dir, list(storage_access)


class Workflow:
    """What Parsl calls a data flow kernel, and its data manager; one executor, of threads."""

    def __init__(self, executor):
        self.executors = {"threads": executor}
        self.dfk = self  # a data manager knows its kernel by this name
        self._pool = concurrent.futures.ThreadPoolExecutor(4)

    def close(self):
        self._pool.shutdown()

    def _provider(self, question, file):
        for provider in self.executors["threads"].storage_access:
            if getattr(provider, question)(file):
                return provider
        raise ValueError(f"no provider stages {file.url}")

    def _staged_in(self, value):
        """In place of a file or a future of one: what the app waits for."""
        parent = value if isinstance(value, DataFuture) else None
        if not isinstance(value, (File, DataFuture)):
            return value
        file = (value.file_obj if parent else value).cleancopy()
        provider = self._provider("can_stage_in", file)
        staged = provider.stage_in(self, "threads", file, parent)
        assert provider.replace_task(self, "threads", file, None) is None
        return staged if staged is not None else file

    def run(self, function, *args, inputs=(), outputs=()):
        app = AppFuture()
        args = [self._staged_in(value) for value in args]
        inputs = [self._staged_in(value) for value in inputs]
        copies = [file.cleancopy() for file in outputs]
        for file, copy in zip(outputs, copies):
            out = self._provider("can_stage_out", copy).stage_out(self, "threads", copy, app)
            app.outputs.append(DataFuture(out if out is not None else app, file))
        extra = {"inputs": inputs} if inputs else {}
        _call_when_ready(self._pool, app, function, args, {**extra, **({"outputs": copies} if outputs else {})})
        return app

    def python_app(self, function):
        return lambda *args, **kwargs: self.run(function, *args, **kwargs)


def _call_when_ready(pool, app, function, args, kwargs):
    """Waits for every future among the arguments, as Parsl does; then calls, and ends `app` with the answer."""
    def resolved(value):
        if isinstance(value, concurrent.futures.Future):
            return value.result()
        if isinstance(value, list):
            return [resolved(each) for each in value]
        return value

    def work():
        try:
            ready = {name: resolved(value) for name, value in kwargs.items()}
            app.set_result(function(*[resolved(value) for value in args], **ready))
        except Exception as error:
            app.set_exception(error)

    pool.submit(work)


_pool = concurrent.futures.ThreadPoolExecutor(4)


def python_task(function):
    """Chiltepin's decorator: the function becomes a task of the executor that the call names."""
    def start(*args, executor="all", **kwargs):
        app = AppFuture()
        _call_when_ready(_pool, app, function, list(args), kwargs)
        return app
    return start


class Table:
    """The little of a data frame that the examples use."""

    def __init__(self, rows):
        self.rows = rows

    def dropna(self):
        return Table([row for row in self.rows if all(row.values())])

    def mean(self):
        return Column({name: sum(float(row[name]) for row in self.rows) / len(self.rows) for name in self.rows[0]})

    def describe(self):
        return self.mean()

    def to_csv(self, path, index=True):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


class Column(dict):
    def to_dict(self):
        return dict(self)


def read_csv(path):
    with open(path, newline="") as file:
        return Table(list(csv.DictReader(file)))


def modules():
    """For sys.modules: parsl, chiltepin and pandas."""
    made = {}

    def module(name, **members):
        made[name] = types.ModuleType(name)
        vars(made[name]).update(members)

    class Loaded:
        def __init__(self, config):
            self.config = config

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    module("pandas", read_csv=read_csv)
    module("parsl", load=Loaded, File=File)
    module("parsl.data_provider")
    module("parsl.data_provider.staging", Staging=Staging)
    module("chiltepin")
    module("chiltepin.tasks", python_task=python_task)
    module("chiltepin.configure", parse_file=lambda path: {}, load=lambda config: config)
    made["chiltepin"].configure = made["chiltepin.configure"]
    return made
