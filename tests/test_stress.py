"""Stress in Russian: finding it, and telling each voice about it."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.messages import Speech, TtsItem
from pipeline.speech.accentor import stressed
from pipeline.speech.stress import MARK, WORD, stressed_vowel, with_pluses, without_marks
from pipeline.speech.voices.espeak import Espeak, _engine, in_ipa
from pipeline.speech.voices.espeak_stress import _VOWEL, respelled
from pipeline.speech.voices.rhvoice import Rhvoice
from pipeline.stages.tts import TtsStage
from tests.test_voices import FakeRhvoice, wav
from training.dataset import is_installed

SENTENCES = [
    line
    for line in (Path(__file__).parent / "data" / "stress-ru.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
RIGHT_ALONE = 92
"""In how many of the sentences espeak-ng 1.52 stresses the word right by itself."""
RIGHT_AT_LEAST = 127
MADE_WORSE_AT_MOST = 1

phonemes = partial(_engine().phonemes, "ru")


def said_vowel(text: str, index: int) -> int | None:
    """Which vowel of a word espeak-ng stresses."""
    words = re.findall(r"\[\[.*?\]\]|[А-Яа-яЁё]+", respelled(text, phonemes).text)
    said = words[index].strip("[]") if words[index].startswith("[[") else phonemes([words[index].lower()])[0]
    before, mark, _ = said.partition("'")
    return len(_VOWEL.findall(before)) if mark else None


def outcome(sentence: str) -> tuple[bool, bool]:
    """Whether espeak-ng stresses the marked word right without help, and with it."""
    words = WORD.findall(sentence)
    word = next((word for word in words if MARK in word), None) or next(word for word in words if "ё" in word)
    plain = without_marks(sentence).replace("ё", "е")
    expected = stressed_vowel(word.replace("ё", f"ё{MARK}"))
    texts = (plain, stressed(plain, "ru", "every"))
    alone, helped = (said_vowel(text, words.index(word)) == expected for text in texts)
    return alone, helped


def test_words_are_stressed_as_people_say_them() -> None:
    outcomes = [outcome(sentence) for sentence in SENTENCES]
    assert len(outcomes) >= 130
    assert sum(alone for alone, _ in outcomes) == RIGHT_ALONE
    assert sum(helped for _, helped in outcomes) >= RIGHT_AT_LEAST
    assert sum(alone and not helped for alone, helped in outcomes) <= MADE_WORSE_AT_MOST


@pytest.mark.parametrize(
    ("text", "every", "ambiguous"),
    [
        ("Еще елка, сорок лет", "Ещё ёлка, со́рок лет", None),
        ("УЛИЦА Дворцовая", "У́ЛИЦА Дворцо́вая", "УЛИЦА Дворцовая"),
        ("Этот красиве́е, тот Красивее", "Э́тот красиве́е, тот Краси́вее", None),
        ("за́мок и hello, замо́к", "за́мок и hello, замо́к", "за́мок и hello, замо́к"),
        ("қазақстан", "қазақстан", None),
        ("5 + а", "5 + а", "5 + а"),
    ],
)
def test_marks_are_added_where_a_voice_wants_them(text: str, every: str, ambiguous: str | None) -> None:
    assert stressed(text, "ru", "every") == every
    assert ambiguous is None or stressed(text, "ru", "ambiguous") == ambiguous
    assert stressed(text, "ru", "none") == stressed(text, "kk", "every") == text


@settings(deadline=None, max_examples=60)
@given(st.text("абвежзйикоуяьЁА -.,!?әқiI’'" + MARK, max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    def letters(marked: str) -> str:
        return marked.replace(MARK, "").replace("ё", "е").replace("Ё", "Е")

    assert letters(stressed(text, "ru", "every")) == letters(text)


def test_espeak_is_given_phonemes_only_where_it_is_wrong() -> None:
    given = respelled("Стари́нный за́мок, бе́лки, Дома́ и жара́.", phonemes)
    assert given.text == "Старинный [[z'AmVk]], белки, [[dVm'A]] и [[ZVr'A]]."
    places = [given.plain_place(*match.span()) for match in re.finditer(r"\[\[.*?\]\]|[А-я]+", given.text)]
    assert ["Старинный замок, белки, Дома и жара."[slice(*place)] for place in places] == [
        *("Старинный", "замок", "белки", "Дома", "и", "жара")
    ]


def test_espeak_says_the_marked_vowel_and_reports_the_words_as_given() -> None:
    utterance = Espeak().speak("Вот за́мок, а вот замо́к.", "ru", "ru+f2", 1.0)
    assert [word.text for word in utterance.words] == ["Вот", "замок", "а", "вот", "замок"]
    said = ["".join(p.symbol for p in utterance.phonemes if word.start_seconds <= p.start_seconds < word.end_seconds)
            for word in utterance.words if word.text == "замок"]  # fmt: skip
    assert said == ["zˈɑmʌk", "zamˈok"]


def test_piper_is_given_ipa_with_the_marks_that_follow() -> None:
    assert in_ipa("Это за́мок, бе́лки и дома́!", "ru") == "Это [[zˈɑmʌk,]] белки и [[damˈɑ!]]"


def test_rhvoice_is_given_the_marks() -> None:
    """A plus sign, which it also reads, would be spoken with emphasis."""
    library = FakeRhvoice()
    Rhvoice(library).speak("Это за́мок", "ru", "anna", 1.0)
    assert library.messages[0][1] == "Это за́мок"


@pytest.mark.skipif(not is_installed("anna"), reason="RHVoice is not installed")
def test_rhvoice_follows_marks_without_emphasis() -> None:
    def spoken(text: str) -> bytes:
        return Rhvoice().speak(text, "ru", "anna", 1.0).samples.tobytes()

    assert spoken("Стои́т за́мок.") == spoken("Стоит замок.") != spoken("Сто́ит замо́к.")


def test_pluses_stand_before_the_stressed_vowels() -> None:
    assert with_pluses("Ю́бка, e\u0301, т\u0301") == "+Юбка, e\u0301, т"


def test_only_what_is_spoken_has_marks(tmp_path: Path) -> None:
    """A voice of the user's that wants pluses; its words come back as the text has them."""
    (tmp_path / "speech.wav").write_bytes(wav(1.0, 22_050))
    program = tmp_path / "say"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path}/heard\necho >> {tmp_path}/heard\ncat {tmp_path}/speech.wav\n")
    program.chmod(0o755)
    config = Config.model_validate({"tts": {"command": {"argv": [str(program)], "stress": "plus"}}})
    stage = TtsStage(WorkerSpec("tts-0", "tts", "", config))
    stage.setup("cpu")
    text = "Это древний замок на холме. Ему 40 лет."
    item = TtsItem("a", tmp_path / "work", text, "ru", None, 1.0)
    (speech,) = (result for result in stage.process(item) if isinstance(result, Speech))
    assert [sentence.text for sentence in speech.sentences] == ["Это древний замок на холме.", "Ему 40 лет."]
    assert (tmp_path / "heard").read_text().split("\n")[:2] == ["+Это др+евний з+амок на холм+е.", "Ем+у с+орок лет."]
