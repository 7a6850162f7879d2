# SPDX-License-Identifier: Apache-2.0
"""Wherry moves scientific data; this is its Python package.

Transfers as tasks of a workflow::

    from wherry.data import transfer_task, delete_task

    staged = transfer_task("my-laptop", "hpc-scratch", "/data/input.dat", "/scratch/input.dat")
    if staged.result():                     # True: copied, verified and on disk
        print("staged by task", staged.task_id)

What that means, in short:

* A task is a real `concurrent.futures.Future`; ``await task`` works, too. No thread waits for it.
* Its result is True only if all is proven at its destination. Otherwise it is False and `task.error` says why; with
  ``strict=True`` that is raised.
* Arguments may be futures, of Parsl as well. What waits for a task that did not succeed is never started.
* Tasks that are started close together travel together.

Nothing has to be set up on a machine of your own: endpoints are directories with a name, and this process does the work::

    import wherry

    client = wherry.Client()
    client.create_endpoint("my-laptop", "/home/me")
    client.create_endpoint("hpc-scratch", "/scratch/me")
    print(client.ls("my-laptop", "/data"))

The same programs use Globus, ``wherry.Client("globus")``, or a ``wherry serve`` on another machine,
``wherry.Client("https://wherry.example.org")``; log in with the command ``wherry login``.

Modules
    `wherry.data`      transfer_task, delete_task, transfer, delete: as in Chiltepin, and what they take beyond it
    `wherry.client`    Client: endpoints, files and tasks of a service
    `wherry.futures`   DataTask: what the tasks answer
    `wherry.model`     Task, Endpoint, FileInfo, ...: what a service tells
    `wherry.progress`  bars for running tasks, in terminals and notebooks
    `wherry.parsl`     WherryStaging: Parsl stages the files of its apps with Wherry
    `wherry.jobs`      Job, TransferItem, ...: sites and their jobs, in Balsam's object style
    `wherry.sync`      Sync: directories that are kept mirrored
    `wherry.errors`    what goes wrong, as exceptions

Units are those of Python: seconds for durations, `datetime.datetime` in UTC for times, bytes for sizes.

Processes: start workers with the methods 'spawn' or 'forkserver' of multiprocessing, or first use Wherry after a fork; in
the fork of a process that uses it, every call raises `wherry.errors.ForkedError`. When the interpreter ends, it waits for
no task: those of this machine stay ACTIVE and go on with the next program that runs tasks, such as this one when it is
started again, ``wherry serve`` or ``wherry task resume``.
"""

from . import data
from ._wherry import __version__
from .client import Client
from .errors import (DependencyError, ForkedError, InvalidRequestError, LoginNeededError, NotFoundError, TransferError,
                     WherryError)
from .futures import DataTask
from .model import Endpoint, Event, FailedFile, FileInfo, Task, TransferredFile

__all__ = ["Client", "DataTask", "DependencyError", "Endpoint", "Event", "FailedFile", "FileInfo", "ForkedError",
           "InvalidRequestError", "LoginNeededError", "NotFoundError", "Task", "TransferError", "TransferredFile",
           "WherryError", "__version__", "data"]
