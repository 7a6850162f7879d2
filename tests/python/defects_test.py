# SPDX-License-Identifier: Apache-2.0
"""What Chiltepin's data tasks were found to do wrong, C1 to C8 of docs/howto/from-chiltepin.md: one test each."""

import os
import time

import pytest

import wherry
from wherry.data import delete, delete_task, transfer, transfer_task


def started(task):
    while task.task_id is None:
        time.sleep(0.01)
    return task


def test_c1_true_is_never_the_answer_of_a_task_that_did_not_succeed(laptop, scratch, slow, client):
    laptop.write("a")
    scratch.write("file")
    missing = transfer_task("my-laptop", "hpc-scratch", "missing", "missing")
    failed = transfer_task("my-laptop", "hpc-scratch", "a", "file/below", alone=True)
    cancelled = started(transfer_task("slow", "hpc-scratch", "big", "big"))
    client.cancel(cancelled.task_id)
    assert [task.result(60) for task in (missing, failed, cancelled)] == [False] * 3
    for task in (failed, cancelled):
        assert client.task(task.task_id).status == "FAILED"


def test_c2_a_time_out_says_what_became_of_the_task_and_may_end_it(slow, scratch, client):
    left = transfer_task("slow", "hpc-scratch", "big", "one", timeout=3)
    ended = transfer_task("slow", "hpc-scratch", "big", "two", timeout=3, cancel_on_timeout=True, alone=True)
    assert left.result(60) is False and ended.result(60) is False
    assert left.error.timed_out and ended.error.timed_out
    assert str(left.error) != str(ended.error)
    assert client.wait(ended.task_id, 60).status == "FAILED"
    assert client.task(left.task_id).status == "ACTIVE"
    client.cancel(left.task_id)


def test_c3_transfers_in_parallel_are(laptop, scratch):
    for number in range(100):
        laptop.write(f"f{number}", os.urandom(1000))
    begin = time.monotonic()
    patient = wherry.Client(batch_window=1)  # on a machine that is busy with other tests
    tasks = [transfer_task("my-laptop", "hpc-scratch", f"f{n}", f"f{n}", client=patient, executor="local")
             for n in range(100)]
    assert all(task.result(60) for task in tasks)
    assert time.monotonic() - begin < 60  # about 50 minutes one after another, each with a poll of 30 s
    assert len({task.task_id for task in tasks}) <= 3
    patient.close()


def test_c4_a_short_transfer_is_reported_at_once(laptop, scratch):
    laptop.write("a")
    begin = time.monotonic()
    assert transfer("my-laptop", "hpc-scratch", "a", "a", polling_interval=30)
    assert time.monotonic() - begin < 15


def test_c5_what_is_run_again_moves_nothing_twice(laptop, scratch, client):
    """A worker that is started again calls the same function again; a lost answer is repeated with the same
    submission id by the library itself (src/flow/data_tasks_test.cc)."""
    laptop.write("a", b"1" * 1000)
    first = transfer_task("my-laptop", "hpc-scratch", "a", "a", sync_level="checksum")
    assert first.result(60) and first.bytes_transferred == 1000
    again = transfer_task("my-laptop", "hpc-scratch", "a", "a", sync_level="checksum")
    assert again.result(60) and again.bytes_transferred == 0


def test_c6_waiting_costs_no_thread_and_no_poll_of_its_own(slow, scratch):
    tasks = [transfer_task("slow", "hpc-scratch", "big", f"big{n}", timeout=30) for n in range(200)]
    started(tasks[-1])
    assert len(os.listdir("/proc/self/task")) < 60
    for task in tasks:
        task.cancel()
    assert not any(task.result(60) for task in tasks)


def test_c7_tasks_tell_how_far_they_are_and_what_went_wrong(slow, scratch):
    task = started(transfer_task("slow", "hpc-scratch", "big", "big", label="with a name", strict=True))
    assert task.progress().label == "with a name" and task.progress().status == "ACTIVE"
    task.cancel()
    with pytest.raises(wherry.TransferError) as raised:
        task.result(60)
    assert raised.value.cancelled and raised.value.task_id == task.task_id


@pytest.mark.parametrize("path", ["/", "", "~"])
def test_c7_deletions_that_cannot_be_meant_are_refused(scratch, path):
    scratch.write("a")
    with pytest.raises(wherry.InvalidRequestError):
        delete("hpc-scratch", path, recursive=True)
    assert scratch.has("a")


def test_c7_a_source_is_deleted_only_after_its_copy_succeeded(laptop, scratch):
    laptop.write("source")
    staged = transfer_task("my-laptop", "hpc-scratch", "missing", "copy")
    assert delete_task("my-laptop", "source", inputs=[staged]).result(60) is False
    assert laptop.has("source")


def test_c8_an_id_is_used_as_it_is_and_a_name_is_not_guessed(laptop, scratch, client, tmp_path):
    laptop.write("a")
    (tmp_path / "third").mkdir()
    client.create_endpoint("my-laptop-2", tmp_path / "third")  # a search would find it, too
    assert transfer(laptop.id, "hpc-scratch", "a", "by-id")
    assert transfer("my-laptop", "hpc-scratch", "a", "by-name")
    with pytest.raises(RuntimeError, match="could not be found"):
        transfer("my-lap", "hpc-scratch", "a", "by-part")
