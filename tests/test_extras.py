"""Poster, contact strip and preview: what they show, how they are marked, and where they are published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from daemon.make.request import Request
from daemon.outputs.extras import check_name
from daemon.outputs.report import DoneReport
from daemon.spool.spool import Spool
from daemon.web.app import make_app
from pipeline.avatars.faces.finder import FaceFinder
from pipeline.avatars.landmarks import CONTOURS
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.extras import SUFFIXES
from pipeline.extras.moment import Shown, best_frame
from pipeline.extras.pictures import PREVIEW_SIDE, STRIP_FRAMES, STRIP_HEIGHT, write
from pipeline.job import parse_job
from pipeline.media import rate
from pipeline.media.encoder import SegmentEncoder
from pipeline.media.pcm import write_wav
from pipeline.messages import Mark
from pipeline.provenance import certificates, reading
from tests.clips import portrait
from tests.media import speech_like
from tests.reports import done

Picture = NDArray[np.uint8]
SIDE = 384
FPS = 25
PICTURES = ("poster", "strip", "preview")
MARK = Mark("compositeSynthetic", "lipdrop 9.8.7", "my-job", "2026-11-29T10:00:00.000Z", "Anna agreed")


def encoded(path: Path, pictures: list[Picture]) -> Shown:
    """A video of RGB pictures, encoded as lipdrop does."""
    height, width = pictures[0].shape[:2]
    planes = [cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420) for picture in pictures]
    with SegmentEncoder(path, (width, height), FPS, "ultrafast", rate.moving(FPS, 12), threads=1) as encoder:
        encoder.write(np.stack(planes))
    return Shown(path, len(pictures), FPS, (width, height))


@pytest.fixture(scope="module")
def person() -> Picture:
    face: Picture = portrait()[0:240, 100:340]
    return np.asarray(cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def stretched(picture: Picture, points: NDArray[np.float32], across: float, along: float) -> Picture:
    """The picture with what lies around some points made wider (`across`) and higher (`along`)."""
    x, y = points.mean(0)
    reach = np.ptp(points, axis=0).max() * 0.7
    columns, rows = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    near = np.exp(-((((columns - x) ** 2 + (rows - y) ** 2) / reach**2) ** 2))
    sources = (
        (columns - (columns - x) * near * (1 - 1 / across)).astype(np.float32),
        (rows - (rows - y) * near * (1 - 1 / along)).astype(np.float32),
    )
    warped = cv2.remap(picture, *sources, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


@pytest.fixture(scope="module")
def faces(person: Picture) -> dict[str, Picture]:
    """The same person at ease, mid-blink, with a wide open and with a puckered mouth."""
    finder = FaceFinder()
    points = finder.mesh(person, finder.detect(person)[0]).points[:, :2]
    lips = points[[61, 291, 0, 17]]
    oo = stretched(person, lips, 0.6, 1.4)
    return {
        "ease": person,
        "blink": with_closed_eyes(person, points),
        "open": stretched(person, lips, 1, 1.8),
        "pucker": oo,
    }


def with_closed_eyes(person: Picture, points: NDArray[np.float32]) -> Picture:
    """Skin instead of eyes, and lashes along the lower lids."""
    contours = [points[list(CONTOURS[name])].round().astype(np.int32) for name in ("left_eye", "right_eye")]
    mask = np.zeros(person.shape[:2], np.uint8)
    cv2.fillPoly(mask, contours, 255)
    shut = cv2.inpaint(person, cv2.dilate(mask, np.ones((7, 7))), 5, cv2.INPAINT_TELEA)
    cv2.polylines(shut, [contour[[0, 7, 6, 5, 4]] for contour in contours], False, (60, 40, 30), 2)
    return np.asarray(shut, np.uint8)


@pytest.mark.parametrize("worse", ["blink", "pucker"])
def test_the_poster_is_the_frame_with_open_eyes_and_a_mouth_at_ease(
    worse: str, faces: dict[str, Picture], tmp_path: Path
) -> None:
    """Frames 25 to 29; eyes are open most of the time, as people's are."""
    pictures = [faces["open"]] * 25 + [faces["ease"]] * 5 + [faces[worse]] * 10
    assert best_frame(encoded(tmp_path / "a.mp4", pictures)) == 25


def test_without_a_face_the_poster_is_the_first_frame(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), np.uint8)
    assert best_frame(encoded(tmp_path / "a.mp4", list(noise))) == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """4.8 s, 2:1; each frame is as grey as its number says, with a bar that moves."""
    greys = [np.full((64, 128, 3), 10 + 2 * number, np.uint8) for number in range(120)]
    for number, grey in enumerate(greys):
        grey[:16, number : number + 8] = 250  # WebP joins frames that look the same
    folder = tmp_path_factory.mktemp("clip")
    write_wav(folder / "track.wav", speech_like(4.8, 48_000), 48_000)
    return replace(encoded(folder / "video.mp4", greys), sound=folder / "track.wav")


def grey_of(picture: Image.Image, left: int, right: int) -> float:
    """Of the lower half."""
    return float(np.asarray(picture.convert("L"))[picture.height // 2 :, left:right].mean())


def expected(number: int) -> float:
    """The grey of a frame: OpenCV's I420 is in limited range too, and ffmpeg rounds down."""
    return 9.5 + 2 * number


def test_the_strip_has_the_middles_of_equal_parts(clip: Shown) -> None:
    [extra] = write(clip, ["strip"], None, None)
    picture = Image.open(extra.path)
    assert picture.size == (2 * STRIP_HEIGHT * STRIP_FRAMES, STRIP_HEIGHT)
    assert picture.format == "JPEG"
    parts = [grey_of(picture, number * 360 + 20, number * 360 + 340) for number in range(STRIP_FRAMES)]
    assert parts == pytest.approx([expected(10 + 20 * number) for number in range(STRIP_FRAMES)], abs=2)
    assert extra.bytes == extra.path.stat().st_size
    assert extra.path.name == "extra.strip.jpg"


def test_the_poster_is_a_whole_frame_and_the_preview_a_small_loop(clip: Shown) -> None:
    poster, preview = (Image.open(extra.path) for extra in write(clip, ["poster", "preview"], None, None))
    assert (poster.size, poster.format) == (clip.size, "JPEG")
    assert grey_of(poster, 0, 128) == pytest.approx(expected(0), abs=2)
    assert (preview.format, preview.size, preview.n_frames) == ("WEBP", clip.size, 30)  # type: ignore[attr-defined]
    assert (preview.info["loop"], max(preview.size) <= PREVIEW_SIDE) == (0, True)
    shown = []
    for number in range(30):
        preview.seek(number)
        shown.append(grey_of(preview, 0, 128))
    assert shown == pytest.approx([expected(round(2.5 * number)) for number in range(30)], abs=8)
    assert preview.info["duration"] == 100


def test_a_video_of_one_frame_has_all_extras(tmp_path: Path) -> None:
    one = encoded(tmp_path / "a.mp4", [np.full((64, 64, 3), 90, np.uint8)])
    found = write(one, PICTURES, MARK, None)
    assert [Image.open(extra.path).size for extra in found] == [(64, 64), (6 * 180, 180), (64, 64)]


def test_extras_are_marked_as_the_video_is(clip: Shown) -> None:
    for extra in write(clip, PICTURES, MARK, None):
        found = reading.read(extra.path)
        assert found.is_synthetic
        assert found.statement is not None
        assert (found.statement.job, found.statement.consent) == ("my-job", "Anna agreed")
        assert (found.places, found.signature) == (("xmp",), None)
    assert not reading.read(write(clip, ["poster"], None, None)[0].path).is_synthetic


def test_extras_are_signed_as_the_video_is(clip: Shown) -> None:
    local = certificates.make_local("Studio", 30, certificates.utc_now())
    credentials = certificates.Credentials(local.chain, local.key, "es256")
    for extra in write(clip, PICTURES, MARK, credentials):
        found = reading.read(extra.path, local.authority.decode())
        assert found.signature is not None
        assert (found.signature.state, found.places) == (reading.TRUSTED, ("xmp", "c2pa"))
        assert extra.bytes == extra.path.stat().st_size
        Image.open(extra.path).load()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:30], lambda data: data[:12] + b"\xff" * 200, lambda data: b"\xff\xd8\xff"]
)
def test_a_damaged_picture_has_no_mark(damage: Callable[[bytes], bytes], clip: Shown, tmp_path: Path) -> None:
    for extra in write(clip, ["poster", "preview"], MARK, None):
        file = tmp_path / "damaged"
        file.write_bytes(damage(extra.path.read_bytes()))
        assert not reading.read(file).is_synthetic


# Jobs


def test_a_job_and_the_configuration_may_ask_for_extras(tmp_path: Path) -> None:
    job = parse_job(b'{"text": "Hi", "extras": ["poster", "strip", "preview"]}', Config(), ())
    assert job.extras == ["poster", "strip", "preview"]
    (tmp_path / "config.yaml").write_text("extras: [poster]")
    assert load_config(tmp_path / "config.yaml").extras == ["poster"]
    (tmp_path / "config.yaml").write_text("extras: [postre]")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / "config.yaml")
    assert error.value.field == "extras.0"


@pytest.mark.parametrize(
    ("value", "code", "hint"), [('["postre"]', "range", "poster"), ('"poster"', "type", ""), ("[1]", "type", "")]
)
def test_an_unknown_extra_is_an_error(value: str, code: str, hint: str) -> None:
    with pytest.raises(JobError) as error:
        parse_job(f'{{"text": "Hi", "extras": {value}}}'.encode(), Config(), ())
    assert error.value.code == code
    assert (error.value.field or "").startswith("extras")
    assert hint in (error.value.hint or "")


def test_no_file_of_a_job_has_the_name_of_anothers() -> None:
    check_name("a.strip", ["strip", "preview"])
    check_name("a.preview", list(SUFFIXES))
    with pytest.raises(JobError) as error:
        check_name("a.strip", ["poster"])
    assert (error.value.code, error.value.field) == ("name", "extras")


# The outbox


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def finished(spool: Spool, *kinds: str, job: bytes = b"{}") -> DoneReport:
    """A job `a` that is done, with the files of its work folder."""
    (spool.inbox / "a.json").write_bytes(job)
    spool.claim("a")
    folder = spool.folder("a")
    (folder / "video.mp4").write_bytes(b"video")
    for kind in kinds:
        (folder / f"extra{SUFFIXES[kind]}").write_bytes(kind.encode())
    extras = [{"kind": kind, "file": f"a{SUFFIXES[kind]}", "bytes": len(kind)} for kind in kinds]
    report = done(captions=())
    return DoneReport.model_validate({**report.model_dump(exclude_unset=True), **({"extras": extras} if kinds else {})})


def published(spool: Spool) -> set[str]:
    return {file.name for file in spool.outbox.iterdir()}


def test_extras_are_published_and_those_of_an_earlier_job_removed(spool: Spool) -> None:
    spool.publish("a", finished(spool, "poster", "strip", "preview"))
    assert published(spool) == {"a.json", "a.mp4", "a.jpg", "a.strip.jpg", "a.preview.webp"}
    assert (spool.outbox / "a.strip.jpg").read_bytes() == b"strip"
    spool.publish("a", finished(spool, "poster"))
    assert published(spool) == {"a.json", "a.mp4", "a.jpg"}
    spool.publish("a", finished(spool))
    assert published(spool) == {"a.json", "a.mp4"}


def test_a_job_whose_poster_is_gone_is_not_a_repeat(spool: Spool) -> None:
    spool.publish("a", finished(spool, "poster"))
    for is_there in (True, False):
        (spool.inbox / "a.json").write_bytes(b"{}")
        spool.claim("a")
        assert (spool.earlier_report("a") is not None) == is_there
        (spool.outbox / "a.jpg").unlink(missing_ok=True)
        (spool.folder("a") / "job.json").rename(spool.inbox / "a.json")
        spool.folder("a").rmdir()


def test_make_saves_the_extras_beside_the_video(spool: Spool, tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    for suffix in (".mp4", ".jpg", ".strip.jpg", ".srt"):
        (spool.outbox / f"video{suffix}").write_text(suffix)
    request = Request(target / "out.MP4", {"text": "Hi", "extras": ["strip", "poster", "strip"]})
    request.save(spool)
    made = {file.name: file.read_text() for file in target.iterdir()}
    assert made == {"out.MP4": ".mp4", "out.jpg": ".jpg", "out.strip.jpg": ".strip.jpg"}


def test_the_gateway_serves_them_and_links_to_them(spool: Spool) -> None:
    spool.publish("a", finished(spool, "poster", "preview"))
    with TestClient(make_app(Config(spool=str(spool.root)), spool), base_url="http://127.0.0.1") as client:
        links = client.get("/api/jobs/a").json()["links"]
        assert "strip" not in links
        assert [links[kind] for kind in ("poster", "preview")] == [
            f"/api/jobs/a/extras/{kind}" for kind in ("poster", "preview")
        ]
        poster, preview = (client.get(links[kind]) for kind in ("poster", "preview"))
        assert (poster.content, poster.headers["content-type"]) == (b"poster", "image/jpeg")
        assert (preview.content, preview.headers["content-type"]) == (b"preview", "image/webp")
        assert [client.get(f"/api/jobs/a/extras/{kind}").status_code for kind in ("strip", "mp4", "")] == [404] * 3
