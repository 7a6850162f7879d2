# SPDX-License-Identifier: Apache-2.0
"""wherry.Client: endpoints, files and tasks of a service; and the package as its reader meets it."""

import dataclasses
import datetime
import inspect
import os
import pathlib
import pydoc
import re
import subprocess
import sys

import pytest

import wherry
import wherry.jobs
import wherry.parsl
import wherry.progress
import wherry.sync
from wherry.data import transfer_task


def test_endpoints_are_found_by_name_id_and_words(client, laptop, scratch):
    found = client.endpoint("my-laptop")
    assert (found.id, found.display_name, found.read_only) == (laptop.id, "my-laptop", False)
    assert client.endpoint(laptop.id) == found
    assert {"my-laptop", "hpc-scratch"} <= {each.display_name for each in client.endpoints()}
    assert [each.display_name for each in client.endpoints("scratch")] == ["hpc-scratch"]
    with pytest.raises(wherry.NotFoundError):
        client.endpoint("nowhere")
    assert "my-laptop" in found._repr_html_()


def test_endpoints_are_made_and_forgotten(client, tmp_path):
    made = client.create_endpoint("shelf", tmp_path, read_only=True)
    assert client.endpoint("shelf") == made and made.read_only
    with pytest.raises(wherry.WherryError) as raised:
        client.create_endpoint("shelf", tmp_path)
    assert raised.value.code == "already exists"
    client.delete_endpoint("shelf")
    with pytest.raises(wherry.NotFoundError):
        client.endpoint("shelf")
    assert tmp_path.exists()


def test_files_are_listed_made_and_renamed(client, scratch):
    scratch.write("data/b", b"12345")
    scratch.write("data/a")
    client.mkdir("hpc-scratch", "/data/sub")
    os.symlink("b", scratch.root / "data" / "link")
    listed = {each.name: each for each in client.ls("hpc-scratch", "/data")}
    assert list(listed) == ["a", "b", "link", "sub"]
    assert (listed["b"].type, listed["b"].size) == ("file", 5)
    assert listed["sub"].is_directory and listed["link"].link_target == "b"
    age = datetime.datetime.now(datetime.timezone.utc) - listed["b"].last_modified
    assert abs(age) < datetime.timedelta(minutes=10)
    client.rename("hpc-scratch", "/data/b", "/data/c")
    assert client.stat("hpc-scratch", "/data/c").size == 5
    assert not scratch.has("data/b")
    for clash in (lambda: client.rename("hpc-scratch", "/data/a", "/data/c"),
                  lambda: client.mkdir("hpc-scratch", "/data/sub")):
        with pytest.raises(wherry.WherryError) as raised:
            clash()
        assert raised.value.code == "already exists"
    with pytest.raises(wherry.NotFoundError):
        client.ls("hpc-scratch", "/nowhere")
    with pytest.raises(wherry.InvalidRequestError):
        client.ls("hpc-scratch", "/../..")


def test_tasks_are_found_awaited_and_explained(client, laptop, scratch):
    laptop.write("tree/a")
    good = client.transfer("my-laptop", "hpc-scratch", "tree", "tree", recursive=True, label="good one")
    scratch.write("file")
    bad = client.transfer("my-laptop", "hpc-scratch", "tree/a", "file/below", label="bad one", alone=True)
    assert good.result(60) and not bad.result(60)
    task = client.task(good.task_id)
    assert task.wait(60).status == task.refresh().status == "SUCCEEDED" and task.fraction == 1 and task.has_ended
    assert [file.destination_path for file in task.transferred_files()] == ["/tree/a"]
    assert "SUCCEEDED" in [event.code for event in task.events()]
    assert [each.task_id for each in client.tasks("SUCCEEDED", label="good*")] == [good.task_id]
    [failed] = client.tasks(["FAILED", "INACTIVE"])
    assert failed.task_id == bad.task_id and failed.fatal_error and failed.failed_files()
    assert {each.label for each in client.tasks()} == {"good one", "bad one"}
    assert "good one" in task._repr_html_() and "SUCCEEDED" in str(task)
    with pytest.raises(wherry.WherryError):
        client.task("00000000-0000-4000-8000-000000000000")


def test_waiting_has_an_end(client, slow, scratch):
    started = transfer_task("slow", "hpc-scratch", "big", "big")
    while started.task_id is None:
        pass
    with pytest.raises(TimeoutError, match=started.task_id):
        client.wait(started.task_id, 0.2)
    client.task(started.task_id).cancel()
    assert client.wait(started.task_id, 60).status == "FAILED"
    assert client.delete("hpc-scratch", "big").result(60) is False  # it never arrived


def test_clients_of_one_place_share_it_until_the_last_has_gone(client, laptop, tmp_path):
    with pytest.raises(wherry.WherryError, match="other settings"):
        wherry.Client(settings={"transfer.workers": "2"}).endpoints()
    second = wherry.Client(state_dir=tmp_path / "state")
    assert second.state_dir == client.state_dir == str(tmp_path / "state")
    second.close()
    assert client.endpoints("my-laptop")
    with pytest.raises(ValueError, match="closed"):
        second.endpoints()


def test_places_of_their_own_do_not_mix(client, laptop, tmp_path):
    with wherry.Client(state_dir=tmp_path / "elsewhere") as other:
        assert not other.endpoints("my-laptop")
        assert other.service == "local"


def test_wrong_settings_are_named():
    with pytest.raises(wherry.WherryError, match="transfer.workers"):
        wherry.Client(settings={"transfer.workers": "many"}).endpoints()


def test_closing_ends_what_waits(slow, scratch, tmp_path):
    with wherry.Client() as second:
        task = transfer_task("slow", "hpc-scratch", "big", "big", client=second)
        while task.task_id is None:
            pass
    assert not task.done()  # the fixture's client holds the place open
    task.cancel()
    assert task.result(60) is False


def test_the_package_reads_like_its_documentation():
    text = pydoc.plain(pydoc.render_doc(wherry))
    for word in ("transfer_task", "concurrent.futures.Future", "create_endpoint", "WherryStaging", "spawn"):
        assert word in text
    for module in (wherry.data, wherry.client, wherry.errors, wherry.futures, wherry.jobs, wherry.model, wherry.parsl,
                   wherry.progress, wherry.sync):
        assert module.__doc__ and module.__all__
        for name in module.__all__:
            thing = getattr(module, name)
            assert thing.__doc__, f"{module.__name__}.{name}"
            if not inspect.isclass(thing):
                continue
            for field in dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ():
                assert field.name.startswith("_") or re.search(rf"\b{field.name}\b", thing.__doc__), f"{name}.{field.name}"
            for member_name, member in vars(thing).items():
                is_described = isinstance(member, (classmethod, property)) or inspect.isfunction(member)
                if is_described and not member_name.startswith("_"):
                    assert member.__doc__, f"{name}.{member_name}"


def test_help_asks_and_opens_nothing(tmp_path):
    text = pydoc.plain(pydoc.render_doc(wherry.jobs))
    for name in ("Job", "TransferItem", "EventLog", "Site"):
        assert f"class {name}(_Record)" in text
    assert not (tmp_path / "state").exists()


def test_types_are_shipped():
    package = pathlib.Path(wherry.__file__).parent
    assert (package / "py.typed").exists() and (package / "_wherry.pyi").exists()
    stub = (package / "_wherry.pyi").read_text()
    native = wherry._wherry
    for thing in (native.Service, native.Handle, native.Session, native.JobStores, native.StopSignal, native.Syncs,
                  native.TransferArguments, native.RemovalArguments):
        [described] = re.findall(rf"^class {thing.__name__}:\n((?: .*\n|\n)+)", stub, re.M)
        for name in vars(thing):
            is_there = f"def {name}(" in described or f"    {name}: " in described
            assert is_there or name.startswith("_"), f"{thing.__name__}.{name} is not in the stub"


def test_nothing_but_the_standard_library_is_needed():
    done = subprocess.run([sys.executable, "-S", "-c", "import sys, wherry, wherry.data, wherry.parsl, wherry.progress\n"
                           "print([name for name in ('parsl', 'tqdm', 'numpy') if name in sys.modules])"],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
