# SPDX-License-Identifier: Apache-2.0
"""wherry.Client: endpoints, files and tasks of a service; and the package as its reader meets it."""

import datetime
import os
import pathlib
import pydoc
import subprocess
import sys

import pytest

import wherry
import wherry.parsl
import wherry.progress
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
    for module in (wherry.data, wherry.client, wherry.errors, wherry.futures, wherry.model, wherry.parsl, wherry.progress):
        assert module.__doc__ and module.__all__
        for name in module.__all__:
            assert getattr(module, name).__doc__, f"{module.__name__}.{name}"
    for thing in (wherry.Client, wherry.DataTask, wherry.Task):
        for name, member in vars(thing).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                assert member.__doc__ or name in ("is_directory", "has_ended"), f"{thing.__name__}.{name}"


def test_types_are_shipped():
    package = pathlib.Path(wherry.__file__).parent
    assert (package / "py.typed").exists() and (package / "_wherry.pyi").exists()
    stub = (package / "_wherry.pyi").read_text()
    for thing in (wherry._wherry.Service, wherry._wherry.Handle, wherry._wherry.Session):
        for name in vars(thing):
            assert name.startswith("_") or f"def {name}(" in stub, f"{thing.__name__}.{name} is not in the stub"


def test_nothing_but_the_standard_library_is_needed():
    done = subprocess.run([sys.executable, "-S", "-c", "import sys, wherry, wherry.data, wherry.parsl, wherry.progress\n"
                           "print([name for name in ('parsl', 'tqdm', 'numpy') if name in sys.modules])"],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
