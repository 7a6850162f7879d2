# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of tests/system/sdk, in which the official JavaScript SDK drives the real service.

sdk_test.py [FILE...]          all or those files of tests/system/sdk, over http
sdk_test.py --tls [FILE...]    over https, with the certificate that the service makes

The modules come from `scripts/install-dependencies test`; without them the test fails and says so.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import served
import system

HERE = pathlib.Path(__file__).resolve().parent / "sdk"


def missing() -> str:
    if shutil.which("node") is None:
        return "there is no node"
    wanted = HERE / "package-lock.json"
    installed = HERE / "node_modules" / "installed-lock.json"
    if not installed.exists():
        return f"there is no {installed.parent}"
    if installed.read_bytes() != wanted.read_bytes():
        return f"{installed.parent} is not what {wanted.name} names"
    return ""


def main() -> int:
    words = sys.argv[1:]
    options = ["--tls"] if "--tls" in words else []
    files = [HERE / word for word in words if word != "--tls"] or sorted(HERE.glob("*.test.mjs"))
    if why := missing():
        print(f"{why}: run scripts/install-dependencies test")
        return 1
    with system.Scratch() as scratch:
        scratch.env["WHERRY_SERVE_ENDPOINT_DIRECTORY"] = str(scratch.root / "made")
        service = served.Service(scratch, *options)
        env = {**scratch.env, **service.env, "WHERRY_BINARY": str(pathlib.Path(system.BINARY).resolve()),
               "WHERRY_SCRATCH": str(scratch.root)}
        try:
            tested = subprocess.run(["node", "--test", "--test-reporter=spec", *files], env=env,
                                    stdin=subprocess.DEVNULL, timeout=800)
        finally:
            service.stop()
        if tested.returncode != 0:
            print(service.tail())
        return tested.returncode


if __name__ == "__main__":
    sys.exit(main())
