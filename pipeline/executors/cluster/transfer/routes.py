"""The two ways that files travel between the daemon's machine and a node. Both ends check what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Protocol

from pipeline.config import BucketSettings
from pipeline.errors import StageError
from pipeline.executors.cluster.protocol import Patience
from pipeline.executors.cluster.transfer.arriving import Arriving
from pipeline.executors.cluster.transfer.bucket import PART_BYTES, Bucket, Place
from pipeline.executors.cluster.transfer.cargo import Parcel, failure

log = logging.getLogger(__name__)


class Route(Protocol):
    """Moves single files. Methods raise StageError, OSError, and RayError if the node is lost."""

    async def bring(self, actor: Any, parcel: Parcel) -> None:
        """Move a file to an actor's node."""
        ...

    async def fetch(self, actor: Any, parcel: Parcel, arriving: Arriving) -> None:
        """Move a file from an actor's node."""
        ...

    async def forget(self, job: str) -> None:
        """Remove what is left of a job on the way."""
        ...

    async def tidy(self) -> None:
        """Remove what earlier sessions left."""
        ...

    async def close(self) -> None:
        """Remove everything."""
        ...


class ObjectStore:
    """Through Ray's object store, part by part: each part is freed once it has arrived."""

    async def bring(self, actor: Any, parcel: Parcel) -> None:
        """See `Route`."""
        with parcel.source.open("rb") as file:
            left, is_first, is_last = parcel.bytes, True, False
            while not is_last:
                part = await asyncio.to_thread(file.read, PART_BYTES)
                left -= len(part)
                is_last = left <= 0 or not part
                check(await actor.receive.remote(parcel, part, is_first, is_last))
                is_first = False

    async def fetch(self, actor: Any, parcel: Parcel, arriving: Arriving) -> None:
        """See `Route`."""
        while arriving.bytes < parcel.bytes:
            part = await actor.read.remote(parcel.place, arriving.bytes, PART_BYTES)
            if not part:
                return
            await asyncio.to_thread(arriving.write, part)

    async def forget(self, job: str) -> None:
        """Nothing is left: a part is freed when nothing refers to it any more."""

    async def tidy(self) -> None:
        """See `forget`."""

    async def close(self) -> None:
        """See `forget`."""


class S3:
    """Through a bucket. A file for several nodes is uploaded once; results are removed as soon as they have arrived.

    All objects of a session are below `SPOOL/SESSION/` and are removed with it, at the latest when the next one begins.
    """

    def __init__(self, settings: BucketSettings, spool: str, session: str) -> None:
        self._place = Place(settings, f"{spool}/{session}")
        self._bucket = Bucket(self._place)
        self._all, self._session = Bucket(Place(settings, spool)), session
        self._uploads: dict[str, asyncio.Task[None]] = {}
        """Of files for nodes, by key."""

    async def bring(self, actor: Any, parcel: Parcel) -> None:
        """See `Route`."""
        key = _key(parcel)
        if key not in self._uploads:
            self._uploads[key] = asyncio.create_task(asyncio.to_thread(self._bucket.upload, key, parcel.source))
        try:
            await asyncio.shield(self._uploads[key])  # others may wait for it too
            check(await actor.download.remote(parcel, self._place, key))
        except (StageError, OSError):
            self._uploads.pop(key, None)  # the next attempt uploads it again
            raise

    async def fetch(self, actor: Any, parcel: Parcel, arriving: Arriving) -> None:
        """See `Route`."""
        key = f"{_key(parcel)}-result"
        check(await actor.upload.remote(parcel, self._place, key))
        await asyncio.to_thread(self._bucket.download, key, arriving)
        await asyncio.to_thread(self._bucket.delete, [key])

    async def forget(self, job: str) -> None:
        """See `Route`."""
        folder = f"jobs/{job}"
        self._uploads = {key: task for key, task in self._uploads.items() if not key.startswith(f"{folder}/")}
        await asyncio.to_thread(self._clear, folder)

    def _clear(self, folder: str) -> None:
        self._bucket.delete(self._bucket.list_keys(folder))

    async def tidy(self) -> None:
        """See `Route`. Twice: workers of an earlier session may write until they have noticed that it ended."""
        for pause in (0.0, Patience().fence_seconds):
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(self._clear_others)
            except StageError as error:
                log.warning("cannot remove what is left in the bucket: %s", error)

    def _clear_others(self) -> None:
        self._all.delete([key for key in self._all.list_keys() if not key.startswith(f"{self._session}/")])

    async def close(self) -> None:
        """See `Route`."""
        with contextlib.suppress(StageError):  # the next session removes it
            await asyncio.to_thread(self._clear, "")


def check(why: str | None) -> None:
    """Raise StageError for what an actor says did not succeed."""
    if why is not None:
        raise failure(f"a file did not reach a node: {why}")


def _key(parcel: Parcel) -> str:
    return f"content/{parcel.digest}" if parcel.job is None else f"jobs/{parcel.job}/{parcel.digest}"


def route(settings: BucketSettings | None, spool: str, session: str) -> Route:
    """The way of files: through a bucket, or through the object store."""
    return ObjectStore() if settings is None else S3(settings, spool, session)
