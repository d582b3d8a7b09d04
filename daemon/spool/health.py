"""Health: what the supervision loop tells of itself, and whether that is to be believed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from daemon.spool.spool import Spool

STARTING, OK, DEGRADED, PAUSED, DRAINING, STOPPED = "starting", "ok", "degraded", "paused", "draining", "stopped"

WELL = frozenset({STARTING, OK, DEGRADED, DRAINING})
"""States in which jobs are, or will be, worked on."""

STALE_SECONDS = 10.0
"""The loop tells every two seconds. One that has not for so long hangs."""


@dataclass(frozen=True)
class Health:
    """How the daemon of a spool is."""

    state: str
    """One of the states above but `stopped`, else `stale` or `down`."""
    why: str
    told: dict[str, Any]
    """The health file; empty where no daemon speaks for it."""

    @property
    def is_well(self) -> bool:
        """Whether jobs are worked on."""
        return self.state in WELL


def health(spool: Spool) -> Health:
    """Look at a spool, whether or not a daemon works on it.

    The file's age is told by the monotonic clock, which is one for all processes and which nobody can set.
    """
    if not spool.has_owner():
        return Health("down", f"no daemon works on {spool.root}", {})
    told = spool.told()
    age_seconds = time.monotonic() - told["monotonic_seconds"] if told else 0
    if not told or told["state"] == STOPPED or age_seconds < 0:  # of the daemon before; perhaps of an earlier boot
        return Health(STARTING, "", {})
    if age_seconds > STALE_SECONDS:
        return Health("stale", f"the daemon (pid {told['pid']}) has not been heard of for {age_seconds:.0f} s", told)
    return Health(told["state"], told["why"], told)
