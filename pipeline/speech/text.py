"""Text preparation: cutting a text into sentences, and writing each one out the way it is spoken.

Engines differ in what they make of `5 кг`, a URL or an emoji, and some obey markup. So everything is put into plain
words first. What is known of a language is in `pipeline.speech.languages`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

from pipeline.speech.languages import known_language
from pipeline.speech.languages.base import Language, Match, in_words

SENTENCE_CHARACTERS_MAX = 300
"""Longer sentences are cut at a comma or a space: neural voices need memory that grows with the square of this."""
PIECE_WORDS_MAX = 15
"""Of a piece of a stream: some five seconds."""
FIRST_WORDS_MAX = 10
"""Of its first piece, which someone is waiting for."""
PIECE_WORDS_MIN = 4
"""A piece that is cut out of a sentence is no shorter, nor is the first one: the next must be ready when it ends."""
CHARACTERS_PER_WORD = 8
"""Where there are no spaces between words."""
PIECE_CHARACTERS_MAX = PIECE_WORDS_MAX * CHARACTERS_PER_WORD
OTHER_DIGITS_MAX = 9
"""Where only num2words knows the language, longer numbers are read digit by digit."""
FAULTY_NUMBERS = frozenset({"am"})
"""Languages whose numbers num2words 0.5.14 fails at, or never comes to an end with."""

_ABBREVIATION_CHARACTERS_MAX = 12
_END = re.compile(r"""(?<![.!?…؟۔।])[.!?…؟۔।]++["'»”’“)\]}]*+(?=\s|$)|[。！？]+[」』”）]*""")
"""Marks are taken all or none: to look again from within a long run of them would take time by its square."""
_OPENING = "\"'«“„‘([{—–- "
_END_CHARACTERS_MAX = 8
_CLAUSE_END = re.compile(r"[,;:—–)]\s")
_CLAUSE_MARKS = ",;:—–)，、；："
_DASHES = ("—", "–", "-")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""A letter of those who write without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzабвгдеёжзийклмнопрстуфхцчшщъыьэюяәіңғүұқөһ")
_YEAR_ALONE = re.compile(r"(?:\w{1,5} )?\d+ \w")
"""`В 2020 г` is no sentence yet, whatever follows."""
_LIST_NUMBER = re.compile(r"\d{1,3}\.?")


def speakable(text: str) -> bool:
    """Whether there is at least one letter or digit to say."""
    return any(character.isalnum() for character in unicodedata.normalize("NFKC", text))


def sentences(text: str, language: str) -> list[str]:
    """The text's sentences in order, each with something to say; together they hold all of its words and marks."""
    known = known_language(language) or _NO_LANGUAGE
    cut = (sentence for line in text.splitlines() for sentence in _cut(line, known))
    return _worth_saying([part for sentence in cut for part in _shortened(sentence, SENTENCE_CHARACTERS_MAX)])


def pieces(text: str, language: str) -> list[str]:
    """The text in pieces to be spoken and shown one after the other, each of whole sentences or a part of one.

    The lines of a piece are spoken as sentences of their own. Together they hold all of the text's words and marks.
    """
    found: list[str] = []
    for phrase in _phrases(text, language):
        limit = FIRST_WORDS_MAX if len(found) == 1 else PIECE_WORDS_MAX
        if found and _words(found[-1]) + _words(phrase) <= limit:
            found[-1] += f"\n{phrase}"
        else:
            found.append(phrase)
    return found


def ends_sentence(piece: str) -> bool:
    """Whether a piece ends where a sentence does, and not within one."""
    return _END.search(piece[-_END_CHARACTERS_MAX:]) is not None


def _phrases(text: str, language: str) -> list[str]:
    """The sentences, those of too many words cut; the first piece's limit holds until it is long enough."""
    known = known_language(language) or _NO_LANGUAGE
    found: list[str] = []
    said = 0
    for sentence in sentences(text, language):
        for part in _shortened(sentence, PIECE_CHARACTERS_MAX):
            rest = part.split()
            while rest:
                limit = FIRST_WORDS_MAX - said if said < PIECE_WORDS_MIN else PIECE_WORDS_MAX
                at = _break(rest, limit, known)
                found.append(" ".join(rest[:at]))
                rest, said = rest[at:], said + at
    return _worth_saying(found)


def _break(words: list[str], limit: int, language: Language) -> int:
    """How many of a sentence's words make the next phrase: all, if they are not too many, else up to a clause's end,
    else up to a conjunction, else about as many as are left."""
    if len(words) <= limit:
        return len(words)
    places = range(PIECE_WORDS_MIN, min(limit, len(words) - 1) + 1)
    clauses = [at for at in places if words[at - 1][-1] in _CLAUSE_MARKS or words[at] in _DASHES]
    conjunctions = [at for at in places if words[at].lower() in language.conjunctions]
    return max(clauses or conjunctions or [min(limit, -(-len(words) // 2))])


def _words(phrase: str) -> int:
    """How many words a phrase has, or about how many where there are no spaces between them."""
    return sum(1 + len(word) // CHARACTERS_PER_WORD if _UNSPACED.search(word) else 1 for word in phrase.split())


def _cut(line: str, language: Language) -> Iterator[str]:
    """Cut a line after every mark that ends a sentence."""
    no_capitals = line == line.lower()
    start = 0
    for mark in _END.finditer(line):
        if _ends_sentence(line, start, mark, language, no_capitals):
            yield line[start : mark.end()]
            start = mark.end()
    yield line[start:]


def _ends_sentence(line: str, start: int, mark: Match, language: Language, no_capitals: bool) -> bool:
    following = line[mark.end() : mark.end() + 40].lstrip(_OPENING)[:1]
    if mark[0].startswith(("..", "…")) or mark.start() == start:
        return not following.islower()
    if not mark[0].startswith("."):
        return no_capitals or not following.islower()
    before = line[max(start, mark.start() - _ABBREVIATION_CHARACTERS_MAX - 1) : mark.start()].split(" ")
    abbreviated = _ends_after_abbreviation(before, following, language)
    if abbreviated is not None:
        return abbreviated and not _YEAR_ALONE.fullmatch(line[start : min(mark.start(), start + 20)].strip(_OPENING))
    if _LIST_NUMBER.fullmatch(line[start : min(mark.start(), start + 6)].strip()):
        return False
    return no_capitals or not following.islower()


def _ends_after_abbreviation(before: list[str], following: str, language: Language) -> bool | None:
    """Whether a full stop after an abbreviation ends the sentence; None when there is no abbreviation before it."""
    word = before[-1].lstrip(_OPENING)
    lower = word.lower()
    counted = len(before) > 1 and before[-2][-1:].isdigit()
    if counted and (lower in language.closing or word in language.units):
        return following.isupper()
    if lower in language.before_name or (_is_initial(word) and lower not in language.closing - _LETTERS):
        return False
    if lower in language.closing:
        return following.isupper()
    return False if lower in language.before_number and following.isdigit() else None


def _is_initial(word: str) -> bool:
    """`А`, `J`, `А.С`: what stands before the full stop of an initial."""
    letters = word.split(".")
    return all(len(letter) == 1 and letter.isupper() for letter in letters)


def _shortened(sentence: str, characters_max: int) -> Iterator[str]:
    """Cut a sentence that is too long: after a clause, else between words, else anywhere."""
    while len(sentence) > characters_max:
        head = sentence[:characters_max]
        clauses = [match.end() for match in _CLAUSE_END.finditer(head)]
        at = clauses[-1] if clauses else head.rfind(" ") + 1
        at = at or characters_max
        yield sentence[:at]
        sentence = sentence[at:]
    yield sentence


def _worth_saying(pieces: list[str]) -> list[str]:
    """Bare sentences; a piece without a word goes to the sentence before it, or else to the one after it."""
    found: list[str] = []
    waiting: list[str] = []
    for piece in filter(None, (piece.strip() for piece in pieces)):
        if speakable(piece):
            found.append(" ".join([*waiting, piece]))
            waiting = []
        elif found:
            found[-1] += f" {piece}"
        else:
            waiting.append(piece)
    return found


def spoken(sentence: str, language: str) -> str:
    """The sentence in plain words, as a voice should say it. Markup, emoji and stray symbols do not survive."""
    known = known_language(language)
    text = _addresses(_characters(sentence, keep_stress=language.startswith("ru")), known or _NO_LANGUAGE)
    text = _in_words(text, known) if known else _numbers_in_words(text, language)
    text = _punctuation_only(text, strict=known is not None)
    return text if speakable(text) else _letters(sentence)


_SPACES = re.compile(r"[\s\u200b\u2060\ufeff\u00ad]+")
_SAME = str.maketrans({"−": "-", "‐": "-", "‑": "-", "⁄": "/", "∕": "/", "º": "°", "℃": "°C", "℉": "°F", "„": '"'})
_LOOSE_JOINERS = re.compile(r"(?<!\w)[\u200c\u200d]+|[\u200c\u200d]+(?!\w)")
_KEPT_BY_NFKC = frozenset("№…²³")
_MARKS_MAX = 2


def _characters(text: str, *, keep_stress: bool) -> str:
    """One form of every character: no compatibility forms, no pictures, few combining marks, ASCII digits."""
    text = unicodedata.normalize("NFC", text.translate(_SAME))
    plain = "".join(c if c in _KEPT_BY_NFKC else _compatible(c) for c in text)
    plain = _LOOSE_JOINERS.sub("", _without_extra_marks(plain.translate(_SAME), keep_stress))
    return _SPACES.sub(" ", plain).strip()


def _compatible(character: str) -> str:
    """The character in its ordinary form; a fraction in one character keeps its distance from a whole number."""
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


_EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64})@([\w-]+(?:\.[\w-]+)+)")
_URL = re.compile(r"\b(?:https?://|ftp://|www\.)[^\s<>\"'«»]+", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?<![\w@.-])(?:[A-Za-z0-9-]+\.)+(?:com|org|net|info|edu|gov|io|ai|dev|app|ru|kz|su|рф|қаз|uk|de|eu|tv|me)"
    r"(?:/[^\s<>\"'«»]*)?(?![\w-])"
)


def _addresses(text: str, language: Language) -> str:
    """Write out e-mail addresses, URLs and bare domains."""

    def address(match: Match) -> str:
        body = match[0].rstrip(".,;:!?)…")
        return _address(body, language) + match[0][len(body) :]

    text = _EMAIL.sub(lambda match: f"{_dotted(match[1], language)} {language.at} {_dotted(match[2], language)}", text)
    return _DOMAIN.sub(address, _URL.sub(address, text))


def _address(url: str, language: Language) -> str:
    """Host and path of a URL; scheme, `www.` and query are not worth hearing."""
    bare = re.sub(r"^(?:\w+://)?(?:www\.)?", "", url, flags=re.IGNORECASE)
    place = re.split(r"[?#]", bare, maxsplit=1)[0].strip("/")
    return _dotted(place, language) or url


def _dotted(address: str, language: Language) -> str:
    """An address with its dots and slashes spoken."""
    said = {".": language.dot, "/": language.slash, "-": "", "_": "", "+": language.plus}
    words = re.sub(r"[./\-_+]", lambda match: f" {said[match[0]]} ", re.sub(r"[^\w./+-]", " ", address))
    return " ".join(words.split())


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
    """Everything that is not a word, in words: from the specific to the general."""
    text = _PHONE.sub(lambda match: f"{language.plus} {language.telephone(re.findall('[0-9]+', match[1]))}", text)
    text = _ungrouped(text, language)
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
    """`1.2.3`."""
    return " " + f" {language.dot} ".join(language.number(part) for part in number.split(".")) + " "


def _ungrouped(text: str, language: Language) -> str:
    """Numbers without the separators of their thousands, and with a digit before the decimal point."""
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
    """Numbers with a unit or a currency, before or after them."""

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
        said = language.counted(number, language.magnitudes[scale])
        return f"{said} {noun.many}" if noun else said
    if currency:
        return language.money(number, currency)
    return language.counted(number, language.units[unit])


def _signed(minus: str, said: str, language: Language) -> str:
    """A number's words, apart from a letter that touches them, with the sign before them."""
    return f" {language.minus} {said} " if minus else f" {said} "


@cache
def _amount_patterns(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Currency before the number; unit or currency after it, with a full stop that does not end the sentence."""
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
    """A pattern for any of the words, longer ones first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _numbers_in_words(text: str, language: str) -> str:
    """Numbers in words where num2words knows the language; the engine reads the rest."""
    from num2words import CONVERTER_CLASSES

    if language not in CONVERTER_CLASSES or language in FAULTY_NUMBERS:
        return text

    def said(match: Match) -> str:
        digits = match[0] if len(match[0]) <= OTHER_DIGITS_MAX else " ".join(match[0])
        return " ".join(in_words(int(number), language) for number in digits.split())

    return re.sub(r"(?<![\w.,])\d+(?![\w]|[.,]\d)", said, text)


_MARKS_IN_SPEECH = frozenset(".,!?;:…-–—()\"'«»“”‘’¿¡")
_MARKUP = frozenset("<>[]{}|\\^~`*_")
_REPEATED = re.compile(r"([!?,;:—–-])(?:\s*\1)+")
_DOTS = re.compile(r"\.(?:\s*\.)+|…(?:\s*[.…])+")
_LEADING = " -–—,.;:!?…)'"


def _punctuation_only(text: str, *, strict: bool) -> str:
    """Letters, digits and the marks that engines make pauses and melody from.

    Where symbols could not be put into words (not `strict`) the engine gets to see them, but never markup.
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
    """Only the letters and digits, for what no rule made sense of."""
    plain = unicodedata.normalize("NFKC", text)
    return " ".join("".join(character if character.isalnum() else " " for character in plain).split())


_NO_LANGUAGE = Language(code="")
