"""How many workers a cluster has room for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import ceil

from pipeline.config import WORKERS_MAX, Config, PlaceSettings
from pipeline.executors.base import NodeOffer, WorkerSpec
from pipeline.executors.cluster.transfer import CARRIED_ROLES

SHARES = {"tts": 0.3, "split": 0.027, "merge": 0.1}
"""Workers of the other roles for each lip-sync worker: in proportion to what each takes for a second of video."""

SLACK = 1e-9
"""Amounts of resources are added up as floating-point numbers."""


def sizes(config: Config, offers: Sequence[NodeOffer]) -> dict[str, int]:
    """How many workers each role has if the nodes offer this: as many as have room, and at least one."""
    counts = range(1, WORKERS_MAX + 1)
    most = bisect_left(counts, True, key=lambda count: not _have_room(config, count, offers))
    return _sizes(config, max(1, most))


def homeless(specs: Sequence[WorkerSpec], offers: Sequence[NodeOffer]) -> list[str]:
    """The names of the workers for which nodes that offer this have no room."""
    free = [dict(offer.resources) for offer in offers]
    return [spec.name for spec in specs if not _placed(spec.place or PlaceSettings(), 1, offers, free)]


def needs_room(config: Config, role: str) -> bool:
    """Whether workers of a role ask the nodes for room. If files travel, some run on the daemon's without asking."""
    return config.ray.transfer == "shared_folder" or role in CARRIED_ROLES


def _sizes(config: Config, lipsync: int) -> dict[str, int]:
    least = {"tts": config.tts_workers, "split": config.split_workers, "merge": config.merge_workers}
    return {role: max(count, ceil(lipsync * SHARES[role])) for role, count in least.items()} | {"lipsync": lipsync}


def _have_room(config: Config, lipsync: int, offers: Sequence[NodeOffer]) -> bool:
    """Whether the nodes have room for so many lip-sync workers, and the others that they need."""
    free = [dict(offer.resources) for offer in offers]
    counts = _sizes(config, lipsync)
    others = sum(counts[role] for role in SHARES if needs_room(config, role))
    wanted = ((config.ray.place_of(config.workers[0]), lipsync), (config.ray.other_place, others))
    return all(_placed(place, count, offers, free) for place, count in wanted)


def _placed(place: PlaceSettings, count: int, offers: Sequence[NodeOffer], free: list[dict[str, float]]) -> bool:
    """Take what so many workers need from what is free; whether there was enough."""
    for offer, room in zip(offers, free, strict=True):
        if place.labels.items() <= offer.labels.items():
            here = min(count, _times(place.amounts, room))
            count -= here
            room.update({name: room.get(name, 0.0) - here * amount for name, amount in place.amounts.items()})
    return count == 0


def _times(amounts: Mapping[str, float], room: Mapping[str, float]) -> int:
    return min((int((room.get(name, 0.0) + SLACK) / amount) for name, amount in amounts.items()), default=WORKERS_MAX)
