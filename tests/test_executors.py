"""The registry of executors."""

from __future__ import annotations

from typing import get_args

import pytest

from pipeline.config import Config
from pipeline.executors import EXECUTORS, make_executor
from pipeline.executors.base import Executor

METHODS = sorted(name for name in vars(Executor) if not name.startswith("_"))


def test_the_configuration_names_exactly_the_registered_executors() -> None:
    assert set(get_args(Config.model_fields["executor"].annotation)) == set(EXECUTORS)


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_made_by_its_name(name: str) -> None:
    executor = make_executor(Config.model_validate({"executor": name}))
    assert f"{type(executor).__module__}:{type(executor).__name__}" == EXECUTORS[name]
    assert METHODS == ["close", "gpu_count", "kill", "send", "start", "wait", "wake"]
    assert all(callable(getattr(executor, method)) for method in METHODS)
    executor.close()
