# SPDX-License-Identifier: Apache-2.0
"""The package against a real `wherry serve`: what is different when the work is done elsewhere."""

import pytest

import wherry
from conftest import Place
from wherry.data import delete_task, transfer, transfer_task


@pytest.fixture
def places(at_service, tmp_path):
    return Place(at_service, "lab", tmp_path / "lab"), Place(at_service, "archive", tmp_path / "archive")


def test_endpoints_files_and_tasks_are_those_of_the_service(places, service):
    lab, archive = places
    lab.write("run/a", b"1" * 1000)
    with wherry.Client() as client:
        assert client.service == service.url
        assert sorted(each.display_name for each in client.endpoints()) == ["archive", "lab"]
        assert [file.name for file in client.ls("lab", "/run")] == ["a"]
        client.mkdir("archive", "/made")
        task = client.transfer("lab", "archive", "/run", "/made/run", recursive=True, label="over the wire")
        assert task.result(60) is True
        assert archive.read("made/run/a") == b"1" * 1000
        assert client.task(task.task_id).label == "over the wire"
        [file] = task.files()
        assert file.destination_path == "/made/run/a"
        with pytest.raises(wherry.WherryError, match="not from here"):
            client.create_endpoint("mine", archive.root)


def test_many_travel_in_few_tasks_each_with_its_own_fate(places):
    lab, archive = places
    for number in range(30):
        lab.write(f"f{number}", b"%d" % number)
    with wherry.Client(batch_window=1) as client:
        tasks = [client.transfer("lab", "archive", f"f{number}", f"f{number}") for number in range(30)]
        tasks.append(client.transfer("lab", "archive", "missing", "missing"))
        assert [task.result(120) for task in tasks] == [True] * 30 + [False]
    assert "missing" in str(tasks[-1].error)
    assert len({task.task_id for task in tasks}) <= 3


def test_a_failed_transfer_protects_its_source(places):
    lab, archive = places
    lab.write("source")
    lost = transfer_task("lab", "archive", "missing", "copy")
    assert delete_task("lab", "source", inputs=[lost]).result(60) is False
    assert lab.has("source")
    with pytest.raises(wherry.InvalidRequestError):
        delete_task("lab", "/", recursive=True).result(60)


def test_unknown_endpoints_have_the_same_words(places):
    with pytest.raises(RuntimeError) as raised:
        transfer("nowhere", "archive", "a", "a")
    assert str(raised.value) == "Source endpoint 'nowhere' could not be found"


def test_a_missing_login_names_the_command(places, service, monkeypatch, tmp_path):
    monkeypatch.delenv("WHERRY_CLIENT_ID")
    monkeypatch.delenv("WHERRY_CLIENT_SECRET")
    with wherry.Client(state_dir=tmp_path / "nobody") as client:
        with pytest.raises(wherry.LoginNeededError, match=f"wherry login --service {service.url}"):
            client.ls("lab")
        with pytest.raises(wherry.LoginNeededError, match="wherry login"):
            transfer("lab", "archive", "a", "a", client=client, timeout=20)


def test_a_service_that_is_not_there_is_said(own_state):
    with wherry.Client("http://127.0.0.1:9") as client:
        task = transfer_task("lab", "archive", "a", "a", client=client, timeout=2)
        with pytest.raises(wherry.WherryError):
            raise task.error if task.exception(60) is None else task.exception()
