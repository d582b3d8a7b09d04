"""Motion that follows speech: nods, brows, questions, breath, gaze and blinks, and listening in silence."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatars, AvatarSettings
from pipeline.avatars.idle_motion.blinks import Blinks
from pipeline.avatars.idle_motion.eyelids import GAZE_LEVELS, eyelids
from pipeline.avatars.idle_motion.gaze import Gaze
from pipeline.avatars.idle_motion.gestures import Gestures
from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.avatars.idle_motion.sway import CALM, LIVELY, Liveliness, PoseField
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.mel import COLUMNS_PER_SECOND, SILENCE
from pipeline.engines.pitch import pitches, rises
from pipeline.engines.prosody import prosody
from pipeline.media.canvas import i420
from pipeline.media.pcm import write_wav
from pipeline.media.planes import planes_of
from pipeline.messages import PCM_RATE_HZ
from pipeline.speech.sentences import is_question
from tests.faces import presenter_landmarks, presenter_picture

FPS = 25
SEEDS = range(40)

Floats = NDArray[np.float32]


def spoken(*phrases: tuple[float, float], seconds: float = 10, **more: object) -> Prosody:
    """Evenly loud phrases, from and to these seconds."""
    times = np.arange(round(seconds * FPS)) / FPS
    loudness = np.zeros(len(times), np.float32)
    for start, stop in phrases:
        loudness[(times >= start) & (times < stop)] = 0.7
    return replace(Prosody(loudness, FPS, phrases), **more)  # type: ignore[arg-type]


def poses(text: Prosody, liveliness: Liveliness = CALM, seed: int = 2) -> Floats:
    """Of all frames of a text, [frames, 7]."""
    gestures = Gestures(seed, text, liveliness)
    return np.array([gestures.pose(text.start_frame + frame) for frame in range(len(text.loudness))])


def stressed() -> Prosody:
    """Quiet speech with one loud word in frames 100 to 108."""
    loudness = np.full(200, 0.2, np.float32)
    loudness[100:108] = 1
    return Prosody(loudness, FPS, [(0, 8)])


# Head, brows and breath


def test_stressed_speech_nods_a_little() -> None:
    nods = poses(stressed())
    assert 98 <= nods[:, PoseField.NOD].argmax() <= 109
    assert 0.004 < nods[:, PoseField.NOD].max() < 0.016
    assert not nods[:, [PoseField.SIDEWAYS, PoseField.ROLL, PoseField.BREATH]].any()


def test_brows_rise_on_stressed_words_and_further_in_a_lively_face() -> None:
    calm, lively = (poses(stressed(), some) for some in (CALM, LIVELY))
    brows = lively[:, PoseField.BROWS]
    assert 98 <= brows.argmax() <= 109
    assert 0.01 < brows.max() < 0.035
    assert np.concatenate([brows[:85], brows[125:]]).max() < 1e-4
    assert np.abs(np.diff(brows)).max() < 0.006
    assert 0 < calm[:, PoseField.BROWS].sum() < brows.sum()
    assert lively[:, PoseField.NOD].max() > calm[:, PoseField.NOD].max()


def test_brows_and_head_rise_at_the_end_of_a_question() -> None:
    told = spoken((0.5, 4), (4.4, 8))
    asked = poses(replace(told, questions=[4.0])) - poses(told)
    brows, nod = asked[:, PoseField.BROWS], asked[:, PoseField.NOD]
    at_end = round(4 * FPS)
    assert brows[at_end] == brows.max() > 0.015
    assert nod[at_end] == pytest.approx(nod.min())
    assert nod.min() < -0.007
    assert np.abs(np.diff(asked, axis=0)).max() < 0.004
    assert not asked[: round(3.2 * FPS)].any()
    assert not asked[round(4.8 * FPS) :].any()


def test_a_breath_is_taken_before_a_phrase() -> None:
    shoulders = poses(spoken((0.5, 3), (4, 7), (7.1, 9)))[:, PoseField.BREATH]
    assert shoulders[4 * FPS] == shoulders.max() > 0.004
    assert shoulders[round(3.35 * FPS)] < 0.1 * shoulders.max()
    assert shoulders[round(5.8 * FPS) :].max() == 0


@pytest.mark.parametrize("loudness", [[], [0.5], [0.0, 1.0] * 40])
def test_any_speech_gives_bounded_poses(loudness: list[float]) -> None:
    length = len(loudness) / FPS
    crowded = Prosody(np.array(loudness, np.float32), FPS, [(0, length)], questions=[length] * 3 + [0.0])
    gestures = Gestures(1, crowded, LIVELY)
    for frame in (0, 1, 39, 10_000):
        assert np.abs(gestures.pose(frame)).max() < 0.06


# Silence


def test_silence_looks_like_listening() -> None:
    """A few small nods, a second apart at least, all within a piece of an open stream."""
    nods = np.array([poses(spoken(seconds=1, first_frame=25 * 7), seed=seed)[:, PoseField.NOD] for seed in range(300)])
    assert 0.1 < (nods.max(1) > 0.002).mean() < 0.35
    assert nods.max() < 0.01
    assert np.abs(nods[:, [0, -1]]).max() < 4e-4
    gaze = Gaze(1, spoken(seconds=8))
    assert not any(gaze.at(frame) for frame in range(8 * FPS))


def test_a_speaker_does_not_nod_like_a_listener() -> None:
    """Given evenly loud speech without pauses."""
    assert np.abs(np.array([poses(spoken((0, 10)), seed=seed) for seed in SEEDS])).max() < 0.006


# Gaze


@pytest.mark.slow
def test_gaze_leaves_the_viewer_for_moments_of_speech_and_returns() -> None:
    text = spoken((0.5, 5), (6.5, 14), seconds=16, questions=[14.0])
    turned = np.array([[Gaze(seed, text).at(frame) for frame in range(16 * FPS)] for seed in SEEDS])
    away = turned != 0
    assert 0.08 < away[:, : 14 * FPS].mean() < 0.35
    assert not away[:, :FPS].any()
    assert not away[:, -round(2.5 * FPS) :].any()
    assert turned.min() < -0.9
    assert turned.max() > 0.9
    for track in away:
        begins = np.flatnonzero(np.diff(track.astype(int)) == 1) / FPS
        assert all(0.5 <= begin < 5 or 6.5 - 1 / FPS <= begin < 14 for begin in begins)


def test_an_eye_that_looks_aside_keeps_its_lids_and_corners() -> None:
    picture, landmarks = presenter_picture(480), presenter_landmarks(480)
    still = i420(torch.from_numpy(picture)[None])[0].numpy()
    turned = still.copy()
    for lids in eyelids(picture, landmarks):
        lids.paint(planes_of(turned), 0, round(0.08 * GAZE_LEVELS))
    eye = landmarks.left_eye
    width, pupil = float(np.hypot(*(eye[4] - eye[0]))), np.rint(eye.mean(0)).astype(int)
    luma, before = planes_of(turned)[0].astype(int), planes_of(still)[0].astype(int)
    row = np.s_[pupil[1], pupil[0] - int(0.45 * width) : pupil[0] + int(0.45 * width)]

    def middle_of_dark(plane: NDArray[np.int_]) -> float:
        dark = np.clip(110 - plane[row], 0, None)
        return float((dark * np.arange(len(dark))).sum() / dark.sum())

    assert 0.05 * width < middle_of_dark(luma) - middle_of_dark(before) < 0.11 * width
    rows, columns = np.nonzero(np.abs(luma - before) > 2)
    eyes = np.concatenate([landmarks.left_eye, landmarks.right_eye])
    assert (eyes[:, 0].min() <= columns).all() and (columns <= eyes[:, 0].max()).all()
    assert (eyes[:, 1].min() - 4 <= rows).all() and (rows <= eyes[:, 1].max() + 4).all()


# Texts of a stream


def test_the_motion_of_a_text_begins_and_ends_within_it() -> None:
    text = spoken((0.1, 2.4), (2.7, 4.9), seconds=5, questions=[4.9], first_frame=1000)
    for seed in SEEDS:
        moved = poses(text, LIVELY, seed)
        assert np.abs(moved[[0, -1]]).max() < 0.002
        assert np.abs(moved).max() > 0.01
        gaze = Gaze(seed, text)
        assert gaze.at(1000) == gaze.at(1124) == 0


def test_blinks_go_on_from_text_to_text_and_more_are_at_the_ends_of_phrases() -> None:
    ends = (2.0, 4.0, 6.0, 8.0)
    text = spoken(*((end - 1.5, end) for end in ends), first_frame=5000)
    more = 0
    for seed in SEEDS:
        alone, speaking = Blinks(seed, FPS), Blinks(seed, FPS, text)
        usual = np.array([alone.closure((5000 + frame) / FPS) for frame in range(250)])
        seen = np.array([speaking.closure((5000 + frame) / FPS) for frame in range(250)])
        assert (seen >= usual).all()
        assert (seen[[0, -1]] == usual[[0, -1]]).all()
        begins = np.flatnonzero((seen[1:] > usual[1:]) & (seen[:-1] == 0)) / FPS
        assert all(min(abs(begin - end) for end in ends) < 0.1 for begin in begins)
        more += len(begins)
    assert 0.15 < more / (4 * len(SEEDS)) < 0.6


def test_speech_that_is_broken_off_takes_the_motion_with_it() -> None:
    """What was shown before is the same, and nothing remains after the time in which the mouth closes."""
    text = spoken((0.1, 4.9), seconds=5, questions=[2.5], first_frame=500)
    whole, broken = poses(text), poses(replace(text, hush_frame=560))
    assert (whole[:61] == broken[:61]).all()
    assert np.abs(whole[65:70]).max() > 0.005
    assert not broken[65:].any()
    assert np.abs(np.diff(broken, axis=0)).max() < 0.012


def test_frames_of_a_text_are_the_same_however_it_is_cut() -> None:
    settings, engine = AvatarSettings(idle_motion="lively"), BuiltinEngine(torch.device("cpu"))
    avatar = replace(Avatars(Config()).load("presenter").fitted((128, 128)), settings=settings)
    mel = np.full((80, 160), SILENCE, np.float32)
    mel[:, 20:60] = mel[:, 90:140] = np.random.default_rng(1).uniform(-1, 1, (80, 1)).astype(np.float32)
    speech = SpeechFeatures(mel, 50, FPS, first_frame=300, questions=[1.75])

    def rendered(start: int, stop: int, of: SpeechFeatures = speech) -> torch.Tensor:
        return torch.cat(list(engine.renderer(avatar, of).render(start, stop)))

    whole = rendered(0, 50)
    assert torch.equal(torch.cat([rendered(40, 50), rendered(0, 13)]), torch.cat([whole[40:], whole[:13]]))
    unasked = rendered(30, 50, replace(speech, questions=()))
    assert not torch.equal(unasked, whole[30:])


# Questions


@pytest.mark.parametrize(
    ("sentence", "asks"),
    [
        ("Ready?", True),
        ("«Да?»", True),
        ("Really?!", True),
        ("你好吗？", True),
        ("Why? Because.", False),
        ("No.", False),
    ],
)
def test_a_question_ends_with_its_mark(sentence: str, *, asks: bool) -> None:
    assert is_question(sentence) == asks


def hum(hertz: NDArray[np.float64]) -> NDArray[np.int16]:
    """A voice with a pitch for each sample."""
    phase, harmonics = 2 * np.pi * np.cumsum(hertz) / PCM_RATE_HZ, np.arange(1, 12)[:, None]
    return np.asarray(4000 * (np.sin(harmonics * phase) / harmonics).sum(0), np.int16)


@pytest.mark.parametrize("usual", [90.0, 210.0])
def test_a_voice_that_rises_at_the_end_asks(usual: float) -> None:
    times = np.arange(2 * PCM_RATE_HZ) / PCM_RATE_HZ
    rising = hum(usual * (1 + 0.5 * np.clip((times - 1.6) / 0.4, 0, 1)))
    falling = hum(usual * (1 - 0.2 * np.clip((times - 1.6) / 0.4, 0, 1)))
    stressed = hum(usual * (1 + 0.5 * np.exp(-(((times - 1.75) / 0.08) ** 2))))
    assert float(np.median(pitches(falling)[:100])) == pytest.approx(usual, rel=0.03)
    assert rises(rising, 0, 2)
    assert not rises(falling, 0, 2)
    assert not rises(stressed, 0, 2)
    assert not rises(np.zeros_like(rising), 0, 2)
    assert not rises(rising[:500], 0, 0.03)


def test_what_is_written_decides_about_questions_before_the_pitch() -> None:
    mel = np.full((80, 2 * COLUMNS_PER_SECOND), SILENCE, np.float32)
    mel[:, 20:120] = 1
    speech = SpeechFeatures(mel, 50, FPS, questions=(1.5,))
    assert prosody(speech).questions == (1.5,)
    assert prosody(replace(speech, questions=None)).questions == []
    assert prosody(speech).phrases == [(0.25, 1.5)]


def test_the_pitch_of_a_recording_is_that_of_its_file_now(tmp_path: Path) -> None:
    """The questions that were found are remembered for its chunks, and forgotten if the file is another one."""
    mel, wav = np.ones((80, 2 * COLUMNS_PER_SECOND), np.float32), tmp_path / "recording.wav"
    rises_by = np.clip((np.arange(2 * PCM_RATE_HZ) / PCM_RATE_HZ - 1.6) / 0.4, 0, 1)
    for written, (by, asked) in enumerate(((0.5, [2.0]), (-0.2, []), (0.5, [2.0]))):
        write_wav(wav, hum(100 * (1 + by * rises_by)), PCM_RATE_HZ)
        os.utime(wav, ns=(0, written))
        for _chunk in range(2):
            assert prosody(SpeechFeatures(mel, 50, FPS, wav=wav)).questions == asked
