"""The names of letters, for words that are spelled out."""

from __future__ import annotations

import unicodedata

from pipeline.speech.languages import known_language


def _named(letters: str, names: str) -> dict[str, str]:
    return dict(zip(letters, names.split(), strict=True))


_LATIN_IN_CYRILLIC = _named(
    "abcdefghijklmnopqrstuvwxyz",
    "эй би си ди и эф джи эйч ай джей кей эл эм эн о пи кью ар эс ти ю ви дабл-ю икс уай зед",
)
_NAMES = {
    "ru": _LATIN_IN_CYRILLIC
    | _named(
        "абвгдеёжзийклмнопрстуфхцчшщыэюя",
        "а бэ вэ гэ дэ е ё жэ зэ и и-кра\u0301ткое ка эль эм эн о пэ эр эс тэ у эф ха цэ че ша ща ы э ю я",
    )
    | {"ъ": "твёрдый знак", "ь": "мягкий знак"},
    "kk": _LATIN_IN_CYRILLIC
    | _named(
        "аәбвгғдеёжзиклмнңоөпрстуұүфхһцчшщыіэюя",
        "а ә бе ве ге ға де е йо же зе и ка эл эм эн ың о ө пе эр эс те у ұ ү эф ха һа це че ша ща ы і э ю я",
    )
    | {"қ": "қа", "й": "қысқа и", "ъ": "айыру белгісі", "ь": "жіңішкелік белгісі"},
    "en": {"a": "ay"},
}
"""By language, for letters that voices do not name themselves: a lone `a` is read as an article in English."""


def spelled(text: str, language: str) -> str:
    """The names of the letters and digits of a text, one by one; other characters are left out."""
    code = language.partition("-")[0]
    names, known = _NAMES.get(code, {}), known_language(language)
    said = []
    for character in unicodedata.normalize("NFKC", text):
        if character.isdecimal() and known:
            said.append(known.cardinal(unicodedata.decimal(character)))
        elif character.isalnum():
            said.append(names.get(character.lower(), character))
    return " ".join(said)
