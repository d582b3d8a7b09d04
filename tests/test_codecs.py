"""H.265, AV1 and VP9 beside H.264: exact joints, equal quality, marks and signatures; refusals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from pipeline.config import Config, VideoSettings
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.job import parse_job
from pipeline.media import codecs, ffmpeg, muxing, rate
from pipeline.media.encoder import SegmentEncoder
from pipeline.media.pcm import write_wav
from pipeline.messages import Mark
from pipeline.provenance import certificates, embedding, reading, signing
from tests.media import frames, speech_like
from tests.members import few

SIZE = (192, 160)
NAMES = list(codecs.CODECS)
OTHERS = [name for name in NAMES if name != "h264"]
MARK = Mark("compositeSynthetic", "lipdrop 9.8.7", "my-job", "2026-11-29T10:00:00.000Z")


def pictures(count: int, still: bool) -> NDArray[np.uint8]:
    """Frames like an avatar's: texture that stands still, or is panned, and a spot that moves; I420."""
    noise = np.random.default_rng(3).standard_normal((SIZE[1] + 64, SIZE[0] + 64))
    smooth = np.real(np.fft.ifft2(np.fft.fft2(noise) * _low_pass(noise.shape)))
    texture = np.clip(120 + 40 * smooth / smooth.std(), 20, 230)
    made = np.full((count, SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    for number in range(count):
        at = 0 if still else number % 32
        made[number, : SIZE[1]] = texture[at : at + SIZE[1], at : at + SIZE[0]]
        made[number, 100 + number % 8 : 120 + number % 8, 80:112] = 60
    return made


def _low_pass(shape: tuple[int, ...]) -> NDArray[np.float64]:
    rows, columns = np.meshgrid(*(np.fft.fftfreq(side) for side in shape), indexing="ij")
    return np.asarray(np.exp(-(rows**2 + columns**2) / 0.08**2))


def joined(folder: Path, name: str, fps: int, parts: list[NDArray[np.uint8]], *, still: bool = True) -> Path:
    """A video of segments, as the stages make it."""
    codec, paths = codecs.CODECS[name], []
    for number, part in enumerate(parts):
        options = (
            rate.still(len(part), fps, 20, "veryfast", gop_seconds=10, followed=number + 1 < len(parts), codec=codec)
            if still
            else rate.moving(fps, 20, codec)
        )
        paths.append(folder / f"chunk-{number}.mp4")
        with SegmentEncoder(paths[-1], SIZE, fps, "veryfast", options, threads=2, codec=codec) as encoder:
            encoder.write(part)
    seconds = sum(map(len, parts)) / fps
    write_wav(folder / "track.wav", speech_like(seconds, 48_000), 48_000)
    muxing.mux(paths, folder / "track.wav", folder / "video.mp4", fps=fps, seconds=seconds)
    return folder / "video.mp4"


def packets(video: Path) -> list[dict[str, Any]]:
    argv = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-of", "json", str(video)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["packets"]
    return found


def psnr(shown: NDArray[np.uint8], source: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.square(shown - source[:, : SIZE[1]].astype(float)).mean()))


@pytest.fixture(scope="module")
def source() -> NDArray[np.uint8]:
    return pictures(60, still=True)


@pytest.fixture(scope="module")
def made(source: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A second of video in each codec, of three segments."""
    parts = [source[:25], source[25:30], source[30:]]
    return {name: joined(tmp_path_factory.mktemp(name), name, 60, parts) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_segments_of_every_codec_are_joined_frame_by_frame(
    name: str, made: dict[str, Path], source: NDArray[np.uint8]
) -> None:
    """At 60 frames a second, where no segment lasts a whole number of milliseconds."""
    muxing.verify(made[name], frames=60, fps=60, size=SIZE, seconds=1.0, codec=name)
    found = packets(made[name])
    assert [(packet["pts"], packet["dts"]) for packet in found] == [
        (1500 * number, 1500 * number) for number in range(60)
    ]
    assert {packet["duration"] for packet in found} == {1500}
    assert [number for number, packet in enumerate(found) if packet["flags"][0] == "K"] == [0, 25, 30]
    shown = frames(made[name], SIZE)
    known = source[:8, : SIZE[1]].astype(float)
    spots = [int(np.square(known - picture).mean((1, 2)).argmin()) for picture in shown]
    assert spots == [number % 8 for number in range(60)]


def test_the_codecs_are_about_as_good_as_h264(made: dict[str, Path], source: NDArray[np.uint8]) -> None:
    quality = {name: psnr(frames(video, SIZE), source) for name, video in made.items()}
    for name in OTHERS:
        assert quality[name] > quality["h264"] - 1.5


@pytest.mark.slow
@pytest.mark.parametrize("fps", [24, 30])
def test_joints_do_not_shift_the_frames_of_h264(fps: int, source: NDArray[np.uint8], tmp_path: Path) -> None:
    video = joined(tmp_path, "h264", fps, [source[:5]] * 8)
    ticks = 90_000 // fps
    assert [packet["pts"] for packet in packets(video)] == [ticks * number for number in range(40)]


@pytest.mark.parametrize("name", OTHERS)
def test_moving_pictures_have_a_keyframe_every_two_seconds(name: str, tmp_path: Path) -> None:
    video = joined(tmp_path, name, 24, [pictures(60, still=False)], still=False)
    assert [number for number, packet in enumerate(packets(video)) if packet["flags"][0] == "K"] == [0, 48]


@pytest.mark.parametrize(
    ("preset", "still", "search"),
    [
        ("veryfast", True, b"me=dia subme=1 "),
        ("veryfast", False, b"me=hex subme=2 "),
        ("faster", True, b"me=hex subme=4 "),
        ("ultrafast", True, b"me=dia subme=0 "),
    ],
)
def test_still_pictures_need_no_wide_search_for_movement(
    preset: str, still: bool, search: bytes, source: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Unless a slower preset is asked for; x264 writes its options into the video."""
    options = rate.still(10, 25, 20, preset, gop_seconds=3, followed=True) if still else rate.moving(25, 20)
    with SegmentEncoder(tmp_path / "a.mp4", SIZE, 25, preset, options, threads=1) as encoder:
        encoder.write(source[:10])
    assert search in (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize("preset", few(["ultrafast", "veryfast"], "veryfast"))
@pytest.mark.parametrize(("name", "box"), [("h265", "hvcC"), ("av1", "av1C")])
def test_still_and_moving_pictures_have_the_same_parameter_sets(
    name: str, box: str, preset: str, source: NDArray[np.uint8], tmp_path: Path
) -> None:
    """A job with scenes joins both, of any length."""
    codec, found = codecs.CODECS[name], set()
    ways = (rate.still(30, 25, 20, preset, gop_seconds=3, followed=True, codec=codec), rate.moving(25, 20, codec))
    for options, count in ((ways[0], 30), (ways[1], 30), (ways[1], 7)):
        with SegmentEncoder(tmp_path / "a.mp4", SIZE, 25, preset, options, threads=2, codec=codec) as encoder:
            encoder.write(source[:count])
        data = (tmp_path / "a.mp4").read_bytes()
        at = data.index(box.encode())
        found.add(data[at : at + int.from_bytes(data[at - 4 : at]) - 4])
    assert len(found) == 1


@pytest.mark.parametrize("name", few(NAMES, "h264"))
def test_every_codec_is_marked_and_signed(name: str, made: dict[str, Path], tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(made[name].read_bytes())
    embedding.embed(video, MARK)
    found = reading.read(video)
    assert (found.places, found.media, found.is_synthetic) == (("xmp", "tags"), "unchanged", True)
    local = certificates.make_local("Studio", 30, certificates.utc_now())
    signing.sign(video, MARK, certificates.Credentials(local.chain, local.key, "es256"))
    signed = reading.read(video, local.authority.decode())
    assert (signed.signature and signed.signature.state, signed.media) == ("trusted", "unchanged")
    muxing.verify(video, frames=60, fps=60, size=SIZE, seconds=1.0, codec=name)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("h265", ("-tag:v", "hev1"), "codec_tag_string is hev1, not hvc1"),
        ("av1", ("-c:v", "libx264"), "codec_name is h264, not av1"),
        ("vp9", ("-c:v", "libx264"), "codec_name is h264, not vp9"),
    ],
)
def test_what_would_not_play_is_refused(
    name: str, options: tuple[str, ...], message: str, made: dict[str, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.mp4"
    argv = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(made[name]),
        "-c",
        "copy",
        *options,
        "-movflags",
        "+faststart",
        str(other),
    ]
    subprocess.run(argv, check=True)
    with pytest.raises(StageError, match=message):
        muxing.verify(other, frames=60, fps=60, size=SIZE, seconds=1.0, codec=name)


def test_presets_are_those_of_x264_from_fast_to_slow() -> None:
    av1 = [codecs.CODECS["av1"].options(preset)["preset"] for preset in codecs.PRESETS]
    vp9 = [codecs.CODECS["vp9"].options(preset)["cpu-used"] for preset in codecs.PRESETS]
    assert av1 == list(range(12, 3, -1))
    assert vp9 == list(range(8, -1, -1))


# Jobs


def test_a_job_names_its_codec_and_a_stream_is_h264(tmp_path: Path) -> None:
    config = Config(video=VideoSettings(codec="h265"))
    asked = {
        "h265": b'{"text": "Hi"}',
        "av1": b'{"text": "Hi", "codec": "av1"}',
        "h264": b'{"text": "Hi", "mode": "stream"}',
    }
    for codec, data in asked.items():
        folder = tmp_path / codec
        folder.mkdir()
        job = parse_job(data, config, ())
        journal = Journal(folder, "", 0.0)
        flow = make_flow("a", job, folder=folder, recordings={}, config=config, journal=journal, submitted_at=0.0)
        assert flow.codec == codec


@pytest.mark.parametrize(
    ("more", "code", "field", "hint"),
    [
        ('"codec": "hevc"', "range", "codec", ""),
        ('"codec": 264', "type", "codec", ""),
        ('"codec": "av1", "mode": "stream"', "codec", "codec", "leave codec out"),
    ],
)
def test_a_wrong_codec_is_refused(more: str, code: str, field: str, hint: str) -> None:
    with pytest.raises(JobError) as error:
        parse_job(f'{{"text": "Hi", {more}}}'.encode(), Config(), ())
    assert (error.value.code, error.value.field) == (code, field)
    assert hint in (error.value.hint or "")


def test_a_missing_encoder_is_an_error_before_anything_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "_encoders", lambda: {"libx264", "libx265"})
    parse_job(b'{"text": "Hi", "codec": "h265"}', Config(), ())
    Config(video=VideoSettings(codec="h265")).check_codec()
    with pytest.raises(JobError, match="libsvtav1") as error:
        parse_job(b'{"text": "Hi", "codec": "av1"}', Config(), ())
    assert (error.value.code, error.value.field) == ("no_encoder", "codec")
    with pytest.raises(ConfigError, match="libvpx-vp9") as refused:
        Config(video=VideoSettings(codec="vp9")).check_codec()
    assert (refused.value.code, refused.value.field) == ("no_encoder", "video.codec")
