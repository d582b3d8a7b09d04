"""Intros and outros: joined to the video, picture and sound exact."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.outputs import captions
from daemon.outputs.clips import with_clips
from daemon.outputs.report import json_bytes
from pipeline.brand import clips as brand_clips
from pipeline.brand.clips import Clips, Shape, parameters
from pipeline.brand.settings import BrandSettings
from pipeline.composition.layout import contained
from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import brand_files, parse_job
from pipeline.media import fragments, muxing, rate
from pipeline.media.codecs import CODECS
from pipeline.media.encoder import SegmentEncoder
from pipeline.messages import BrandClip, MergeItem, Segment, Speech, SplitItem, Video
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.merge import MergeStage
from pipeline.stages.split import SplitStage
from tests.media import audio, speech_like, write_recording
from tests.members import few
from tests.reports import done

SIZE = (128, 128)
FPS = 25
TONE_HZ = 1000
INTRO_FRAMES, OUTRO_FRAMES, FRAMES = 12, 5, 25


def made(path: Path, *inputs: str, options: tuple[str, ...] = ()) -> Path:
    """A clip of ffmpeg's test sources."""
    sources = [word for source in inputs for word in ("-f", "lavfi", "-i", source)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *sources, *options, str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a configuration with a brand: a red, wide intro with a tone, and a blue outro without sound."""
    folder = tmp_path_factory.mktemp("base")
    brand = folder / "brand"
    brand.mkdir()
    tone = f"sine=frequency={TONE_HZ}:duration=0.48:sample_rate=44100"
    made(brand / "intro.mov", "color=red:s=200x100:r=50:d=0.48", tone, options=("-c:a", "aac", "-pix_fmt", "yuv420p"))
    made(
        brand / "outro.webm",
        "color=blue:s=64x64:r=10:d=0.2",
        options=(
            "-c:v",
            "libvpx",
        ),
    )
    return folder


@pytest.fixture(scope="module")
def merged(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Video]:
    """A job of a second: without clips, and between them."""
    work, config = tmp_path_factory.mktemp("work"), Config(base=base)
    clips = (BrandClip("intro", base / "brand" / "intro.mov"), BrandClip("outro", base / "brand" / "outro.webm"))
    write_recording(work / "in.wav", speech_like(1.0))
    item = SplitItem("job", Speech("job", work, work / "in.wav"), FPS, "parallel", None, "presenter", SIZE)
    split, render = (
        SplitStage(WorkerSpec("s", "split", "", config)),
        LipSyncStage(WorkerSpec("gan-0", "lipsync", "", config, model="gan")),
    )
    split.setup("cpu")
    render.setup("cpu")
    found = [list(render.process(chunk))[-1] for chunk in split.process(replace(item, clips=clips))]
    segments = tuple(segment for segment in found if isinstance(segment, Segment))
    assert sum(segment.stop_frame - segment.start_frame for segment in segments) == FRAMES
    plain = MergeItem("job", work, segments, segments[0].timeline)
    stage, videos = MergeStage(WorkerSpec("m", "merge", "", config)), {}
    for name, wanted in (("plain", plain), ("clips", replace(plain, clips=clips))):
        [video] = stage.process(wanted)
        videos[name] = replace(video, path=video.path.rename(work / f"{name}.mp4"))
    return videos


def colours(video: Path) -> list[NDArray[np.uint8]]:
    """The colour in the middle of each frame: blue, green, red."""
    opened, found = cv2.VideoCapture(str(video)), []
    while (frame := opened.read()[1]) is not None:
        found.append(frame[60:68, 60:68].mean((0, 1)))
    return found


def test_the_clips_are_before_and_after_what_is_said(merged: dict[str, Video]) -> None:
    video = merged["clips"]
    assert (video.intro_frames, video.outro_frames) == (INTRO_FRAMES, OUTRO_FRAMES)
    assert video.frames == INTRO_FRAMES + FRAMES + OUTRO_FRAMES
    shown, plain = colours(video.path), colours(merged["plain"].path)
    assert len(shown) == video.frames
    for blue, green, red in shown[:INTRO_FRAMES]:
        assert red > 200
        assert max(green, blue) < 60
    for blue, green, red in shown[-OUTRO_FRAMES:]:
        assert blue > 200
        assert max(green, red) < 60
    assert np.array(shown[INTRO_FRAMES:-OUTRO_FRAMES]) == pytest.approx(np.array(plain), abs=0.01)


def test_the_chunks_are_not_encoded_again(merged: dict[str, Video]) -> None:
    plain, joined = (fragments.read_video(merged[name].path, 1).samples for name in ("plain", "clips"))
    assert [s.data for s in joined[INTRO_FRAMES:-OUTRO_FRAMES]] == [s.data for s in plain]


def loudness(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def test_the_sound_stays_with_the_picture(merged: dict[str, Video]) -> None:
    joined, plain = (audio(merged[name].path, 48_000) for name in ("clips", "plain"))
    start, length = INTRO_FRAMES * 48_000 // FPS, FRAMES * 48_000 // FPS
    excess = len(joined) - (start + length + OUTRO_FRAMES * 48_000 // FPS)
    assert 0 <= excess < 1024, "decoders fill up the last frame of AAC"
    spectrum = np.abs(np.fft.rfft(joined[: start - 2000]))
    assert np.argmax(spectrum) * 48_000 / (start - 2000) == pytest.approx(TONE_HZ, abs=5)
    assert loudness(joined[start + length + 2000 :]) < 30
    said, plain = joined[start : start + length].astype(float), plain[:length]
    best = max(range(-40, 41), key=lambda late: float(np.dot(np.roll(said, -late)[200:-200], plain[200:-200])))
    assert best == 0, "to the sample"


def test_a_wide_clip_has_bars_in_a_square_frame(merged: dict[str, Video]) -> None:
    assert contained((200, 100), SIZE).inner == (128, 64)
    first = cv2.VideoCapture(str(merged["clips"].path)).read()[1]
    assert first[:28].max() < 12
    assert first[100:].max() < 12
    assert first[40:90, :, 2].min() > 200


def test_a_wrong_count_of_frames_is_found(merged: dict[str, Video]) -> None:
    video = merged["clips"]
    with pytest.raises(Exception, match="expected"):
        muxing.verify(video.path, frames=FRAMES, fps=FPS, size=SIZE, seconds=FRAMES / FPS)


def prepared(base: Path, file: Path, work: Path, **limits: int) -> bytes:
    """A clip that fits."""
    maker = Clips(Config(base=base, limits=LimitsSettings(**limits)))
    return maker.fitted(BrandClip("intro", file), Shape(SIZE, FPS), work).video.read_bytes()


def test_a_clip_that_fits_is_copied(base: Path, merged: dict[str, Video], tmp_path: Path) -> None:
    own = merged["plain"].path
    prepared(base, own, tmp_path)
    fitted, source = (fragments.read_video(path, 1) for path in (tmp_path / "intro.mp4", own))
    assert parameters(tmp_path / "intro.mp4") == parameters(own)
    assert [sample.data for sample in fitted.samples] == [sample.data for sample in source.samples]


def test_a_clip_is_made_to_fit_once(
    base: Path, merged: dict[str, Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(brand_clips, "SegmentEncoder", unexpected)
    again = tmp_path / "renamed.mov"
    again.hardlink_to(base / "brand" / "intro.mov")
    prepared(base, again, tmp_path)
    with pytest.raises(AssertionError):
        prepared(base, made(tmp_path / "new.mp4", "color=red:s=66x64:r=25:d=0.2"), tmp_path)


@pytest.mark.parametrize("name", few(CODECS, "h264"))
def test_clips_fit_pictures_in_every_codec(base: Path, name: str, tmp_path: Path) -> None:
    codec, segment = CODECS[name], tmp_path / "segment.mp4"
    options = rate.still(6, FPS, 20, "veryfast", gop_seconds=10, followed=False, codec=codec)
    with SegmentEncoder(segment, SIZE, FPS, "veryfast", options, threads=1, codec=codec) as encoder:
        encoder.write(np.full((6, 192, 128), 128, np.uint8))
    clip = BrandClip("intro", base / "brand" / "intro.mov")
    fitted = Clips(Config(base=base)).fitted(clip, Shape(SIZE, FPS, name), tmp_path)
    assert fitted.frames == INTRO_FRAMES
    assert parameters(fitted.video) == parameters(segment)
    assert parameters(segment)


def refused(base: Path, file: Path, tmp_path: Path, **limits: int) -> JobError:
    with pytest.raises(JobError) as caught:
        prepared(base, file, tmp_path, **limits)
    assert caught.value.field == "intro"
    assert caught.value.hint
    return caught.value


PLAYLIST = "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n"


def test_files_that_are_no_videos_are_refused(base: Path, tmp_path: Path) -> None:
    for name, content in (("text.mp4", "hello"), ("list.mp4", PLAYLIST), ("empty.mp4", "")):
        (tmp_path / name).write_text(content)
        assert refused(base, tmp_path / name, tmp_path).code == "media"
    sound = made(tmp_path / "sound.mp4", "sine=duration=0.2")
    assert refused(base, sound, tmp_path).code == "media"
    odd = made(tmp_path / "odd.avi", "color=red:s=64x64:r=25:d=0.2", options=("-c:v", "zmbv"))
    assert "zmbv" in refused(base, odd, tmp_path).message
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((base / "brand" / "intro.mov").read_bytes()[:1500])
    assert refused(base, cut, tmp_path).code == "media"


def test_clips_over_the_limits_are_refused(base: Path, tmp_path: Path) -> None:
    hour = made(tmp_path / "hour.mp4", "color=red:s=16x16:r=1/60:d=3600")
    assert refused(base, hour, tmp_path).code == "too_long"
    wide = made(tmp_path / "wide.mp4", "color=red:s=640x64:r=25:d=0.1")
    assert refused(base, wide, tmp_path, picture_pixels=64 * 64).code == "too_many_pixels"


def wrong(base: Path, config: Config | None = None, **job: object) -> JobError:
    with pytest.raises(JobError) as caught:
        parse_job(json.dumps({"text": "a", **job}).encode(), config or Config(base=base), ())
    return caught.value


def test_jobs_name_clips_of_the_folder_only(base: Path) -> None:
    assert wrong(base, intro="../a.mp4").code == "range"
    error = wrong(base, outro="outra.webm")
    assert (error.code, error.field) == ("brand", "outro")
    assert "outro.webm" in (error.hint or "")


def test_streams_have_no_clips(base: Path) -> None:
    error = wrong(base, mode="stream", intro="intro.mov")
    assert (error.code, error.field) == ("brand", "intro")
    config = Config(base=base, brand=BrandSettings(intro="intro.mov"))
    streamed = parse_job(b'{"text": "a", "mode": "stream"}', config, ())
    assert brand_files(streamed, config) == {}
    assert list(brand_files(parse_job(b'{"text": "a"}', config, ()), config)) == ["intro"]


def test_the_times_of_the_report_are_those_of_the_video(tmp_path: Path) -> None:
    words = [{"text": "hello", "start_seconds": 0.25, "end_seconds": 1.0}]
    said = {"text": "hello", "start_seconds": 0.25, "end_seconds": 1.0, "words": words}
    plain = json.loads(json_bytes(done()))
    report = with_clips(type(done()).model_validate({**plain, "sentences": [said]}), 50, 10)
    written = json.loads(json_bytes(report))
    assert (written["intro_seconds"], written["outro_seconds"]) == (2.0, 0.4)
    [sentence] = written["sentences"]
    assert (sentence["start_seconds"], sentence["end_seconds"]) == (2.25, 3.0)
    assert sentence["words"] == [{"text": "hello", "start_seconds": 2.25, "end_seconds": 3.0}]
    captions.write(tmp_path, report)
    assert "00:00:02,250 --> " in (tmp_path / "captions.srt").read_text()
    assert "00:02.250 --> " in (tmp_path / "captions.vtt").read_text()
    assert "intro_seconds" not in json.loads(json_bytes(with_clips(done(), 0, 0)))
