# SPDX-License-Identifier: Apache-2.0
"""What the demos share: a scratch directory, the regular files of this machine, sizes as people read them."""

import os
import pathlib
import stat
import tempfile
from typing import Iterator

ROOT = pathlib.Path("/usr")  # what the endpoint "machine" shows, read-only
BELOW = ("share/doc", "include")


def make_scratch(demo: str) -> pathlib.Path:
    place = os.environ.get("TMPDIR", "/var/tmp")
    try:
        return pathlib.Path(tempfile.mkdtemp(prefix=f"wherry-{demo}-", dir=place))
    except OSError as error:
        raise SystemExit(f"{demo}: no scratch directory can be made in '{place}': {error.strerror}; set TMPDIR to a "
                         "directory that you may write to") from None


def real_files(sizes: range) -> Iterator[pathlib.Path]:
    for below in BELOW:
        for directory, directories, names in os.walk(ROOT / below):
            directories.sort()
            for name in sorted(names):
                path = pathlib.Path(directory, name)
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_size in sizes and os.access(path, os.R_OK):
                    yield path


def shown(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""
