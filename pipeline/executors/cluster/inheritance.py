"""Actors that a previous bridge has left: they are taken over, or have certainly ended before any work is given out.

An item that one of them still ran would be run again by another worker, and both would write the same files.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import ray
from ray.exceptions import RayError

from pipeline.executors.cluster import roll
from pipeline.executors.cluster.outbox import SETTLE_SECONDS
from pipeline.executors.cluster.protocol import Terms

PROCESS_DIED = "worker process has died"
"""Part of Ray's message about an actor whose process has exited for certain; one on a lost node may still run."""

ANSWER_SECONDS = 5.0
"""For an actor to answer, on a busy machine."""

log = logging.getLogger(__name__)


async def inherited(terms: Terms) -> dict[str, Any]:
    """The previous bridge's actors that are idle and obey this bridge, by name. All others do nothing any more."""
    actors = await asyncio.to_thread(_left)
    # First, since those that have settled wait for this bridge no longer than a lease.
    await asyncio.sleep(roll.seconds_left(terms.folder, actors, terms.patience.fence_seconds))
    settled = await asyncio.gather(*(_settles(actor, terms) for actor in actors.values()))
    found = {name: actor for (name, actor), is_settled in zip(actors.items(), settled, strict=True) if is_settled}
    if actors:
        log.info("%d of %d workers of the previous daemon are still up", len(found), len(actors))
    return found


def _left() -> dict[str, Any]:
    """The actors in this spool's namespace."""
    found = {}
    for name in ray.util.list_named_actors():
        try:
            found[name] = ray.get_actor(name)
        except ValueError:  # it has ended meanwhile
            continue
    return found


async def _settles(actor: Any, terms: Terms) -> bool:
    """Whether an actor can be used; returns once it has certainly ended otherwise."""
    began = time.monotonic()
    try:
        if await _answer(actor.settle.remote(terms.owner), SETTLE_SECONDS + ANSWER_SECONDS):
            return True
        await _answer(actor.exit.remote(), ANSWER_SECONDS)
    except (RayError, TypeError, TimeoutError) as error:
        if PROCESS_DIED in str(error):
            return False
    await asyncio.to_thread(ray.kill, actor)
    await asyncio.sleep(max(0.0, began + terms.patience.fence_seconds - time.monotonic()))
    return False


async def _answer(reference: Any, seconds: float) -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(reference.future()), seconds)
