"""The bridge's end of the transfer: sends what items need, fetches what results name into the spool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import StageError
from pipeline.executors.cluster.protocol import MirrorTerms, Terms, Transfer
from pipeline.executors.cluster.transfer.arriving import Arriving
from pipeline.executors.cluster.transfer.cargo import Cargo, Parcel, failure
from pipeline.executors.cluster.transfer.routes import Route, check, route

AT_ONCE = 16
"""Workers whose files travel at the same time: each may take a part of 4 MiB in memory at both ends."""

NAME_CHARACTERS = 16
"""Of the spool's token and the bridge's: what nodes and buckets call them."""

log = logging.getLogger(__name__)


@dataclass
class Moved:
    """How many bytes of a job have travelled."""

    to_nodes: int = 0
    back: int = 0


class Carrier:
    """Moves the files of all workers of a session."""

    def __init__(self, terms: Terms, transfer: Transfer) -> None:
        """`terms`: the bridge's."""
        name, session = terms.token[:NAME_CHARACTERS], terms.owner[:NAME_CHARACTERS]
        mirror = MirrorTerms(transfer.node_folder, name, session, transfer.bytes_max)
        self.spool, self.terms = terms.folder.parent, replace(terms, mirror=mirror)
        self._route: Route = route(transfer.bucket, name, session)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._ending: dict[str, asyncio.Task[None]] = {}
        """What is being removed of jobs that have ended."""
        self._moved: dict[str, Moved] = {}
        self._tidying = asyncio.create_task(self._route.tidy())

    async def bring(self, actor: Any, cargo: Cargo, job: str | None = None) -> None:
        """Send an actor what it lacks. Raises StageError, OSError, and RayError if the node is lost."""
        if job in self._ending:  # an earlier one of the same name
            await asyncio.wait([self._ending[job]])
        async with self._turns:
            lacking = await actor.lacking.remote(cargo)
            for parcel in lacking:
                await self._route.bring(actor, parcel)
                if job is not None:
                    self._of(job).to_nodes += parcel.bytes
            check(await actor.arrange.remote(cargo))

    async def fetch(self, actor: Any, places: Collection[str], job: str) -> None:
        """Have files of an actor's mirror in the spool. Raises the same errors."""
        if not places:
            return
        async with self._turns:
            parcels = await actor.described.remote(list(places), job)
            if isinstance(parcels, str):
                raise failure(f"the node has lost a file of its result: {parcels}")
            for parcel in parcels:
                await self._fetch(actor, parcel)
                self._of(job).back += parcel.bytes

    async def _fetch(self, actor: Any, parcel: Parcel) -> None:
        target = self.spool / parcel.place
        target.parent.mkdir(exist_ok=True)
        arriving = Arriving(target, parcel)
        try:
            await self._route.fetch(actor, parcel, arriving)
            await asyncio.to_thread(arriving.check)
        except BaseException:
            arriving.drop()
            raise
        arriving.keep()  # not in a thread: after a cancellation nothing may be written any more

    def _of(self, job: str) -> Moved:
        return self._moved.setdefault(job, Moved())

    def forget(self, job: str) -> None:
        """Remove what is left of a job on the way."""
        moved = self._moved.pop(job, None)
        if moved is not None:
            log.info("job %s: %d bytes were sent to nodes, %d came back", job, moved.to_nodes, moved.back)
        ending = self._ending[job] = asyncio.create_task(self._forget(job))
        ending.add_done_callback(lambda _: self._ending.pop(job, None))

    async def _forget(self, job: str) -> None:
        try:
            await self._route.forget(job)
        except StageError as error:
            log.warning("job %s: cannot remove its files on the way: %s", job, error)

    async def close(self) -> None:
        """Remove everything on the way."""
        self._tidying.cancel()
        await self._route.close()
