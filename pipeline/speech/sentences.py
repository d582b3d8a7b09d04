"""Cutting a text into sentences, and into the pieces of a stream.

`pipeline.speech.spoken` rewrites each sentence as it is spoken; each language's abbreviations and conjunctions are in
`pipeline.speech.languages`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from pipeline.speech.languages import UNKNOWN, known_language
from pipeline.speech.languages.base import Language, Match
from pipeline.speech.marks import after_pauses, encoded

SENTENCE_CHARACTERS_MAX = 300
"""Longer sentences are cut at a comma or a space: neural voices need memory that grows with the square of this."""
PIECE_WORDS_MAX = 15
"""Words per piece of a stream: about five seconds."""
FIRST_WORDS_MAX = 10
"""Words in the first piece of a stream: a viewer is waiting for it."""
PIECE_WORDS_MIN = 4
"""Words in the first piece and in a piece cut from a sentence: when it ends, the next piece must be ready."""
CHARACTERS_PER_WORD = 8
"""How many a word in a piece may have on average; estimate for scripts without spaces between words."""
PIECE_CHARACTERS_MAX = PIECE_WORDS_MAX * CHARACTERS_PER_WORD

_ABBREVIATION_CHARACTERS_MAX = 12
_END = re.compile(r"""(?<![.!?…؟۔।])[.!?…؟۔।]++["'»”’“)\]}]*+(?=\s|$)|[。！？]+[」』”）]*""")
"""Possessive quantifiers: backtracking into a long run of marks would take quadratic time."""
_QUESTION_MARKS = frozenset("?？؟")
_OPENING = "\"'«“„‘([{—–- "
_END_CHARACTERS_MAX = 8
_CLAUSE_END = re.compile(r"[,;:—–)]\s")
_CLAUSE_MARKS = ",;:—–)，、；："
_DASHES = ("—", "–", "-")
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzабвгдеёжзийклмнопрстуфхцчшщъыьэюяәіңғүұқөһ")
_YEAR_ALONE = re.compile(r"(?:\w{1,5} )?\d+ \w")
"""`В 2020 г` is never a complete sentence."""
_LONE_LETTERS = re.compile(r"(?<!\w)[^\W\d_]\. ?[^\W\d_]\.")
"""`т. е.`, `e. g.`, `А. С.`: the first full stop of these never ends a sentence."""
_LONE_LETTER = re.compile(r"\W*[^\W\d_]\.")
_ROMAN_NUMERAL = re.compile(r"[IVXLC]+\b")
"""It begins no sentence after an abbreviation: `гг. XX в.`"""
_FIRST_WORD = re.compile(r"\w*")
_LIST_NUMBER = re.compile(r"\d{1,3}\.?")


def speakable(text: str) -> bool:
    """Return whether the text contains at least one letter or digit."""
    return any(character.isalnum() for character in unicodedata.normalize("NFKC", encoded(text)))


def sentences(text: str, language: str) -> list[str]:
    """Split a text into sentences, in order. Each is speakable; together they keep every word and mark.

    The marks of `pipeline.speech.marks` are encoded, and pauses are never within a sentence.
    """
    known = known_language(language) or UNKNOWN
    lines = encoded(text).splitlines()
    cut = (part for line in lines for sentence in _cut(line, known) for part in after_pauses(sentence))
    return _merged([part for sentence in cut for part in _shortened(sentence, SENTENCE_CHARACTERS_MAX)])


def pieces(text: str, language: str) -> list[str]:
    """Split a text into stream pieces, in order: each is one or more whole sentences, or part of one.

    The lines of a piece are spoken as separate sentences. Together the pieces keep every word and mark of the text.
    """
    found: list[str] = []
    for phrase in _phrases(text, language):
        limit = FIRST_WORDS_MAX if len(found) == 1 else PIECE_WORDS_MAX
        fits = bool(found) and _words(found[-1]) + _words(phrase.text) <= limit
        if fits and phrase.begins_sentence:
            found[-1] += f"\n{phrase.text}"
        elif fits and len(found[-1]) + len(phrase.text) < limit * CHARACTERS_PER_WORD:
            found[-1] += f" {phrase.text}"
        else:
            found.append(phrase.text)
    return found


def passages(text: str, language: str, characters: float) -> list[str]:
    """Group the sentences of a text into passages of about equal length, in order; each is about `characters` long.

    The lines of a passage are spoken as separate sentences. Together the passages keep every word and mark of the text.
    """
    found = sentences(text, language)
    total = sum(map(len, found))
    size = total / max(1, round(total / characters))
    passages: dict[int, list[str]] = {}
    before = 0
    for sentence in found:
        passages.setdefault(int((before + len(sentence) / 2) / size), []).append(sentence)
        before += len(sentence)
    return ["\n".join(passage) for passage in passages.values()]


def ends_sentence(piece: str) -> bool:
    """Return whether a piece ends at the end of a sentence."""
    return _END.search(piece[-_END_CHARACTERS_MAX:]) is not None


def is_question(sentence: str) -> bool:
    """Return whether a sentence ends with a question mark, alone or among other marks."""
    end = _END.search(sentence[-_END_CHARACTERS_MAX:])
    return end is not None and not _QUESTION_MARKS.isdisjoint(end[0])


class _Phrase(NamedTuple):
    """A sentence or a part of one."""

    text: str
    begins_sentence: bool


def _phrases(text: str, language: str) -> Iterator[_Phrase]:
    """The sentences, with long ones cut. `FIRST_WORDS_MAX` applies until `PIECE_WORDS_MIN` words are reached."""
    known = known_language(language) or UNKNOWN
    count = 0
    for sentence in sentences(text, language):
        words = [part for word in sentence.split() for part in _shortened(word, PIECE_CHARACTERS_MAX)]
        parts: list[str] = []
        done = 0
        while done < len(words):
            limit = FIRST_WORDS_MAX - count if count < PIECE_WORDS_MIN else PIECE_WORDS_MAX
            at = _break(words[done : done + 2 * PIECE_WORDS_MAX], limit, known)  # what follows makes no difference
            parts.append(" ".join(words[done : done + at]))
            done, count = done + at, count + at
        for index, part in enumerate(_merged(parts)):
            yield _Phrase(part, index == 0)


def _break(words: list[str], limit: int, language: Language) -> int:
    """How many words to take as the next phrase.

    All words if they fit the limit; else up to the last clause end, or else the last conjunction, or else about half.
    What remains has `PIECE_WORDS_MIN` words too, if possible.
    """
    limit = min(limit, _fitting(words, limit * CHARACTERS_PER_WORD))
    if len(words) <= limit:
        return len(words)
    places = range(PIECE_WORDS_MIN, min(limit, len(words) - PIECE_WORDS_MIN) + 1)
    clauses = [at for at in places if words[at - 1][-1] in _CLAUSE_MARKS or words[at] in _DASHES]
    conjunctions = [at for at in places if words[at].lower() in language.conjunctions]
    return max(clauses or conjunctions or [min(limit, -(-len(words) // 2))])


def _fitting(words: list[str], characters: int) -> int:
    """How many words have up to so many characters together; at least one."""
    lengths = accumulate(len(word) + 1 for word in words)
    return max(1, sum(length <= characters + 1 for length in lengths))


def _words(phrase: str) -> int:
    """Count the words of a phrase; an estimate for scripts without spaces."""
    return sum(1 + len(word) // CHARACTERS_PER_WORD if UNSPACED.search(word) else 1 for word in phrase.split())


def _cut(line: str, language: Language) -> Iterator[str]:
    """Split a line after every mark that ends a sentence."""
    no_capitals = line == line.lower()
    start = 0
    for mark in _END.finditer(line):
        if _ends_sentence(line, start, mark, language, no_capitals):
            yield line[start : mark.end()]
            start = mark.end()
    yield line[start:]


def _ends_sentence(line: str, start: int, mark: Match, language: Language, no_capitals: bool) -> bool:
    rest = line[mark.end() : mark.end() + 40].lstrip(_OPENING)
    following = rest[:1]
    if mark[0].startswith(("..", "…")) or mark.start() == start:
        return not following.islower()
    if not mark[0].startswith("."):
        return no_capitals or not following.islower()
    if _LONE_LETTERS.match(line, mark.start() - 1):
        return False
    before = line[max(start, mark.start() - _ABBREVIATION_CHARACTERS_MAX - 1) : mark.start()].split(" ")
    following = "" if _ROMAN_NUMERAL.match(rest) and len(language.starters) == 0 else following
    abbreviated = _ends_after_abbreviation(before, following, language)
    if abbreviated is not None and language.starters:
        abbreviated = _FIRST_WORD.match(rest)[0] in language.starters  # type: ignore[index]
    if abbreviated is not None:
        return abbreviated and not _YEAR_ALONE.fullmatch(line[start : min(mark.start(), start + 20)].strip(_OPENING))
    if _LIST_NUMBER.fullmatch(line[start : min(mark.start(), start + 6)].strip()):
        return False
    return no_capitals or not following.islower()


def _ends_after_abbreviation(before: list[str], following: str, language: Language) -> bool | None:
    """Whether a full stop after an abbreviation ends the sentence; None if there is no abbreviation."""
    word = before[-1].lstrip(_OPENING)
    if len(word) == 1 and len(before) > 1 and _LONE_LETTER.fullmatch(before[-2]):
        word = before[-2].lstrip(_OPENING) + word  # `т. е.` is `т.е.`
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
    """Whether this is an initial without its last full stop: `А`, `J`, `А.С`."""
    letters = word.split(".")
    return all(len(letter) == 1 and letter.isupper() for letter in letters)


def _shortened(sentence: str, characters_max: int) -> Iterator[str]:
    """Split a sentence that is too long: after a clause, or else between words, or else anywhere."""
    while len(sentence) > characters_max:
        head = sentence[:characters_max]
        clauses = [match.end() for match in _CLAUSE_END.finditer(head)]
        at = clauses[-1] if clauses else head.rfind(" ") + 1
        at = at or characters_max
        yield sentence[:at]
        sentence = sentence[at:]
    yield sentence


def _merged(parts: list[str]) -> list[str]:
    """Strip sentences; join one without words to the previous sentence, or else to the next one."""
    found: list[str] = []
    waiting: list[str] = []
    for part in filter(None, (part.strip() for part in parts)):
        if speakable(part):
            found.append(" ".join([*waiting, part]))
            waiting = []
        elif found:
            found[-1] += f" {part}"
        else:
            waiting.append(part)
    return found
