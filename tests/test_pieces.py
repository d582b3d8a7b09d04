"""Cutting the text of a stream into pieces that are spoken and played in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.speech import sentences

WORDS_MAX, FIRST_WORDS_MAX = 15, 10
"""The limits in docs/streaming.md for a piece and for the first one."""
CHARACTERS_PER_WORD = 8
"""The same: of a piece, on average."""
WORDS = ["a", "bb,", "and", "и", "және", "dd.", "—", "Ee!", "ж" * 30, "\n"]
RUSSIAN = (
    "Здравствуйте, это проверка потока. Аватар начинает говорить, пока остальное ещё готовится, "
    "и никто не ждёт конца, потому что каждая часть показывается сразу, как только она готова. "
    "Потом идёт ещё одно предложение. И ещё одно, самое последнее в этом коротком тексте."
)


def test_sentences_of_over_fifteen_words_are_cut_at_clauses_and_conjunctions() -> None:
    assert sentences.pieces(RUSSIAN, "ru") == [
        "Здравствуйте, это проверка потока.",
        "Аватар начинает говорить, пока остальное ещё готовится, и никто не ждёт конца,",
        "потому что каждая часть показывается сразу, как только она готова.\nПотом идёт ещё одно предложение.",
        "И ещё одно, самое последнее в этом коротком тексте.",
    ]
    long = "one two three four five six seven eight nine and ten eleven twelve thirteen fourteen fifteen sixteen more."
    assert sentences.pieces("That is the first piece of it.\n" + long, "en")[1].endswith("nine")


@pytest.mark.parametrize("language", ["ru", "en", "kk", "de"])
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=100))
@settings(max_examples=60)
def test_pieces_contain_every_word_and_are_short(language: str, words: list[str]) -> None:
    said = " ".join(words)
    pieces = sentences.pieces(said, language)
    assert " ".join(pieces).split() == (said.split() if sentences.speakable(said) else [])
    # A punctuation mark on its own belongs to the previous words and is not counted.
    spoken = [sum(sentences.speakable(word) for word in piece.split()) for piece in pieces]
    assert max(spoken, default=0) <= WORDS_MAX
    assert max(spoken[:1], default=0) <= FIRST_WORDS_MAX


@given(words=st.lists(st.sampled_from(WORDS), min_size=50, max_size=100))
@settings(max_examples=60)
def test_pieces_are_as_long_as_allowed(words: list[str]) -> None:
    """A piece and the next phrase together would be too long. 50 or more words make several pieces."""
    pieces = sentences.pieces(" ".join([*words, "end"]), "en")
    assert len(pieces) > 2
    for number, (piece, after) in enumerate(pairwise(pieces)):
        limit = WORDS_MAX if number else FIRST_WORDS_MAX
        phrase = after.partition("\n")[0]
        too_many_words = len(piece.split()) + len(phrase.split()) > limit
        assert too_many_words or len(piece) + len(phrase) >= limit * CHARACTERS_PER_WORD


def test_long_words_make_the_first_piece_no_longer() -> None:
    sentence = "Extraordinarily complicated circumstances accompanying international pharmaceutical investigations "
    first, *_ = sentences.pieces(sentence * 3, "en")
    assert 40 < len(first) <= FIRST_WORDS_MAX * CHARACTERS_PER_WORD


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("zh", "今天天气很好，我们一起去公园散步吧。"),
        ("zh", "你好。"),
        ("ja", "これはテストです。"),
        ("th", "สวัสดีครับ ยินดีที่ได้รู้จัก\n"),
    ],
)
def test_pieces_of_a_language_without_spaces_are_short_and_the_first_one_shorter(language: str, sentence: str) -> None:
    first, *others = sentences.pieces(sentence * 40, language)
    assert "".join("".join([first, *others]).split()) == "".join((sentence * 40).split())
    assert len(first) <= 80
    assert 40 < max(map(len, others)) <= 120


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Компания объявила о запуске нового сервиса, который позволит пользователям создавать видео с говорящими "
         "аватарами всего за несколько минут без какого-либо предварительного опыта монтажа.", "ru"),
        ("The company announced a new service that lets its users make videos with talking avatars in a few minutes "
         "without any experience at all.", "en"),
        ("один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
         "пятнадцать шестнадцать", "ru"),
    ],
)  # fmt: skip
def test_a_sentence_is_cut_into_even_pieces_without_a_rest(text: str, language: str) -> None:
    found = sentences.pieces(text, language)
    assert " ".join(found) == text  # no line: a part of a sentence is not spoken as one of its own
    assert min(len(piece.split()) for piece in found) >= 4
    assert max(map(len, found)) <= sentences.PIECE_CHARACTERS_MAX
