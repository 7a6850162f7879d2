# SPDX-License-Identifier: Apache-2.0
"""The tour of the README works as it stands: its commands are run, word for word."""

import os
import pathlib
import re
import subprocess
import sys

import system

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def commands() -> str:
    section = re.search(r"^## Five minutes\n(.*?)^## ", README.read_text(), re.M | re.S).group(1)
    lines = [line[4:] for line in section.split("\n") if line.startswith("    ")]
    # Another place than the reader's, so that the test is alone with it, and another binary.
    return "\n".join(line for line in lines if not line.startswith("export PATH"))


def main() -> int:
    with system.Scratch() as scratch:
        script = commands().replace("/tmp/tour", str(scratch.root / "tour"))
        if script.count("wherry ") < 10:
            print("the tour of the README was not found")
            return 1
        env = {**scratch.env, "PATH": f"{pathlib.Path(system.BINARY).parent}:{os.environ['PATH']}"}
        toured = subprocess.run(["bash", "-euxc", script], env=env, stdin=subprocess.DEVNULL, timeout=300)
        left = [path for path in scratch.root.glob("tour*")]
        if toured.returncode == 0 and left:
            print(f"the tour leaves {left}")
            return 1
        return toured.returncode


if __name__ == "__main__":
    sys.exit(main())
