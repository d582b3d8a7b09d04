"""Kinds of things, of which the fast suite tries some and the soak tests all."""

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


soaking = partial(pytest.param, marks=pytest.mark.soak)
"""Values of one soak test."""
