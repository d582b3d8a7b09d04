"""Texts with sentences in another language: which are judged to be, how they are read, and who says them."""

from __future__ import annotations

from pathlib import Path

import loudness
import numpy as np
import pytest

from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.media import pcm
from pipeline.messages import Sentence, Speech, TtsItem
from pipeline.speech.reading import read
from pipeline.speech.sentence_language import sentence_language
from pipeline.stages.tts import TtsStage

MIXED = "Он открыл книгу и прочёл. In 1976 there were 25 cats in the house. Потом он ушёл."


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("ru", "How are you today?", "en"),
        ("ru", "We have 25 cats.", "en"),
        ("ru", "Bonjour, comment allez-vous ?", "fr"),
        ("ru", "Rolling Stones.", "ru"),
        ("ru", "Samsung Galaxy S24 Ultra", "ru"),
        ("ru", "Microsoft Visual Studio Code", "ru"),
        ("ru", "Компания Apple выпустила iPhone 15.", "ru"),
        ("ru", "Он приехал в Өскемен вчера.", "ru"),
        ("ru", "Сәлем, қалың қалай?", "kk"),
        ("ru", "Я люблю Україну і її мову.", "uk"),
        ("kk", "Сегодня хорошая погода.", "ru"),
        ("kk", "Балалар ойнап жатыр.", "kk"),
        ("kk", "Президент Астанада болды.", "kk"),
        ("kk", "How are you?", "en"),
        ("en", "Сегодня хорошая погода.", "ru"),
        ("en", "Wie geht es Ihnen heute, Herr Müller?", "de"),
        ("en", "Paris, London, Berlin, Rome and Madrid.", "en"),
        ("en-gb", "Run fast, jump high!", "en-gb"),
        ("ru", "123 + 456", "ru"),
    ],
)
def test_only_whole_sentences_are_in_another_language(language: str, sentence: str, expected: str) -> None:
    assert sentence_language(sentence, language) == expected


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("ru", MIXED, "In nineteen seventy-six there were twenty-five cats in the house."),
        ("kk", "Ол 5-ке толды. Сегодня минус 25 градусов мороза.", "Сегодня минус двадцать пять градусов мороза."),
        ("ru", "Он сказал: «We have 25 cats and 3 dogs».", 'Он сказал: "We have twenty-five cats and three dogs".'),
        ("ru", "Купил Windows Server 2019 Core вчера.", "Купил Windows Server две тысячи девятнадцать Core вчера."),
    ],
)
def test_each_sentence_is_read_by_the_rules_of_its_language(language: str, text: str, spoken: str) -> None:
    assert spoken in [sentence.spoken for sentence in read(text, language)]


def said(folder: Path, *, other_languages: bool = True) -> Speech:
    stage = TtsStage(WorkerSpec("tts-0", "tts", "", Config.model_validate({"tts": {"voices": {"en": "hibari:heart"}}})))
    stage.setup("cpu")
    item = TtsItem("job", folder, MIXED, "ru", "espeak:ru+f2", 1.0, other_languages=other_languages)
    [speech] = stage.process(item)
    return speech


def loudness_of(sentence: Sentence, samples: np.ndarray, rate_hz: int) -> float:
    part = samples[round(sentence.start_seconds * rate_hz) : round(sentence.end_seconds * rate_hz)]
    return float(loudness.integrated_loudness(pcm.as_float(part), rate_hz))


def test_a_sentence_goes_to_a_voice_that_speaks_it_at_the_same_loudness(tmp_path: Path) -> None:
    """The two voices have different rates."""
    speech = said(tmp_path)
    found = [(sentence.language, sentence.voice) for sentence in speech.sentences]
    assert found == [(None, None), ("en", "hibari:heart"), (None, None)]
    assert speech.voice == "espeak:ru+f2"
    samples, rate_hz = pcm.read_wav(speech.audio), 22_050
    levels = [loudness_of(sentence, samples, rate_hz) for sentence in speech.sentences]
    assert levels == pytest.approx([-16.0] * 3, abs=0.7)
    assert len(samples) / rate_hz == pytest.approx(speech.sentences[-1].end_seconds)


@pytest.mark.parametrize("other_languages", [True, False])
def test_a_sentence_that_nobody_speaks_is_said_as_before(
    other_languages: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so are all if they are not to be told apart."""
    monkeypatch.setattr(TtsStage, "_speaker_of", lambda *_: None)
    speech = said(tmp_path, other_languages=other_languages)
    assert {(sentence.language, sentence.voice) for sentence in speech.sentences} == {(None, None)}


@pytest.mark.parametrize(("rate_hz", "to_hz"), [(24_000, 22_050), (22_050, 24_000), (16_000, 48_000)])
def test_a_tone_keeps_its_pitch_and_level_at_another_rate(rate_hz: int, to_hz: int) -> None:
    def tone(hz: int) -> np.ndarray:
        times = np.arange(hz) / hz
        return np.asarray(0.5 * np.sin(2 * np.pi * 440 * times) * np.sin(np.pi * times) ** 2, np.float32)

    assert pcm.resampled(tone(rate_hz), rate_hz, to_hz) == pytest.approx(tone(to_hz), abs=1e-3)
