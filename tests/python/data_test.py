# SPDX-License-Identifier: Apache-2.0
"""wherry.data: what transfers and deletions do, and what is refused."""

import inspect
import os
import pathlib

import pytest

import wherry
from wherry.data import delete, delete_task, transfer, transfer_task


def names_and_defaults(function, count):
    parameters = list(inspect.signature(function).parameters.values())[:count]
    return [(each.name, each.default) for each in parameters]


REQUIRED = inspect.Parameter.empty


def test_names_order_and_defaults_are_those_of_chiltepin():
    waiting = [("timeout", 3600), ("polling_interval", 30), ("client", None), ("recursive", False)]
    both = [("src_ep", REQUIRED), ("dst_ep", REQUIRED), ("src_path", REQUIRED), ("dst_path", REQUIRED)]
    one = [("src_ep", REQUIRED), ("src_path", REQUIRED)]
    assert names_and_defaults(transfer, 8) == both + waiting
    assert names_and_defaults(delete, 6) == one + waiting
    assert names_and_defaults(transfer_task, 10) == both + waiting + [("executor", "all"), ("inputs", ())]
    assert names_and_defaults(delete_task, 8) == one + waiting + [("executor", "all"), ("inputs", ())]


def test_a_file_arrives_and_its_task_tells(laptop, scratch, client):
    laptop.write("/data/input.dat", b"x" * 1000)
    task = transfer_task("my-laptop", "hpc-scratch", "/data/input.dat", "/project/input.dat", label="first")
    assert task.result(60) is True
    assert scratch.read("/project/input.dat") == b"x" * 1000
    assert task.done() and task.error is None
    assert (task.files_transferred, task.bytes_transferred) == (1, 1000)
    [file] = task.files()
    assert (file.source_path, file.destination_path, file.size) == ("/data/input.dat", "/project/input.dat", 1000)
    assert task.progress().status == "SUCCEEDED"
    assert client.task(task.task_id).label == "first"
    assert task.task_id in repr(task) and task.task_id in task._repr_html_()


def test_a_directory_arrives_whole_if_recursive(laptop, scratch):
    laptop.write("/data/a.dat")
    laptop.write("/data/sub/b.dat")
    assert transfer("my-laptop", "hpc-scratch", "/data/", "/copy/", recursive=True)
    assert scratch.tree() == ["copy/a.dat", "copy/sub/b.dat"]


def test_a_directory_is_not_taken_for_a_file(laptop, scratch):
    laptop.write("/data/a.dat")
    task = transfer_task("my-laptop", "hpc-scratch", "/data", "/copy")
    try:
        assert task.result(60) is False
    except wherry.WherryError as error:
        assert "recursive" in str(error)
    assert scratch.tree() == []


def test_endpoints_may_be_named_by_id(laptop, scratch, client):
    laptop.write("a")
    assert transfer(laptop.id, scratch.id, "a", "by-id")
    assert transfer(client.endpoint("my-laptop"), client.endpoint(scratch.id), "a", "by-object")
    assert scratch.tree() == ["by-id", "by-object"]


def test_paths_are_bytes(laptop, scratch):
    name = b"caf\xe9\n.dat"
    (laptop.root / os.fsdecode(name)).write_bytes(b"1")
    laptop.write("plain", b"2")
    assert transfer("my-laptop", "hpc-scratch", name, b"copy-" + name)
    assert transfer("my-laptop", "hpc-scratch", os.fsdecode(name), "again")
    assert transfer("my-laptop", "hpc-scratch", pathlib.PurePosixPath("/plain"), pathlib.Path("plain"))
    assert sorted(os.listdir(os.fsencode(scratch.root))) == [b"again", b"copy-" + name, b"plain"]


def test_deleting(scratch):
    scratch.write("temp.dat")
    scratch.write("tree/a/b")
    assert delete("hpc-scratch", "/temp.dat") is True
    assert delete_task("hpc-scratch", "/tree", recursive=True, executor="local").result(60) is True
    assert scratch.tree() == []


def test_deleting_what_is_not_there_is_a_failure_like_others(scratch):
    task = delete_task("hpc-scratch", "/nothing")
    assert task.result(60) is False and "nothing" in str(task.error)


@pytest.mark.parametrize("path", ["/", "", "~", "~/", ".", "//"])
def test_the_root_of_an_endpoint_is_never_deleted(scratch, path):
    scratch.write("precious")
    with pytest.raises(wherry.InvalidRequestError):
        delete("hpc-scratch", path, recursive=True)
    assert scratch.tree() == ["precious"]


def test_a_directory_is_deleted_only_if_recursive(scratch):
    scratch.write("tree/a")
    with pytest.raises(wherry.WherryError, match="recursive"):
        delete("hpc-scratch", "/tree")
    assert scratch.tree() == ["tree/a"]


def test_unknown_endpoints_have_the_words_that_scripts_look_for(laptop, scratch):
    for call, text in [
            (lambda: transfer("nowhere", "hpc-scratch", "a", "b"), "Source endpoint 'nowhere' could not be found"),
            (lambda: transfer("my-laptop", "nowhere", "a", "b"), "Destination endpoint 'nowhere' could not be found"),
            (lambda: delete("nowhere", "a"), "Source endpoint 'nowhere' could not be found")]:
        with pytest.raises(RuntimeError) as raised:
            call()
        assert str(raised.value) == text


def test_a_failed_task_is_false_and_says_why(laptop, scratch):
    task = transfer_task("my-laptop", "hpc-scratch", "/missing", "/copy")
    assert task.result(60) is False
    assert "missing" in str(task.error) and task.error.task_id == task.task_id
    with pytest.raises(wherry.TransferError) as raised:
        transfer("my-laptop", "hpc-scratch", "/missing", "/copy", strict=True)
    assert raised.value.task_id and not raised.value.timed_out


def test_filters_choose_names(laptop, scratch):
    for name in ("a.h5", "b.tmp", "sub/c.h5", "sub/d.tmp"):
        laptop.write(f"/data/{name}")
    assert transfer("my-laptop", "hpc-scratch", "/data", "/one", recursive=True, filters=[("exclude", "*.tmp")])
    assert transfer("my-laptop", "hpc-scratch", "/data", "/two", recursive=True,
                    filters=[{"method": "include", "name": "*.tmp", "type": "file"},
                             {"method": "exclude", "name": "*", "type": "file"}])
    assert scratch.tree() == ["one/a.h5", "one/sub/c.h5", "two/b.tmp", "two/sub/d.tmp"]


def test_a_sync_level_leaves_what_is_up_to_date(laptop, scratch):
    laptop.write("a", b"new")
    scratch.write("a", b"old")
    os.utime(laptop.root / "a", (1_500_000_000, 1_500_000_000))
    assert transfer("my-laptop", "hpc-scratch", "a", "a", sync_level="exists")
    assert transfer("my-laptop", "hpc-scratch", "a", "a", sync_level="size")
    assert scratch.read("a") == b"old"
    task = transfer_task("my-laptop", "hpc-scratch", "a", "a", sync_level="checksum", preserve_mtime=True)
    assert task.result(60) and scratch.read("a") == b"new"
    assert (scratch.root / "a").stat().st_mtime == 1_500_000_000


@pytest.mark.parametrize("options", [
    {"sync_level": "sometimes"}, {"sync_level": 4}, {"symlinks": "follow"}, {"timeout": -1}, {"polling_interval": 0},
    {"filters": [("exclude", "")]}, {"filters": [("drop", "*")]}])
def test_senseless_values_are_refused_where_the_call_is(options):
    with pytest.raises(ValueError):
        transfer_task("a", "b", "c", "d", **options)


@pytest.mark.parametrize("options", [
    {"src_ep": 7}, {"src_path": None}, {"src_path": True}, {"timeout": "1h"}, {"client": object()}, {"executor": 7},
    {"filters": ["*.tmp"]}, {"recusive": True}])
def test_wrong_types_are_refused_where_the_call_is(options):
    with pytest.raises(TypeError):
        transfer_task(**{"src_ep": "a", "dst_ep": "b", "src_path": "c", "dst_path": "d", **options})


def test_transfers_started_together_travel_together(laptop, scratch):
    for number in range(20):
        laptop.write(f"f{number}", b"%d" % number)
    laptop.write("g")
    with wherry.Client(batch_window=1) as client:
        started = [client.transfer("my-laptop", "hpc-scratch", f"f{number}", f"f{number}") for number in range(20)]
        started.append(client.transfer("my-laptop", "hpc-scratch", "missing", "missing"))
        alone = client.transfer("my-laptop", "hpc-scratch", "g", "g", alone=True)
        assert [task.result(60) for task in started] == [True] * 20 + [False]  # each its own fate
        assert alone.result(60)
        files = [len(task.files()) for task in started]
    assert len({task.task_id for task in started}) == 1
    assert alone.task_id != started[0].task_id
    assert files == [1] * 20 + [0]


def test_a_window_of_nothing_keeps_them_apart(laptop, scratch):
    laptop.write("a")
    with wherry.Client(batch_window=0) as client:
        tasks = [transfer_task("my-laptop", "hpc-scratch", "a", f"a{number}", client=client) for number in range(3)]
        assert all(task.result(60) for task in tasks)
        assert len({task.task_id for task in tasks}) == 3


def test_progress_is_reported(laptop, slow, scratch):
    reports = []
    task = transfer_task("slow", "hpc-scratch", "big", "big", on_progress=reports.append, timeout=5,
                         cancel_on_timeout=True)
    assert task.result(60) is False
    assert reports and all(isinstance(report, wherry.Task) for report in reports)
    assert all(report.task_id == task.task_id for report in reports)
