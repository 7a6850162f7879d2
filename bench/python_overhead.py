# SPDX-License-Identifier: Apache-2.0
"""python_overhead.py FOLDER COUNT: transfers of one file of 16 KiB through the Python package, one after another, in this
process. Prints the median, as `wherry_flow_bench FOLDER one` does of the same in C++."""

import pathlib
import statistics
import sys
import time

import wherry
from wherry.data import transfer


def main() -> None:
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    for place in ("lab", "scratch"):
        (folder / place).mkdir()
    (folder / "lab" / "0").write_bytes(b"x" * 16384)
    with wherry.Client("local", state_dir=folder / "state", batch_window=0) as client:
        for place in ("lab", "scratch"):
            client.create_endpoint(place, folder / place)
        times = []
        for number in range(count):
            begin = time.perf_counter()
            assert transfer("lab", "scratch", "/0", f"/{number}", client=client)
            times.append(time.perf_counter() - begin)
    print(f"one transfer of 16 KiB: {statistics.median(times) * 1000:.3f} ms")


if __name__ == "__main__":
    main()
