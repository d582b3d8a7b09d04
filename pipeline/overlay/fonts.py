"""The letters of texts in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fonts"
DEFAULT, DEFAULT_FILE = "DejaVu Sans", FOLDER / "DejaVuSans-Bold.ttf"
"""The font that comes with lipdrop: Latin, Cyrillic, Greek, Arabic, Hebrew, Armenian and Georgian letters."""
SYSTEM_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
"""Where fontconfig, by which libass finds fonts, looks for them."""
ENDINGS = (".ttf", ".otf", ".ttc")
NAME_IDS = (1, 4, 16)
"""Of a font's family, full name and typographic family."""
_known: dict[str, Path] = {}
"""The fonts that were found, by their keys."""
INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f")
"""Characters that are drawn by no glyph."""


def missing(text: str, file: Path) -> str:
    """The characters of a text that a font has no glyphs for, each once."""
    covered = _covered(file, file.stat().st_mtime_ns)
    return "".join(dict.fromkeys(c for c in text if ord(c) not in covered and c not in INVISIBLE and not c.isspace()))


@lru_cache(maxsize=8)
def _covered(file: Path, _changed_ns: int) -> frozenset[int]:
    """The code points of a font's characters; read again when the file has changed."""
    from fontTools.ttLib import TTFont  # takes a while to load, and few jobs need it

    with TTFont(file, lazy=True, fontNumber=0) as font:
        return frozenset(font.getBestCmap() or ())


def find(name: str) -> Path | None:
    """The file of a font by the name of its family, preferably a bold one; None if there is no such font."""
    wanted = _key(name)
    if wanted == _key(DEFAULT):
        return DEFAULT_FILE
    if (known := _known.get(wanted)) is not None and known.exists():
        return known
    found = _find(wanted)
    if found is not None:  # one that is not there may be installed at any time
        _known[wanted] = found
    return found


def _find(wanted: str) -> Path | None:
    """A font of the system. Files that are called like it come first: to open hundreds takes seconds."""
    files = sorted(_files(), key=lambda file: (not _key(file.stem).startswith(wanted), "bold" not in file.stem.lower()))
    return next((file for file in files if wanted in {_key(known) for known in _names(file)}), None)


def names() -> list[str]:
    """The families of all fonts."""
    return sorted({DEFAULT, *(name for file in _files() for name in list(_names(file))[:1])})


def _files() -> Iterator[Path]:
    for folder in SYSTEM_FOLDERS:
        yield from (file for file in Path(folder).expanduser().rglob("*") if file.suffix.lower() in ENDINGS)


def _names(file: Path) -> Iterator[str]:
    """What a font file calls itself: of a collection, its first font. Nothing if it is damaged."""
    from fontTools.ttLib import TTFont, TTLibError

    with suppress(OSError, TTLibError, KeyError, AssertionError), TTFont(file, lazy=True, fontNumber=0) as font:
        table: Any = font["name"]
        yield from (name for number in NAME_IDS if (name := table.getDebugName(number)) and "," not in name)


def _key(name: str) -> str:
    """A name without what people write differently."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
