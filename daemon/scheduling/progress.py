"""How far a job has advanced, for people who wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daemon.scheduling.flow import Flow

SPOKEN, CUT, RENDERED = 0.05, 0.1, 0.97
"""Share of a typical job's time that has passed when its speech is known, when it is cut, and when it is rendered."""


@dataclass(frozen=True)
class Progress:
    """One job in flight."""

    share: float
    """How much of its work is done, from 0 to 1."""
    began_seconds: float | None
    """When its first item was started; monotonic. None before."""


def share_done(flow: Flow, rendering: Iterable[float]) -> float:
    """How much of a job is done, from 0 to 1. `rendering`: the shares of its chunks that are being rendered.

    Chunks are about equally long, so they count alike.
    """
    if not flow.chunks or flow.count is None:
        return SPOKEN if flow.speech is not None else 0.0
    rendered = min(1.0, (len(flow.segments) + sum(rendering)) / flow.count)
    return round(CUT + (RENDERED - CUT) * rendered, 3)
