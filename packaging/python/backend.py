# SPDX-License-Identifier: Apache-2.0
"""What pip asks to build the Python package (PEP 517): CMake makes the extension module, this packs it with python/wherry.

The standard library is enough. What is missing for the build is told in a sentence. WHERRY_JOBS is how many compilers run
at once; with WHERRY_PYTHON_MODULE in the environment that module is packed and nothing is built.
"""

import base64
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELP = "scripts/install-dependencies, in the clone, installs what the build needs (Debian 12 and later)"
SUMMARY = "Moves scientific data: transfers as futures for workflows, and staging for Parsl"


def version() -> str:
    found = re.search(r"^project\(wherry VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.M)
    assert found, "CMakeLists.txt names no version"
    return found.group(1)


def tag() -> str:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"{python}-{python}-{platform}"


def built_module() -> pathlib.Path:
    """The extension module for the Python that runs this."""
    if made := os.environ.get("WHERRY_PYTHON_MODULE"):
        return pathlib.Path(made)
    if not shutil.which("cmake"):
        raise SystemExit(f"wherry: cmake is missing; {HELP}")
    build = ROOT / "build" / f"pip-{tag()}"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    # As the preset `release` has it, which is what the tests try.
    cmake("-S", ROOT, "-B", build, *generator, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2",
          "-DCMAKE_UNITY_BUILD=ON", "-DWHERRY_TESTS=OFF", "-DWHERRY_WERROR=OFF", "-DWHERRY_PYTHON=ON",
          f"-DPython3_EXECUTABLE={sys.executable}")
    jobs = os.environ.get("WHERRY_JOBS") or str(os.cpu_count() or 1)
    cmake("--build", build, "--target", "wherry_python", "--parallel", jobs)
    [module] = (build / "python" / "wherry").glob("_wherry.*.so")
    return module


def cmake(*arguments) -> None:
    if subprocess.run(["cmake", *arguments]).returncode != 0:
        raise SystemExit(f"wherry: what CMake says above ends the build; if something is missing, {HELP}")


def metadata() -> str:
    readme = (ROOT / "README.md").read_text()
    return (f"Metadata-Version: 2.1\nName: wherry\nVersion: {version()}\nSummary: {SUMMARY}\nLicense: Apache-2.0\n"
            f"Requires-Python: >=3.9\nDescription-Content-Type: text/markdown\n\n{readme}")


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """What pip wants to know first; without this it would build for it."""
    info = f"wherry-{version()}.dist-info"
    directory = pathlib.Path(metadata_directory) / info
    directory.mkdir()
    (directory / "METADATA").write_text(metadata())
    return info


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    module = built_module()
    info = f"wherry-{version()}.dist-info"
    files = {f"wherry/{path.name}": path.read_bytes() for path in sorted((ROOT / "python" / "wherry").iterdir())
             if path.suffix in (".py", ".pyi") or path.name == "py.typed"}
    files[f"wherry/{module.name}"] = module.read_bytes()
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: wherry\nRoot-Is-Purelib: false\nTag: {tag()}\n".encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},"
              f"{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    name = f"wherry-{version()}-{tag()}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            wheel.writestr(entry, content)
    return name


def build_sdist(sdist_directory, config_settings=None):
    base = f"wherry-{version()}"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(os.path.join(sdist_directory, f"{base}.tar.gz"), "w:gz") as archive:
        for name in sorted(os.fsdecode(each) for each in listed.split(b"\0") if each):
            archive.add(ROOT / name, f"{base}/{name}", recursive=False)
        info = tarfile.TarInfo(f"{base}/PKG-INFO")
        content = metadata().encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return f"{base}.tar.gz"
