"""A job's journal: its attempts, results and history, so that after a crash the next daemon resumes the job.

One append-only file in the job's work folder, one JSON object per line. The start of an item is synced to disk before
the item runs, so that an attempt counts even if it crashes the machine. Results are not synced. They are valid for one
boot: the page cache outlives any process, and their time spans use the boot's monotonic clock.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from daemon.scheduling.history import INTERRUPTED, History, Run
from daemon.scheduling.open_records import Cut, OpenState, Record, Request
from daemon.scheduling.stages import STAGES, step
from pipeline.errors import CLUSTER_LOST
from pipeline.files import write_file
from pipeline.messages import Chunk, Item

JOURNAL = "journal"
CHUNKS_KIND = "chunks_kind"
"""Key of the kind of workers that render the chunks, in the first line or in that of a chunk's start."""
PLAIN = (str, int, float, type(None))
"""Most parts of messages: they name no files."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

RUN, RUNS = TypeAdapter(Run), TypeAdapter(list[Run])
KINDS: tuple[type[Record], ...] = (*(row.result for row in STAGES), Request, Cut, OpenState)
RECORDS: dict[str, TypeAdapter[Record]] = {kind.__name__: TypeAdapter(kind) for kind in KINDS}


class Journal:
    """The journal of one job."""

    def __init__(self, folder: Path, fingerprint: str, seen_seconds: float, alive_seconds: float = 0.0) -> None:
        """Continue the valid part of a work folder's journal, or start a new one. Raises OSError.

        `alive_seconds`: when a previous daemon was last known to be alive; monotonic.
        """
        self._path = folder / JOURNAL
        self._head: dict[str, Any] = {
            "fingerprint": fingerprint,
            "place": [_boot_id(), str(folder)],
            "seen_seconds": seen_seconds,
        }
        self._attempts: Counter[str] = Counter()
        self._most_forgotten = 1
        self._suspects: set[str] = set()
        self._keeps = True
        self.history = History()
        self.results: list[Record] = []
        """The results that are still valid, in their original order."""
        self.files: set[Path] = {self._path}
        """Files that must stay in the work folder: the journal, and the files of its results."""
        kept: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # missing or damaged
            kept = self._continue(_lines(self._path))
        self.history.interrupt(min(alive_seconds, time.monotonic()))
        runs = [asdict(run) for run in self.history.runs]
        write_file(self._path, b"".join(map(_line, [{**self._head, "attempts": self._attempts, "runs": runs}, *kept])))

    @property
    def result_files(self) -> set[Path]:
        """The files of its results."""
        return self.files - {self._path}

    @property
    def fingerprint(self) -> str:
        """Of the job: see `fingerprints`."""
        return str(self._head["fingerprint"])

    @property
    def seen_seconds(self) -> float:
        """When this or a previous daemon first saw the job, in monotonic seconds."""
        return float(self._head["seen_seconds"])

    def attempts(self, item: Item) -> int:
        """How many times an item was started and not released."""
        return self._attempts[_key(item)]

    def is_suspect(self, item: Item) -> bool:
        """Whether the item was running when a daemon died: it may have been the cause."""
        return _key(item) in self._suspects

    @property
    def most_attempts(self) -> int:
        """The highest attempt count of any item, at least 1."""
        return max([self._most_forgotten, *self._attempts.values()])

    @property
    def kind(self) -> str | None:
        """The kind of the workers that render the job's chunks: see `pipeline.messages.Ready`. None: of any."""
        kind: str | None = self._head.get(CHUNKS_KIND)
        return kind

    def losses(self, item: Item) -> int:
        """How many runs of an item were lost with their node."""
        lost = (run for run in self.history.runs if run.code == CLUSTER_LOST)
        return sum((run.stage, run.index) == (step(item), item.index) for run in lost)

    def begin(self, item: Item, worker: str, node: str | None = None, kind: str | None = None) -> None:
        """Count an attempt. It is synced to disk before this returns, because the item may crash the machine.

        `kind`: of the worker. Raises OSError.
        """
        run = Run(step(item), item.index, worker, time.monotonic(), node=node)
        noted = {CHUNKS_KIND: kind} if isinstance(item, Chunk) and kind != self.kind else {}
        self._append({"begun": _key(item), "run": vars(run), **noted}, synced=True)
        self._head |= noted
        self._attempts[_key(item)] += 1
        self.history.begin(_key(item), run)

    def end(self, item: Item, code: str | None = None, message: str | None = None) -> None:
        """Record that a worker no longer holds an item; `code` and `message` of the error if it failed."""
        self._note("ended", item, code, message)

    def release(self, item: Item) -> None:
        """Undo an attempt that was interrupted through no fault of the item."""
        self._attempts[_key(item)] -= 1
        # On a full disk the attempt is counted if the daemon also dies.
        self._note("released", item, INTERRUPTED, "the daemon was stopped")

    def _note(self, what: str, item: Item, code: str | None, message: str | None) -> None:
        """Append the end of an item's run, as far as the disk allows it."""
        at_seconds = time.monotonic()
        self.history.end(_key(item), at_seconds, code, message)
        with contextlib.suppress(OSError):
            self._append({what: _key(item), "end": [at_seconds, code, message]})

    def keep(self, result: Record) -> None:
        """Record a result, with the sizes of the files that it names.

        After a failed write (e.g. disk full) no more results are recorded: later ones depend on earlier ones.
        """
        if not self._keeps:
            return
        try:
            self._append(_kept(result, files_of(result)))
        except OSError:
            self._keeps = False

    def compact(self, state: OpenState, files: Iterable[Path]) -> bool:
        """Replace all results so far by the state that they led to, and forget what is done; False if that failed.

        `files`: those that the state needs.
        """
        self.history.forget()
        attempts = Counter({key: self._attempts[key] for key in self.history.running})
        runs = [asdict(run) for run in self.history.runs]
        begun = [{"begun": key} for key in attempts]  # these items count as attempted until they end
        try:
            head = {**self._head, "attempts": {}, "runs": runs}
            write_file(self._path, b"".join(map(_line, [head, *begun, _kept(state, files)])))
        except OSError:
            return False
        self._most_forgotten = max(self._most_forgotten, self.most_attempts)
        self._attempts, self._keeps = attempts, True
        return True

    def _append(self, line: dict[str, Any], *, synced: bool = False) -> None:
        with self._path.open("ab") as file:
            file.write(_line(line))
            file.flush()
            if synced:
                os.fsync(file.fileno())

    def _continue(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Adopt a previous daemon's lines: none if the fingerprint differs, only attempts if boot or folder differ.

        Returns the lines of the valid results.
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
        self._replay(head, rest)
        for line in rest:
            head[CHUNKS_KIND] = line.get(CHUNKS_KIND, head.get(CHUNKS_KIND))
        kept = list(itertools.takewhile(_is_valid, (line for line in rest if "kind" in line)))
        self.results = [RECORDS[line["kind"]].validate_python(line["result"]) for line in kept]
        self.files |= {Path(path) for line in kept for path in line["files"]}
        self._head = head
        return kept

    def _replay(self, head: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        """Restore the history."""
        self.history.runs += RUNS.validate_python(head.get("runs", []))
        for line in lines:
            if "run" in line:
                self.history.begin(line["begun"], RUN.validate_python(line["run"]))
            elif "end" in line:
                at_seconds, code, message = line["end"]
                self.history.end(line.get("ended") or line["released"], at_seconds, code, message)


def _key(item: Item) -> str:
    return f"{type(item).__name__} {item.index}"


def _line(value: dict[str, Any]) -> bytes:
    """Each line starts with its newline, so that an incomplete previous line cannot corrupt it."""
    return b"\n" + json.dumps(value).encode()


def _lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a journal. A crash or a full disk may have left an incomplete one."""
    lines = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _is_valid(line: dict[str, Any]) -> bool:
    """Whether all files of a result exist at full size."""
    return all(_size(Path(path)) == size for path, size in line["files"].items())


def _kept(result: Record, files: Iterable[Path]) -> dict[str, Any]:
    """The line of a result. Raises OSError if a file is missing."""
    kind = type(result).__name__
    sizes = {str(path): path.stat().st_size for path in files}
    return {"kind": kind, "result": RECORDS[kind].dump_python(result, mode="json"), "files": sizes}


def files_of(value: object) -> Iterator[Path]:
    """All files that a message names, at any depth."""
    if isinstance(value, Path) and value.is_file():
        yield value
    elif isinstance(value, tuple) or is_dataclass(value):
        for part in value if isinstance(value, tuple) else vars(value).values():
            if not isinstance(part, PLAIN):
                yield from files_of(part)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _boot_id() -> str:
    return BOOT_ID.read_text().strip()
