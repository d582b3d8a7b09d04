"""What the bridge knows of the cluster's nodes, and whether something keeps workers from starting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import ray

from pipeline.config import PlaceSettings

CHECK_SECONDS = 5.0
"""Between two looks at the cluster; its head must answer within this time too."""

log = logging.getLogger(__name__)


class Nodes:
    """The nodes by their ids. `report` gets what is wrong, or None, whenever that changes."""

    def __init__(self, report: Callable[[str | None], None], refusal_seconds: float) -> None:
        """A node that was refused is tried again after `refusal_seconds`."""
        self._report = report
        self._refusal_seconds = refusal_seconds
        self._names: dict[str, str] = {}
        self._refused: dict[str, tuple[str, float]] = {}
        """Why, and until when; monotonic."""
        self._waiting: dict[str, PlaceSettings | None] = {}
        self.is_headless = False
        """Whether the cluster's head does not answer."""
        self._reported: str | None = None

    async def watch(self) -> None:
        """Keep this up to date for ever."""
        while True:
            question = asyncio.ensure_future(asyncio.to_thread(ray.nodes))  # blocks while there is no head
            await asyncio.wait([question], timeout=CHECK_SECONDS)
            self.is_headless = not question.done()
            self._tell()
            self._note(await question)
            await asyncio.sleep(CHECK_SECONDS)

    def _note(self, found: list[dict[str, str]]) -> None:
        alive = {node["NodeID"]: node["NodeName"] for node in found if node["Alive"]}
        self._names |= alive
        self._refused = {node: refusal for node, refusal in self._refused.items() if node in alive}
        self.is_headless = False
        self._tell()

    def name(self, node_id: str) -> str:
        """The name of a node, by default its address."""
        if node_id not in self._names:
            self._names |= {node["NodeID"]: node["NodeName"] for node in ray.nodes()}
        return self._names.get(node_id, node_id)

    def refuse(self, node_id: str, why: str) -> None:
        """Do not use a node that lacks something, for a while."""
        if self._refused.get(node_id, ("", 0.0))[0] != why:
            log.warning("node %s is not used: %s", self.name(node_id), why)
        self._refused[node_id] = why, time.monotonic() + self._refusal_seconds
        self._tell()

    def accept(self, node_id: str) -> None:
        """Use a node that may have been refused."""
        if self._refused.pop(node_id, None) is not None:
            log.info("node %s is used again", self.name(node_id))

    def others_than_refused(self) -> dict[str, str]:
        """The label selector of nodes that were not refused of late."""
        now = time.monotonic()
        refused = [node for node, (_, until_seconds) in self._refused.items() if now < until_seconds]
        return {"ray.io/node-id": f"!in({','.join(refused)})"} if refused else {}

    def waits(self, worker: str, place: PlaceSettings | None) -> None:
        """Note a worker for which there is no node."""
        self._waiting[worker] = place
        self._tell()

    def placed(self, worker: str) -> None:
        """Note a worker that has a node, or needs none any more."""
        self._waiting.pop(worker, None)
        self._tell()

    def _tell(self) -> None:
        why = self._trouble()
        if why != self._reported:
            self._reported = why
            self._report(why)

    def _trouble(self) -> str | None:
        if self.is_headless:
            return "the head of the Ray cluster does not answer"
        if not self._waiting:
            return None
        refused = "".join(f"; node {self.name(node)} is not used: {why}" for node, (why, _) in self._refused.items())
        waiting = ", ".join(f"{worker} ({_needs(place)})" for worker, place in sorted(self._waiting.items()))
        return f"the Ray cluster has no room for {waiting}{refused}"


def _needs(place: PlaceSettings | None) -> str:
    """What a worker needs of a node, in words."""
    place = place or PlaceSettings()
    amounts = {"CPU": place.num_cpus, "GPU": place.num_gpus, **place.resources}
    needs = [f"{name} {amount:g}" for name, amount in amounts.items() if amount]
    return ", ".join([*needs, *(f"{key}={value}" for key, value in place.labels.items())]) or "nothing"
