"""Cases that ru-normalizr does not find: what something is with, and the pages that somebody opens."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.speech.languages.base import Match, Noun, listed
from pipeline.speech.languages.ru_rules import CASE_OF, cardinal, ordinal

_MOMENTS = frozenset(listed("ч мин сек ° °C °F чел коп"))
"""Units whose amounts something begins at: `с 8 ч`. Nor has anything people as it has gigabytes."""
_CHANGES = re.compile(
    r"(?:вырос|возрос|рост|упал|паден|сни[зж]|увелич|уменьш|подн[яи]|поднима|сокра[тщ]|нач[аи]|старт|похуд|перех|переш"
    r"|повы[сш]|пони[зж]|опус[тк]|спус[тк]|разог|замедл|уско[рн])[а-яё]*(?: [а-яё]+){0,2} $",
    re.IGNORECASE,
)
"""Verbs and nouns before `с 16 ГБ` after which it is a beginning: something grew from there."""
_UNTIL = re.compile(r"[^.;!?]*?\b(?:до|по) (?:\d|[а-яё]+(?:и|а|ста)\b)")

_PAGE = {"n": "страница", "g": "страницы", "d": "странице", "a": "страницу", "i": "страницей", "p": "странице"}
_PAGE_CASES = CASE_OF | {
    **dict.fromkeys(listed("на в во"), "p"),
    "по": "d",
    **dict.fromkeys(listed("через про см смотри смотрите открой откройте"), "a"),
    **dict.fromkeys(listed("читай читайте прочти прочтите прочитай прочитайте изучи изучите"), "a"),
}
_PAGES = re.compile(
    r"(?P<before>(?<!\w)[А-ЯЁа-яё]+\.? )?(?P<pages>(?<!\w)[Сс]тр\. ?\d{1,4}(?:(?:,| и| или) стр\. ?\d{1,4})*)"
    r"(?!\w|\s?[-–—,]\s?\d| и \d)"
)
_ONE_PAGE = re.compile(r"([Сс])тр\. ?(\d+)")


def pages(text: str) -> str:
    """`см. стр. 5 и стр. 112`: in the case that the word before asks for."""
    return _PAGES.sub(_in_case, text)


def _in_case(match: Match) -> str:
    before = match["before"] or ""
    case = _PAGE_CASES.get(before.strip(" .").lower(), "n")

    def page(one: Match) -> str:
        word = _PAGE[case]
        return f"{word.capitalize() if one[1] == 'С' else word} {ordinal(int(one[2]), case, 'f')}"

    own = f"{before[0]}о " if before.lower() == "с " else before
    return own + _ONE_PAGE.sub(page, match["pages"])


class WithAmounts:
    """Puts into words what something is with: `ноутбук с 16 ГБ памяти и 512 ГБ диска`."""

    def __init__(self, units: Mapping[str, Noun]) -> None:
        """`units`: abbreviations with their nouns."""
        self._units = {unit: noun for unit, noun in units.items() if unit not in _MOMENTS}
        names = "|".join(re.escape(unit) for unit in sorted(self._units, key=len, reverse=True))
        amount = rf"(?<![\w.,])\d{{1,6}} ?(?:{names})(?![\w²³/])(?:\.(?=\s?[,;:)]|\s[а-яё]))?"
        self._amount = re.compile(rf"(?<![\w.,])(\d{{1,6}}) ?({names})(?![\w²³/])\.?(?=\s|\W|$)")
        self._pattern = re.compile(
            rf"(?<!\w)([Сс])о? ({amount}(?:(?: [А-ЯЁа-яё]{{2,}}){{0,2}}(?:,| и| или) {amount})*)"
        )

    def said(self, text: str) -> str:
        """The text with these amounts in the instrumental case, unless they are where something begins."""
        return self._pattern.sub(self._with, text)

    def _with(self, match: Match) -> str:
        if _CHANGES.search(match.string, 0, match.start()) or _UNTIL.match(match.string, match.end()):
            return match[0]
        said = self._amount.sub(lambda amount: _by(int(amount[1]), self._units[amount[2]]), match[2])
        return f"{match[1]}{'о' if said.startswith('ста') else ''} {said}"


def _by(value: int, noun: Noun) -> str:
    """`шестнадцатью гигабайтами`: a number and its noun in the instrumental case."""
    number = cardinal(value, "i", "f" if noun.feminine else "m")
    if value % 1000 == 0:  # a thousand of something
        return f"{number} {noun.many}"
    is_one = value % 10 == 1 and value % 100 != 11
    words = noun.one.split()
    adjectives = [word[:-1] + ("м" if is_one else "ми") for word in words[:-1] if word.endswith(("ый", "ий"))]
    head, *others = words[len(adjectives) :]
    return " ".join([number, *adjectives, _instrumental(head, is_one=is_one), *others])


def _instrumental(noun: str, *, is_one: bool) -> str:
    if noun.endswith("а"):
        return noun[:-1] + ("ой" if is_one else "ами")
    return noun + ("ом" if is_one else "ами")
