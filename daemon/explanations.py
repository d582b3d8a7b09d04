"""The cause and the fix of every error code, for the pages and for `lipdrop explain`; no web framework is needed.

The files are written by `daemon.web.pages.problems` from the reference.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import daemon

FOLDER = Path(daemon.__path__[0]) / "web" / "pages"

FILES = {"en": "problems.json", "ru": "problems.ru.json"}
"""The file of each language. The first one has every code; another may lack codes of an engine or a newer release."""

DEFAULT_LANGUAGE = next(iter(FILES))


def explanations(language: str) -> dict[str, dict[str, str]]:
    """The `group`, `cause`, `fix` and `language` of every code; in English where a language lacks one."""
    own = _read(language) if language in FILES else {}
    return {
        code: {**own[code], "language": language} if code in own else {**english, "language": DEFAULT_LANGUAGE}
        for code, english in _read(DEFAULT_LANGUAGE).items()
    }


@cache
def _read(language: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((FOLDER / FILES[language]).read_text("utf-8"))
    return found
