"""When the words of a sentence are heard, from the times of the words that the voice was given.

The two differ: `5 kg` is read as `five kilograms`. Words that are the same in both get their own times; the words of
each stretch that differs share its time by their lengths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

from pipeline.messages import Word
from pipeline.speech.sentences import UNSPACED

_WORD = re.compile(rf"{UNSPACED.pattern}[^\w\s]*|(?:(?!{UNSPACED.pattern})\S)+")
_STRESS_MARK = "\u0301"


def written_words(sentence: str) -> list[str]:
    """The words of a sentence with adjacent marks: a dash between spaces belongs to the word before it.

    In scripts without spaces every character is a word. Together they keep everything but spaces between words.
    """
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(sentence):
        if spans and not (_is_speech(match[0]) and _is_speech(sentence[slice(*spans[-1])])):
            spans[-1] = (spans[-1][0], match.end())
        else:
            spans.append(match.span())
    return [sentence[start:end] for start, end in spans]


def timed(sentence: str, heard: Sequence[Word]) -> tuple[Word, ...]:
    """The words of a sentence as they are written, with times; empty if nothing is known. Times never decrease."""
    words = written_words(sentence)
    if not heard:
        return ()
    keys, heard_keys = [_key(word) for word in words], [_key(word.text) for word in heard]
    found: list[Word] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, keys, heard_keys, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [replace(word, text=text) for text, word in zip(words[i:i_end], heard[j:j_end], strict=True)]
            continue
        before = found[-1].end_seconds if found else heard[0].start_seconds
        start = max(before, heard[j].start_seconds) if j < j_end else before
        end = max(start, heard[j_end - 1].end_seconds) if j < j_end else start
        found += shared(words[i:i_end], start, end)
    return tuple(_apart(found))


def _apart(words: Sequence[Word]) -> Iterator[Word]:
    """Give short words without a time part of the next word's: espeak-ng reports `the city` as one word."""
    waiting: list[str] = []
    for index, word in enumerate(words):
        waiting.append(word.text)
        is_last = index == len(words) - 1
        if word.end_seconds > word.start_seconds or is_last:
            yield from shared(waiting, word.start_seconds, word.end_seconds) if len(waiting) > 1 else [word]
            waiting = []


def shared(words: Sequence[str], start_seconds: float, end_seconds: float) -> list[Word]:
    """Words that share a time by their numbers of letters."""
    sizes = [max(1, sum(character.isalnum() for character in word)) for word in words]
    rate = (end_seconds - start_seconds) / max(1, sum(sizes))
    edges = [start_seconds + rate * sum(sizes[:index]) for index in range(len(words))] + [end_seconds]
    return [Word(word, start, end) for word, (start, end) in zip(words, pairwise(edges), strict=False)]


def _is_speech(word: str) -> bool:
    return any(character.isalnum() for character in word)


def _key(word: str) -> str:
    """What two spellings of a word have in common."""
    plain = word.casefold().replace("ё", "е").replace(_STRESS_MARK, "")
    return "".join(character for character in plain if character.isalnum())
