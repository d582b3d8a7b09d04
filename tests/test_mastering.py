"""The loudness that a job asks for, measured by ffmpeg; and the sound as a file of its own."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.extras import sounds
from pipeline.job import parse_job
from pipeline.media import muxing
from pipeline.media.mastering import PRESETS
from pipeline.media.pcm import read_wav, write_wav
from pipeline.messages import Mark, Speech, SplitItem
from pipeline.provenance import certificates, reading, signing
from pipeline.speech.voices import levels
from pipeline.stages.split import SplitStage
from tests.media import audio, speech_like
from tests.members import members
from tests.test_stages import spec

OVERSHOOT = Path(__file__).with_name("data") / "speech" / "overshoot.flac"
"""Half a second of espeak-ng's voice ru+f2 at -16 LUFS. With 128 kbit/s, ffmpeg 5.1 makes its start 2 dB louder."""
MARK = Mark("compositeSynthetic", "lipdrop 9.8.7", "my-job", "2026-11-29T10:00:00.000Z")


def measured(sound: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and the highest true peak in dBTP, by ffmpeg."""
    argv = ["ffmpeg", "-nostats", "-i", str(sound), "-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stderr.rpartition("Summary:")[2]
    found = re.search(r"I:\s+(\S+) LUFS.*Peak:\s+(\S+) dBFS", said, re.DOTALL)
    assert found is not None
    return float(found[1]), float(found[2])


def encoded(samples: NDArray[np.int16], path: Path) -> Path:
    """As it is in a video."""
    write_wav(path.with_suffix(".wav"), samples, 48_000)
    muxing.encode(path.with_suffix(".wav"), path, seconds=len(samples) / 48_000)
    return path


@pytest.mark.parametrize(
    ("lufs", "gain"),
    members(product(PRESETS.values(), (0.1, 1.0)), (min(PRESETS.values()), 0.1), (max(PRESETS.values()), 1.0)),
)
def test_speech_is_as_loud_as_asked_and_never_clips(lufs: float, gain: float, tmp_path: Path) -> None:
    """3 s with peaks 15 dB above their loudness, quiet or not."""
    samples = (speech_like(3.0, 48_000) * gain).astype(np.int16)
    loud, peak = measured(encoded(levels.mastered(samples, 48_000, lufs), tmp_path / "a.m4a"))
    assert loud == pytest.approx(lufs, abs=0.5)
    assert peak <= -1.0


def test_silence_and_what_is_right_already_stay_as_they_are() -> None:
    silence = np.zeros(48_000, np.int16)
    assert levels.mastered(silence, 48_000, -14) is silence
    once = levels.mastered(speech_like(3.0, 48_000), 48_000, -16)
    assert levels.mastered(once, 48_000, -16) is once


@pytest.mark.slow
def test_long_sound_is_limited_in_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = speech_like(6.0, 48_000)
    whole = levels.mastered(samples, 48_000, -14)
    monkeypatch.setattr(levels, "LIMITER_BLOCK_SECONDS", 1.0)
    monkeypatch.setattr(levels, "LIMITER_MARGIN_SECONDS", 0.5)
    assert np.abs(levels.mastered(samples, 48_000, -14).astype(int) - whole).max() <= 40


def test_frames_do_not_depend_on_the_loudness(tmp_path: Path) -> None:
    """The track of the video changes, what the models hear does not."""
    found = {}
    for lufs in (None, -23.0):
        folder = tmp_path / str(lufs)
        folder.mkdir()
        write_wav(folder / "in.wav", speech_like(3.0), 16_000)
        item = SplitItem("job", Speech("job", folder, folder / "in.wav"), 25, "auto", None, "presenter", (128, 128))
        stage = SplitStage(spec())
        stage.setup("cpu")
        [chunk] = stage.process(replace(item, loudness=lufs))
        found[lufs] = chunk.timeline
    assert np.array_equal(read_wav(found[None].pcm), read_wav(found[-23.0].pcm))
    assert measured(found[-23.0].track)[0] == pytest.approx(-23, abs=0.2)
    assert abs(measured(found[None].track)[0] + 23) > 2


def test_encoding_makes_no_sound_louder_than_it_is(tmp_path: Path) -> None:
    track = tmp_path / "track.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-i", OVERSHOOT, track], check=True)
    muxing.encode(track, tmp_path / "sound.m4a", seconds=0.5)
    peaks = [measured(file)[1] for file in (track, tmp_path / "sound.m4a")]
    assert peaks[1] < peaks[0] + 0.3


# The sound alone


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("track") / "track.wav"
    write_wav(path, speech_like(1.24, 48_000), 48_000)
    return path


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_the_sound_is_exact_and_marked(kind: str, track: Path, tmp_path: Path) -> None:
    path = tmp_path / f"extra.{kind}"
    sounds.write(track, kind, path, samples=59_520, mark=sounds.mark_of(MARK))
    original, heard = read_wav(track).astype(float), audio(path, 48_000).astype(float)
    assert len(heard) == len(original) == 59_520
    assert np.corrcoef(original, heard)[0, 1] > 0.99
    assert np.array_equal(original, heard) == (kind == "wav")
    said = reading.read(path)
    assert said.statement is not None
    assert (said.places, said.statement.job, said.signature) == (("tags",), "my-job", None)
    assert str(said.statement.digital_source_type).endswith("/trainedAlgorithmicMedia")
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)], check=True, capture_output=True
    )
    [stream] = json.loads(probed.stdout)["streams"]
    assert (stream["sample_rate"], stream["channels"]) == ("48000", 1)


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_the_sound_is_signed(kind: str, track: Path, tmp_path: Path) -> None:
    path = tmp_path / f"extra.{kind}"
    sounds.write(track, kind, path, samples=59_520, mark=MARK)
    local = certificates.make_local("Studio", 30, certificates.utc_now())
    signing.sign(path, MARK, certificates.Credentials(local.chain, local.key, "es256"))
    found = reading.read(path, local.authority.decode())
    assert (found.signature and found.signature.state, found.places) == ("trusted", ("tags", "c2pa"))
    assert len(audio(path, 48_000)) == 59_520


def test_a_recording_is_not_called_synthetic(track: Path, tmp_path: Path) -> None:
    path = tmp_path / "extra.wav"
    sounds.write(track, "wav", path, samples=100, mark=sounds.mark_of(replace(MARK, speech=False)))
    assert reading.read(path).statement is None
    assert len(audio(path, 48_000)) == 100


# Jobs


@pytest.mark.parametrize(
    ("job", "config", "lufs"),
    [
        ("", None, None),
        ("", "broadcast", -23.0),
        (', "loudness": "youtube"', "broadcast", -14.0),
        (', "loudness": -18', None, -18.0),
        (', "loudness": -18.5', None, -18.5),
    ],
)
def test_a_job_or_the_configuration_sets_the_loudness(
    job: str, config: str | None, lufs: float | None, tmp_path: Path
) -> None:
    settings = Config(loudness=config)
    parsed = parse_job(f'{{"text": "Hi"{job}}}'.encode(), settings, ())
    journal = Journal(tmp_path, "", 0.0)
    flow = make_flow("a", parsed, folder=tmp_path, recordings={}, config=settings, journal=journal, submitted_at=0.0)
    assert flow.loudness == lufs


@pytest.mark.parametrize(
    ("value", "code", "hint"),
    [
        ('"podcasts"', "range", "'podcast'"),
        ("-13", "range", ""),
        ("-40.5", "range", ""),
        ("true", "type", ""),
        ("[-16]", "type", ""),
    ],
)
def test_a_wrong_loudness_is_refused(value: str, code: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as error:
        parse_job(f'{{"text": "Hi", "loudness": {value}}}'.encode(), Config(), ())
    assert (error.value.code, error.value.field) == (code, "loudness")
    assert hint in (error.value.hint or "")
    (tmp_path / "config.yaml").write_text(f"loudness: {value}")
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "config.yaml")
    assert refused.value.field == "loudness"
