"""Recordings as people have them: channels, tracks, formats, sizes that are not known, damage, levels."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import JobError
from pipeline.media import damage, frame_sync, pcm, recording
from pipeline.media.recording import Sound
from pipeline.media.refusals import unreadable
from pipeline.media.unsized import W64_RIFF, unsized
from pipeline.messages import PCM_RATE_HZ
from tests.members import few, members, slow
from tests.sounds import hum

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
    "eac3": "",
    "mka": "-c:a flac",
    "dts": "-c:a dca -strict -2",
    "voc": "-c:a pcm_u8",
}
OF_ONE_CONTAINER = {
    "wav": "pcm_u8 pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_alaw pcm_mulaw adpcm_ms adpcm_ima_wav adpcm_yamaha",
    "aiff": "pcm_s24be pcm_f32be pcm_f64be pcm_alaw pcm_mulaw",
    "au": "pcm_s24be pcm_f32be pcm_alaw pcm_mulaw",
    "caf": "pcm_f32le alac adpcm_ima_qt",
    "mov": "pcm_f32be alac",
}
"""Containers with several codecs that have no container of their own."""
LEVEL_DB = 0.6
"""How much a lossy codec may change the level."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    pcm.write_wav(path, hum(SECONDS) // 2, PCM_RATE_HZ)
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
    return in_every_format(speech)


@pytest.fixture(scope="module")
def of_one_container(speech: Path) -> dict[tuple[str, str], bytes]:
    """The speech by container and codec."""
    kinds = [(suffix, codec) for suffix, codecs in OF_ONE_CONTAINER.items() for codec in codecs.split()]
    made = encoded(speech, {f"{codec}.{suffix}": f"-c:a {codec}" for suffix, codec in kinds})
    return dict(zip(kinds, made.values(), strict=True))


@pytest.fixture(scope="module")
def of_layouts(speech: Path) -> dict[str, bytes]:
    """The speech on several channels."""
    made = encoded(speech, {f"{number}.wav": f"-af pan={layout}" for number, layout in enumerate(LAYOUTS)})
    return dict(zip(LAYOUTS, made.values(), strict=True))


@pytest.fixture(scope="module")
def hisses(hiss: Path) -> dict[str, bytes]:
    """The hiss in every format."""
    return in_every_format(hiss)


@pytest.fixture(scope="module")
def whole(hisses: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Sound]:
    """The hiss as it is read from an undamaged file of a format."""
    return cache(lambda suffix: read(hisses[suffix], tmp_path_factory.mktemp("whole")))


def in_every_format(sound: Path) -> dict[str, bytes]:
    made = encoded(sound, {f"same.{suffix}": options for suffix, options in FORMATS.items()})
    return dict(zip(FORMATS, made.values(), strict=True))


def encoded(speech: Path, options: Mapping[str, str]) -> dict[str, bytes]:
    """Files by name, all written by one run of ffmpeg, whose start takes most of the time."""
    outputs = [("-ar", "48000", *chosen.split(), str(speech.parent / name)) for name, chosen in options.items()]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(speech), *chain(*outputs)], check=True)
    return {name: (speech.parent / name).read_bytes() for name in options}


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


LAYOUTS = (
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
)


@pytest.mark.parametrize("layout", members(LAYOUTS, *LAYOUTS[1:3], "5.1|FC=c0", "quad|c0=c0|c1=-1*c0|c2=c0|c3=-1*c0"))
def test_speech_keeps_its_level_whatever_the_channels(
    layout: str, speech: Path, of_layouts: dict[str, bytes], tmp_path: Path
) -> None:
    expected = loud_db(pcm.read_wav(speech))
    sound = read(of_layouts[layout], tmp_path)
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


@pytest.mark.parametrize("suffix", few(FORMATS, "wav", "mp3", "m4a", "ogg", "opus", "webm", "flac"))
def test_every_format_is_read_whole(suffix: str, files: dict[str, bytes], speech: Path, tmp_path: Path) -> None:
    sound = read(files[suffix], tmp_path)
    assert codes(sound) == []
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(SECONDS, abs=0.06)
    assert len(sound.track) / len(sound.samples) == pytest.approx(3, abs=1e-3)
    assert loud_db(sound.samples) == pytest.approx(loud_db(pcm.read_wav(speech)), abs=LEVEL_DB)


@pytest.mark.parametrize("suffix", members(OF_ONE_CONTAINER, "aiff", "mov"))
def test_every_codec_of_a_container_is_read(
    suffix: str, speech: Path, of_one_container: dict[tuple[str, str], bytes], tmp_path: Path
) -> None:
    for codec in OF_ONE_CONTAINER[suffix].split():
        sound = read(of_one_container[suffix, codec], tmp_path)
        assert codes(sound) == []
        assert loud_db(sound.samples) == pytest.approx(loud_db(pcm.read_wav(speech)), abs=LEVEL_DB), codec


def test_a_format_that_is_not_read_is_named(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="the format nut is not supported"):
        read(encoded(speech, {"same.nut": ""})["same.nut"], tmp_path)
    with pytest.raises(JobError, match="the codec g723_1 is not supported"):
        read(encoded(speech, {"codec.wav": "-c:a g723_1 -ar 8000 -b:a 6300"})["codec.wav"], tmp_path)


@pytest.mark.parametrize(
    ("riff", "claimed"),
    [
        *(("RIFF", claimed) for claimed in (0, 0xFFFFFFFF, 1)),
        *(slow("RIFF", claimed) for claimed in (0x7FFFFFFF, 0x7FFFFFFF - 36, -1)),
        *(("RF64", 0xFFFFFFFF), slow("BW64", 0xFFFFFFFF)),
    ],
)
def test_a_wav_file_of_unknown_size_is_read_to_its_end(riff: str, claimed: int, speech: Path, tmp_path: Path) -> None:
    """What programs write into pipes; 1 and -1 are relative to the true size."""
    samples = pcm.read_wav(speech).tobytes()
    size = len(samples) + claimed if abs(claimed) == 1 else claimed
    form = struct.pack("<IHHIIHH", 16, 1, 1, PCM_RATE_HZ, 2 * PCM_RATE_HZ, 2, 16)
    sizes = struct.pack("<IQQQI", 28, 2**64 - 1, len(samples), 0, 0) if riff != "RIFF" else b""
    extra = b"ds64" + sizes if sizes else b""
    data = riff.encode() + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + extra + b"fmt " + form + b"data"
    sound = read(data + struct.pack("<I", size) + samples, tmp_path)
    assert np.array_equal(
        sound.samples[: len(samples) // 2 - 1], np.frombuffer(samples, "<i2")[: len(samples) // 2 - 1]
    )
    assert codes(sound) == []


@pytest.mark.parametrize(
    "form",
    few(
        ["-rf64 always -f wav", "-f w64", "-f aiff", "-f aiff -c:a pcm_s16le", "-f w64 -c:a pcm_f32le"],
        *("-rf64 always -f wav", "-f w64"),
    ),
)
def test_what_is_written_into_a_pipe_is_read_to_its_end(form: str, speech: Path, tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-i", str(speech), *form.split(), "pipe:1"]
    sound = read(subprocess.run(argv, capture_output=True, check=True).stdout, tmp_path)
    samples = pcm.read_wav(speech)
    assert len(sound.samples) == len(samples)
    assert np.abs(sound.samples.astype(int) - samples).max() <= 1
    assert codes(sound) == []


@pytest.mark.parametrize("size", [0, 1, 24, 1 << 40, 1 << 55, (1 << 63) - 1, (1 << 64) - 1])
def test_a_part_of_a_file_may_claim_any_size(size: int, tmp_path: Path) -> None:
    """Also one beyond the largest file that there can be."""
    chunk = struct.pack("<16sQ", b"fmt ", size) + bytes(40)
    (tmp_path / "a.w64").write_bytes(W64_RIFF.ljust(40, b"\0") + chunk * 3)
    assert unsized(tmp_path / "a.w64") is None


def test_bytes_after_the_chunks_of_a_w64_file_do_no_harm(files: dict[str, bytes], tmp_path: Path) -> None:
    """ffmpeg takes them for a chunk without a size, and refuses the file."""
    whole = read(files["w64"], tmp_path).samples[:-100]
    assert np.array_equal(read(files["w64"] + bytes(100), tmp_path).samples[: len(whole)], whole)


@pytest.mark.parametrize("extensible", [False, True])
def test_a_wav_file_of_the_other_byte_order_is_read(extensible: bool, speech: Path, tmp_path: Path) -> None:
    """ffmpeg reads it as noise."""
    samples = pcm.read_wav(speech)
    more = struct.pack(">HHIHH", 22, 16, 4, 1, 0) + bytes(12) if extensible else b""
    tag = 0xFFFE if extensible else 1
    form = struct.pack(">HHIIHH", tag, 1, PCM_RATE_HZ, 2 * PCM_RATE_HZ, 2, 16) + more
    data = samples.astype(">i2").tobytes()
    chunks = b"fmt " + struct.pack(">I", len(form)) + form + b"data" + struct.pack(">I", len(data)) + data
    sound = read(b"RIFX" + struct.pack(">I", 4 + len(chunks)) + b"WAVE" + chunks, tmp_path)
    assert np.array_equal(sound.samples, samples)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "it is empty"), (b"%PDF-1.7\n", "it is a PDF"), (b"Hello\n", "format is not known")],
)
def test_what_is_no_recording_is_called_what_it_is(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=reason):
        read(content, tmp_path)


# Damage


DAMAGED = {"opus": 1.2, "ogg": 1.2, "ts": 0.3, "mka": 0.3}
"""How many seconds of these formats 40 broken bytes may cost: their frames, or pages of frames."""


@pytest.mark.parametrize("suffix", few(DAMAGED, "opus", "ts"))
def test_what_is_damaged_becomes_silence_and_the_rest_stays_in_time(
    suffix: str, hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    data, expected = hisses[suffix], whole(suffix).samples
    sound = read(spoilt(data, len(data) // 2, 40), tmp_path)
    assert "damaged_audio" in codes(sound)
    assert abs(len(sound.samples) - len(expected)) < 0.05 * PCM_RATE_HZ
    assert delay_seconds(sound.samples, expected, 0.2) == pytest.approx(0, abs=0.001)
    assert delay_seconds(sound.samples, expected, SECONDS - 0.7) == pytest.approx(0, abs=0.022)
    assert 0 < np.count_nonzero(quiet(sound.samples)) * 0.01 <= DAMAGED[suffix]


@pytest.mark.parametrize(
    ("suffix", "seconds"),
    few([("flac", 0.1), ("ac3", 0.04), ("eac3", 0.04), ("wv", 1.0), ("tta", 1.1)], ("flac", 0.1), ("wv", 1.0)),
)
def test_a_frame_whose_checksum_is_wrong_is_silent(
    suffix: str, seconds: float, hisses: dict[str, bytes], tmp_path: Path
) -> None:
    data = bytearray(hisses[suffix])
    data[len(data) // 2] ^= 0x55
    sound = read(bytes(data), tmp_path)
    assert "damaged_audio" in codes(sound)
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(SECONDS, abs=0.06)
    assert 0 < np.count_nonzero(quiet(sound.samples)) * 0.01 <= seconds


@pytest.mark.parametrize("suffix", members(["mp3", "mp2", "aac", "ac3", "eac3", "flac"], "mp3", "flac"))
@pytest.mark.parametrize("damage", ["zeros", "noise"])
def test_frames_that_are_overwritten_leave_the_rest_in_time(
    suffix: str, damage: str, hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    """Without time stamps only the headers show what is missing."""
    data, expected = hisses[suffix], whole(suffix).samples
    start, count = len(data) // 3, len(data) // 8
    bad = bytes(count) if damage == "zeros" else random.Random(3).randbytes(count)
    sound = read(data[:start] + bad + data[start + count :], tmp_path)
    assert "damaged_audio" in codes(sound)
    assert any("silent in the video: 1." in notice.message for notice in sound.notices)
    assert abs(len(sound.samples) - len(expected)) < 0.06 * PCM_RATE_HZ
    assert delay_seconds(sound.samples, expected, SECONDS - 0.7) == pytest.approx(0, abs=0.05)
    assert np.count_nonzero(quiet(sound.samples)) * 0.01 == pytest.approx(SECONDS / 8, abs=0.25)


def test_a_file_that_is_longer_than_its_frames_is_not_searched_for_ever(tmp_path: Path) -> None:
    (tmp_path / "hostile").write_bytes(b"\xff\xfb\x90\x40" * 500_000)
    assert frame_sync.walked(tmp_path / "hostile", LIMIT_SECONDS).losses == []


def listed(folder: Path, *frames: tuple[int, int]) -> Path:
    """ffmpeg's list of mono frames at 1000 Hz, each with its time and its duration in ms."""
    lines = [f"0, {time}, {time}, {duration}, {2 * duration}, 0x0" for time, duration in frames]
    (folder / "frames.txt").write_text("\n".join(["#tb 0: 1/1000", *lines, ""]))
    return folder / "frames.txt"


def test_a_frame_without_a_length_is_ignored(tmp_path: Path) -> None:
    found = damage.read_frames(listed(tmp_path, (0, 100), (100, 0), (100, 100), (500, 100)), LIMIT_SECONDS)
    [gap] = found.gaps
    assert (gap.start_seconds, gap.seconds) == pytest.approx((0.2, 0.3))
    assert found.channels == 1


def test_times_that_jump_back_and_forth_do_not_add_up_to_any_length(tmp_path: Path) -> None:
    jumps = [(time, 100) for _ in range(1000) for time in (0, 50_000)]
    found = damage.read_frames(listed(tmp_path, *jumps), LIMIT_SECONDS)
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
    tag = b"ID3\x04\0\0\0\0\x0f\x50" + bytes(2000)
    for suffix, between, extra in (("mp3", junk, 0.0), ("mp3", tag, 0.0), ("mp3", b"", 0.0), ("aac", junk, 0.45)):
        sound = read(junk + files[suffix] + between + files[suffix], tmp_path)
        # Nothing shows that a gap between AAC frames was never sound.
        assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(2 * SECONDS + extra, abs=0.15)


OTHER_RATES = {"webm": 24_000, "opus": 24_000, "spx": 8_000, "ac3": 32_000, "m4a": 22_050}
"""What these formats can have; 22,050 Hz is what MP3 and AAC files of another kind have."""
JOINED = (
    *("wav", "mp3", "flac", "m4a", "aac", "ogg", "opus", "spx", "oga", "webm", "wv", "aiff", "ac3", "w64", "au", "tta"),
)


@pytest.fixture(scope="module")
def other_hisses(hiss: Path) -> dict[str, bytes]:
    """The hiss in formats that can be joined, at another sample rate."""
    options = {**FORMATS, "spx": "-c:a libspeex", "oga": "-c:a flac"}
    rates = {suffix: OTHER_RATES.get(suffix, 22_050) for suffix in JOINED}
    made = encoded(hiss, {f"other.{suffix}": f"{options[suffix]} -ar {rate}" for suffix, rate in rates.items()})
    return dict(zip(JOINED, made.values(), strict=True))


@pytest.mark.parametrize("suffix", members(JOINED, "mp3", "opus"))
def test_each_of_the_files_that_were_joined_is_read(
    suffix: str, hisses: dict[str, bytes], other_hisses: dict[str, bytes], tmp_path: Path
) -> None:
    """Also if one of them has another sample rate; without a gap, and each in time."""
    first = other_hisses[suffix]
    second = hisses.get(suffix, first)
    alone = [read(data, tmp_path).samples for data in (first, second)]
    sound = read(first + second, tmp_path)
    assert "damaged_audio" not in codes(sound)
    assert len(sound.samples) == sum(map(len, alone))
    assert len(sound.track) / len(sound.samples) == pytest.approx(3, abs=1e-3)
    assert np.array_equal(sound.samples, np.concatenate(alone))


JUNK = {
    "text": b"2026-11-29 12:00:00 INFO recording started\n" * 5,
    "zeros": bytes(5000),
    "noise": random.Random(4).randbytes(60_000),
    "page": b"<!DOCTYPE html>\n<html><body><p>Moved</p></body></html>\n" * 9,
    "head": b"HTTP/1.1 200 OK\r\nContent-Type: audio/x\r\n\r\n",
    "tag": b"ID3\x04\0\0\0\0\x0f\x50" + bytes(2000),
    "GET": b"GET /speech HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize(
    "suffix", members(sorted(FORMATS.keys() - {"ts", "dts", "mp2", "eac3"}), "mp3", "m4a", "wav", "ogg")
)
def test_bytes_before_a_file_are_skipped(
    suffix: str, hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    """A sort of them each: the format's header is found behind any of them."""
    junk = list(JUNK.values())[list(FORMATS).index(suffix) % len(JUNK)]
    sound = read(junk + hisses[suffix], tmp_path)
    assert np.array_equal(sound.samples, whole(suffix).samples)
    is_tag = junk == JUNK["tag"] and suffix in ("mp3", "aac", "flac", "ac3", "tta")
    assert is_tag or "bytes before its beginning were skipped" in sound.notices[0].message


@pytest.mark.parametrize("kind", members(JUNK, "text", "tag"))
def test_any_bytes_before_a_file_are_skipped(
    kind: str, hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    assert np.array_equal(read(JUNK[kind] + hisses["opus"], tmp_path).samples, whole("opus").samples)


def test_what_looks_like_another_format_within_dts_is_not_followed(hisses: dict[str, bytes], tmp_path: Path) -> None:
    """Frames of DTS often have what could be three headers of MPEG's layer I."""
    data, header = bytearray(hisses["dts"]), b"\xff\xff\x14\xc0".ljust(32, b"\0")
    at = data.index(b"\x7f\xfe\x80\x01", 5000) + 200
    data[at : at + 4 * 32] = header * 4
    sound = read(bytes(data), tmp_path)
    assert len(sound.samples) == pytest.approx(SECONDS * PCM_RATE_HZ, abs=700)
    assert loud_db(sound.samples) > -20


def test_a_file_without_its_index_is_called_cut_off(files: dict[str, bytes], tmp_path: Path) -> None:
    assert files["m4a"].rindex(b"moov") > len(files["m4a"]) // 2
    with pytest.raises(JobError, match="cut off, and its index"):
        read(files["m4a"][: len(files["m4a"]) // 2], tmp_path)


@pytest.mark.parametrize("suffix", members(["wv", "mp3", "aac", "ac3", "eac3", "mp2", "dts"], "mp3", "aac", "dts"))
@pytest.mark.parametrize("change", members([-1, -50, -150, 1, 50], -150, 1))
def test_bytes_deleted_or_inserted_leave_the_rest_in_time(
    suffix: str, change: int, hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    data, expected = hisses[suffix], whole(suffix).samples
    middle, extra = len(data) // 2 + 100, random.Random(5).randbytes(max(0, change))
    sound = read(data[:middle] + extra + data[middle - min(0, change) :], tmp_path)
    assert "damaged_audio" in codes(sound)
    assert abs(len(sound.samples) - len(expected)) < 0.03 * PCM_RATE_HZ
    # One frame more may be missing of AAC, whose frames have any size, and of DTS, which has no times.
    frame_seconds = {"aac": 0.022, "dts": 0.011}.get(suffix, 0.001)
    assert delay_seconds(sound.samples, expected, SECONDS - 0.7) == pytest.approx(0, abs=frame_seconds)
    assert np.count_nonzero(quiet(sound.samples)) * 0.01 <= (1.1 if suffix == "wv" else 0.1)


@pytest.mark.parametrize("suffix", few(["cbr.mp3", "vbr.mp3"], "vbr.mp3"))
def test_the_number_of_frames_that_a_file_declares_says_how_much_was_lost(
    suffix: str, hiss: Path, tmp_path: Path
) -> None:
    options = "-c:a libmp3lame -b:a 64k" if suffix == "cbr.mp3" else "-c:a libmp3lame -q:a 4"
    data = encoded(hiss, {suffix: options})[suffix]
    expected, middle = read(data, tmp_path).samples, len(data) // 2
    for damaged in (data[:middle] + data[middle + 3000 :], data[:middle] + bytes(4000) + data[middle:]):
        sound = read(damaged, tmp_path)
        assert delay_seconds(sound.samples, expected, SECONDS - 0.7) == pytest.approx(0, abs=0.001)
    assert "damaged_audio" not in codes(read(data + bytes(3000), tmp_path)), "all frames are there"


@pytest.mark.parametrize(
    "suffix", members(["mp3", "flac", "aac", "opus", "ogg", "webm", "mka", "ts", "wav"], "mp3", "opus", "webm")
)
def test_a_file_that_ends_early_is_read_to_there(suffix: str, files: dict[str, bytes], tmp_path: Path) -> None:
    sound = read(files[suffix][: len(files[suffix]) * 3 // 4 - 11], tmp_path)
    assert 0.4 * SECONDS < len(sound.samples) / PCM_RATE_HZ < 0.9 * SECONDS


KNOWN_LENGTH = ("wav", "mp3", "flac", "aiff", "au", "w64", "tta", "wv", "fast.m4a", "rf64.wav", "adpcm.wav")
CUT_PARTS = ("aac", "ogg", "opus", "webm", "mka", "caf", "mp2")
"""Formats of which only an incomplete part shows that the end is missing."""


@pytest.fixture(scope="module")
def declaring(hiss: Path, hisses: dict[str, bytes]) -> dict[str, bytes]:
    """The hiss in every format, also as variants."""
    variants = {"fast.m4a": "-c:a aac -movflags +faststart", "rf64.wav": "-rf64 always", "adpcm.wav": "-c:a adpcm_ms"}
    return hisses | encoded(hiss, variants)


@pytest.mark.parametrize("suffix", members(KNOWN_LENGTH + CUT_PARTS, "wav", "m4a", "flac", "ogg", "webm"))
def test_a_recording_whose_end_is_missing_is_reported(suffix: str, declaring: dict[str, bytes], tmp_path: Path) -> None:
    sound = read(declaring[suffix][: len(declaring[suffix]) * 7 // 10 - 11], tmp_path)
    [message] = [notice.message for notice in sound.notices if notice.code == "damaged_audio"]
    assert "its end is missing" in message
    if suffix in KNOWN_LENGTH:
        missing_seconds = float(message.rpartition(": ")[2].removesuffix(" s"))
        assert missing_seconds + len(sound.samples) / PCM_RATE_HZ == pytest.approx(SECONDS, abs=0.08)


@pytest.mark.parametrize("suffix", few(["webm", "mka", "fast.m4a", "caf"], "webm", "fast.m4a"))
def test_a_recording_that_was_written_into_a_pipe_is_whole(suffix: str, hiss: Path, tmp_path: Path) -> None:
    """Its last part has no size."""
    form = {"fast.m4a": "-c:a aac -f mp4 -movflags +frag_keyframe+empty_moov", "webm": "-c:a libopus -f webm"}
    form |= {"mka": "-c:a flac -f matroska", "caf": "-f caf"}
    argv = ["ffmpeg", "-v", "error", "-i", str(hiss), *form[suffix].split(), "pipe:1"]
    sound = read(subprocess.run(argv, capture_output=True, check=True).stdout, tmp_path)
    assert "damaged_audio" not in codes(sound)


@pytest.mark.parametrize("options", ["-c:a flac -f ogg", "-c:a libspeex -ar 16000 -f ogg"])
def test_the_page_behind_a_lost_one_is_in_time(options: str, hiss: Path, tmp_path: Path) -> None:
    """ffmpeg notices a gap in these only behind that page."""
    data = encoded(hiss, {"pages.ogg": options})["pages.ogg"]
    expected, place = read(data, tmp_path).samples, len(data) * 4 // 10
    sound = read(data[:place] + data[place + 100 :], tmp_path)
    is_lost = quiet(sound.samples)
    assert 0.5 < np.count_nonzero(is_lost) * 0.01 < 1.5
    heard = [start for start in np.arange(0.2, 3.5, 0.25) if not is_lost[round(100 * start) :][:25].any()]
    assert len(heard) > 6
    assert [delay_seconds(sound.samples, expected, start) for start in heard] == [0.0] * len(heard)


def test_the_last_page_behind_a_lost_one_is_in_time(
    hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path
) -> None:
    """ffmpeg adds it to what precedes it."""
    data, expected = hisses["ogg"], whole("ogg").samples
    pages = [match.start() for match in re.finditer(rb"OggS\x00", data)]
    sound = read(data[: pages[-2]] + data[pages[-1] :], tmp_path)
    assert len(sound.samples) == pytest.approx(len(expected), abs=PCM_RATE_HZ // 100)
    assert [delay_seconds(sound.samples, expected, start) for start in (0.2, 3.6)] == [0.0, 0.0]
    assert "these parts are silent in the video" in sound.notices[0].message
    with pytest.raises(JobError, match="most of it is damaged"):
        read(data[: pages[2]] + data[pages[-1] :], tmp_path)


def test_pages_without_the_last_one_are_said_to_lack_an_end(hisses: dict[str, bytes], tmp_path: Path) -> None:
    data = hisses["ogg"]
    last = data.rindex(b"OggS\0")
    sound = read(data[:last] + bytes(len(data) - last), tmp_path)
    assert "its end is missing" in sound.notices[0].message


def test_what_precedes_damage_at_which_ffmpeg_gives_up_is_read(
    hisses: dict[str, bytes], whole: Callable[[str], Sound], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does when garbage decodes to hundreds of channels. Stands in for that: it depends on single bits."""
    convert, expected = pcm.convert, whole("flac").samples

    def giving_up(
        sound: Any, targets: dict[Path, int], *others: Any, limit_seconds: float, **options: Any
    ) -> str | None:
        if limit_seconds < LIMIT_SECONDS:
            return convert(sound, targets, *others, limit_seconds=limit_seconds, **options)
        first = pcm.source(tmp_path / "recording", 3.0)
        convert(first, targets, pcm.target(tmp_path / recording.FRAMES, first, f="framecrc"), limit_seconds=3.0)
        raise unreadable("audio", "ffmpeg: Error while processing the decoded data for stream #0:0")

    monkeypatch.setattr(pcm, "convert", giving_up)
    sound = read(hisses["flac"], tmp_path)
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(2.9, abs=0.11)
    assert np.array_equal(sound.samples[:40_000], expected[:40_000])
    assert "its end is missing" in sound.notices[0].message


def test_bytes_that_are_missing_within_a_file_are_not_its_end(hiss: Path, tmp_path: Path) -> None:
    """Given a file of several clusters: what is missing in one is lost to its end."""
    data = encoded(hiss, {"clusters.webm": "-af aloop=2:size=64000 -c:a libopus"})["clusters.webm"]
    sound = read(data[: len(data) // 5] + data[len(data) // 5 + 300 :], tmp_path)
    assert len(sound.samples) / PCM_RATE_HZ == pytest.approx(3 * SECONDS, abs=0.06)
    assert "these parts are silent" in sound.notices[0].message
    assert "its end is missing" not in sound.notices[0].message


def test_a_stream_that_was_cut_off_within_a_fragments_header_is_read(hiss: Path, tmp_path: Path) -> None:
    options = "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000"
    data = encoded(hiss, {"fragments.mp4": options})["fragments.mp4"]
    last = data.rindex(b"moof", 0, data.rindex(b"moof"))
    sound = read(data[: last + 40], tmp_path)
    assert len(sound.samples) / PCM_RATE_HZ > 0.6 * SECONDS
    assert any("its end is missing" in notice.message for notice in sound.notices)


def test_a_recording_that_is_mostly_damaged_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    for suffix in ("mp3", "aac", "flac"):
        data = files[suffix]
        with pytest.raises(JobError) as caught:
            read(spoilt(data, len(data) // 10, len(data) * 8 // 10), tmp_path)
        assert (caught.value.code, caught.value.field) == ("media", "audio")


RESYNCING = {
    "mp3": 0.2,
    "aac": 0.2,
    "mp2": 0.2,
    "ac3": 0.2,
    "eac3": 0.2,
    "flac": 0.5,
    "ogg": 2.2,
    "opus": 2.2,
    "ts": 0.9,
}
"""Formats that are read on after any damage; seconds that it may cost besides what is overwritten: frames, or pages. A
bit of a transport stream may cost a packet of 0.6 s and the beginning of the next one."""
KINDS = ("flip", "zero", "noise", "insert", "delete", "cut")


def harmed(data: bytes, kind: str, start: int, count: int, seed: int) -> bytes:
    """The data with one kind of damage."""
    noise, rest = random.Random(seed).randbytes(count), data[start + count :]
    match kind:
        case "flip":
            return data[:start] + bytes([data[start] ^ (1 + seed % 255)]) + data[start + 1 :]
        case "insert":
            return data[:start] + noise + data[start:]
        case "cut":
            return data[: len(data) - count]
        case _:
            return data[:start] + {"zero": bytes(count), "noise": noise, "delete": b""}[kind] + rest


def check_what_is_lost(
    data: bytes, suffix: str, kind: str, *, place: float, share: float, seed: int, folder: Path
) -> None:
    """At most the sound of the damaged bytes is lost, and `RESYNCING`; nothing is added but silence in its place."""
    start, count = round(len(data) * (0.15 + 0.5 * place)), 1 + round(share * len(data))
    touched = 0.0 if kind in ("flip", "insert") else count / len(data) * SECONDS
    left = SECONDS - 1.5 * touched - RESYNCING[suffix]
    try:
        sound = read(harmed(data, kind, start, count, seed), folder)
    except JobError as error:
        assert "most of it is damaged" in error.message and left < SECONDS / 2
        return
    seconds = len(sound.samples) / PCM_RATE_HZ
    assert seconds - np.count_nonzero(quiet(sound.samples)) * 0.01 >= left
    assert seconds <= SECONDS + 1.5 * share * SECONDS + RESYNCING[suffix]
    if kind in ("flip", "zero", "noise") and "its end is missing" not in str(sound.notices):
        assert seconds == pytest.approx(SECONDS, abs=0.5 * touched + RESYNCING[suffix])


anywhere = st.fixed_dictionaries(
    {"place": st.floats(0, 1), "share": st.sampled_from([0.0, 0.01, 0.1, 0.25]), "seed": st.integers(0, 999)}
)


@pytest.mark.parametrize("suffix", members(RESYNCING, "mp3", "flac", "ogg"))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), damage=anywhere)
def test_damage_costs_no_more_than_it_must(
    suffix: str, kind: str, damage: dict[str, Any], hisses: dict[str, bytes], tmp_path: Path
) -> None:
    check_what_is_lost(hisses[suffix], suffix, kind, **damage, folder=tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("suffix", RESYNCING)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), damage=anywhere)
def test_much_damage_costs_no_more_than_it_must(
    suffix: str, kind: str, damage: dict[str, Any], hisses: dict[str, bytes], tmp_path: Path
) -> None:
    check_what_is_lost(hisses[suffix], suffix, kind, **damage, folder=tmp_path)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(FORMATS)),
    damage=st.tuples(st.floats(0, 1), st.sampled_from([1, 30, 300, 3000]), st.integers(0, 999)),
)
def test_no_damage_breaks_anything(
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
    data = encoded(speech, {"level.wav": f"-af {change}"})["level.wav"]
    assert codes(read(data, tmp_path)) == expected


def test_speech_in_noise_is_reported(speech: Path, tmp_path: Path) -> None:
    samples = pcm.as_float(pcm.read_wav(speech))
    noise = np.random.default_rng(0).normal(0, 0.03, len(samples)).astype(np.float32)
    for gain, expected in ((0.01, []), (3.0, ["noisy_audio"])):
        pcm.write_wav(tmp_path / "noisy.wav", pcm.as_int16(samples + gain * noise), PCM_RATE_HZ)
        assert codes(recording.read(tmp_path / "noisy.wav", tmp_path, LIMIT_SECONDS)) == expected
