"""The bridge's end of one worker: places its actor, passes messages on, makes sure that it has exited.

Ray restarts and retries nothing: lipdrop replaces workers and retries items by itself. Ray's head takes no part in
calls of an actor's methods, and records of them are switched off, so its memory does not grow with the number of items.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.actor import CALLS, WorkerActor
from pipeline.executors.cluster.clock import boot_id, shifted
from pipeline.executors.cluster.inheritance import PROCESS_DIED
from pipeline.executors.cluster.nodes import Nodes
from pipeline.executors.cluster.protocol import Hello, Refusal, Terms
from pipeline.messages import Died, Ready, Task, Yielded

PLACING_SECONDS = 5.0
"""Finding a node may take this long before it is reported."""

EXIT_SECONDS = 3.0
"""Grace period for an actor to exit by itself, before Ray is asked to kill it."""

CLOCK_READINGS = 5
"""The one with the shortest round trip counts."""

UNREACHABLE = (ActorUnavailableError, TimeoutError)
"""What is raised about an actor that does not answer, before or instead of that its node has died."""

NODE_DIED = "node has died"
"""Part of Ray's message about an actor whose node does not answer."""

log = logging.getLogger(__name__)


class RemoteWorker:
    """One worker. `report` gets its events and log records."""

    actor_class = WorkerActor

    def __init__(
        self, spec: WorkerSpec, terms: Terms, nodes: Nodes, report: Callable[[object], None], inherited: Any = None
    ) -> None:
        """`inherited`: an actor that may run it already, and does nothing else."""
        self._spec = spec
        self._terms = terms
        self._nodes = nodes
        self._report = report
        self._actor: Any = inherited
        self._node = self._kind = ""
        self._folder = Path()
        """Its mirror of the spool, if files travel."""
        self._ahead_seconds = 0.0
        """By how much its machine's monotonic clock is ahead of this one's."""
        self._asked_seconds = time.monotonic()
        """When its actor's lease was last renewed, at the latest."""
        self._is_lost = False
        """Whether it ended through no fault of its item."""
        self._task = asyncio.create_task(self._run())

    def send(self, task: Task) -> None:
        """Send a task to the worker's actor."""
        self._actor.send.remote(shifted(task, self._ahead_seconds), self._terms.owner)

    def kill(self) -> None:
        """End the worker; `Died` follows."""
        self._killing = asyncio.create_task(self._kill())

    def exit(self) -> None:
        """Have its actor exit, without waiting for that."""
        if self._actor is not None:
            self._actor.exit.remote()

    def leave(self) -> None:
        """Leave its actor to the next daemon if it is idle; it exits otherwise."""
        if self._actor is not None:
            self._actor.leave.remote()

    async def _kill(self) -> None:
        self.exit()
        await asyncio.wait([self._task], timeout=EXIT_SECONDS)
        if self._actor is None:
            self._task.cancel()
        elif not self._task.done():
            await asyncio.to_thread(ray.kill, self._actor)

    async def _run(self) -> None:
        try:
            await self._place()
            await self._relay()
        except (RayError, ValueError, TimeoutError) as error:
            log.warning("worker %s: %s", self._spec.name, " ".join(str(error).split())[:500])
            self._is_lost = self._nodes.is_headless or NODE_DIED in str(error) or isinstance(error, UNREACHABLE)
            await self._fence(error)
        finally:
            self._nodes.placed(self._spec.name)
            self._report(Died(self._spec.name, None, is_lost=self._is_lost))

    async def _place(self) -> None:
        """Start the worker on a node that offers what it must. Raises RayError."""
        answer: Hello | Refusal | None = await self._rejoined() if self._actor is not None else None
        while not isinstance(answer, Hello):
            self._actor = await asyncio.to_thread(self._create)
            answer = await self._begun()
            if isinstance(answer, Refusal):
                self._nodes.refuse(answer.node_id, answer.why)
            if not isinstance(answer, Hello):
                await asyncio.to_thread(ray.kill, self._actor)
        self._nodes.accept(answer.node_id)
        self._nodes.placed(self._spec.name)
        self._node, self._kind, self._folder = self._nodes.name(answer.node_id), answer.kind, answer.folder
        if answer.boot_id != boot_id():
            self._ahead_seconds = await self._clock_difference()

    async def _rejoined(self) -> Hello | None:
        """The inherited actor's answer; None if it cannot be used."""
        try:
            hello: Hello | None = await asyncio.wait_for(
                asyncio.wrap_future(self._actor.rejoin.remote(self._spec, self._terms).future()), PLACING_SECONDS
            )
        except (RayError, TypeError, TimeoutError) as error:
            log.info("worker %s starts anew: %s", self._spec.name, " ".join(str(error).split())[:200])
            return None
        return hello

    def _create(self) -> Any:
        """Request an actor; blocks. One of the same name is idle, and not used any more."""
        with contextlib.suppress(ValueError):  # there is none
            ray.kill(ray.get_actor(self._spec.name))
        return ray.remote(self.actor_class).options(**self._options()).remote()

    def _options(self) -> dict[str, Any]:
        """How Ray is asked for an actor."""
        place = self._spec.place
        labels = dict(place.labels) if place else {}
        return {
            "name": self._spec.name,
            "lifetime": "detached",
            "num_cpus": place.num_cpus if place else 1,
            "num_gpus": place.num_gpus if place else 0,
            "resources": dict(place.resources) if place else {},
            "label_selector": labels | self._nodes.others_than_refused(),
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": CALLS,
            "enable_task_events": False,
        }

    async def _begun(self) -> Hello | Refusal | None:
        """The actor's answer; None if it has not found a node for a while."""
        answer: asyncio.Future[Hello | Refusal] = asyncio.wrap_future(
            self._actor.begin.remote(self._spec, self._terms).future()
        )
        for seconds in (PLACING_SECONDS, self._terms.patience.refusal_seconds):
            await asyncio.wait([answer], timeout=seconds)
            if answer.done():
                return answer.result()
            self._nodes.waits(self._spec.name, self._spec.place)
        answer.add_done_callback(lambda late: late.exception())  # nobody waits for it any more
        return None

    async def _clock_difference(self) -> float:
        """By how much the actor's clock is ahead, within half a round trip."""
        readings: list[tuple[float, float]] = []
        for _ in range(CLOCK_READINGS):
            sent = time.monotonic()
            there = await self._actor.clock.remote()
            received = time.monotonic()
            readings.append((received - sent, there - (sent + received) / 2))
        return min(readings)[1]

    async def _relay(self) -> None:
        """Pass messages on until the last. Raises RayError, and TimeoutError if the actor does not answer."""
        while True:
            self._asked_seconds = time.monotonic()
            reference = self._actor.messages.remote(self._terms.owner)
            patience = self._terms.patience.fence_seconds
            for message in await asyncio.wait_for(asyncio.wrap_future(reference.future()), patience):
                if isinstance(message, Refusal):
                    self._nodes.refuse(message.node_id, message.why)
                    self._is_lost = True
                if isinstance(message, Died | Refusal):
                    self.exit()
                    return
                await self._pass_on(message)

    async def _pass_on(self, message: object) -> None:
        """Report a message."""
        self._report(self._translated(message))

    def _translated(self, message: object) -> object:
        """A message in terms of the daemon's machine."""
        if isinstance(message, Yielded):
            return shifted(message, -self._ahead_seconds)
        return replace(message, node=self._node, kind=self._kind) if isinstance(message, Ready) else message

    async def _fence(self, error: Exception) -> None:
        """Return once the actor's process has certainly exited, so that it cannot write beside its successor."""
        if self._actor is None or PROCESS_DIED in str(error):
            return
        self._kill_lost = asyncio.create_task(asyncio.to_thread(ray.kill, self._actor))
        await asyncio.sleep(max(0.0, self._asked_seconds + self._terms.patience.fence_seconds - time.monotonic()))
