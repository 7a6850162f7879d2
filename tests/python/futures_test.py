# SPDX-License-Identifier: Apache-2.0
"""Tasks as futures: what they wait for, how they end, who may wait for them."""

import asyncio
import concurrent.futures
import os
import threading
import time

import pytest

import wherry
from wherry.data import delete_task, transfer, transfer_task


def future_of(value):
    future = concurrent.futures.Future()
    future.set_result(value)
    return future


def threads_of_this_process():
    return len(os.listdir("/proc/self/task"))


def test_they_are_futures_of_the_standard_library(laptop, scratch):
    laptop.write("a")
    task = transfer_task("my-laptop", "hpc-scratch", "a", "a")
    assert isinstance(task, concurrent.futures.Future)
    called = threading.Event()
    task.add_done_callback(lambda _: called.set())
    done, rest = concurrent.futures.wait([task], timeout=60)
    assert done == {task} and not rest and called.wait(60)
    assert list(concurrent.futures.as_completed([task])) == [task]
    assert not task.cancel() and not task.cancelled() and task.exception() is None


def test_any_argument_may_be_a_future(laptop, scratch):
    laptop.write("data/a", b"1")
    coming = concurrent.futures.Future()
    task = transfer_task(future_of("my-laptop"), future_of(scratch.id), future_of("data"), coming,
                         recursive=future_of(True), timeout=future_of(60))
    time.sleep(0.2)
    assert not task.done() and task.task_id is None and task.progress() is None and task.files() == []
    coming.set_result("copy")
    assert task.result(60) is True
    assert scratch.tree() == ["copy/a"]


def test_inputs_are_waited_for(laptop, scratch):
    laptop.write("a")
    first, second = concurrent.futures.Future(), concurrent.futures.Future()
    task = transfer_task("my-laptop", "hpc-scratch", "a", "a", inputs=[first, [second], "no future"])
    first.set_result("whatever")
    time.sleep(0.2)
    assert not task.done() and not scratch.has("a")
    second.set_result(None)
    assert task.result(60) is True


def test_tasks_wait_for_one_another(laptop, scratch):
    laptop.write("a", b"1")
    there = transfer_task("my-laptop", "hpc-scratch", "a", "b")
    back = transfer_task("hpc-scratch", "my-laptop", "b", "c", inputs=[there])
    cleaned = delete_task("hpc-scratch", "b", inputs=[back])
    assert cleaned.result(60) is True
    assert laptop.read("c") == b"1" and scratch.tree() == []


def test_nothing_is_deleted_after_a_transfer_that_failed(laptop, scratch):
    laptop.write("source")
    staged = transfer_task("my-laptop", "hpc-scratch", "missing", "copy")
    cleaned = delete_task("my-laptop", "source", inputs=[staged])
    assert cleaned.result(60) is False
    assert cleaned.task_id is None and "not started" in str(cleaned.error)
    strict = delete_task("my-laptop", "source", inputs=[staged], strict=True)
    with pytest.raises(wherry.TransferError, match="not started"):
        strict.result(60)
    assert laptop.has("source")


def test_an_exception_among_the_inputs_is_the_cause(laptop, scratch):
    laptop.write("source")
    broken = concurrent.futures.Future()
    broken.set_exception(ZeroDivisionError("no"))
    for options in ({"inputs": [broken]}, {"src_path": broken}):
        task = delete_task(**{"src_ep": "my-laptop", "src_path": "source", **options})
        with pytest.raises(wherry.DependencyError) as raised:
            task.result(60)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert laptop.has("source")


def test_what_is_wrong_with_a_result_is_told_by_the_future(laptop, scratch):
    with pytest.raises(TypeError, match="src_path"):
        transfer_task("my-laptop", "hpc-scratch", future_of(7), "a").result(60)


def test_time_outs_are_false_and_the_task_goes_on(slow, scratch, client):
    task = transfer_task("slow", "hpc-scratch", "big", "big", timeout=3)
    assert task.result(60) is False
    assert task.error.timed_out and task.error.task_id == task.task_id
    assert client.task(task.task_id).status == "ACTIVE"
    client.cancel(task.task_id)
    assert client.wait(task.task_id, 60).status == "FAILED"


def test_time_outs_may_end_the_task(slow, scratch, client):
    task = transfer_task("slow", "hpc-scratch", "big", "big", timeout=3, cancel_on_timeout=True, strict=True)
    with pytest.raises(wherry.TransferError) as raised:
        task.result(60)
    assert raised.value.timed_out
    assert client.wait(task.task_id, 60).status == "FAILED"
    assert scratch.tree() == []


def test_a_task_can_be_cancelled(slow, scratch, client):
    task = transfer_task("slow", "hpc-scratch", "big", "big")
    while task.task_id is None:
        time.sleep(0.01)
    assert task.cancel() is True
    assert task.result(60) is False and task.error.cancelled
    assert task.cancel() is False
    assert client.wait(task.task_id, 60).status == "FAILED"


def test_a_task_that_somebody_else_cancels_is_false(slow, scratch, client):
    task = transfer_task("slow", "hpc-scratch", "big", "big")
    while task.task_id is None:
        time.sleep(0.01)
    client.cancel(task.task_id)
    assert task.result(60) is False and task.error.cancelled


def test_a_task_that_waits_for_others_is_cancelled_at_once(laptop, scratch):
    laptop.write("a")
    never = concurrent.futures.Future()
    task = delete_task("my-laptop", "a", inputs=[never])
    assert task.cancel() is True
    assert task.result(0) is False and task.error.cancelled
    never.set_result(None)  # has nothing to start any more
    assert task.task_id is None and laptop.has("a")


def test_they_can_be_awaited(laptop, scratch):
    for number in range(10):
        laptop.write(f"f{number}")

    async def move():
        first = await transfer_task("my-laptop", "hpc-scratch", "f0", "f0")
        rest = await asyncio.gather(*(transfer_task("my-laptop", "hpc-scratch", f"f{n}", f"f{n}") for n in range(1, 10)))
        with pytest.raises(RuntimeError, match="Source endpoint 'x' could not be found"):
            await transfer_task("x", "hpc-scratch", "f0", "f0")
        return [first, *rest]

    assert asyncio.run(move()) == [True] * 10


def test_a_wait_that_asyncio_ends_cancels_the_task(slow, scratch, client):
    async def move():
        task = transfer_task("slow", "hpc-scratch", "big", "big")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(task, 0.5)
        return task

    task = asyncio.run(move())
    assert task.result(60) is False and task.error.cancelled


def test_futures_of_asyncio_are_refused_with_a_reason():
    async def move():
        with pytest.raises(TypeError, match="await"):
            transfer_task("a", "b", asyncio.get_running_loop().create_future(), "c")

    asyncio.run(move())


def test_callbacks_may_start_tasks_and_may_raise(laptop, scratch, caplog):
    laptop.write("a")
    started = concurrent.futures.Future()
    task = transfer_task("my-laptop", "hpc-scratch", "a", "b")
    task.add_done_callback(lambda _: 1 / 0)
    task.add_done_callback(lambda _: started.set_result(transfer_task("hpc-scratch", "my-laptop", "b", "c")))
    assert started.result(60).result(60) is True


def test_many_waiting_tasks_need_no_threads(laptop, scratch):
    laptop.write("a")
    assert transfer("my-laptop", "hpc-scratch", "a", "a")
    before = threads_of_this_process()
    gate = concurrent.futures.Future()
    tasks = [transfer_task("my-laptop", "hpc-scratch", "a", f"copy{number}", inputs=[gate]) for number in range(2000)]
    assert threads_of_this_process() <= before
    gate.set_result(None)
    assert all(task.result(120) for task in tasks)
    assert threads_of_this_process() <= before + 8  # workers of the engine, not waiters
    assert len({task.task_id for task in tasks}) < 200


def test_many_threads_may_start_and_wait(laptop, scratch):
    for number in range(40):
        laptop.write(f"f{number}", b"%d" % number)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(lambda n: transfer("my-laptop", "hpc-scratch", f"f{n}", f"g{n}"), range(40)))
    assert all(moved) and len(scratch.tree()) == 40
