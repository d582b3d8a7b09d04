"""A job's journal: what was begun and what is finished, so that a daemon that died is taken up where it was.

One file in the job's work folder, one JSON object a line, only ever appended to. An item's beginning is on disk
before the item runs: a job that takes the whole machine down is counted too. Results are not synced; they hold for
one boot of the machine, whose page cache outlives any process and whose monotonic clock the spans in them are told by.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from pipeline.config import Config
from pipeline.files import write_file
from pipeline.messages import Item, Result

JOURNAL = "journal"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

RESULTS: dict[str, TypeAdapter[Result]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Result)}


def fingerprint(job: bytes, config: Config, avatar: str, recording: Path | None) -> str:
    """What a job's results depend on: job and recording, configuration, checkpoints, avatar, and lipdrop itself."""
    folder = config.path(config.avatars.folder) / avatar
    settings = config.model_dump(mode="json", exclude={"spool", "limits", "retention"})
    parts = [job.hex(), version("lipdrop"), json.dumps(settings)]
    parts += [f"{file.name!a} {_stamp(file)}" for file in sorted(folder.glob("*"))]
    parts += [_stamp(config.path(file)) for model in config.models.values() for file in model.files.values()]
    parts += [_stamp(recording)] if recording is not None else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamp(file: Path) -> str:
    try:
        info = file.stat()
    except OSError:
        return "gone"
    return f"{info.st_size} {info.st_mtime_ns}"


class Journal:
    """What is known of one job from before."""

    def __init__(self, folder: Path, fingerprint: str, seen_seconds: float) -> None:
        """Take up the journal in a work folder, as far as it holds, or begin one. Raises OSError, as on a full disk."""
        self._path = folder / JOURNAL
        self._head: dict[str, Any] = {
            "fingerprint": fingerprint,
            "place": [_boot_id(), str(folder)],
            "seen_seconds": seen_seconds,
        }
        self._attempts: Counter[str] = Counter()
        self._suspects: set[str] = set()
        self._keeps = True
        self.results: list[Result] = []
        """The results that still hold, in the order in which they came."""
        self.files: set[Path] = {self._path}
        """What must stay in the work folder: the journal and the files of its results."""
        kept: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # none, or written over by someone
            kept = self._take_up(_lines(self._path))
        write_file(self._path, b"".join(map(_line, [{**self._head, "attempts": self._attempts}, *kept])))

    @property
    def seen_seconds(self) -> float:
        """When the job was first seen, in monotonic seconds; by an earlier daemon, if one was."""
        return float(self._head["seen_seconds"])

    def attempts(self, item: Item) -> int:
        """How often an item was begun and not released."""
        return self._attempts[_key(item)]

    def is_suspect(self, item: Item) -> bool:
        """Whether a daemon died while it ran the item: it may be what killed it."""
        return _key(item) in self._suspects

    @property
    def most_attempts(self) -> int:
        """The attempts of the job's most tried item, at least 1."""
        return max([1, *self._attempts.values()])

    def begin(self, item: Item) -> None:
        """Count an attempt. It is on disk before this returns: what the item may take down comes after.

        Raises OSError.
        """
        self._append({"begun": _key(item)}, synced=True)
        self._attempts[_key(item)] += 1

    def release(self, item: Item) -> None:
        """Take back an attempt that ended through no fault of the item."""
        self._attempts[_key(item)] -= 1
        with contextlib.suppress(OSError):  # on a full disk it counts if the daemon dies as well
            self._append({"released": _key(item)})

    def keep(self, result: Result) -> None:
        """Remember a result, and how large the files are that it names.

        After one that could not be written, as on a full disk, no more are: those that follow build on it.
        """
        if not self._keeps:
            return
        kind = type(result).__name__
        try:
            sizes = {str(path): path.stat().st_size for path in _files(result)}
            self._append({"kind": kind, "result": RESULTS[kind].dump_python(result, mode="json"), "files": sizes})
        except OSError:
            self._keeps = False

    def _append(self, line: dict[str, Any], *, synced: bool = False) -> None:
        with self._path.open("ab") as file:
            file.write(_line(line))
            file.flush()
            if synced:
                os.fsync(file.fileno())

    def _take_up(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take over what an earlier daemon wrote: nothing of another fingerprint, attempts alone of another place.

        Returns the results' lines.
        """
        head, *rest = lines
        if head["fingerprint"] != self._head["fingerprint"]:
            return []
        self._attempts.update(head["attempts"])
        self._attempts.update(line["begun"] for line in rest if "begun" in line)
        self._attempts.subtract(line["released"] for line in rest if "released" in line)
        self._suspects = {key for key, count in self._attempts.items() if count > 0}
        if head["place"] != self._head["place"]:
            return []
        kept = list(itertools.takewhile(_holds, (line for line in rest if "kind" in line)))
        self.results = [RESULTS[line["kind"]].validate_python(line["result"]) for line in kept]
        self.files |= {Path(path) for line in kept for path in line["files"]}
        self._head = head
        return kept


def _key(item: Item) -> str:
    return f"{type(item).__name__} {item.index}"


def _line(value: dict[str, Any]) -> bytes:
    """A line begins with its newline, so that half a line before it costs nothing but itself."""
    return b"\n" + json.dumps(value).encode()


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal: a daemon that died, or a full disk, may have left half of one."""
    lines = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _holds(line: dict[str, Any]) -> bool:
    """Whether the files of a result are all there in their full size."""
    return all(_size(Path(path)) == size for path, size in line["files"].items())


def _files(value: object) -> Iterator[Path]:
    """Every file that a message names, at any depth."""
    if isinstance(value, Path) and value.is_file():
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _files(getattr(value, field.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from _files(part)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _boot_id() -> str:
    return BOOT_ID.read_text().strip()
