# SPDX-License-Identifier: Apache-2.0
"""wherry.parsl with a stand-in for Parsl (stand_ins.py), and with Parsl itself where it is installed."""

import importlib
import pickle
import sys

import pytest

import stand_ins
import wherry
from stand_ins import Executor, File, Workflow


@pytest.fixture
def staging(monkeypatch):
    """The module as it is with Parsl installed."""
    for name, module in stand_ins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    import wherry.parsl
    yield importlib.reload(wherry.parsl)
    monkeypatch.undo()
    importlib.reload(wherry.parsl)


@pytest.fixture
def workflow(staging, scratch):
    """Apps that run in /work of hpc-scratch."""
    patient = wherry.Client(batch_window=0.3)  # on a machine that is busy with other tests
    provider = staging.WherryStaging("hpc-scratch", "/", str(scratch.root), client=patient, file_endpoint="my-laptop")
    assert isinstance(provider, stand_ins.Staging)
    made = Workflow(Executor(str(scratch.root / "work"), [provider]))
    yield made
    made.close()
    patient.close()


def read(file):
    with open(file, "rb") as opened:
        return opened.read()


@pytest.mark.parametrize("url", ["wherry://my-laptop/data/a.txt", "globus://{id}/data/a.txt", "file:///data/a.txt"])
def test_inputs_arrive_before_the_app(workflow, laptop, url):
    laptop.write("data/a.txt", b"hello")
    app = workflow.python_app(lambda inputs: read(inputs[0]))
    assert app(inputs=[File(url.format(id=laptop.id))]).result(60) == b"hello"


def test_results_leave_after_the_app(workflow, laptop):
    def write(outputs):
        with open(outputs[0], "wb") as file:
            file.write(b"made")
        return "done"

    app = workflow.python_app(write)(outputs=[File("wherry://my-laptop/results/made.txt")])
    assert app.outputs[0].result(60).url == "wherry://my-laptop/results/made.txt"
    assert app.result(60) == "done" and laptop.read("results/made.txt") == b"made"


def test_what_one_app_made_is_the_input_of_the_next(workflow, laptop):
    laptop.write("a.txt", b"1")

    def append(inputs, outputs):
        with open(outputs[0], "wb") as file:
            file.write(read(inputs[0]) + b"+")

    first = workflow.python_app(append)(inputs=[File("wherry://my-laptop/a.txt")],
                                        outputs=[File("wherry://my-laptop/b.txt")])
    second = workflow.python_app(append)(inputs=first.outputs, outputs=[File("wherry://my-laptop/c.txt")])
    second.outputs[0].result(60)
    assert laptop.read("c.txt") == b"1++"


def test_files_of_one_name_do_not_meet(workflow, laptop):
    laptop.write("run1/image.tif", b"1")
    laptop.write("run2/image.tif", b"2")

    def swap(inputs, outputs):
        for source, target in zip(reversed(inputs), outputs):
            with open(target, "wb") as file:
                file.write(read(source))

    app = workflow.python_app(swap)(
        inputs=[File(f"wherry://my-laptop/run{n}/image.tif") for n in (1, 2)],
        outputs=[File(f"wherry://my-laptop/swapped{n}/image.tif") for n in (1, 2)])
    assert [output.result(60) is not None for output in app.outputs] == [True, True]
    assert (laptop.read("swapped1/image.tif"), laptop.read("swapped2/image.tif")) == (b"2", b"1")


def test_directories_are_staged_if_the_url_says_so(workflow, laptop):
    laptop.write("data/a")
    laptop.write("data/sub/b")

    def copy(inputs, outputs):
        import shutil
        shutil.copytree(inputs[0], outputs[0], dirs_exist_ok=True)

    app = workflow.python_app(copy)(inputs=[File("wherry://my-laptop/data/")],
                                    outputs=[File("wherry://my-laptop/copy/")])
    app.outputs[0].result(60)
    assert laptop.has("copy/a") and laptop.has("copy/sub/b")


def test_files_that_are_wanted_together_travel_together(workflow, laptop, client):
    for number in range(20):
        laptop.write(f"f{number}", b"%d" % number)
    app = workflow.python_app(lambda inputs: b",".join(read(file) for file in inputs))
    together = app(inputs=[File(f"wherry://my-laptop/f{n}") for n in range(20)])
    assert together.result(60) == b",".join(b"%d" % n for n in range(20))
    assert len(client.tasks()) == 1


def test_a_file_that_changes_is_staged_anew(workflow, laptop):
    app = workflow.python_app(lambda inputs: read(inputs[0]))
    laptop.write("a", b"old")
    assert app(inputs=[File("wherry://my-laptop/a")]).result(60) == b"old"
    laptop.write("a", b"new")
    assert app(inputs=[File("wherry://my-laptop/a")]).result(60) == b"new"


def test_a_missing_input_fails_the_app(workflow, laptop):
    app = workflow.python_app(lambda inputs: "not reached")
    with pytest.raises(wherry.TransferError, match="missing"):
        app(inputs=[File("wherry://my-laptop/missing")]).result(60)


def test_a_result_that_was_not_made_is_reported(workflow, laptop):
    app = workflow.python_app(lambda outputs: "made nothing")(outputs=[File("wherry://my-laptop/made.txt")])
    assert app.result(60) == "made nothing"
    with pytest.raises(wherry.TransferError):
        app.outputs[0].result(60)


def test_nothing_is_staged_out_after_an_app_that_failed(workflow, laptop):
    app = workflow.python_app(lambda outputs: 1 / 0)(outputs=[File("wherry://my-laptop/made.txt")])
    with pytest.raises(wherry.DependencyError) as raised:
        app.outputs[0].result(60)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert laptop.tree() == []


def test_what_it_cannot_place_is_said_at_once(staging, laptop, scratch, tmp_path):
    provider = staging.WherryStaging("hpc-scratch", "/", str(scratch.root))
    assert not provider.can_stage_in(File("https://example.org/a"))
    assert not provider.can_stage_out(File("file:///a"))  # no file_endpoint
    for executor, url, text in [(Executor(None), "wherry://my-laptop/a", "working_dir"),
                                (Executor(str(tmp_path)), "wherry://my-laptop/a", "local_path"),
                                (Executor(str(scratch.root)), "wherry:///a", "names no endpoint"),
                                (Executor(str(scratch.root)), "wherry://my-laptop/", "names no file")]:
        with pytest.raises(ValueError, match=text):
            provider.stage_in(Workflow(executor), "threads", File(url), None)
    with pytest.raises(ValueError, match="both"):
        staging.WherryStaging("hpc-scratch", "/")


def test_a_provider_can_be_pickled(staging, client):
    again = pickle.loads(pickle.dumps(staging.WherryStaging("hpc-scratch", "/me", "/scratch/me", timeout=60)))
    assert (again.endpoint, again.endpoint_path, again.options) == ("hpc-scratch", "/me", {"timeout": 60})


def test_parsl_itself_if_it_is_there(laptop, scratch):
    parsl = pytest.importorskip("parsl")
    from wherry.parsl import WherryStaging
    laptop.write("a.txt", b"hello")
    work = scratch.root / "work"
    work.mkdir()
    config = parsl.Config(run_dir=str(work / "runs"), executors=[parsl.ThreadPoolExecutor(
        working_dir=str(work), storage_access=[WherryStaging("hpc-scratch", "/", str(scratch.root))])])
    with parsl.load(config):
        app = parsl.python_app(lambda inputs=(): open(inputs[0], "rb").read())
        assert app(inputs=[parsl.File("wherry://my-laptop/a.txt")]).result(60) == b"hello"
