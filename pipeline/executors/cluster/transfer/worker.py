"""The bridge's end of single workers when nodes do not share the spool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.errors import ErrorReport, LipdropError, is_full
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.nodes import Nodes
from pipeline.executors.cluster.protocol import Hello
from pipeline.executors.cluster.remote_worker import RemoteWorker
from pipeline.executors.cluster.transfer import cargo
from pipeline.executors.cluster.transfer.actor import CarryingActor
from pipeline.executors.cluster.transfer.carrier import Carrier
from pipeline.messages import Failed, Finished, Result, Task, Yielded

FAULTS = (LipdropError, OSError, RayTaskError)
"""What fails a transfer, but for the loss of the node."""

T = TypeVar("T")


class PinnedWorker(RemoteWorker):
    """On the daemon's own machine, which has the spool. It asks for no cores: that machine may offer Ray none."""

    def _options(self) -> dict[str, Any]:
        own = ray.get_runtime_context().get_node_id()
        here = {"num_cpus": 0, "num_gpus": 0, "resources": {}, "label_selector": {"ray.io/node-id": own}}
        return super()._options() | here


class CarryingWorker(RemoteWorker):
    """On any node: files travel with its items and results."""

    actor_class = CarryingActor

    def __init__(
        self, spec: WorkerSpec, carrier: Carrier, nodes: Nodes, report: Callable[[object], None], inherited: Any = None
    ) -> None:
        super().__init__(spec, carrier.terms, nodes, report, inherited)
        self._carrier = carrier
        self._is_up = False
        """Whether the actor has started its worker already."""
        self._bringing: asyncio.Task[None] | None = None
        self._known: set[Path] = set()
        """The files that the item names: those are in the spool already."""
        self._spoilt: int | None = None
        """A task that was reported as failed although its worker goes on with it."""

    def send(self, task: Task) -> None:
        """Send a task once its files have been sent."""
        self._known = set(cargo.paths(task.item))
        self._bringing = asyncio.create_task(self._bring(task))

    async def _bring(self, task: Task) -> None:
        config, spool = self._spec.config, self._carrier.spool
        try:
            needed = await asyncio.to_thread(cargo.of_item, task.item, config, spool)
            await self._carrier.bring(self._actor, needed, task.item.job)
        except FAULTS as error:
            self._report(Failed(self._spec.name, task.id, self._described(error)))
        except RayError:
            return  # the worker is lost, which is noticed where its messages are awaited
        else:
            super().send(cargo.relocated(task, spool, self._folder))

    def forget(self, job: str) -> None:
        """Have its node remove the files of a job."""
        if self._actor is not None:
            self._actor.forget.remote(job)

    async def _run(self) -> None:
        try:
            await super()._run()
        finally:
            if self._bringing is not None:
                self._bringing.cancel()

    async def _rejoined(self) -> Hello | None:
        hello = await super()._rejoined()
        self._is_up = hello is not None
        return hello

    async def _relay(self) -> None:
        if self._is_up or await self._kept(self._is_set_up()):
            await super()._relay()

    async def _is_set_up(self) -> bool:
        """Start the worker once it has the files for that. Raises RayError."""
        try:
            needed = await asyncio.to_thread(cargo.of_worker, self._spec)
            await self._carrier.bring(self._actor, needed)
        except FAULTS as error:
            self._report(Failed(self._spec.name, None, self._described(error)))
            self.exit()
            return False
        await self._actor.set_up.remote(replace(self._spec, config=cargo.localized(self._spec.config, self._folder)))
        return True

    async def _pass_on(self, message: object) -> None:
        """Report a message once the files that it names are in the spool."""
        if isinstance(message, (Finished, Failed)) and message.task is not None and message.task == self._spoilt:
            return
        if isinstance(message, Yielded):
            message = await self._kept(self._arrived(message))
        self._report(cargo.relocated(self._translated(message), self._folder, self._carrier.spool))

    async def _arrived(self, message: Yielded) -> Yielded | Failed:
        """A result whose files are in the spool, or the failure of its task. Raises RayError."""
        try:
            await self._carrier.fetch(self._actor, self._new_files(message.result), message.result.job)
        except FAULTS as error:
            self._spoilt = message.task
            return Failed(self._spec.name, message.task, self._described(error))
        return message

    def _new_files(self, result: Result) -> list[str]:
        """The files that a worker made, by their places."""
        spool = self._carrier.spool
        named = dict.fromkeys(cargo.paths(cargo.relocated(result, self._folder, spool), {"folder"}))
        return [str(path.relative_to(spool)) for path in named if path not in self._known]

    async def _kept(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of something during which the actor's lease is renewed. Raises RayError, TimeoutError."""
        task, patience = asyncio.ensure_future(work), self._terms.patience
        try:
            while not (await asyncio.wait([task], timeout=patience.poll_seconds))[0]:
                self._asked_seconds = time.monotonic()
                renewed = self._actor.renew.remote(self._terms.owner)
                await asyncio.wait_for(asyncio.wrap_future(renewed.future()), patience.fence_seconds)
            return task.result()
        finally:
            task.cancel()

    def _described(self, error: Exception) -> ErrorReport:
        if isinstance(error, OSError) and not is_full(error):
            error = cargo.failure(f"a file could not be moved: {error}")
        return ErrorReport.of(error, stage=self._spec.role)
