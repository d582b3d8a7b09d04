"""Language tags as people write them: `EN`, `en_US`, `english`, `kz`."""

from __future__ import annotations

import re
from difflib import get_close_matches

_LIKE_A_TAG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9_-]{1,20})?\Z")

_ALSO = {
    "ar": "ara arabic арабский",
    "be": "bel by belarusian belarussian беларуская белорусский",
    "cs": "ces cze cz czech čeština чешский",
    "da": "dan dk danish dansk датский",
    "de": "deu ger german deutsch немецкий",
    "el": "ell gre gr greek греческий",
    "en": "eng english английский англ",
    "es": "spa spanish español espanol испанский",
    "et": "est ee estonian eesti эстонский",
    "fi": "fin finnish suomi финский",
    "fr": "fra fre french français francais французский",
    "he": "heb iw hebrew иврит",
    "hi": "hin hindi хинди",
    "it": "ita italian italiano итальянский",
    "ja": "jpn jp japanese 日本語 японский",
    "kk": "kaz kz kazakh qazaq қазақ қазақша казахский",
    "ko": "kor kr korean 한국어 корейский",
    "ky": "kir kg kyrgyz кыргызча киргизский",
    "nl": "nld dut dutch nederlands нидерландский",
    "pl": "pol polish polski польский",
    "pt": "por portuguese português portugues португальский",
    "ro": "ron rum romanian română румынский",
    "ru": "rus russian русский рус",
    "sr": "srp rs serbian српски сербский",
    "sv": "swe se swedish svenska шведский",
    "tr": "tur turkish türkçe turkce турецкий",
    "tt": "tat tatar татарча татарский",
    "uk": "ukr ua ukrainian українська украинский",
    "uz": "uzb uzbek узбекский",
    "vi": "vie vn vietnamese вьетнамский",
    "zh": "zho chi cn chinese mandarin 中文 китайский",
}
"""Other codes and names of languages: three letters, countries, in English, in themselves and in Russian."""
_TAGS = {word: tag for tag, words in _ALSO.items() for word in words.split()}

_CYRILLIC = frozenset({"be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"})
_CYRILLIC_LETTER = re.compile(r"[\u0400-\u052f]")
_LATIN_CODES = (
    "af ca cs cy da de en eo es et eu fi fr ga hr hu id is it la lt lv ms mt nb nl nn no pl pt ro sk sl sq sv sw tr vi"
)
_LATIN = frozenset(_LATIN_CODES.split())
_LATIN_LETTER = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")


def normalized(tag: str) -> str:
    """A tag in its usual form: `EN` is `en`, `en_US` is `en-US`, `RUS` and `русский` are `ru`. Others stay as they are.

    Codes of two letters are never replaced: those of countries are also those of other languages.
    """
    word = tag.strip().lower()
    if len(word) > 2 and word in _TAGS:
        return _TAGS[word]
    match = _LIKE_A_TAG.match(tag.strip())
    if match is None:
        return tag
    language = match[1].lower()
    known = _TAGS.get(language, language) if len(language) > 2 else language
    return known + (match[2] or "").replace("_", "-")


def tag_hint(tag: str) -> str:
    """What to write instead of a tag that no voice speaks, or that is not a tag."""
    word = re.split(r"[-_ ]", tag.strip().lower()[:40])[0]
    known = _TAGS.get(word)
    if known is None and len(word) > 3:
        known = next((_TAGS[close] for close in get_close_matches(word, _TAGS, n=1, cutoff=0.75)), None)
    if known is not None:
        return f"did you mean {known!r}?"
    return "write a language's code, such as 'en', 'ru' or 'kk'"


def is_read_in_wrong_script(text: str, language: str) -> bool:
    """Whether a text has only Latin letters, but its language is written in Cyrillic."""
    letters = [character for character in text if character.isalpha()]
    is_latin = bool(letters) and all(_LATIN_LETTER.match(letter) for letter in letters)
    return is_latin and is_cyrillic(language)


def has_no_letter_of(text: str, language: str) -> bool:
    """Whether a text has letters, but none that a text in its language may have; False for languages not known here."""
    letters = [character for character in text if character.isalpha()]
    if not letters or any(map(_LATIN_LETTER.match, letters)):
        return False
    if is_cyrillic(language):
        return not any(map(_CYRILLIC_LETTER.match, letters))
    return language.partition("-")[0] in _LATIN


def is_cyrillic(language: str) -> bool:
    """Whether a language is written in Cyrillic."""
    return language.partition("-")[0] in _CYRILLIC
