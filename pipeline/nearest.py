"""Naming the known word nearest to one that was mistyped."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest_hint(word: str, known: Sequence[str]) -> str:
    """A hint for an unknown `word`: the nearest known one where there is one, else all of them."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known))
