"""Recordings as people have them: channels, tracks, formats, sizes that are not known, damage, levels."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import JobError
from pipeline.media import pcm, recording
from pipeline.media.recording import Sound
from pipeline.messages import PCM_RATE_HZ
from tests.media import speech_like

SECONDS = 4.0
LIMIT_SECONDS = 60
FORMATS = {
    "wav": "",
    "mp3": "-c:a libmp3lame",
    "flac": "",
    "m4a": "-c:a aac",
    "aac": "-f adts",
    "ogg": "-c:a libvorbis",
    "opus": "-c:a libopus",
    "webm": "-c:a libopus",
    "mka": "-c:a flac",
    "ts": "-c:a aac",
    "wma": "-c:a wmav2",
    "ac3": "",
    "aiff": "",
    "au": "",
    "caf": "",
    "w64": "",
    "tta": "",
    "wv": "",
    "mp2": "",
}
LEVEL_DB = 0.6
"""How much a lossy codec may change the level."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    pcm.write_wav(path, speech_like(SECONDS) // 2, PCM_RATE_HZ)
    return path


@pytest.fixture(scope="module")
def hiss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As loud at every moment."""
    path = tmp_path_factory.mktemp("hiss") / "hiss.wav"
    samples = np.random.default_rng(0).normal(0, 0.2, round(SECONDS * PCM_RATE_HZ))
    pcm.write_wav(path, pcm.as_int16(samples.astype(np.float32)), PCM_RATE_HZ)
    return path


@pytest.fixture(scope="module")
def files(speech: Path) -> dict[str, bytes]:
    """The speech in every format."""
    return {suffix: encoded(speech, f"same.{suffix}", options) for suffix, options in FORMATS.items()}


def encoded(speech: Path, name: str, options: str) -> bytes:
    path = speech.parent / name
    argv = ["ffmpeg", "-v", "error", "-y", "-i", str(speech), "-ar", "48000", *options.split(), str(path)]
    subprocess.run(argv, check=True)
    return path.read_bytes()


def read(data: bytes, folder: Path, name: str = "recording") -> Sound:
    (folder / name).write_bytes(data)
    return recording.read(folder / name, folder, LIMIT_SECONDS)


def loud_db(samples: NDArray[np.int16]) -> float:
    """The level of the speech, in dBFS."""
    blocks = pcm.as_float(samples[: len(samples) // 1600 * 1600]).reshape(-1, 1600)
    return float(np.percentile(10 * np.log10(np.square(blocks).mean(1) + 1e-10), 95))


def codes(sound: Sound) -> list[str]:
    return [notice.code for notice in sound.notices]


# Channels and tracks


@pytest.mark.parametrize(
    "layout",
    [
        "stereo|c0=c0|c1=c0",
        "stereo|c0=c0|c1=-1*c0",
        "stereo|c0=c0|c1=0*c0",
        "stereo|c0=0*c0|c1=c0",
        "stereo|c0=c0|c1=-0.3*c0",
        "5.1|FC=c0",
        "5.1|FL=c0|FR=c0",
        "5.1|BL=c0",
        "7.1|FC=c0|LFE=c0",
        "2.1|FL=c0|FR=c0|LFE=4*c0",
        "3.0(back)|FL=c0|FR=-1*c0",
        "quad|c0=c0|c1=-1*c0|c2=c0|c3=-1*c0",
    ],
)
def test_speech_keeps_its_level_whatever_the_channels(layout: str, speech: Path, tmp_path: Path) -> None:
    expected = loud_db(pcm.read_wav(speech))
    sound = read(encoded(speech, "channels.wav", f"-af pan={layout}"), tmp_path)
    assert loud_db(sound.samples) == pytest.approx(expected, abs=0.1)
    assert loud_db(sound.track[::3]) == pytest.approx(expected, abs=0.1)


def test_two_people_on_two_channels_are_both_heard(speech: Path, tmp_path: Path) -> None:
    half = f"{SECONDS / 2}"
    turns = f"pan=stereo|c0=c0|c1=c0,volume=0:enable='gte(t,{half})',pan=stereo|c0=c0|c1=0*c0"
    other = f"volume=0:enable='lt(t,{half})',pan=stereo|c0=0*c0|c1=c0"
    argv = ["ffmpeg", "-v", "error", "-y", "-i", str(speech), "-i", str(speech), "-filter_complex"]
    graph = f"[0:a]{turns}[a];[1:a]{other}[b];[a][b]amix=normalize=0"
    subprocess.run([*argv, graph, str(tmp_path / "turns.wav")], check=True)
    sound = read((tmp_path / "turns.wav").read_bytes(), tmp_path)
    expected, heard = pcm.read_wav(speech), sound.samples
    middle = len(expected) // 2
    for part in (slice(0, middle), slice(middle, None)):
        assert loud_db(heard[part]) == pytest.approx(loud_db(expected[part]), abs=0.5)


def test_loud_channels_that_differ_are_mixed_without_clipping(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-32_767, 32_767, (2, 32_000))
    stereo = np.ascontiguousarray(noise.T, "<i2").tobytes()
    header = (
        b"RIFF"
        + struct.pack("<I", 36 + len(stereo))
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 2, 16_000, 64_000, 4, 16)
    )
    sound = read(header + b"data" + struct.pack("<I", len(stereo)) + stereo, tmp_path)
    assert np.abs(sound.samples.astype(int)).max() < 32_767
    assert loud_db(sound.samples) > -9


def test_the_default_track_is_read_although_another_is_first(speech: Path, tmp_path: Path) -> None:
    silence = ["-f", "lavfi", "-t", "4", "-i", "anullsrc"]
    argv = ["ffmpeg", "-v", "error", "-y", *silence, "-i", str(speech), "-map", "0", "-map", "1"]
    for default, expected in ((1, []), (0, ["silent_audio"])):
        flags = [f"-disposition:a:{default}", "default", f"-disposition:a:{1 - default}", "0"]
        subprocess.run([*argv, *flags, str(tmp_path / "two.mka")], check=True)
        assert codes(recording.read(tmp_path / "two.mka", tmp_path, LIMIT_SECONDS)) == expected


# Formats


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_read_whole(suffix: str, files: dict[str, bytes], speech: Path, tmp_path: Path) -> None:
    sound = read(files[suffix], tmp_path)
    assert codes(sound) == []
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(SECONDS, abs=0.06)
    assert len(sound.track) / len(sound.samples) == pytest.approx(3, abs=1e-3)
    assert loud_db(sound.samples) == pytest.approx(loud_db(pcm.read_wav(speech)), abs=LEVEL_DB)


@pytest.mark.parametrize("riff", ["RIFF", "RF64"])
@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFF - 36, -1, 1])
def test_a_wav_file_of_unknown_size_is_read_to_its_end(riff: str, claimed: int, speech: Path, tmp_path: Path) -> None:
    """What programs write into pipes; negative and small numbers are relative to the true size."""
    samples = pcm.read_wav(speech).tobytes()
    size = len(samples) + claimed if abs(claimed) == 1 else claimed
    form = struct.pack("<IHHIIHH", 16, 1, 1, PCM_RATE_HZ, 2 * PCM_RATE_HZ, 2, 16)
    sizes = struct.pack("<IQQQI", 28, 2**64 - 1, len(samples), 0, 0) if riff == "RF64" else b""
    extra = b"ds64" + sizes if sizes else b""
    data = riff.encode() + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + extra + b"fmt " + form + b"data"
    sound = read(data + struct.pack("<I", 0xFFFFFFFF if riff == "RF64" else size) + samples, tmp_path)
    assert np.array_equal(
        sound.samples[: len(samples) // 2 - 1], np.frombuffer(samples, "<i2")[: len(samples) // 2 - 1]
    )
    assert codes(sound) == []


# Damage


DAMAGED = {"opus": 1.2, "ogg": 1.2, "ts": 0.3, "mka": 0.3}
"""How many seconds of these formats 40 broken bytes may cost: their frames, or pages of frames."""


@pytest.mark.parametrize("suffix", DAMAGED)
def test_what_is_damaged_becomes_silence_and_the_rest_stays_in_time(suffix: str, hiss: Path, tmp_path: Path) -> None:
    data = encoded(hiss, f"hiss.{suffix}", FORMATS[suffix])
    whole = read(data, tmp_path)
    sound = read(spoilt(data, len(data) // 2, 40), tmp_path)
    assert "damaged_audio" in codes(sound)
    assert abs(len(sound.samples) - len(whole.samples)) < 0.05 * PCM_RATE_HZ
    assert delay_seconds(sound.samples, whole.samples, 0.2) == pytest.approx(0, abs=0.001)
    assert delay_seconds(sound.samples, whole.samples, SECONDS - 0.7) == pytest.approx(0, abs=0.022)
    assert 0 < np.count_nonzero(quiet(sound.samples)) * 0.01 <= DAMAGED[suffix]


@pytest.mark.parametrize("suffix", ["flac", "ac3"])
def test_damage_that_a_checksum_shows_is_reported(suffix: str, files: dict[str, bytes], tmp_path: Path) -> None:
    sound = read(spoilt(files[suffix], len(files[suffix]) // 2, 40), tmp_path)
    assert codes(sound) == ["damaged_audio"]
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(SECONDS, abs=0.06)


def listed(folder: Path, *frames: tuple[int, int]) -> Path:
    """ffmpeg's list of mono frames at 1000 Hz, each with its time and its duration in ms."""
    lines = [f"0, {time}, {time}, {duration}, {2 * duration}, 0x0" for time, duration in frames]
    (folder / "frames.txt").write_text("\n".join(["#tb 0: 1/1000", *lines, ""]))
    return folder / "frames.txt"


def test_a_frame_without_a_length_is_ignored(tmp_path: Path) -> None:
    found = recording._read_frames(listed(tmp_path, (0, 100), (100, 0), (100, 100), (500, 100)), LIMIT_SECONDS)
    [gap] = found.gaps
    assert (gap.start_seconds, gap.seconds) == pytest.approx((0.2, 0.3))
    assert found.channels == 1


def test_times_that_jump_back_and_forth_do_not_add_up_to_any_length(tmp_path: Path) -> None:
    jumps = [(time, 100) for _ in range(1000) for time in (0, 50_000)]
    found = recording._read_frames(listed(tmp_path, *jumps), LIMIT_SECONDS)
    assert sum(gap.seconds for gap in found.gaps) < 2 * LIMIT_SECONDS


def delay_seconds(heard: NDArray[np.int16], expected: NDArray[np.int16], start_seconds: float) -> float:
    """How much later a quarter of a second is heard than expected."""
    start, length, furthest = round(start_seconds * PCM_RATE_HZ), PCM_RATE_HZ // 4, PCM_RATE_HZ // 10
    pattern = pcm.as_float(expected[start : start + length])
    place = pcm.as_float(heard[start - furthest : start + length + furthest])
    return (int(np.argmax(np.correlate(place, pattern))) - furthest) / PCM_RATE_HZ


def quiet(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which hundredths of a second are silent."""
    blocks = pcm.as_float(samples[: len(samples) // 160 * 160]).reshape(-1, 160)
    return np.asarray(np.square(blocks).mean(1) < 1e-6)


def spoilt(data: bytes, start: int, count: int, seed: int = 1) -> bytes:
    return data[:start] + random.Random(seed).randbytes(count) + data[start + count :]


def test_files_joined_with_junk_between_them_are_read_to_the_end(files: dict[str, bytes], tmp_path: Path) -> None:
    junk = bytes(3000) + random.Random(2).randbytes(500)
    for suffix in ("mp3", "aac"):
        sound = read(junk + files[suffix] + junk + files[suffix], tmp_path)
        assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(2 * SECONDS, abs=0.3)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "aac", "opus", "ogg", "webm", "mka", "ts", "wav"])
def test_a_file_that_ends_early_is_read_to_there(suffix: str, files: dict[str, bytes], tmp_path: Path) -> None:
    sound = read(files[suffix][: len(files[suffix]) * 3 // 4 - 11], tmp_path)
    assert 0.4 * SECONDS < len(sound.samples) / PCM_RATE_HZ < 0.9 * SECONDS


def test_a_recording_that_is_mostly_damaged_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    for suffix in ("mp3", "aac", "flac"):
        data = files[suffix]
        with pytest.raises(JobError) as caught:
            read(spoilt(data, len(data) // 10, len(data) * 8 // 10), tmp_path)
        assert (caught.value.code, caught.value.field) == ("media", "audio")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(FORMATS)),
    damage=st.tuples(st.floats(0, 1), st.sampled_from([1, 30, 300, 3000]), st.integers(0, 999)),
)
def test_no_damage_does_more_than_it_must(
    suffix: str, damage: tuple[float, int, int], files: dict[str, bytes], tmp_path: Path
) -> None:
    data, (start, count, seed) = files[suffix], damage
    try:
        sound = read(spoilt(data, round(start * len(data)), count, seed), tmp_path)
    except JobError as error:
        assert error.code == "media"
        return
    assert 0 < len(sound.samples) <= LIMIT_SECONDS * PCM_RATE_HZ
    assert len(sound.track) / len(sound.samples) == pytest.approx(3, abs=0.01)


# Levels


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("volume=-6dB", []),
        ("volume=-18dB", ["quiet_audio"]),
        ("volume=-50dB", ["silent_audio"]),
        ("volume=30dB", ["clipped_audio"]),
    ],
)
def test_a_level_that_is_wrong_is_reported(change: str, expected: list[str], speech: Path, tmp_path: Path) -> None:
    assert codes(read(encoded(speech, "level.wav", f"-af {change}"), tmp_path)) == expected


def test_speech_in_noise_is_reported(speech: Path, tmp_path: Path) -> None:
    samples = pcm.as_float(pcm.read_wav(speech))
    noise = np.random.default_rng(0).normal(0, 0.03, len(samples)).astype(np.float32)
    for gain, expected in ((0.01, []), (3.0, ["noisy_audio"])):
        pcm.write_wav(tmp_path / "noisy.wav", pcm.as_int16(samples + gain * noise), PCM_RATE_HZ)
        assert codes(recording.read(tmp_path / "noisy.wav", tmp_path, LIMIT_SECONDS)) == expected
