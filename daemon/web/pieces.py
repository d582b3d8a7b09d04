"""Streams that are fetched piece by piece: equal requests of a client share one job."""

from __future__ import annotations

import hashlib
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from daemon.outputs.report import FailedReport
from daemon.spool.layout import INIT
from daemon.web import answers
from daemon.web.gateway import Gateway, job_bytes
from daemon.web.playlists import Playlist, read_playlist
from daemon.web.problems import ProblemError, not_found
from daemon.web.slow_video import FileInMemory
from daemon.web.submissions import Submitted
from pipeline.media.excerpt import excerpt

PIECES_HEADER = "X-Lipdrop-Pieces"
LOOK_SECONDS = 0.1
"""Pause between two looks at a playlist: changes inside a stream's folder are not noticed."""


def stream(gateway: Gateway, client: str, job: dict[str, Any]) -> Submitted:
    """The stream of a job for a client; dropped unless that was done before. Raises JobError and ProblemError.

    A stream that failed is dropped again. There is no pause between the look and the drop, so that of equal requests
    at the same time only one drops the job.
    """
    data = job_bytes({**job, "mode": "stream"})
    name = f"stream-{hashlib.sha256(client.encode() + b' ' + data).hexdigest()[:40]}"
    gateway.check(data)
    before = gateway.states.ending(name)
    found = gateway.states.find(name)
    if found is not None and not found.has_ended:
        return Submitted(name, None, is_replay=True)  # the ending may be its own: its work folder is removed last
    if found is not None and found.status == "done" and read_playlist(gateway.spool.outbox / name):
        return Submitted(name, None, is_replay=True)
    gateway.drop(name, data)
    return Submitted(name, before)


async def piece(gateway: Gateway, submitted: Submitted, index: int, timeout_seconds: float) -> FileInMemory | None:
    """Wait for a piece of a stream; None if the time is over. Raises ProblemError if there will be no such piece."""
    deadline = time.monotonic() + timeout_seconds
    folder = gateway.spool.outbox / submitted.name
    while True:
        seen = gateway.changes.count
        report = await gateway.ended(submitted.name, submitted.before, 0)  # before the look at what the job made
        if isinstance(report, FailedReport):
            raise answers.failure(report)
        found = read_playlist(folder)
        if found is not None and found.count is not None and index >= found.count:
            raise _beyond_the_end(submitted.name, found.count)
        if found is not None and index < found.playable:
            return await run_in_threadpool(_piece, folder, found, index)
        if report is not None:
            raise not_found(f"stream of {submitted.name} any more")
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        await gateway.changes.after(seen, min(left, LOOK_SECONDS))


def _piece(folder: Path, found: Playlist, index: int) -> FileInMemory:
    try:
        init = (folder / INIT).read_bytes()
        fragments = [(folder / name).read_bytes() for number, name in found.fragments if number == index]
    except FileNotFoundError:
        raise not_found(f"stream of {folder.name} any more") from None
    return FileInMemory(
        folder.name, excerpt(init, fragments), {PIECES_HEADER: str(found.count)} if found.count is not None else {}
    )


def _beyond_the_end(name: str, count: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        f"the stream has {count} pieces",
        code="piece",
        field="chunk_index",
        hint=f"the last one is {count - 1}",
        job=name,
        headers={PIECES_HEADER: str(count), answers.JOB_HEADER: name},
    )
