# SPDX-License-Identifier: Apache-2.0
"""A state directory of its own for each test, and two endpoints in it."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import wherry  # noqa: E402
import wherry.client  # noqa: E402


class Place:
    """A directory that is an endpoint."""

    def __init__(self, create_endpoint, name, root, **options):
        root.mkdir()
        self.root, self.name = root, name
        self.id = create_endpoint(name, root, **options)

    def write(self, path, content=b"content"):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def read(self, path):
        return (self.root / path.lstrip("/")).read_bytes()

    def has(self, path):
        return (self.root / path.lstrip("/")).exists()

    def tree(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """What the default client uses; nothing of the developer's."""
    for name in list(os.environ):
        if name.startswith(("WHERRY_", "GLOBUS_")) and name != "WHERRY_BINARY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHERRY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WHERRY_SETTINGS", str(tmp_path / "settings.yml"))
    yield
    if wherry.client._default is not None:
        wherry.client._default.close()
        wherry.client._default = None


@pytest.fixture
def client(own_state):
    with wherry.Client() as made:
        yield made


@pytest.fixture
def create_endpoint(client):
    return lambda name, root, **options: client.create_endpoint(name, root, **options).id


@pytest.fixture
def laptop(create_endpoint, tmp_path):
    return Place(create_endpoint, "my-laptop", tmp_path / "laptop")


@pytest.fixture
def scratch(create_endpoint, tmp_path):
    return Place(create_endpoint, "hpc-scratch", tmp_path / "scratch")


@pytest.fixture
def slow(create_endpoint, tmp_path):
    """Takes a minute for what is in `big`."""
    place = Place(create_endpoint, "slow", tmp_path / "slow", bytes_per_second=100_000)
    place.write("big", os.urandom(6_000_000))
    return place


@pytest.fixture(scope="session")
def service():
    """`wherry serve`, the real one."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "system"))
    import served
    import system
    with system.Scratch() as scratch:
        started = served.Service(scratch)
        yield started
        started.stop()


@pytest.fixture
def at_service(own_state, service, monkeypatch):
    """Makes `service` the configured service, used by a client of it that is new; answers how to make endpoints there."""
    number, secret = service.client("test")
    monkeypatch.setenv("WHERRY_SERVICE", service.url)
    monkeypatch.setenv("WHERRY_CLIENT_ID", number)
    monkeypatch.setenv("WHERRY_CLIENT_SECRET", secret)
    return lambda name, root: service.scratch.json("endpoint", "create", name, root, "--owner", number)["id"]
