"""The mouth track: the shape of the mouth in every video frame."""

from __future__ import annotations

from enum import IntEnum


class Mouth(IntEnum):
    """Columns of a mouth track, a float32 array of shape [frames, 6]."""

    JAW_OPEN = 0
    """0: teeth together, 1: as open as a loud "ah" of clear speech."""
    LIP_WIDTH = 1
    """-1: puckered as in "oo", 0: neutral, 1: spread as in "ee"."""
    CLOSURE = 2
    """1: the lips meet regardless of the jaw (m, b, p, pauses); 0: free."""
    UPPER_RAISE = 3
    """0: neutral, 1: the upper lip lifted so that the upper teeth show (s, sh, ee)."""
    LOWER_TUCK = 4
    """0: neutral, 1: the lower lip under the upper teeth (f, v)."""
    TONGUE = 5
    """0: the tongue is low and dark, 1: its tip is up behind the teeth (l, t, d, n, th)."""
