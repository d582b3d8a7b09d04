"""A temporary folder that is removed even if this process is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline import programs

PREFIX = "lipdrop-make-"
REMOVAL_SECONDS = 5.0
"""How long processes that are being killed may keep writing to the folder."""

CLEANER = 'trap "" HUP INT TERM; cat >/dev/null; for pause in 0 0.5 2; do sleep $pause; rm -rf -- "$@"; done'
"""Waits for the end of its standard input, which is the end of this process, then removes what it is given. More than
once, because workers that are being killed may still write."""


@contextlib.contextmanager
def scratch_folder(*files: Path) -> Iterator[Path]:
    """A new folder for the length of a block; it and `files` are removed afterwards.

    Temporary files of this process, and of those that it starts, go there too.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with programs.start_surviving(["sh", "-c", CLEANER, "cleaner", str(folder), *map(str, files)]) as cleaner:
        try:
            with _temporary_files_in(folder):
                yield folder
        finally:
            for file in files:
                file.unlink(missing_ok=True)
            _remove(folder)
            cleaner.kill()


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Libraries look at TMPDIR; `tempfile` has done so already."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = None
        del os.environ["TMPDIR"]
        os.environ.update({} if before is None else {"TMPDIR": before})


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + REMOVAL_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)
