"""The mouth model on speech with known phonemes: voices and sentences outside its training set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.mouth_in_noise import breaths, laughter
from pipeline.avatars.library import Avatars
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine, mouth
from pipeline.engines.builtin.mouth import PLAY, MouthModel, _contrasted, _with_play
from pipeline.engines.builtin.network import MouthNetwork
from pipeline.engines.builtin.noise import noise_below
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import CONSONANTS, VOWELS, phoneme_track, visemes
from pipeline.engines.enhancement import voice_mel
from pipeline.engines.loudness import POWER_PER_UNIT
from pipeline.engines.mel import COLUMNS_PER_SECOND, mel_spectrogram
from pipeline.media import pcm
from pipeline.messages import Phoneme
from tests.members import few
from tests.seeded_weights import WAV2LIP_DATA
from tests.sounds import music, noise
from training.dataset import SpeechClip, backend, held_out_clip, is_installed
from training.measures import Scores, average, flicker, measured, opening, still

VOICES: dict[str, list[tuple[str, str, float]]] = {
    "ru": [("ru", "ru+f3", 0.9), ("ru", "ru+m4", 0.9)],
    "en": [("en", "en-us+f3", 0.9), ("en", "en-us+m4", 0.9)],
    "neural": [("en", "heart", 0.8), ("en", "heart", 1.05)],
}
"""Language, voice and speed."""
RHVOICE = [("ru", "elena", 0.8), ("ru", "elena", 1.05)]
"""A natural voice without phoneme times; they come from alignment."""
FRAME_RATES = [24, 25, 30, 50, 60]
SAMPLE_RATE_HZ = 16000
LOUD_BACKGROUND_DB, LIKE_CLEAN = 5, 0.6
"""How far a loud background is below the speech, and how similar the opening is to that without it, at least."""


@lru_cache
def model() -> MouthModel:
    return MouthModel(torch.device("cpu"))


@lru_cache
def spoken(language: str, voice: str, speed: float) -> SpeechClip:
    return held_out_clip(language, voice, speed)


def features(clip: SpeechClip, fps: int = 25, with_phonemes: bool = False) -> SpeechFeatures:
    frames = clip.mel.shape[1] * fps // COLUMNS_PER_SECOND
    return SpeechFeatures(clip.mel, frames, fps, clip.phonemes if with_phonemes else ())


@pytest.mark.slow
def test_unknown_sounds_are_heard() -> None:
    clip = spoken(*VOICES["en"][0])
    middle = clip.phonemes[len(clip.phonemes) // 2].start_seconds
    told = tuple(p for p in clip.phonemes if p.end_seconds <= middle)
    plain = features(clip)
    both, heard, whole = (
        model().track(replace(plain, phonemes=phonemes))
        for phonemes in ((*told, Phoneme("", middle, plain.frames / plain.fps)), (), clip.phonemes)
    )
    edge = round(middle * plain.fps)
    assert np.array_equal(both[edge:], heard[edge:])
    assert not np.array_equal(whole[edge:], heard[edge:])
    assert np.array_equal(both[: edge - 15], whole[: edge - 15])


@lru_cache
def scores(voices: str, with_phonemes: bool) -> Scores:
    return average_of([spoken(*voice) for voice in VOICES[voices]], with_phonemes)


def average_of(clips: list[SpeechClip], with_phonemes: bool) -> Scores:
    return average(
        [measured(model().track(features(clip, with_phonemes=with_phonemes)), clip.phonemes, 25) for clip in clips]
    )


def test_a_clip_is_the_same_whatever_was_spoken_before() -> None:
    first = spoken("en", "en-us+m4", 0.9)
    backend("espeak").speak("Guten Tag", "de", "de", 1.0)
    again = held_out_clip("en", "en-us+m4", 0.9)
    assert np.array_equal(again.mel, first.mel)
    assert again.phonemes == first.phonemes


@pytest.mark.parametrize(("swing", "least", "most"), [(0.05, 1.3, 1.6), (0.4, 1, 1)])
def test_a_jaw_that_hardly_moves_moves_more(swing: float, least: float, most: float) -> None:
    track = np.zeros((100, len(Mouth)), np.float32)
    track[10:90, Mouth.JAW_OPEN] = 0.5 + swing * np.sin(np.arange(80) * 2 * np.pi / 6)
    moved = _contrasted(track, 25)
    inside = np.s_[30:70, Mouth.JAW_OPEN]
    assert least <= np.ptp(moved[inside]) / np.ptp(track[inside]) <= most
    assert not moved[:5].any()


def test_the_jaw_holds_where_it_turns_and_is_not_late() -> None:
    rest, slope = np.zeros(9, np.float32), (np.arange(20) * PLAY).astype(np.float32)
    jaw = np.concatenate([rest, slope, slope[::-1], rest])
    held = _with_play(jaw)
    assert np.allclose(held[jaw > PLAY], np.minimum(jaw, jaw.max() - 2 * PLAY)[jaw > PLAY])
    assert not held[jaw == 0].any()
    wiggle = np.resize(np.array([0.3, 0.3 + 1.9 * PLAY], np.float32), 99)
    assert not np.diff(_with_play(wiggle)).any()


def test_lips_do_not_close_in_the_loudest_sound_around() -> None:
    """Given closures in the middle of a loud vowel, in a dip of 8 dB, at the edge of a vowel, and in a faint sound."""
    columns = np.zeros((400, len(Mouth)), np.float32)
    closures = {"vowel": slice(100, 108), "dip": slice(150, 158), "edge": slice(196, 206), "faint": slice(300, 308)}
    for where in closures.values():
        columns[where, Mouth.CLOSURE] = 0.8
    level = np.full(400, -1.0, np.float32)
    level[90:200] = 0.0
    level[147:161] = -0.64
    level[200:210] = -1.5
    level[250:] = -3.0
    mouth.open_where_loud(columns, torch.from_numpy(np.tile(level, (80, 1))))
    closed = columns[:, Mouth.CLOSURE] > mouth.CLOSED
    assert {name: bool(closed[where].all()) for name, where in closures.items()} == {
        "vowel": False, "dip": True, "edge": False, "faint": True,
    }  # fmt: skip
    assert not closed[closures["vowel"]].any()
    assert closed[201:206].all()


@pytest.mark.parametrize("with_phonemes", [False, True], ids=["audio", "phonemes"])
@pytest.mark.parametrize("voices", few(VOICES, "en"))
class TestUnseenVoices:
    def test_lips_meet_in_m_b_p(self, voices: str, with_phonemes: bool) -> None:
        assert scores(voices, with_phonemes).closures >= (0.99 if with_phonemes else 0.95)

    def test_lips_do_not_meet_in_open_vowels(self, voices: str, with_phonemes: bool) -> None:
        assert scores(voices, with_phonemes).false_closures < (0.001 if with_phonemes else 0.025)

    def test_opening_follows_the_phonemes(self, voices: str, with_phonemes: bool) -> None:
        assert scores(voices, with_phonemes).correlation >= (0.96 if with_phonemes else 0.8)

    def test_opening_is_on_time(self, voices: str, with_phonemes: bool) -> None:
        assert abs(scores(voices, with_phonemes).lag_frames) < (0.1 if with_phonemes else 0.5)

    def test_rounded_vowels_are_narrower_than_spread_ones(self, voices: str, with_phonemes: bool) -> None:
        measures = scores(voices, with_phonemes)
        assert measures.rounded < -0.2
        assert measures.spread > 0.15

    def test_open_vowels_open_and_sibilants_do_not(self, voices: str, with_phonemes: bool) -> None:
        measures = scores(voices, with_phonemes)
        assert measures.open_vowels > 0.5
        assert measures.sibilants < 0.3

    def test_mouth_rests_in_pauses(self, voices: str, with_phonemes: bool) -> None:
        assert scores(voices, with_phonemes).still_pauses >= 0.98

    def test_the_mouth_does_not_flicker(self, voices: str, with_phonemes: bool) -> None:
        measures = scores(voices, with_phonemes)
        assert measures.flicker < measures.true_flicker + 0.02


@pytest.mark.skipif(not is_installed("elena"), reason="RHVoice is not installed")
def test_a_natural_russian_voice_is_followed() -> None:
    measures = average_of([spoken(*voice) for voice in RHVOICE], with_phonemes=False)
    assert measures.closures >= 0.95
    # Half of them are at the fading end of one word, where the alignment keeps the mouth open.
    assert measures.false_closures < 0.05
    assert measures.correlation >= 0.8
    assert abs(measures.lag_frames) < 1
    assert measures.still_pauses >= 0.98
    assert measures.rounded < -0.25
    assert measures.spread > 0.1


def test_the_network_is_small() -> None:
    assert sum(weights.numel() for weights in MouthNetwork().parameters()) < 500_000
    assert all(weights.stat().st_size < 2_000_000 for weights in (mouth.WEIGHTS, mouth.WEIGHTS_IN_NOISE))


@pytest.mark.parametrize("with_phonemes", [False, True], ids=["audio", "phonemes"])
def test_equal_speech_gives_equal_tracks(with_phonemes: bool) -> None:
    speech = features(spoken("ru", "ru+f3", 0.9), with_phonemes=with_phonemes)
    assert np.array_equal(model().track(speech), model().track(speech))


def test_articulation_widens_the_movement_but_neither_closures_nor_the_range() -> None:
    speech = features(spoken("en", "en-us+m4", 0.9), with_phonemes=True)
    tracks = [model().track(replace(speech, articulation=articulation)) for articulation in (0.5, 1, 1.5)]
    opened = [np.percentile(track[:, Mouth.JAW_OPEN], (50, 90)) for track in tracks]
    assert (opened[0] < 0.8 * opened[1]).all()
    assert (1.1 * opened[1] < opened[2]).all()
    assert all(np.array_equal(track[:, Mouth.CLOSURE], tracks[1][:, Mouth.CLOSURE]) for track in tracks)
    for track in tracks:
        assert (np.abs(track) <= 1).all()
    widths = [np.ptp(track[:, Mouth.LIP_WIDTH]) for track in tracks]
    assert widths[0] < widths[1] < widths[2]


def test_the_track_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    speech = features(spoken("ru", "ru+f3", 0.9))
    whole = model().track(speech)
    monkeypatch.setattr(mouth, "BLOCK_COLUMNS", 97)
    assert np.abs(model().track(speech) - whole).max() < 1e-4


@pytest.mark.parametrize("fps", FRAME_RATES)
def test_frame_rates_agree(fps: int) -> None:
    clips = [spoken(*voice) for voice in VOICES["en"]]
    measures = average([measured(model().track(features(clip, fps)), clip.phonemes, fps) for clip in clips])
    assert measures.closures >= 0.95
    assert measures.correlation >= 0.8
    assert abs(measures.lag_frames) < fps / 50


@pytest.mark.parametrize("gain", [0.1, 4.0])
def test_level_does_not_matter(gain: float) -> None:
    clip = spoken("en", "heart", 0.8)
    # A gain shifts the mel by a constant, within its range.
    quiet = SpeechClip(
        clip.name, np.clip(clip.mel + np.float32(np.log10(gain) * 1.6), -4, 4), clip.mouth, clip.phonemes
    )
    difference = model().track(features(quiet)) - model().track(features(clip))
    assert np.abs(difference).mean() < 0.03


def _noise(level: float) -> NDArray[np.float32]:
    return (level * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(2 * SAMPLE_RATE_HZ, np.float32), id="silence"),
        pytest.param(np.full(2 * SAMPLE_RATE_HZ, 0.7, np.float32), id="direct current"),
        pytest.param(_noise(1e-4), id="hiss"),
    ],
)
def test_without_speech_the_mouth_is_closed(samples: NDArray[np.float32]) -> None:
    track = model().track(SpeechFeatures(mel_spectrogram(samples), 50, 25))
    inside = track[3:-3]
    assert (inside[:, Mouth.CLOSURE] == 1).all()
    assert (inside[:, Mouth.JAW_OPEN] == 0).all()


def recorded(sound: NDArray[np.float64], folder: Path) -> SpeechFeatures:
    """The features of a sound, of which nothing else is known."""
    wav = folder / "recording.wav"
    samples = pcm.as_int16(sound.astype(np.float32))
    pcm.write_wav(wav, samples, SAMPLE_RATE_HZ)
    return SpeechFeatures(mel_spectrogram(pcm.as_float(samples)), len(sound) * 25 // SAMPLE_RATE_HZ, 25, wav=wav)


def is_still(track: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray((track[:, Mouth.CLOSURE] > 0.99) & (track[:, Mouth.JAW_OPEN] < 0.01))


BACKGROUNDS: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "hiss": lambda count: noise(count, 0),
    "a room": lambda count: noise(count, 1),
    "rumble": lambda count: noise(count, 2),
    "music": music,
    "breaths": lambda count: breaths(count, np.random.default_rng(0)),
}


@pytest.mark.parametrize("background", BACKGROUNDS)
class TestBackgrounds:
    @pytest.mark.parametrize("level_db", [-55, -35])
    def test_alone_moves_no_mouth(self, background: str, level_db: float, tmp_path: Path) -> None:
        sound = BACKGROUNDS[background](4 * SAMPLE_RATE_HZ)
        track = model().track(recorded(sound / sound.std() * 10 ** (level_db / 20), tmp_path))
        assert is_still(track).mean() >= 0.95

    def test_before_and_after_speech_moves_no_mouth(self, background: str, tmp_path: Path) -> None:
        speech = pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav") / 65_536
        lead = 3 * SAMPLE_RATE_HZ
        sound = BACKGROUNDS[background](len(speech) + 2 * lead)
        beside = sound / sound.std() * speech.std() * 10 ** (-LOUD_BACKGROUND_DB / 20)
        track = model().track(recorded(beside + np.pad(speech, lead), tmp_path))
        spoken = slice(3 * 25, -3 * 25)
        edge = 5
        assert np.concatenate([is_still(track)[: 3 * 25 - edge], is_still(track)[-3 * 25 + edge :]]).mean() >= 0.95
        clean = model().track(recorded(np.pad(speech, lead), tmp_path))
        assert np.corrcoef(opening(track)[spoken], opening(clean)[spoken])[0, 1] > LIKE_CLEAN


def test_laughter_behind_the_speaker_moves_no_mouth(tmp_path: Path) -> None:
    """Given laughter 20 dB below the speech, most of which the voice activity detector takes for speech."""
    speech = pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav") / 65_536
    lead = 3 * SAMPLE_RATE_HZ
    laughing = laughter(len(speech) + 2 * lead, np.random.default_rng(0))
    beside = laughing / laughing.std() * speech.std() * 0.1
    track = model().track(recorded(beside + np.pad(speech, lead), tmp_path))
    edge = 5
    assert np.concatenate([is_still(track)[: 3 * 25 - edge], is_still(track)[-3 * 25 + edge :]]).mean() >= 0.95
    assert is_still(track)[3 * 25 : -3 * 25].mean() < 0.4


def test_voices_behind_the_speaker_move_no_mouth(tmp_path: Path) -> None:
    """Given a babble of eight voices before, in and after speech."""
    speech = pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav") / 65_536
    lead = 2 * SAMPLE_RATE_HZ
    count = len(speech) + 2 * lead
    voices = [np.resize(np.roll(speech[:: 1 - 2 * (turn % 2)], 7919 * turn), count) for turn in range(8)]
    babble = np.sum(voices, axis=0)
    beside = babble / babble.std() * speech.std() * 10 ** (-LOUD_BACKGROUND_DB / 20)
    track = model().track(recorded(beside + np.pad(speech, lead), tmp_path))
    edge = 5
    assert np.concatenate([is_still(track)[: 2 * 25 - edge], is_still(track)[-2 * 25 + edge :]]).mean() >= 0.95
    assert is_still(track)[2 * 25 : -2 * 25].mean() < 0.4


def test_a_voice_is_enhanced_only_if_something_else_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []

    def heard_in(wav: Path) -> NDArray[np.float32]:
        asked.append(wav)
        return voice_mel(wav)

    monkeypatch.setattr(mouth, "voice_mel", heard_in)
    speech = np.pad(pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav") / 65_536, SAMPLE_RATE_HZ // 2)
    behind = noise(len(speech), 1)
    behind *= speech.std() / behind.std()
    for level_db, is_enhanced in ((90, False), (45, False), (25, True)):
        model().track(recorded(speech + behind * 10 ** (-level_db / 20), tmp_path))
        assert bool(asked) == is_enhanced, level_db


def test_how_loud_something_else_is_is_known_from_the_pauses() -> None:
    dice = np.random.default_rng(0)
    voice_power = np.zeros((80, 400))
    voice_power[:, 100:300] = 10
    gate = np.zeros(125, np.float32)
    gate[30:95] = 1

    def below(noise_power: float, gate: NDArray[np.float32] = gate) -> float:
        power = noise_power * dice.chisquare(8, (80, 400)) / 8 + voice_power
        return noise_below(torch.from_numpy((np.log10(power) / POWER_PER_UNIT).astype(np.float32)), gate, 25)

    assert [below(power) * 12.5 for power in (1, 0.01)] == pytest.approx([10.4, 30], abs=0.5)
    gate[5:] = 1
    assert below(1, gate) == inf, "a fifth of a second says little"


@pytest.mark.parametrize(
    "mel",
    [
        pytest.param(np.full((80, 160), 4.0, np.float32), id="clipped"),
        pytest.param(np.full((80, 160), np.nan, np.float32), id="not a number"),
        pytest.param(np.full((80, 160), np.inf, np.float32), id="infinite"),
        pytest.param(np.zeros((80, 1), np.float32), id="one column"),
        pytest.param(np.zeros((80, 0), np.float32), id="no column"),
    ],
)
@pytest.mark.parametrize("phonemes", [(), (Phoneme("ˈa", 0.2, 0.5), Phoneme("b", 0.5, 0.5))])
def test_any_sound_gives_a_proper_track(mel: NDArray[np.float32], phonemes: tuple[Phoneme, ...]) -> None:
    track = model().track(SpeechFeatures(mel, 53, 25, phonemes))
    assert track.shape == (53, len(Mouth))
    assert track.dtype == np.float32
    assert np.isfinite(track).all()
    assert (np.abs(track) <= 1).all()
    assert (np.delete(track, Mouth.LIP_WIDTH, axis=1) >= 0).all()


def test_a_job_without_frames_has_an_empty_track() -> None:
    assert model().track(SpeechFeatures(np.zeros((80, 80), np.float32), 0, 25)).shape == (0, len(Mouth))


@pytest.mark.parametrize("fps", FRAME_RATES)
@pytest.mark.parametrize("length", [0.003, 0.02, 0.06])
def test_the_shortest_b_still_closes_the_lips(fps: int, length: float) -> None:
    for start in np.linspace(1.0, 1.1, 23):
        phonemes = [Phoneme("ˈa", 0.5, start), Phoneme("b", start, start + length), Phoneme("ˈa", start + length, 2.0)]
        closed = phoneme_track(phonemes, 2 * fps, fps)[:, Mouth.CLOSURE] >= 0.99
        assert closed[int(start * fps) : int((start + length) * fps) + 1].any(), start


def test_lips_stay_together_from_a_pause_into_a_p_and_from_m_to_p() -> None:
    phonemes = [Phoneme("a", 0.0, 0.2), Phoneme("p", 0.8, 0.9), Phoneme("ˈa", 0.9, 1.1),
                Phoneme("m", 1.1, 1.2), Phoneme("p", 1.2, 1.3), Phoneme("a", 1.3, 1.5)]  # fmt: skip
    closure = phoneme_track(phonemes, 150, 100)[:, Mouth.CLOSURE]
    assert (closure[40:83] > 0.99).all()
    assert (closure[110:122] > 0.99).all()


def test_hibaris_phoneme_times_agree_with_the_network() -> None:
    for voice in VOICES["neural"]:
        clip = spoken(*voice)
        lag_frames = measured(model().track(features(clip)), clip.phonemes, 25).lag_frames
        assert abs(lag_frames) / 25 < 0.03


def test_stress_opens_wider() -> None:
    stressed, plain = (phoneme_track([Phoneme(s, 0.2, 0.4)], 25, 25)[:, Mouth.JAW_OPEN].max() for s in ("ˈa", "a"))
    assert stressed > 1.2 * plain


@pytest.mark.parametrize("symbol", [*VOWELS, *CONSONANTS, "tʃʲ", "ˈaɪ", "ɔ̃", "əl", "ˈɑːɹ", "kʷ", "Ж", "字"])
def test_every_letter_has_a_mouth(symbol: str) -> None:
    assert visemes(symbol)
    assert sum(share for _, share in visemes(symbol)) == pytest.approx(1)


@pytest.mark.parametrize("symbol", ["", "ˈ", "_", "ː", "|", "."])
def test_marks_alone_have_no_mouth(symbol: str) -> None:
    assert visemes(symbol) == ()


def test_labiodentals_tuck_and_dentals_raise_the_tongue() -> None:
    track = phoneme_track([Phoneme("ˈa", 0.2, 0.4), Phoneme("v", 0.4, 0.5), Phoneme("ˈa", 0.5, 0.7)], 50, 50)
    assert track[22, Mouth.LOWER_TUCK] > 0.9
    assert track[22, Mouth.CLOSURE] == 0
    track = phoneme_track([Phoneme("ˈa", 0.2, 0.4), Phoneme("l", 0.4, 0.5), Phoneme("ˈa", 0.5, 0.7)], 50, 50)
    assert track[22, Mouth.TONGUE] > track[15, Mouth.TONGUE] + 0.2


def test_the_measures_detect_bad_tracks() -> None:
    """The measures must detect a late, a trembling and a restless mouth."""
    clip = spoken("ru", "ru+f3", 0.9)
    truth = phoneme_track(clip.phonemes, features(clip).frames, 25)
    assert measured(np.roll(truth, 2, axis=0), clip.phonemes, 25).lag_frames == pytest.approx(2, abs=0.2)
    trembling = opening(truth) + 0.1 * (np.arange(len(truth)) % 2).astype(np.float32)
    assert flicker(trembling, 25) > 0.1
    restless = truth.copy()
    restless[:, Mouth.CLOSURE] = 0.5
    assert not still(restless, clip.phonemes, 25).any()


def test_the_track_of_a_job_is_computed_once_for_its_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    computed: list[SpeechFeatures] = []
    track = MouthModel.track

    def counted(self: MouthModel, speech: SpeechFeatures) -> NDArray[np.float32]:
        computed.append(speech)
        return track(self, speech)

    monkeypatch.setattr(MouthModel, "track", counted)
    engine, avatar = BuiltinEngine(torch.device("cpu")), Avatars(Config()).load("presenter").fitted((128, 128))
    said = recorded(pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav")[: 2 * SAMPLE_RATE_HZ] / 65_536, tmp_path)
    wider = replace(said, articulation=1.4)
    for speech in (said, said, wider, said):
        engine.renderer(avatar, speech)
    assert computed == [said, wider, said]
    recorded(np.zeros(2 * SAMPLE_RATE_HZ), tmp_path)
    engine.renderer(avatar, said)
    assert len(computed) == 4, "another recording has its name"
