"""Rewriting a sentence as it is spoken.

TTS engines read `5 кг`, URLs and emoji differently, and some interpret markup, so everything is turned into plain words
first. The order of the steps is defined here; the words of each language are in `pipeline.speech.languages`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from pipeline.speech.languages import UNKNOWN, known_language
from pipeline.speech.languages.base import Language, Match, in_words
from pipeline.speech.sentences import speakable

OTHER_DIGITS_MAX = 9
"""In languages that only num2words knows, longer numbers are read digit by digit."""
FAULTY_NUMBERS = frozenset({"am"})
"""Languages for which num2words 0.5.14 fails or never returns."""


def spoken(sentence: str, language: str) -> str:
    """Rewrite a sentence in plain words, as a voice should say it. Markup, emoji and stray symbols are removed."""
    known = known_language(language)
    text = _addresses(_characters(sentence, keep_stress=language.startswith("ru")), known or UNKNOWN)
    text = _in_words(text, known) if known else _numbers_in_words(text, language)
    text = _punctuation_only(text, strict=known is not None)
    return text if speakable(text) else _letters(sentence)


_VARIATIONS = re.compile(r"[\ufe00-\ufe0f]")
_SPACES = re.compile(r"[\s\u200b\u2060\ufeff\u00ad]+")
_SAME = str.maketrans({"−": "-", "‐": "-", "‑": "-", "⁄": "/", "∕": "/", "º": "°", "℃": "°C", "℉": "°F", "„": '"'})
_LOOSE_JOINERS = re.compile(r"(?<!\w)[\u200c\u200d]+|[\u200c\u200d]+(?!\w)")
_KEPT_BY_NFKC = frozenset("№…²³")
_MARKS_MAX = 2


def _characters(text: str, *, keep_stress: bool) -> str:
    """Normalize characters: no compatibility forms, few combining marks, ASCII digits."""
    text = unicodedata.normalize("NFC", _VARIATIONS.sub("", text).translate(_SAME))
    plain = "".join(c if c in _KEPT_BY_NFKC else _compatible(c) for c in text)
    plain = _LOOSE_JOINERS.sub("", _without_extra_marks(plain.translate(_SAME), keep_stress))
    return _SPACES.sub(" ", plain).strip()


def _compatible(character: str) -> str:
    """The compatibility form of a character; `½` stays separate from a whole number before it."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    return f" {plain}" if "⁄" in plain else plain


def _without_extra_marks(text: str, keep_stress: bool) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        generic = "\u0300" <= character <= "\u036f" or unicodedata.category(character) == "Me"
        if marks <= _MARKS_MAX and (not generic or (keep_stress and character == "\u0301" and marks == 1)):
            kept.append(character)
    return "".join(kept)


_EMAIL = re.compile(r"(?<![\w.+-])([\w.+&-]{1,64})@([\w-]+(?:\.[\w-]+)+(?:/[\w./-]*)?)")
_URL = re.compile(r"\b(?:https?://|ftp://|file:///|www\.)[^\s<>\"'«»]+", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?<![\w@.-])(?:[A-Za-z0-9-]+\.)*"
    r"(?:[A-Za-z0-9_-]{2,63}\.[a-z]{2,6}|[\w-]{2,63}\.(?:рф|қаз|docx?|xlsx?|pptx?|pdf|txt|csv|jpe?g|png|mp[34]|zip)"
    r"|[A-Za-z0-9]\.[a-z]{2,6}(?=/\w)|[A-Za-z0-9]\.(?:com|org|net|ru|kz|tv))"
    r"(?:/[^\s<>\"'«»]*)?(?![\w-]|\.\w)"
)
"""A bare domain or the name of a file: its last part is in lower case, unlike a sentence after a missing space."""
_ADDRESS_PART = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")


def _addresses(text: str, language: Language) -> str:
    """Write out e-mail addresses, URLs and bare domains."""

    def address(match: Match) -> str:
        body = match[0].rstrip(".,;:!?)…")
        return _address(body, language) + match[0][len(body) :]

    return _DOMAIN.sub(address, _URL.sub(address, _EMAIL.sub(address, text)))


def _address(url: str, language: Language) -> str:
    """An address without scheme, `www.` and query: signs are words, digits are read one by one."""
    bare = re.sub(r"^(?:\w+:/{2,3})?(?:www\.)?", "", url, flags=re.IGNORECASE)
    place = re.split(r"[?#]", bare, maxsplit=1)[0].strip("/")
    words = (_address_part(part, language) for part in _ADDRESS_PART.findall(place))
    return " ".join(filter(None, words)) or url


def _address_part(part: str, language: Language) -> str:
    if part.isdecimal():
        return " ".join(language.cardinal(int(digit)) for digit in part) if language.code else part
    return language.in_address(part) if part[0].isalpha() else language.address_signs.get(part, "")


_TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\d:])")
_DATE = re.compile(r"(?<![\d.])(\d{1,2})([./])(\d{1,2})\2(\d{4})(?!\d)(?:\s?(?:г\.|года|ж\.))?")
_ISO_DATE = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_RANGE = re.compile(r"(?<![\w.,-])(\d+(?:[.,]\d+)?)\s?[-–—]\s?(?=\d+(?:[.,]\d+)?(?![\w-]|[.,]\d))")
_PHONE = re.compile(r"(?<!\w)\+(\d[\d ()-]{7,20}\d)")
_HYPHENATED = re.compile(r"(?<![\w-])\d+(?:-\d+){2,}(?![\w-])")
_BARE_DECIMAL = re.compile(r"(?<![\w.,])\.(?=\d)")
_GROUPED_EVERYWHERE = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:[.,]000)++|(?:['’]\d{3})+)(?![\d.,]*\d)")
_DOTTED_NUMBER = re.compile(r"(?<!\d)\d+(?:\.\d+){2,}")
_NUMBER = re.compile(r"(?<![\w.,])(-?)(\d+(?:[.,]\d+)?)|(\d+)")
_FRACTION = re.compile(r"(?<![\d/])([1-3]/[234])(?![\d/])")
_WORD_AND_NUMBER = re.compile(r"(?<=[^\W\d])-(?=\d)|(?<=\d)-(?=[^\W\d])")
_COMPARISON = re.compile(r"(?:(?<=\s)|(?<=\d))([<>])(?=\s|\d)")


def _in_words(text: str, language: Language) -> str:
    """Replace everything that is not a word with words, from the specific to the general."""
    text = _PHONE.sub(lambda match: f"{language.plus} {language.telephone(re.findall('[0-9]+', match[1]))}", text)
    text = _ungrouped(language.rewritten(text), language)
    text = _ISO_DATE.sub(lambda match: _date(match, match[3], match[2], match[1], language), text)
    text = _DATE.sub(lambda match: _any_date(match, language), text)
    for pattern, say in language.rules:
        text = pattern.sub(say, text)
    text = _TIME.sub(lambda match: language.time(int(match[1]), int(match[2])), text)
    text = _HYPHENATED.sub(lambda match: language.telephone(match[0].split("-")), text)
    text = _DOTTED_NUMBER.sub(lambda match: _version(match[0], language), text)
    text = _FRACTION.sub(lambda match: language.fractions.get(match[1], match[1]), text)
    text = _WORD_AND_NUMBER.sub(" ", text)
    text = _RANGE.sub(lambda match: f"{language.number(match[1])} {language.range_word} ", text)
    text = _amounts(text, language)
    text = _NUMBER.sub(lambda match: _signed(match[1] or "", language.number(match[2] or match[3]), language), text)
    text = _COMPARISON.sub(lambda match: f" {language.symbols[match[1]]} ", text)
    return _symbols(language).sub(lambda match: f" {language.symbols[match[0]]} ", re.sub(r"[<>]", " ", text))


def _version(number: str, language: Language) -> str:
    """A version number: `1.2.3`."""
    return " " + f" {language.dot} ".join(language.number(part) for part in number.split(".")) + " "


def _ungrouped(text: str, language: Language) -> str:
    """Remove thousands separators, and put a digit before a bare decimal point."""
    text = _GROUPED_EVERYWHERE.sub(lambda match: re.sub(r"\D", "", match[0]), _BARE_DECIMAL.sub("0.", text))
    separator = re.escape(language.thousands)
    grouped = re.compile(rf"(?<![\d.,])\d{{1,3}}(?:{separator}\d{{3}})+(?![\d])")
    return grouped.sub(lambda match: match[0].replace(language.thousands, ""), text)


def _any_date(match: Match, language: Language) -> str:
    """`31.12.2026`, or `12/31/2026` where the month comes first."""
    first, second = match[1], match[3]
    if match[2] == "/" and language.month_first and int(first) <= 12:
        first, second = second, first
    return _date(match, first, second, match[4], language)


def _date(match: Match, day: str, month: str, year: str, language: Language) -> str:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12 and 1000 <= int(year) <= 2999):
        return match[0]
    return language.date(int(day), int(month), int(year))


def _amounts(text: str, language: Language) -> str:
    """Replace numbers that come with a magnitude, unit or currency."""

    def amount(match: Match) -> str:
        return (
            _signed(match["minus"], _amount(match, language), language) if match["scale"] or match["unit"] else match[0]
        )

    before, after = _amount_patterns(language)
    return after.sub(amount, before.sub(amount, text))


def _amount(match: Match, language: Language) -> str:
    number, scale, unit = match["number"], match["scale"], match["unit"]
    currency = language.currencies.get(unit)
    noun = currency[0] if currency else language.units.get(unit)
    if scale:
        words = language.counted(number, language.magnitudes[scale])
        return f"{words} {noun.many}" if noun else words
    if currency:
        return language.money(number, currency)
    return language.counted(number, language.units[unit])


def _signed(minus: str, words: str, language: Language) -> str:
    """A number in words with its sign, separated from adjacent letters by spaces."""
    return f" {language.minus} {words} " if minus else f" {words} "


@cache
def _amount_patterns(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns for a currency before a number, and a unit or currency after it.

    An abbreviation includes its full stop, unless that ends the sentence.
    """
    stop = r"(?:\.(?=\s*[,;:)»]|\s+[a-zа-яёәіңғүұқөһ\d]))?"
    scale = rf"(?:\s?(?P<scale>{_alternatives(language.magnitudes)})(?!\w){stop})?"
    signs = _alternatives(sign for sign in language.currencies if not sign.isalpha())
    units = _alternatives([*language.units, *language.currencies])
    number = r"(?P<number>\d+(?:[.,]\d+)?)"
    before = rf"(?P<minus>-?)(?P<unit>{signs})\s?{number}{scale}"
    after = rf"(?<![\w.,])(?P<minus>-?){number}{scale}(?:\s?(?P<unit>{units})(?!\w){stop})?"
    return re.compile(before), re.compile(after)


@cache
def _symbols(language: Language) -> re.Pattern[str]:
    return re.compile(_alternatives(language.symbols))


def _alternatives(words: Iterable[str]) -> str:
    """A pattern that matches any of the words, longer ones first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _numbers_in_words(text: str, language: str) -> str:
    """Replace numbers with words if num2words knows the language; the engine reads the rest."""
    from num2words import CONVERTER_CLASSES

    if language not in CONVERTER_CLASSES or language in FAULTY_NUMBERS:
        return text

    def words(match: Match) -> str:
        digits = match[0] if len(match[0]) <= OTHER_DIGITS_MAX else " ".join(match[0])
        return " ".join(in_words(int(number), language) for number in digits.split())

    return re.sub(r"(?<![\w.,])\d+(?![\w]|[.,]\d)", words, text)


_MARKS_IN_SPEECH = frozenset(".,!?;:…-–—()\"'«»“”‘’¿¡")
_MARKUP = frozenset("<>[]{}|\\^~`*_")
_REPEATED = re.compile(r"([!?,;:—–-])(?:\s*\1)+")
_DOTS = re.compile(r"\.(?:\s*\.)+|…(?:\s*[.…])+")
_LEADING = " -–—,.;:!?…)'"


def _punctuation_only(text: str, *, strict: bool) -> str:
    """Keep letters, digits and the marks that engines use for pauses and intonation.

    Unless `strict`, symbols that could not be put into words are passed on to the engine; markup never is.
    """
    kept = "".join(character if _survives(character, strict) else " " for character in text)
    tidy = re.sub(r"\s+([.,!?;:…)»])", r"\1", " ".join(kept.split()))
    tidy = re.sub(r"([(«“])\s+", r"\1", tidy)
    return _DOTS.sub("…", _REPEATED.sub(r"\1", tidy)).lstrip(_LEADING)


def _survives(character: str, strict: bool) -> bool:
    kind = unicodedata.category(character)
    if kind[0] in "LNM" or character in _MARKS_IN_SPEECH or character in "\u200c\u200d":
        return True
    if strict or character in _MARKUP:
        return False
    return kind[0] == "P" or kind == "Sc" or character in "+=°"


def _letters(text: str) -> str:
    """Keep only letters and digits: the fallback if the rules left nothing to speak."""
    plain = unicodedata.normalize("NFKC", text)
    return " ".join("".join(character if character.isalnum() else " " for character in plain).split())
