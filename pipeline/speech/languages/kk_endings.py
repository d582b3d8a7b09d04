"""Endings of Kazakh words: vowel harmony, and the consonant that begins an ending.

The forms are those of school grammars (зат есімнің септелуі, сан есім): https://talkinkazakh.com/7-kazakh-noun-cases/
has the cases in English, https://pl.wiktionary.org/wiki/Aneks:Kazachski_-_końcówki_rzeczowników plural and possessive.
How numbers and endings are written is in the rules of spelling (емле ережелері, §44): endings follow digits after a
hyphen, and a hyphen before another word stands for the ending of an ordinal. Which form is spoken depends on the last
word of the reading, whatever form was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable

ORDINALS = {
    "нөл": "нөлінші", "бір": "бірінші", "екі": "екінші", "үш": "үшінші", "төрт": "төртінші", "бес": "бесінші",
    "алты": "алтыншы", "жеті": "жетінші", "сегіз": "сегізінші", "тоғыз": "тоғызыншы", "он": "оныншы",
    "жиырма": "жиырмасыншы", "отыз": "отызыншы", "қырық": "қырқыншы", "елу": "елуінші", "алпыс": "алпысыншы",
    "жетпіс": "жетпісінші", "сексен": "сексенінші", "тоқсан": "тоқсаныншы", "жүз": "жүзінші", "мың": "мыңыншы",
    "миллион": "миллионыншы", "миллиард": "миллиардыншы", "триллион": "триллионыншы",
}  # fmt: skip
COLLECTIVES = {
    "бір": "біреу", "екі": "екеу", "үш": "үшеу", "төрт": "төртеу", "бес": "бесеу", "алты": "алтау", "жеті": "жетеу",
}  # fmt: skip

_VOWELS = "аәеёиоөуұүыіэюя"
_FRONT = "әеёиөүіэ"
_NASALS, _SONORANTS, _VOICED = "мнң", "рлйу", "зж"

_ENDING = re.compile(
    r"(?P<collective>[ае]у(?=$|[ыі]|[мдгнт]))?(?P<ordinal>(?:[ыі]?н)?ш[ыі])?(?P<plural>[лдт][ае]р)?"
    r"(?P<possessive>с?[ыі](?=$|н|м))?"
    r"(?P<case>н|н?[ндт][ыі]ң|[ғгқк][ае]|н[ае]|[ндт][ыі]|н?[дт][ае]н?|н[ае]н|[мбп]ен|н?[дт][ае][ғг][ыі]|"
    r"[лдт][ыі][қк]|[дт][ае]й|[лдт][ае]п)?"
)


def is_ending(letters: str) -> bool:
    """Whether letters after a number are an ending, not a word."""
    return bool(letters) and _ENDING.fullmatch(letters) is not None


def ordinal(words: str) -> str:
    """The ordinal of a cardinal in words: its last word takes an ending."""
    *beginning, last = words.split()
    return " ".join([*beginning, ORDINALS.get(last, last)])


def ended(words: str, ending: str) -> str:
    """Words with an ending in the form that the last one asks for. `ending`: one for which `is_ending` is true."""
    match = _ENDING.fullmatch(ending)
    assert match is not None
    *beginning, word = words.split()
    if match["collective"]:
        word = COLLECTIVES.get(word, word)
    if match["ordinal"]:
        word = ORDINALS.get(word, word + _ordinal_ending(word))
    if match["plural"]:
        word += _begun(word, "л", "д", "т", nasal="д", lateral="д") + _open(word) + "р"
    if match["possessive"]:
        word = _possessed(word)
    if match["case"]:
        word += _possessed_case(word, match["case"]) if match["possessive"] else _case(word, match["case"])
    return " ".join([*beginning, word])


def _is_front(word: str) -> bool:
    """Whether endings have front vowels. `у` is neutral at the end, as in елу; in loanwords it is a back vowel."""
    if word.endswith("ь"):
        return True
    for letter in reversed(word.removesuffix("у")):
        if letter in _VOWELS:
            return letter in _FRONT
    return False


def _open(word: str) -> str:
    return "е" if _is_front(word) else "а"


def _closed(word: str) -> str:
    return "і" if _is_front(word) else "ы"


def _begun(word: str, vowel: str, voiced: str, voiceless: str, *, nasal: str, lateral: str | None = None) -> str:
    """The consonant that an ending begins with, by the last sound: р, й and у count as vowels if `lateral` is given."""
    last = word.rstrip("ь")[-1:]
    if last in _NASALS:
        return nasal
    if last in _VOICED or (last == "л" and lateral is not None):
        return voiced
    if last in _SONORANTS:
        return vowel if lateral is not None else voiced
    return vowel if last in _VOWELS else voiceless


def _ordinal_ending(word: str) -> str:
    vowel = _closed(word)
    return f"нш{vowel}" if word[-1] in _VOWELS else f"{vowel}нш{vowel}"


def _possessed(word: str) -> str:
    """Of the third person: `бесі`, `алтысы`, `қырқы`."""
    vowel = _closed(word)
    stem = "қырқ" if word == "қырық" else word
    return f"{stem}с{vowel}" if word[-1] in _VOWELS.replace("у", "") else f"{stem}{vowel}"


def _possessed_case(word: str, case: str) -> str:
    """A case after the possessive."""
    vowel = _open(word)
    if case == "н" or case.endswith("мен"):
        return case
    if case.endswith("ң"):
        return f"н{_closed(word)}ң"
    if case[-1] in "ыі":
        return f"нд{vowel}{'гі' if vowel == 'е' else 'ғы'}"
    if case.endswith("н"):
        return f"н{vowel}н"
    return f"нд{vowel}" if "д" in case else f"н{vowel}"


def _case(word: str, case: str) -> str:
    """A case or another last ending."""
    return next(make(word) for pattern, make in _CASES if pattern.fullmatch(case))


def _instrumental(word: str) -> str:
    last = word.rstrip("ь")[-1:]
    return "бен" if last in _VOICED else "мен" if last in _VOWELS + _NASALS + _SONORANTS else "пен"


def _dative(word: str) -> str:
    begun = _begun(word, "ғ", "ғ", "қ", nasal="ғ")
    return {"ғ": "г", "қ": "к"}[begun] + "е" if _is_front(word) else begun + "а"


def _locative(word: str) -> str:
    return _begun(word, "д", "д", "т", nasal="д") + _open(word)


_CASES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (r"н?[ндт][ыі]ң", lambda word: f"{_begun(word, 'н', 'д', 'т', nasal='н')}{_closed(word)}ң"),
        (r"[ғгқк][ае]|н[ае]", _dative),
        (r"[ндт][ыі]|н", lambda word: f"{_begun(word, 'н', 'д', 'т', nasal='д')}{_closed(word)}"),
        (r"н?[дт][ае]", _locative),
        (r"н?[ндт][ае]н", lambda word: f"{_begun(word, 'д', 'д', 'т', nasal='н')}{_open(word)}н"),
        (r"[мбп]ен", _instrumental),
        (r"н?[дт][ае][ғг][ыі]", lambda word: _locative(word) + ("гі" if _is_front(word) else "ғы")),
        (
            r"[лдт][ыі][қк]",
            lambda word: f"{_begun(word, 'л', 'д', 'т', nasal='д', lateral='д')}{'ік' if _is_front(word) else 'ық'}",
        ),
        (r"[дт][ае]й", lambda word: f"{_begun(word, 'д', 'д', 'т', nasal='д')}{_open(word)}й"),
        (r"[лдт][ае]п", lambda word: f"{_begun(word, 'л', 'д', 'т', nasal='д', lateral='д')}{_open(word)}п"),
    )
)
