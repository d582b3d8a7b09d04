"""The table of stages is complete and consistent with the stages."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

import pytest

from daemon.scheduling.stages import STAGES, StageRow
from pipeline.messages import Item, Result


def test_every_message_belongs_to_one_row() -> None:
    assert [row.item for row in STAGES] == list(get_args(Item))
    assert {row.result for row in STAGES} == set(get_args(Result))
    stages = {(row.result, row.role) for row in STAGES}
    assert len({row.result for row in STAGES}) == len(stages), "two stages have the same result"


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.item.__name__)
def test_a_row_names_a_stage(row: StageRow) -> None:
    module, _, name = row.stage.partition(":")
    stage = getattr(import_module(module), name)
    assert callable(stage.setup)
    assert callable(stage.process)


def test_a_role_has_one_stage() -> None:
    assert len({(row.role, row.stage) for row in STAGES}) == len({row.role for row in STAGES})
