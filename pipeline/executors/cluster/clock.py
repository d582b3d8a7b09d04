"""Spans of time on another machine: each machine has a monotonic clock of its own.

Durations are the same on both clocks. Where a span began is known within half a round trip of a message.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.messages import Span

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

T = TypeVar("T")


def boot_id() -> str:
    """Equal for all processes that share a monotonic clock."""
    return BOOT_ID.read_text().strip()


def shifted(message: T, seconds: float) -> T:
    """The same message with all its spans later by this."""
    return message if seconds == 0 else _shifted(message, seconds)


def _shifted(value: T, seconds: float) -> T:
    if isinstance(value, Span):
        return replace(value, start_seconds=value.start_seconds + seconds, end_seconds=value.end_seconds + seconds)
    if isinstance(value, tuple):
        return tuple(_shifted(part, seconds) for part in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _shifted(getattr(value, field.name), seconds) for field in fields(value)})
    return value
