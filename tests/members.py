"""Kinds of things, of which the fast suite tries some and the slow tests all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def members(values: Iterable[T], *quick: T) -> list[Any]:
    """Values for `parametrize`: all but the quick ones are slow tests, since they prove the same in the same way.

    A tuple has the values of several parameters.
    """
    return [value if value in quick else slow(*(value if isinstance(value, tuple) else (value,))) for value in values]


slow = partial(pytest.param, marks=pytest.mark.soak)
"""Values of one slow test."""
