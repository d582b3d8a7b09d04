"""When words are heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages import Word
from pipeline.speech.reading import read
from pipeline.speech.voices.base import Utterance
from pipeline.speech.voices.espeak import Espeak
from pipeline.speech.voices.hibari import Hibari
from pipeline.speech.words import timed, written_words


def heard(text: str) -> list[Word]:
    """Each word for a second."""
    return [Word(word, index, index + 1) for index, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("written", "spoken", "expected"),
    [
        ("Да, нет.", "Да нет", [("Да,", 0, 1), ("нет.", 1, 2)]),
        ("Купи 5 кг яблок!", "Купи пять килограммов яблок", [("Купи", 0, 1), ("яблок!", 3, 4)]),
        ("Пришла в 7:45 домой", "Пришла в семь сорок пять домой", [("7:45", 2, 5), ("домой", 5, 6)]),
        ("Слово — дело", "Слово дело", [("Слово —", 0, 1), ("дело", 1, 2)]),
        ("— Ещё раз", "ЕЩЕ раз", [("— Ещё", 0, 1), ("раз", 1, 2)]),
        ("a #1 b", "a b", [("#1", 1, 1.5), ("b", 1.5, 2)]),
        ("in the city", "in city", [("the", 1, 1 + 3 / 7), ("city", 1 + 3 / 7, 2)]),
    ],
)
def test_written_words_get_the_times_of_what_is_said_for_them(
    written: str, spoken: str, expected: list[tuple[str, float, float]]
) -> None:
    found = timed(written, heard(spoken))
    assert [word.text for word in found] == written_words(written)
    assert set(expected) <= {(word.text, word.start_seconds, word.end_seconds) for word in found}


def test_every_character_of_an_unspaced_script_is_a_word() -> None:
    assert written_words("你好，world 世界。") == ["你", "好，", "world", "世", "界。"]


@given(st.text(st.sampled_from("ab1 —.,好"), min_size=1), st.text(st.sampled_from("ab ")))
def test_nothing_is_lost_and_time_never_goes_back(written: str, spoken: str) -> None:
    found = timed(written, heard(spoken))
    if not spoken.split():
        assert found == ()
        return
    assert "".join("".join(word.text.split()) for word in found) == "".join(written.split())
    times = [seconds for word in found for seconds in (word.start_seconds, word.end_seconds)]
    assert times == sorted(times)


def late_seconds(utterance: Utterance, word: str, symbols: str) -> float:
    """How much later a word is reported than its first phoneme, found by its symbol."""
    [said] = [found for found in utterance.words if found.text.strip(".,") == word]
    return min(
        abs(said.start_seconds - p.start_seconds) for p in utterance.phonemes if p.symbol.strip("ˈˌ")[:1] in symbols
    )


def test_every_word_has_a_time_where_espeak_joins_it_with_the_next_one() -> None:
    text = "He went to the office in the middle of the city with a laptop."
    found = timed(text, Espeak().speak(text, "en", "en-us", 1.0).words)
    assert [word.text for word in found] == text.split()
    assert min(word.end_seconds - word.start_seconds for word in found) > 0.01


def test_espeak_reports_words() -> None:
    [sentence] = read("Мы купили 5 кг яблок — за 300 руб.", "ru")
    utterance = Espeak().speak(sentence.spoken, "ru", "ru+f2", 1.0)
    assert late_seconds(utterance, "за", "z") < 0.02
    found = timed(sentence.text, utterance.words)
    assert [word.text for word in found] == ["Мы", "купили", "5", "кг", "яблок —", "за", "300", "руб."]
    assert all(0.04 < word.end_seconds - word.start_seconds < 1.5 for word in found)


@pytest.mark.slow
def test_hibari_reports_words() -> None:
    [sentence] = read("She left early, at 7:45, with a map.", "en")
    utterance = Hibari().speak(sentence.spoken, "en", "heart", 1.0)
    assert late_seconds(utterance, "map", "m") < 0.03
    found = timed(sentence.text, utterance.words)
    assert [word.text for word in found] == ["She", "left", "early,", "at", "7:45,", "with", "a", "map."]
    assert found[4].end_seconds - found[4].start_seconds > 0.8
