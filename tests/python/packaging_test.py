# SPDX-License-Identifier: Apache-2.0
"""`pip install .`: what its backend packs can be installed without a network, and works. The module is the one that the
tests use, not built anew."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

import wherry

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wheel")
    program = "import sys; sys.path.insert(0, 'packaging/python'); import backend; print(backend.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-B", "-c", program, str(directory)], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "WHERRY_PYTHON_MODULE": wherry._wherry.__file__}, timeout=120)
    assert done.returncode == 0, done.stderr
    return directory / done.stdout.strip()


def test_the_wheel_holds_the_package_and_says_for_which_python(wheel):
    assert wheel.name.startswith(f"wherry-{wherry.__version__}-cp{sys.version_info.major}{sys.version_info.minor}-")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
    here = {f"wherry/{path.name}" for path in (ROOT / "python" / "wherry").iterdir() if path.is_file()}
    assert here < names
    assert {f"wherry-{wherry.__version__}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")} < names


@pytest.mark.parametrize("cmake, said", [
    (None, "cmake is missing"), ("#!/bin/sh\necho 'no package fmt' >&2\nexit 1\n", "no package fmt")])
def test_what_the_build_lacks_is_told_with_what_to_do(tmp_path, cmake, said):
    if cmake:
        (tmp_path / "cmake").write_text(cmake)
        (tmp_path / "cmake").chmod(0o755)
    program = "import sys; sys.path.insert(0, 'packaging/python'); import backend; backend.build_wheel('.')"
    done = subprocess.run([sys.executable, "-B", "-c", program], cwd=ROOT, capture_output=True, text=True,
                          env={"PATH": str(tmp_path)}, timeout=120)
    assert done.returncode == 1 and said in done.stderr and "scripts/install-dependencies" in done.stderr
    assert "Traceback" not in done.stderr


def test_pip_installs_it_and_it_works(wheel, tmp_path, laptop, scratch):
    pytest.importorskip("pip")
    target = tmp_path / "site"
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(target),
                    str(wheel)], check=True, env=plain, timeout=300, cwd=tmp_path)
    laptop.write("a", b"1")
    program = ("import wherry; from wherry.data import transfer; print(wherry.__file__); "
               "print(transfer('my-laptop', 'hpc-scratch', 'a', 'a'))")
    done = subprocess.run([sys.executable, "-c", program], env={**plain, "PYTHONPATH": str(target)}, capture_output=True,
                          text=True, timeout=120, cwd=tmp_path)
    assert done.stdout.splitlines() == [str(target / "wherry" / "__init__.py"), "True"], done.stderr
