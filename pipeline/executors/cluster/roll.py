"""Which workers may be at work, noted in the spool: one that cannot be found after a restart may be on a node that Ray
has given up, and go on until its lease is over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline.executors.cluster.clock import boot_id
from pipeline.files import replace_file

ROLL_FILE = "cluster-workers.json"


class Roll:
    """The workers of one bridge, by name."""

    def __init__(self, folder: Path) -> None:
        """Begin with none: those of the previous bridge have stopped. `folder`: the spool's `run/`."""
        self._file = folder / ROLL_FILE
        self._names: set[str] = set()
        self._write()

    def add(self, worker: str) -> None:
        """Note a worker that may get work from now on."""
        self._names.add(worker)
        self._write()

    def remove(self, worker: str) -> None:
        """Note that a worker has certainly stopped."""
        self._names.discard(worker)
        self._write()

    def _write(self) -> None:
        _write(self._file, self._names, None)


def note_end(folder: Path) -> None:
    """Note that a bridge has ended, now or before: from here on it renews no lease."""
    file = folder / ROLL_FILE
    names, end_seconds = _read(file)
    if names and end_seconds is None:
        _write(file, names, time.monotonic())


def seconds_left(folder: Path, found: Iterable[str], fence_seconds: float) -> float:
    """How long those of the previous bridge's workers that are not found may still be at work."""
    names, end_seconds = _read(folder / ROLL_FILE)
    if names.issubset(found):
        return 0.0
    return fence_seconds if end_seconds is None else max(0.0, end_seconds + fence_seconds - time.monotonic())


def _read(file: Path) -> tuple[set[str], float | None]:
    """The workers, and when their bridge ended, on this machine's monotonic clock; None if that is not known."""
    try:
        noted = json.loads(file.read_bytes())
    except FileNotFoundError:
        return set(), None
    return set(noted["workers"]), noted["end_seconds"] if noted["boot_id"] == boot_id() else None


def _write(file: Path, names: set[str], end_seconds: float | None) -> None:
    noted = {"workers": sorted(names), "boot_id": boot_id(), "end_seconds": end_seconds}
    replace_file(file, json.dumps(noted).encode())
