"""Phoneme and word times by alignment, against voices that report them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.media.pcm import as_int16, resampled
from pipeline.messages import Phoneme, Word
from pipeline.speech.alignment.aligner import OTHER_VARIANT, REFERENCE_SPEED, Aligner
from pipeline.speech.alignment.matching import Reference, matched
from pipeline.speech.alignment.spectra import mel_power
from pipeline.speech.alignment.transcript import Expected, Transcript, transcribed
from pipeline.speech.alignment.warping import path_costs, warped
from pipeline.speech.voices.base import Utterance
from tests.members import members, slow
from training.dataset import say, sentences, with_phonemes

SENTENCES = 5
RATE_HZ = 16_000
EXTRA = ("Please pump the big bubble before my five friends arrive.", "The weather will stay fine until Sunday.")

Samples = NDArray[np.float32]


@cache
def spoken(text: str, voice: str = "heart", speed: float = 1.0) -> Utterance:
    return say(text, "en", voice, speed)


@cache
def known(text: str) -> Utterance:
    return spoken(text, "en-us+f2", REFERENCE_SPEED)


def texts() -> tuple[str, ...]:
    return sentences("en", held_out=True)[:SENTENCES]


def reported_and_aligned(voice: str) -> list[tuple[Phoneme, Phoneme]]:
    """Phonemes as reported by the voice, each with its aligned counterpart."""
    pairs: list[tuple[Phoneme, Phoneme]] = []
    for text in texts():
        own = spoken(text, voice)
        found = with_phonemes(own, known(text)).phonemes
        letters, others = ([p.symbol.strip("ˈˌː") for p in phonemes] for phonemes in (own.phonemes, found))
        for here, there, length in SequenceMatcher(None, letters, others, autojunk=False).get_matching_blocks():
            pairs += zip(own.phonemes[here:][:length], found[there:][:length], strict=True)
    return pairs


def errors(pairs: list[tuple[Phoneme, Phoneme]]) -> NDArray[np.float64]:
    """Delay of the start and end of the aligned phonemes in seconds, shape [phonemes, 2]."""
    return np.array([(b.start_seconds - a.start_seconds, b.end_seconds - a.end_seconds) for a, b in pairs])


@pytest.mark.parametrize(
    ("voice", "median", "most"),
    [
        pytest.param("en-us+m3", 0.01, 0.04, id="a voice like the reference"),
        # Its reported times are in steps of 25 ms.
        slow("heart", 0.025, 0.06, id="a natural voice"),
    ],
)
def test_boundaries_are_found(voice: str, median: float, most: float) -> None:
    pairs = reported_and_aligned(voice)
    late = errors(pairs)
    assert len(pairs) > 20 * SENTENCES
    # A constant difference comes from different definitions of the start of a sound.
    assert np.abs(np.median(late)) < 0.03
    error = np.abs(late - np.median(late))
    assert np.median(error) <= median
    assert np.quantile(error, 0.9) <= most


@pytest.mark.parametrize("pause", [0.0, 0.2, 0.8])
def test_pauses_match_the_silences(pause: float) -> None:
    """Given a voice that pauses longer or shorter than the reference."""
    both = ("My mother bought a map.", "Who knew you would?")
    reference = together([spoken(text, "en-us+f2", 0.9) for text in both], 0.1)
    sound, truth = together([spoken(text, "en-us+m3") for text in both], pause)
    match = matched(mel_power(sound), Reference(mel_power(reference[0]), tuple(reference[1]), ()))
    assert match is not None
    found = match.phonemes
    assert [p.symbol for p in found] == [p.symbol for p in truth]
    longest = max(pairwise(found), key=lambda pair: pair[1].start_seconds - pair[0].end_seconds)
    expected = max(pairwise(truth), key=lambda pair: pair[1].start_seconds - pair[0].end_seconds)
    if pause:
        assert longest[0].end_seconds == pytest.approx(expected[0].end_seconds, abs=0.05)
        assert longest[1].start_seconds == pytest.approx(expected[1].start_seconds, abs=0.05)
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(found))


def together(utterances: Sequence[Utterance], pause: float) -> tuple[Samples, list[Phoneme]]:
    """Utterances with a pause after each: samples at 16 kHz and phonemes."""
    sounds: list[Samples] = []
    phonemes: list[Phoneme] = []
    for utterance in utterances:
        offset = sum(map(len, sounds)) / RATE_HZ
        phonemes += [Phoneme(p.symbol, p.start_seconds + offset, p.end_seconds + offset) for p in utterance.phonemes]
        sounds += [
            resampled(utterance.samples, utterance.sample_rate_hz, RATE_HZ),
            np.zeros(round(pause * RATE_HZ), np.float32),
        ]
    return np.concatenate(sounds), phonemes


def test_long_sounds_are_warped_like_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of rows, and with a window on the reference that holds the best path."""
    random = np.random.default_rng(0)
    reference = random.normal(size=(300, 6)).astype(np.float32)
    places = np.sort(random.integers(0, 300, 400))
    sound = (reference[places] + random.normal(0, 0.1, (400, 6))).astype(np.float32)
    whole = warped(sound, reference)
    assert path_costs(sound, reference, whole).mean() < 0.3
    monkeypatch.setattr("pipeline.speech.alignment.warping.BLOCK_ROWS", 64)
    assert np.array_equal(warped(sound, reference), whole)
    assert np.array_equal(warped(sound, reference, width=80), whole)


# Voices that report nothing


def hidden(utterance: Utterance) -> Utterance:
    """The same without its phonemes and words."""
    return Utterance(utterance.samples, utterance.sample_rate_hz)


def late_starts(found: Sequence[Word], truth: Sequence[Word]) -> NDArray[np.float64]:
    """How late words start that are the same in both."""
    keys, true_keys = ([word.text.strip(".,?!").lower() for word in words] for words in (found, truth))
    blocks = SequenceMatcher(None, keys, true_keys, autojunk=False).get_matching_blocks()
    return np.array(
        [
            found[here + at].start_seconds - truth[there + at].start_seconds
            for here, there, length in blocks
            for at in range(length)
        ]
    )


def test_words_of_a_voice_that_reports_none_are_found() -> None:
    aligner, late = Aligner(), []
    for text in texts():
        heard = aligner.heard(hidden(spoken(text)), text, "en-GB", 1.0)
        late += [*late_starts(heard.words, spoken(text).words)]
        assert heard.phonemes
    assert len(late) > 40
    assert np.median(np.abs(late)) < 0.05
    assert np.quantile(np.abs(late), 0.9) < 0.1


@pytest.mark.parametrize(("said", "language"), [(EXTRA[0], "en"), (None, "tlh")])
def test_a_voice_that_says_something_else_or_in_an_unknown_language_is_left_alone(
    said: str | None, language: str
) -> None:
    utterance = hidden(spoken(texts()[1]))
    assert Aligner().heard(utterance, said or texts()[1], language, 1.0) == utterance


# Recordings


def recording(said: Sequence[str], noise: float = 0.0) -> tuple[NDArray[np.int16], list[Word]]:
    """Sentences with pauses of all lengths between them, and noise: samples at 16 kHz and words."""
    random = np.random.default_rng(0)
    sounds, words = [np.zeros(RATE_HZ // 2, np.float32)], []
    for text in said:
        offset = sum(map(len, sounds)) / RATE_HZ
        words += [word.later(offset) for word in spoken(text).words]
        pause = np.zeros(round(random.uniform(0.1, 1.0) * RATE_HZ), np.float32)
        sounds += [resampled(spoken(text).samples, spoken(text).sample_rate_hz, RATE_HZ), pause]
    samples = np.concatenate(sounds)
    return as_int16(samples + random.normal(0, 1, len(samples)).astype(np.float32) * noise), words


def in_a_mans_voice(text: str) -> Reference:
    return Reference.of(spoken(text, f"en-us+{OTHER_VARIANT}", REFERENCE_SPEED))


def heard(said: Sequence[str], text: Sequence[str], noise: float = 0.0) -> tuple[Transcript | None, list[Word]]:
    samples, words = recording(said, noise)
    return transcribed(samples, [Expected(one, Reference.of(known(one)), in_a_mans_voice(one)) for one in text]), words


@pytest.mark.parametrize(("noise", "width"), [(0.0, 150), (0.02, 2400)])
def test_each_word_of_a_transcript_is_found(noise: float, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a recording that is longer than what may differ from the text."""
    monkeypatch.setattr("pipeline.speech.alignment.transcript.WIDTH_COARSE", width)
    found, truth = heard(texts(), texts(), noise)
    assert found is not None
    assert [sentence.text for sentence in found.sentences] == [*texts()]
    assert (found.missing, found.others) == ((), ())
    words = [word for sentence in found.sentences for word in sentence.words]
    assert [word.text for word in words] == " ".join(texts()).split()
    late = late_starts(words, truth)
    assert np.median(np.abs(late)) < 0.05
    assert all(a.end_seconds <= b.start_seconds + 1e-6 for a, b in pairwise(found.phonemes))


def test_what_the_text_does_not_have_is_told() -> None:
    """Before, between and after its sentences."""
    said = (EXTRA[0], *texts()[:3], EXTRA[1], *texts()[3:], EXTRA[0])
    found, truth = heard(said, texts())
    assert found is not None
    assert found.missing == ()
    assert len(found.others) == 3
    assert [phoneme.symbol for phoneme in found.phonemes].count("") == 3
    words = [word for sentence in found.sentences for word in sentence.words]
    assert np.median(np.abs(late_starts(words, truth))) < 0.05


def test_what_the_recording_does_not_say_is_told() -> None:
    found, _ = heard((*texts()[:2], *texts()[3:]), (*texts()[:2], EXTRA[0], *texts()[3:]))
    assert found is not None
    assert found.missing == (EXTRA[0],)


@pytest.mark.parametrize("text", [EXTRA, (*EXTRA, *sentences("en")[:4])])
def test_another_text_is_not_found(text: tuple[str, ...]) -> None:
    assert heard(texts(), text)[0] is None


ALONE = (
    "Good evening, dear friends!",
    "Could you push the bush so that we could look at the book?",
    "Judge the edge of the bridge by measure and not by pleasure.",
    "Wonderful! The whole team deserves a week off work.",
)


@pytest.mark.parametrize("said", members(ALONE[:2], ALONE[0]))
def test_one_sentence_is_told_from_others(said: str) -> None:
    assert [text for text in ALONE if heard((said,), (text,))[0] is not None] == [said]


def test_a_sentence_alone_is_heard_from_its_first_word_to_its_last() -> None:
    found, words = heard((ALONE[1],), (ALONE[1],))
    assert found is not None and found.others == ()
    assert [word.text for word in found.sentences[0].words] == ALONE[1].split()
    assert np.abs(late_starts(found.sentences[0].words, words)).max() < 0.12


def test_one_sentence_is_found_among_others() -> None:
    """Of which the text says nothing."""
    found, _ = heard((EXTRA[1], ALONE[1], EXTRA[0]), (ALONE[1],))
    assert found is not None and len(found.others) == 2


def test_silence_says_nothing() -> None:
    expected = [Expected(texts()[0], Reference.of(known(texts()[0])))]
    assert transcribed(np.zeros(RATE_HZ, np.int16), expected) is None
    assert transcribed(np.ones(10, np.int16), expected) is None
