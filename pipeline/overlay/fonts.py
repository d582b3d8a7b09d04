"""The letters of texts in the picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "fonts"
DEFAULT, DEFAULT_FILE = "DejaVu Sans", FOLDER / "DejaVuSans-Bold.ttf"
"""The font that comes with lipdrop: Latin, Cyrillic, Greek, Arabic, Hebrew, Armenian and Georgian letters."""
INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f")
"""Characters that are drawn by no glyph."""


def missing(text: str, file: Path) -> str:
    """The characters of a text that a font has no glyphs for, each once."""
    covered = _covered(file)
    return "".join(dict.fromkeys(c for c in text if ord(c) not in covered and c not in INVISIBLE and not c.isspace()))


@lru_cache(maxsize=8)
def _covered(file: Path) -> frozenset[int]:
    """The code points of a font's characters."""
    from fontTools.ttLib import TTFont  # takes a while to load, and few jobs need it

    with TTFont(file, lazy=True, fontNumber=0) as font:
        return frozenset(font.getBestCmap() or ())
