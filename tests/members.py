"""Kinds of things, of which the fast suite tries some and longer ones all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def members(values: Iterable[T], *quick: T) -> list[Any]:
    """Values for `parametrize`: all but the quick ones are soak tests, since they prove the same in the same way.

    A tuple has the values of several parameters.
    """
    return [
        value if value in quick else soaking(*(value if isinstance(value, tuple) else (value,))) for value in values
    ]


def few(values: Iterable[T], *quick: T) -> list[Any]:
    """The same, but all others are `slow`: CI tries them too."""
    return [value if value in quick else slow(*(value if isinstance(value, tuple) else (value,))) for value in values]


slow = partial(pytest.param, marks=pytest.mark.slow)
"""Values of one test that takes many seconds, or of one of many that take as many together."""
soaking = partial(pytest.param, marks=pytest.mark.soak)
"""Values of one soak test."""
