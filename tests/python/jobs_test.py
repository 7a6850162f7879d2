# SPDX-License-Identifier: Apache-2.0
"""wherry.jobs: Balsam's object style over a real site."""

import contextlib
import gzip
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

import wherry
from wherry import jobs
from wherry.jobs import ApplicationDefinition, EventLog, Job, Site, TransferItem


def run_wherry(*words, **options):
    return subprocess.run([os.environ["WHERRY_BINARY"], *map(str, words)], check=True, capture_output=True, text=True,
                          timeout=120, **options).stdout


class Double(ApplicationDefinition):
    """Writes what it reads, twice."""

    command_template = "cat input.txt {{ second }} > result.txt"
    parameters = {"second": {"default": "input.txt"}}
    transfers = {"input": {"direction": "in", "local_path": "input.txt"},
                 "result": {"direction": "out", "local_path": "result.txt"}}


@pytest.fixture
def site(client, laptop, scratch, tmp_path):
    place = tmp_path / "beamline"
    run_wherry("site", "init", place, "-n", "beamline")
    (place / "settings.yml").write_text(
        "transfers:\n  transfer_locations:\n    lab: wherry://my-laptop\n    archive: wherry://hpc-scratch\n"
        "  service_period: 1\n")
    run_wherry("site", "sync", cwd=place)
    Double.sync()
    return Site.objects.get("beamline")


def some_jobs(count, **fields):
    return [Double.job(f"run/{n}", tags={"number": str(n)}, transfers={"input": f"lab:/in/{n}", "result": f"archive:/out/{n}"},
                       **fields) for n in range(count)]


def test_sites_are_found(site, tmp_path):
    assert site.path == str(tmp_path / "beamline")
    assert [each.name for each in Site.objects.all()] == ["beamline"]
    assert Site.objects.get(site.id) == site
    with pytest.raises(jobs.DoesNotExist):
        Site.objects.get("elsewhere")


def test_jobs_are_made_in_bulk_and_asked_for(site):
    made = Job.objects.bulk_create(some_jobs(30))
    assert [job.workdir for job in made] == [f"run/{n}" for n in range(30)]
    assert {job.state for job in made} == {"READY"} and all(job.id for job in made)
    everything = Job.objects.all()
    assert len(everything) == everything.count() == 30
    assert Job.objects.get(tags={"number": "7"}).workdir == "run/7"
    assert [job.workdir for job in Job.objects.filter(site="beamline").order_by("-id")[:2]] == ["run/29", "run/28"]
    assert [job.id for job in everything[10:20][2:4]] == [made[12].id, made[13].id]
    assert everything[5] == made[5] and everything.first() == made[0]
    assert not Job.objects.filter(state="FAILED") and Job.objects.filter(state="FAILED").first() is None
    assert Job.objects.exclude(state="READY").count() == 0
    assert TransferItem.objects.filter(direction="in", state="pending").count() == 30
    item = TransferItem.objects.get(job_id=made[3], direction="out")
    assert (item.location_alias, item.remote_path, item.state, item.task_id) == ("archive", "/out/3", "awaiting_job", None)
    assert EventLog.objects.filter(job_id=made[3].id).count() >= 1
    with pytest.raises(jobs.MultipleObjectsReturned):
        Job.objects.get(state="READY")
    with pytest.raises(jobs.DoesNotExist):
        Job.objects.get(id=10_000)
    assert Job.objects.filter(app=Double).count() == Job.objects.filter(app="Double").count() == 30
    with pytest.raises(ValueError, match="cannot be ordered by 'workdir'"):
        TransferItem.objects.order_by("workdir")


def test_more_than_a_page_is_read_page_by_page(site, monkeypatch):
    made = Job.objects.bulk_create(some_jobs(30))
    for page in (7, 15, 30):
        monkeypatch.setattr(jobs, "_PAGE", page)
        assert list(Job.objects.all()) == made
        assert list(Job.objects.order_by("-id")[5:25]) == made[24:4:-1]


def test_apps_of_balsam_need_not_declare_their_parameters(site):
    class Hello(ApplicationDefinition):
        site = "beamline"
        command_template = "echo {{ greeting }} {{name}}"

    Hello.sync()
    with pytest.raises(wherry.InvalidRequestError, match="greeting|name"):
        Hello.submit("none")
    made = Hello.submit("some", greeting="hi", name="all")
    assert made.parameters == {"greeting": "hi", "name": "all"}
    other = Job.objects.create(app_id="Hello", site_name="beamline", workdir="other", parameters=made.parameters)
    assert other.id and Hello.submit("third", site="beamline", greeting="a", name="b").id


def test_what_a_job_says_of_resources_goes_over_what_its_app_says(site):
    class Wide(Double):
        resources = {"num_nodes": 2, "wall_time_min": 5, "launch_params": {"cpu-bind": "cores"}}

    Wide.sync()
    places = {"input": "lab:/in/1", "result": "archive:/out/1"}
    own = Wide.submit("own", transfers=places, wall_time_min=7)
    usual = Wide.submit("usual", transfers=places)
    assert (own.num_nodes, own.wall_time_min, own.launch_params) == (2, 7, {"cpu-bind": "cores"})
    assert (usual.num_nodes, usual.wall_time_min) == (2, 5)
    with pytest.raises(TypeError, match="num_nodes='two'"):
        Double.submit("wrong", transfers=places, num_nodes="two")
    with pytest.raises(TypeError, match="a job has no num_node$"):
        Job("wrong", Double, num_node=1)


def test_all_or_none_are_made(site):
    bad = some_jobs(3)
    bad[2].transfers["no_such_slot"] = "lab:/x"
    with pytest.raises(wherry.InvalidRequestError, match="no_such_slot"):
        Job.objects.bulk_create(bad)
    assert Job.objects.count() == 0


def test_jobs_are_changed_cancelled_and_deleted(site):
    first, second, third = Job.objects.bulk_create(some_jobs(3))
    first.tags["kind"] = "calibration"
    first.save()
    assert Job.objects.get(tags={"kind": "calibration"}) == first
    assert Job.objects.filter(id=[first.id, second.id]).update(tags={"group": "a"}) == 2
    assert Job.objects.filter(tags={"group": "a"}).count() == 2
    second.cancel()
    assert second.state == "FAILED" and second.done()
    second.retry()
    assert second.state == "READY" and not second.done()
    third.delete()
    assert Job.objects.count() == 2
    with pytest.raises(TypeError, match="cannot be filtered"):
        Job.objects.filter(colour="red")
    with pytest.raises(TypeError, match="can be changed"):
        Job.objects.filter(id=first.id).update(id=7)


@contextlib.contextmanager
def running():
    """The process of the site."""
    process = subprocess.Popen([os.environ["WHERRY_BINARY"], "site", "start", "beamline"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_a_site_runs_them(site, laptop, scratch):
    for number in range(3):
        laptop.write(f"in/{number}", b"%d" % number)
    with running():
        made = Job.objects.bulk_create(some_jobs(4))  # the last one's input is missing
        done, left = Job.objects.wait(made, timeout=100, poll_interval=0.2)
        assert len(done) == 4 and not left
        assert [job.result(1) for job in made[:3]] == [0, 0, 0]
        assert scratch.read("out/2") == b"22"
        with pytest.raises(jobs.JobFailed):
            made[3].result(1)
        [error] = TransferItem.objects.filter(state="error", direction="in")
        assert error.job_id == made[3].id and error.error[0] == "FILE_NOT_FOUND"
        again = Double.submit("run/again", transfers={"input": "lab:/in/1", "result": "archive:/out/again"}, second="/dev/null")
        [ended] = Job.objects.as_completed([again], timeout=100, poll_interval=0.2)
        assert ended.state == "JOB_FINISHED" and scratch.read("out/again") == b"1"


def test_the_program_of_the_page_works(site, laptop, scratch):
    """docs/howto/from-balsam.md, word for word."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "from-balsam.md"
    [program] = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
    for name in ("a", "b", "c"):
        laptop.write(f"run42/{name}.tif", name.encode())
    with running():
        ran = {}
        exec(compile(program, str(page), "exec"), ran)
    assert [job.state for job in Job.objects.all()] == ["JOB_FINISHED"] * 3
    assert gzip.decompress(scratch.read("run42/b.tif.gz")) == b"b"


def test_waiting_has_an_end(site):
    [job] = Job.objects.bulk_create(some_jobs(1))
    assert Job.objects.wait([job], timeout=0) == ([], [job])
    with pytest.raises(TimeoutError, match="it is READY"):
        job.result(0)
    with pytest.raises(ValueError, match="not stored"):
        Job.objects.wait(some_jobs(1))
    with pytest.raises(ValueError, match="FIRST_COMPLETED"):
        Job.objects.wait([job], return_when="FIRST")
    with pytest.raises(ValueError, match="poll_interval"):
        Job.objects.wait([job], poll_interval=0)


def test_what_ends_or_is_deleted_while_it_is_waited_for_is_seen_soon(site):
    first, second = Job.objects.bulk_create(some_jobs(2))
    threading.Timer(0.3, lambda: Job.objects.get(id=first.id).cancel()).start()
    assert Job.objects.wait([first, second], "FIRST_COMPLETED", timeout=60, poll_interval=0.2) == ([first], [second])
    assert first.state == "FAILED"
    threading.Timer(0.3, lambda: Job.objects.get(id=second.id).delete()).start()
    with pytest.raises(jobs.DoesNotExist, match=f"job {second.id} was deleted"):
        second.result(timeout=60, poll_interval=0.2)
