"""The table of stages: the item and result of each, the workers that run it, and its time budget.

To add a stage, add its item and result to `pipeline/messages.py`, its class to `pipeline/stages/`, a row here, and the
item to the flow that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daemon.scheduling import budgets
from daemon.scheduling.budgets import Allowances
from pipeline.messages import (
    AlignItem,
    Chunk,
    Item,
    JoinItem,
    MergeItem,
    Pack,
    PackItem,
    Result,
    Segment,
    SoundItem,
    Soundtrack,
    Speech,
    SplitItem,
    TtsItem,
    Video,
)


@dataclass(frozen=True)
class StageRow:
    """One kind of work."""

    item: type[Item]
    """Input."""
    result: type[Result]
    """Output: one or more for each item."""
    role: str
    """Role of the workers that run it; also its name in errors and in the health file."""
    stage: str
    """Import path of the stage, `module:class`. A role has one stage, which may take several kinds of item."""
    budget: Callable[[Any, Allowances], float]
    """Seconds that an item may take."""
    step: str = ""
    """What reports call it, if not by its role: a role may take several kinds of item."""


STAGES = (
    StageRow(TtsItem, Speech, "tts", "pipeline.stages.tts:TtsStage", budgets.tts_seconds),
    StageRow(AlignItem, Speech, "tts", "pipeline.stages.tts:TtsStage", budgets.align_seconds, "align"),
    StageRow(SplitItem, Chunk, "split", "pipeline.stages.split:SplitStage", budgets.split_seconds),
    StageRow(Chunk, Segment, "lipsync", "pipeline.stages.lipsync:LipSyncStage", budgets.chunk_seconds),
    StageRow(PackItem, Pack, "merge", "pipeline.stages.merge:MergeStage", budgets.pack_seconds, "pack"),
    StageRow(SoundItem, Soundtrack, "merge", "pipeline.stages.merge:MergeStage", budgets.sound_seconds, "sound"),
    StageRow(MergeItem, Video, "merge", "pipeline.stages.merge:MergeStage", budgets.merge_seconds),
    StageRow(JoinItem, Video, "merge", "pipeline.stages.merge:MergeStage", budgets.join_seconds),
)
"""All stages, in the order of the data."""

ROWS: dict[type[Item], StageRow] = {row.item: row for row in STAGES}
ROLES: dict[str, str] = {row.role: row.stage for row in STAGES}
"""The stage of each role, in the order of the data."""


def role(item: Item) -> str:
    """The role of the workers that take an item."""
    return ROWS[type(item)].role


def step(item: Item) -> str:
    """What reports call the work on an item: tts, align, split, lipsync, pack, sound or merge."""
    return ROWS[type(item)].step or role(item)


def budget_seconds(item: Item, allowed: Allowances) -> float:
    """How long an item may run before its worker counts as hung."""
    return ROWS[type(item)].budget(item, allowed)
