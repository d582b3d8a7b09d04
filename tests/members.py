"""Kinds of things, of which the fast suite tries some and the slow tests all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def members(values: Iterable[T], *quick: T) -> list[Any]:
    """Values for `parametrize`: all but the quick ones are slow tests, since they prove the same in the same way."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.soak) for value in values]
