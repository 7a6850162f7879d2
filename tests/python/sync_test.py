# SPDX-License-Identifier: Apache-2.0
"""wherry.sync: a mirror from Python."""

import pytest

import wherry
from wherry.sync import Sync


@pytest.fixture
def mirror(laptop, scratch):
    laptop.write("data/a", b"1")
    laptop.write("data/sub/b", b"2")
    return Sync.add("mirror", "my-laptop", "/data", "hpc-scratch", "/copy", settle=0, deletions="propagate", max_delete=60,
                    filters=[("exclude", "*.tmp")])


def test_a_pass_moves_what_changed(mirror, laptop, scratch):
    laptop.write("data/c.tmp")
    dry = mirror.run(dry_run=True)
    assert (dry.number, dry.counts["added"], scratch.tree()) == (0, 2, [])
    first = mirror.run()
    assert first.is_done and (first.number, first.counts["added"], first.counts["failed"]) == (1, 2, 0)
    assert scratch.tree() == ["copy/a", "copy/sub/b"] and len(first.task_ids) == 1
    laptop.write("data/a", b"changed")
    (laptop.root / "data/sub/b").unlink()
    second = mirror.run()
    assert second.is_done and (second.counts["modified"], second.counts["removed"]) == (1, 1)
    assert scratch.tree() == ["copy/a"] and scratch.read("copy/a") == b"changed"
    assert [each.number for each in mirror.history()] == [2, 1]


def test_the_brake_holds(mirror, laptop, scratch):
    mirror.run()
    for name in ("a", "sub/b"):
        (laptop.root / "data" / name).unlink()
    stopped = mirror.run()
    assert not stopped.is_done and stopped.message and len(scratch.tree()) == 2
    assert mirror.run(allow_deletions=True).is_done and scratch.tree() == []


def test_syncs_are_found_paused_and_removed(mirror, client):
    assert [each.name for each in Sync.all()] == ["mirror"]
    found = Sync.get("mirror")
    assert (found.source_path, found.destination_path, found.deletions) == ("/data", "/copy", "propagate")
    found.pause()
    assert Sync.get("mirror").paused
    with pytest.raises(wherry.WherryError, match="paused"):
        found.run()
    found.resume()
    assert found.run().is_done
    found.remove()
    assert Sync.all() == []
    with pytest.raises(wherry.NotFoundError):
        Sync.get("mirror")
    with pytest.raises(wherry.InvalidRequestError):
        Sync.add("bad name!", "my-laptop", "/data", "hpc-scratch", "/copy")
