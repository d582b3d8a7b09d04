"""Marks that people put into a text: `[pause 0.8]` for a silence of that many seconds, `[spell ABC]` to say letters.

Before a text is cut into sentences, each mark becomes characters of a private plane, which no text contains and which
nothing cuts: one for a pause, a pair around letters. Everything else in brackets stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PAUSE_SECONDS_MAX = 10.0
SPELLED_MAX = 60
"""Characters in one mark."""

_STEPS = 100
"""Pauses are counted in hundredths of a second."""
_PAUSES = range(0x10_F000, 0x10_F001 + round(PAUSE_SECONDS_MAX * _STEPS))
_OPEN, _CLOSE, _SPACE = chr(0x10_F800), chr(0x10_F801), chr(0x10_F802)

_PAUSE = re.compile(r"\[pause[ \u00a0]+(\d{1,9}(?:[.,]\d{1,9})?)\]([.,;:!?…]*)", re.IGNORECASE)
"""With the marks after it, which belong to the words before it."""
_SPELL = re.compile(rf"\[spell[ \u00a0]+(?=[^\[\]]*\w)([^\[\]\n]{{1,{SPELLED_MAX}}})\]", re.IGNORECASE)
_LIKE_A_MARK = re.compile(r"\[(?:pause|spell)\b[^\[\]\n]{0,80}\]?", re.IGNORECASE)
_PAUSE_SIGN = re.compile(f"[{chr(_PAUSES[0])}-{chr(_PAUSES[-1])}]")
_SPELLED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}?|{_CLOSE}")
_AROUND_PAUSE = re.compile(rf"[ \t]*{_PAUSE_SIGN.pattern}[ \t]*")


@dataclass
class Pauses:
    """The silence between the sentences of a text, in seconds."""

    usual: float
    """Between sentences if the text asks for none."""
    _asked: float | None = None
    _has_begun: bool = False

    def ask(self, seconds: float | None) -> None:
        """Ask for a pause before the next sentence; several in a row add up. None: as usual."""
        if seconds is not None:
            self._asked = (self._asked or 0.0) + seconds

    def take(self, usual: float | None = None) -> float:
        """The silence before the next sentence, which follows at once; `usual` is used instead of the usual one."""
        silence = self._asked
        if silence is None:
            silence = (self.usual if usual is None else usual) if self._has_begun or usual is not None else 0.0
        self._asked, self._has_begun = None, True
        return silence


def encoded(text: str) -> str:
    """Replace the marks of a text by signs; a text that has signs keeps them."""
    if "[" not in text:
        return text
    return _PAUSE.sub(_pause_sign, _SPELL.sub(lambda match: _spelling(match[1]), text))


def _pause_sign(match: re.Match[str]) -> str:
    steps = round(float(match[1].replace(",", ".")) * _STEPS)
    return match[0] if not 0 < steps < len(_PAUSES) else match[2] + chr(_PAUSES[steps])


def _spelling(letters: str) -> str:
    return _OPEN + re.sub(r"\s+", _SPACE, letters.strip()) + _CLOSE


def overlong_pause(text: str) -> str | None:
    """The first pause of a text whose length is out of range, as it is written; None if there is none."""
    wrong = (match[0] for match in _PAUSE.finditer(text) if _pause_sign(match) == match[0])
    return next(wrong, None)


def doubtful(text: str) -> Iterator[str]:
    """What looks like a mark but is none, as it is written, so that it is spoken as text."""
    if "[" in text:
        yield from _LIKE_A_MARK.findall(encoded(text))


def after_pauses(text: str) -> list[str]:
    """Cut an encoded text after every pause."""
    ends = [match.end() for match in _PAUSE_SIGN.finditer(text)]
    return [text[start:stop] for start, stop in zip([0, *ends], [*ends, len(text)], strict=True)]


def pauses(text: str) -> tuple[float | None, float | None]:
    """The seconds of silence that an encoded sentence asks for before and after its words; None if it does not."""
    before, after = re.split(r"(?=\w)", _SPELLED.sub("a", text), maxsplit=1) if re.search(r"\w", text) else (text, "")
    return _seconds(before), _seconds(after)


def _seconds(text: str) -> float | None:
    found = [_PAUSES.index(ord(sign)) / _STEPS for sign in _PAUSE_SIGN.findall(text)]
    return sum(found) if found else None


def shown(text: str) -> str:
    """An encoded text as it is shown: without pauses, letters that are spelled as they are written."""
    if text.isascii():
        return text
    plain = _AROUND_PAUSE.sub(" ", text).strip(" ") if _PAUSE_SIGN.search(text) else text
    return _SPELLED.sub(lambda match: (match[1] or "").replace(_SPACE, " "), plain)


def with_spelled(text: str, language: str) -> str:
    """An encoded text with names of letters instead of letters that are to be spelled."""
    if _OPEN not in text:
        return text
    from pipeline.speech.spelling import spelled

    return _SPELLED.sub(lambda match: f" {spelled((match[1] or '').replace(_SPACE, ' '), language)} ", text)
