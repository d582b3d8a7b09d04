"""What the bridge knows of the cluster's nodes, and whether something keeps workers from starting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import ray

from pipeline.config import PlaceSettings
from pipeline.executors.base import NodeOffer
from pipeline.executors.cluster.protocol import Offered, Trouble

CHECK_SECONDS = 5.0
"""Between two looks at the cluster; its head must answer within this time too."""

log = logging.getLogger(__name__)


class Nodes:
    """The nodes by their ids. `report` gets what is wrong and what they offer, whenever that changes."""

    def __init__(self, report: Callable[[Trouble | Offered], None], refusal_seconds: float) -> None:
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
        self._offered: tuple[NodeOffer, ...] | None = None

    async def watch(self) -> None:
        """Keep this up to date for ever."""
        while True:
            question = asyncio.ensure_future(asyncio.to_thread(ray.nodes))  # blocks while there is no head
            await asyncio.wait([question], timeout=CHECK_SECONDS)
            self.is_headless = not question.done()
            self._tell()
            self._note(await question)
            await asyncio.sleep(CHECK_SECONDS)

    def _note(self, found: list[dict[str, Any]]) -> None:
        alive = {node["NodeID"]: node["NodeName"] for node in found if node["Alive"]}
        self._names |= alive
        self._refused = {node: refusal for node, refusal in self._refused.items() if node in alive}
        self.is_headless = False
        self._tell()
        used = [node for node in found if node["Alive"] and node["NodeID"] not in self._refused_now()]
        offers = tuple(NodeOffer(node["NodeName"], node["Resources"], node["Labels"]) for node in used)
        if offers != self._offered:
            self._offered = offers
            self._report(Offered(offers))

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
        refused = self._refused_now()
        return {"ray.io/node-id": f"!in({','.join(refused)})"} if refused else {}

    def _refused_now(self) -> list[str]:
        now = time.monotonic()
        return [node for node, (_, until_seconds) in self._refused.items() if now < until_seconds]

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
            self._report(Trouble(why))

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
    needs = [f"{name} {amount:g}" for name, amount in place.amounts.items()]
    return ", ".join([*needs, *(f"{key}={value}" for key, value in place.labels.items())]) or "nothing"
