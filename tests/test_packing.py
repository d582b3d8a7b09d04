"""Packing a piece of a stream: which pictures and which sound its fragments hold."""

from __future__ import annotations

import subprocess
import time
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.errors import StageError
from pipeline.executors.base import WorkerSpec
from pipeline.media import aac, ffmpeg, fragments, pcm
from pipeline.media.fragments import KEYFRAME_FLAGS, OTHER_FLAGS, Sample
from pipeline.messages import JoinItem, Pack, PackItem, Segment, Span, Timeline
from pipeline.stages import pack as pack_module
from pipeline.stages.merge import MergeStage
from pipeline.stages.pack import join_tracks, pack
from tests.hls import AUDIO, VIDEO, inside, track_runs
from tests.media import audio, speech_like, streams
from tests.members import members

RATE_HZ = 48_000
FRAME_SAMPLES = 1024
"""Of AAC."""
FPS = 25
TICKS = 3600
"""Of a picture, at 90 kHz."""


# AAC


@pytest.mark.parametrize(
    ("samples", "is_last", "end"),
    [
        (0, False, 0),
        (4 * 1024, False, 0),
        (5 * 1024 - 1, False, 0),
        (5 * 1024, False, 1024),
        (6 * 1024 + 1, False, 2048),
        (0, True, 0),
        (1, True, 1024),
        (1024, True, 1024),
        (1025, True, 2048),
    ],
)
def test_a_part_ends_four_frames_before_the_known_audio_unless_it_is_the_last(
    samples: int, is_last: bool, end: int
) -> None:
    assert aac.part_end(samples, is_last=is_last) == end


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first sample of each encoded sound; encoding yields a frame named after the sample that it begins at."""
    begun: list[int] = []

    def numbered(_: aac.Encoder, samples: NDArray[np.int16]) -> list[bytes]:
        begun.append(int(samples[0]))
        ends = range(0, len(samples), FRAME_SAMPLES)
        return [b"priming", *(str(samples[at]).encode() for at in ends)]

    monkeypatch.setattr(aac.Encoder, "_encoded", numbered)
    return begun


@pytest.mark.parametrize(
    ("edges", "begun", "frames"),
    [
        ((0, 0, 3), 0, range(3)),
        ((0, 5, 7), 0, range(5, 7)),
        ((0, 8, 9), 0, range(8, 9)),
        ((0, 12, 14), 4, range(12, 14)),
        ((10, 12, 14), 10, range(12, 14)),
        ((10, 20, 21), 12, range(20, 21)),
    ],
)
def test_a_part_is_encoded_with_up_to_eight_frames_before_it(
    edges: tuple[int, int, int], begun: int, frames: range, encoded: list[int]
) -> None:
    """`edges`: where the known sound begins, and the part begins and ends, in frames."""
    first, start, stop = (edge * FRAME_SAMPLES for edge in edges)
    numbers = np.repeat(np.arange(edges[0], 30), FRAME_SAMPLES).astype(np.int16)
    found = aac.Encoder().part(numbers, first, start, stop)
    assert encoded == [begun]
    assert found == [str(number).encode() for number in frames]


def test_a_part_whose_audio_is_too_short_is_refused(encoded: list[int]) -> None:
    sound = np.zeros(3 * FRAME_SAMPLES, np.int16)
    with pytest.raises(StageError, match=r"the audio has 1 AAC frames, not 4$") as caught:
        aac.Encoder().part(sound, 0, 2 * FRAME_SAMPLES, 6 * FRAME_SAMPLES)
    assert caught.value.code == "encoder"


def test_frames_are_separated_from_their_headers() -> None:
    """Frames of 1, 8,000 and 300 bytes use every part of the size in the header."""
    bodies = [bytes([number]) * size for number, size in enumerate((1, 8000, 300), start=1)]
    assert aac._frames(b"".join(_adts_header(len(body)) + body for body in bodies)) == bodies
    assert aac._frames(b"") == []


def _adts_header(frame_bytes: int) -> bytes:
    """The header of a frame of AAC-LC, 48 kHz, mono, with every bit around its size set."""
    size = frame_bytes + 7
    return bytes([0xFF, 0xF1, 0x4C, 0xFC | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])


def test_sound_is_encoded_as_ffmpeg_does_it(tmp_path: Path) -> None:
    sound = speech_like(1, RATE_HZ)
    frames = aac.Encoder().part(sound, 0, 0, aac.part_end(len(sound), is_last=True))
    pcm.write_wav(tmp_path / "a.wav", sound, RATE_HZ)
    options = "-c:a aac -q:a 2 -f adts"
    argv = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), *options.split(), str(tmp_path / "a.adts")]
    subprocess.run(argv, check=True)
    expected = aac._frames((tmp_path / "a.adts").read_bytes())
    assert frames == expected[1 : len(frames) + 1]
    assert len(frames) == -(-RATE_HZ // FRAME_SAMPLES)


def test_digital_silence_is_what_the_encoder_makes_of_it() -> None:
    """An open stream has hours of it, which need no encoder. Only the encoder's priming may name the encoder."""
    silence = np.zeros(RATE_HZ, np.int16)
    argv = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1", "-i", "-"]
    options = ["-c:a", "aac", "-q:a", "2", "-f", "adts", "-"]
    coded = subprocess.run([*argv, *options], input=silence.tobytes(), check=True, capture_output=True).stdout
    stop = aac.part_end(len(silence), is_last=True)
    assert aac.Encoder().part(silence, 0, 0, stop) == aac._frames(coded)[1:]


def test_the_encoder_gets_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    communicate = ffmpeg.communicate

    def noted(process: subprocess.Popen[bytes], data: bytes, *, timeout_seconds: float) -> bytes:
        given.append(timeout_seconds)
        return communicate(process, data, timeout_seconds=timeout_seconds)

    monkeypatch.setattr(ffmpeg, "communicate", noted)
    aac.Encoder().part(np.ones(2048, np.int16), 0, 0, 2048)
    assert given == [120]


def test_encoders_that_were_loaded_beforehand_are_used_once_and_replaced_if_they_died() -> None:
    sound, expected = np.ones(2048, np.int16), aac.Encoder().part(np.ones(2048, np.int16), 0, 0, 2048)
    encoder = aac.Encoder()
    encoder.prepare()
    first, second = encoder._waiting
    assert encoder.part(sound, 0, 0, 2048) == expected
    assert first.returncode == 0
    encoder.prepare()
    assert encoder._waiting[0] is second
    for process in encoder._waiting:
        process.kill()
        process.wait()
    assert encoder.part(sound, 0, 0, 2048) == expected


def test_an_encoder_that_is_killed_while_it_works_is_a_failure_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = aac.Encoder()
    encoder.prepare()
    process = encoder._waiting[0]
    monkeypatch.setattr(process, "poll", lambda: None)
    process.kill()
    with pytest.raises(StageError, match="ffmpeg") as caught:
        encoder.part(np.ones(2048, np.int16), 0, 0, 2048)
    assert caught.value.code == "media_killed"


# Pieces


PLAYABLE = (
    "-pix_fmt yuv420p -color_range tv -colorspace bt709 -color_trc bt709 -color_primaries bt709"
    " -vf setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
"""Options with which ffmpeg makes pictures that play everywhere."""


def segment(
    folder: Path, index: int, frames: range, *, keyframes: int = 25, own_track: bool = True, options: str = ""
) -> Segment:
    """A piece of one picture pattern and a hum; its track holds the sound of the piece, or of the whole job."""
    path = folder / f"segment-{index}.mp4"
    pattern = f"testsrc=size=64x48:rate={FPS}:duration={len(frames) / FPS}"
    options += f" -c:v libx264 -bf 0 -g {keyframes} -keyint_min {keyframes} -sc_threshold 0"
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", pattern, *options.split(), "-video_track_timescale", "90000"]
    subprocess.run([*argv, path], check=True)
    track = folder / (f"track-{index}.wav" if own_track else "track.wav")
    first = frames.start if own_track else 0
    pcm.write_wav(track, whole_sound()[_at(first) : _at(frames.stop) if own_track else None], RATE_HZ)
    span, unused = Span(0, 1), folder / "unused"
    lengths = (len(frames) * 640, len(frames), FPS)
    timeline = Timeline(*lengths, (), "stream", unused, track, unused, span, span, first if own_track else None)
    ends = (frames.start, frames.stop)
    made_by = ("gan", "builtin", "cpu", "gan-0")
    return Segment("job", index, path, *ends, 64, 48, *made_by, span, 0, 0, timeline)


def whole_sound() -> NDArray[np.int16]:
    """The sound of the job: 8 s."""
    return speech_like(8, RATE_HZ)


def _at(frame: int) -> int:
    return frame * RATE_HZ // FPS


def packed(folder: Path, item: Segment, before: Segment | None, *, is_last: bool) -> Pack:
    return pack(PackItem("job", folder, item, before, is_last), aac.Encoder())


def runs(part: Pack) -> list[tuple[int, int, int, int]]:
    """The runs of all fragments of a piece."""
    return [run for fragment in part.fragments for run in track_runs(fragment.path.read_bytes())]


@pytest.mark.parametrize("own_track", [True, False])
def test_the_pieces_of_a_stream_join_without_a_gap(own_track: bool, tmp_path: Path) -> None:
    first = segment(tmp_path, 0, range(60), own_track=own_track)
    second = segment(tmp_path, 1, range(60, 135), own_track=own_track)
    started = time.monotonic()
    parts = [
        packed(tmp_path, first, None, is_last=False),
        packed(tmp_path, second, first, is_last=True),
    ]
    assert [[fragment.frames for fragment in part.fragments] for part in parts] == [[25, 35], [25, 25, 25]]
    assert [fragment.path.name for part in parts for fragment in part.fragments] == [
        *("000-0.m4s", "000-1.m4s", "001-0.m4s", "001-1.m4s", "001-2.m4s")
    ]
    assert [part.init.name for part in parts] == ["init-000.mp4", "init-001.mp4"]
    assert [part.init.read_bytes() for part in parts] == [
        fragments.init(fragments.read_video(item.path, TICKS)) for item in (first, second)
    ]
    ends = {VIDEO: 0, AUDIO: 0}
    for track, start, ticks, _ in [run for part in parts for run in runs(part)]:
        assert start == ends[track]
        ends[track] += ticks
    assert ends == {VIDEO: 135 * TICKS, AUDIO: _at(135)}
    held = (_at(60) // FRAME_SAMPLES - 4) * FRAME_SAMPLES
    assert [part.sound_seconds for part in parts] == [held / RATE_HZ, 135 / FPS]
    assert [(part.job, part.index) for part in parts] == [("job", 0), ("job", 1)]
    assert started <= parts[0].span.start_seconds <= parts[0].span.end_seconds <= parts[1].span.start_seconds
    written = [fragment.path.read_bytes() for part in parts for fragment in part.fragments]
    numbers = [int.from_bytes(inside(inside(data, "moof")[0], "mfhd")[0][4:]) for data in written]
    assert numbers == [1, 26, 61, 86, 111]


def test_a_fragments_sound_ends_with_the_frame_in_which_its_picture_ends(tmp_path: Path) -> None:
    [picture, sound, _, rest] = runs(packed(tmp_path, segment(tmp_path, 0, range(60)), None, is_last=True))
    assert picture == (VIDEO, 0, 25 * TICKS, 25)
    assert sound == (AUDIO, 0, 47 * FRAME_SAMPLES, 47)  # 48,000 samples are 46.875 frames
    assert rest == (AUDIO, 47 * FRAME_SAMPLES, _at(60) - 47 * FRAME_SAMPLES, -(-_at(60) // FRAME_SAMPLES) - 47)


def test_the_sound_of_a_later_piece_is_as_if_encoded_with_the_one_before(tmp_path: Path) -> None:
    """Frames well after the start of both do not depend on where encoding began."""
    first, second = segment(tmp_path, 0, range(60)), segment(tmp_path, 1, range(60, 135))
    sound = pack_module._sound(PackItem("job", tmp_path, second, first, is_last=True), aac.Encoder())
    start = aac.part_end(_at(60), is_last=False)
    assert (sound.start, sound.end) == (start, _at(135))
    stop = aac.part_end(_at(135), is_last=True)
    assert len(sound.frames) == (stop - start) // FRAME_SAMPLES
    known = whole_sound()[: _at(135)]
    assert sound.frames == aac.Encoder().part(known, 0, start, stop)


def test_the_sound_of_the_third_piece_does_not_need_the_first(tmp_path: Path) -> None:
    """Its AAC frames begin at multiples of their length, although the second piece does not."""
    second, third = segment(tmp_path, 1, range(61, 136)), segment(tmp_path, 2, range(136, 190))
    assert _at(61) % FRAME_SAMPLES
    sound = pack_module._sound(PackItem("job", tmp_path, third, second, is_last=True), aac.Encoder())
    start = aac.part_end(_at(136), is_last=False)
    stop = aac.part_end(_at(190), is_last=True)
    assert (sound.start, sound.end) == (start, _at(190))
    first = -(-_at(61) // FRAME_SAMPLES) * FRAME_SAMPLES
    known = whole_sound()[first : _at(190)]
    assert sound.frames == aac.Encoder().part(known, first, start, stop)


@pytest.mark.parametrize(
    ("count", "keyframes", "parts"),
    [
        (60, (0, 25), [(0, 25), (25, 60)]),
        (50, (0, 25), [(0, 25), (25, 50)]),
        (49, (0, 25), [(0, 49)]),
        (100, (0, 25, 50, 80), [(0, 25), (25, 50), (50, 100)]),
        (10, (0,), [(0, 10)]),
        (60, (0, 1, 35), [(0, 1), (1, 35), (35, 60)]),
    ],
)
def test_a_short_tail_is_added_to_the_fragment_before_it(
    count: int, keyframes: tuple[int, ...], parts: list[tuple[int, int]]
) -> None:
    flags = [KEYFRAME_FLAGS if number in keyframes else OTHER_FLAGS for number in range(count)]
    assert pack_module._parts([Sample(b"", TICKS, flag) for flag in flags], FPS) == parts


def test_a_segment_with_the_wrong_number_of_frames_is_refused(tmp_path: Path) -> None:
    item = replace(segment(tmp_path, 3, range(10)), stop_frame=11)
    with pytest.raises(StageError, match="piece 3 has 10 frames") as caught:
        packed(tmp_path, item, None, is_last=True)
    assert caught.value.code == "segment"


def test_a_piece_with_other_codec_parameters_is_refused(tmp_path: Path) -> None:
    first, second = segment(tmp_path, 0, range(10)), segment(tmp_path, 1, range(10, 20))
    options = "-c:v libx264 -pix_fmt yuv420p -bf 0 -video_track_timescale 90000"
    pattern = "testsrc=size=64x48:rate=25:duration=0.4"
    argv = ["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", pattern, *options.split(), str(second.path)]
    subprocess.run(argv, check=True)
    with pytest.raises(StageError, match="piece 1: codec parameters differ from the previous piece") as caught:
        packed(tmp_path, second, first, is_last=True)
    assert caught.value.code == "segment"


def test_the_tracks_of_all_pieces_become_one_file(tmp_path: Path) -> None:
    pieces = [segment(tmp_path, 0, range(10)), segment(tmp_path, 1, range(10, 25))]
    join_tracks(pieces, tmp_path / "track.wav")
    assert np.array_equal(pcm.read_wav(tmp_path / "track.wav"), whole_sound()[: _at(25)])
    with wave.open(str(tmp_path / "track.wav"), "rb") as file:
        assert file.getframerate() == RATE_HZ


@pytest.mark.parametrize("left", members([0, 1, 2], 1))
def test_the_fragments_of_an_open_stream_become_an_exact_video(left: int, tmp_path: Path) -> None:
    """Whichever of them have left it, sound and picture begin together and end together."""
    edges = [range(24), range(24, 48), range(48, 71), range(71, 96)]
    pieces = [segment(tmp_path, index, frames, options=PLAYABLE) for index, frames in enumerate(edges)]
    before = [None, *pieces]
    parts = [packed(tmp_path, one, before[index], is_last=index == 3) for index, one in enumerate(pieces)]
    kept = tuple(fragment for part in parts[left:] for fragment in part.fragments)
    first = edges[left].start
    item = JoinItem("job", tmp_path, parts[0].init, kept, first, FPS, (64, 48))
    [video] = MergeStage(WorkerSpec("merge-0", "merge", "", Config())).process(item)
    assert (video.frames, video.width, video.height) == (96 - first, 64, 48)
    for kind in ("video", "audio"):
        found = streams(video.path)[kind]
        assert float(found["start_time"]) == 0
        assert float(found["duration"]) == pytest.approx((96 - first) / FPS, abs=1e-4)
    heard, said = audio(video.path, RATE_HZ).astype(float), whole_sound()[_at(first) : _at(96)].astype(float)
    middle = slice(RATE_HZ // 4, RATE_HZ // 4 + RATE_HZ)
    shifts = range(-200, 201, 4)
    best = max(shifts, key=lambda shift: np.dot(heard[middle.start + shift : middle.stop + shift], said[middle]))
    assert abs(best) <= 4
    assert not list(tmp_path.glob("*.part"))


def test_speech_that_is_broken_off_fades_out(tmp_path: Path) -> None:
    """Frame 20 of the job is frame 10 of this piece."""
    piece = replace(segment(tmp_path, 1, range(10, 35)), hush_frame=20)
    whole, hushed = whole_sound()[_at(10) : _at(35)].astype(int), pack_module._track(piece).astype(int)
    at, fade = _at(10), RATE_HZ // 25
    assert np.array_equal(hushed[: at - fade], whole[: at - fade])
    assert not hushed[at:].any()
    assert (np.abs(hushed) <= np.abs(whole) + 1).all()
    assert np.abs(np.diff(hushed[at - fade // 8 : at + 1])).max() < np.abs(np.diff(whole)).max() / 4


def test_a_track_that_is_shared_already_is_not_written_again(tmp_path: Path) -> None:
    pieces = [segment(tmp_path, index, frames, own_track=False) for index, frames in enumerate([range(5), range(5, 9)])]
    before = (tmp_path / "track.wav").stat().st_mtime_ns
    join_tracks(pieces, tmp_path / "track.wav")
    assert (tmp_path / "track.wav").stat().st_mtime_ns == before
