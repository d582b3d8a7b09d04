"""Avatars over HTTP: listing, thumbnails, uploads, portraits of jobs, and the removal of unused uploads."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from daemon.spool.spool import Spool
from daemon.web.uploads import remove_unused
from pipeline.avatars import Avatars
from pipeline.config import RetentionSettings, load_config
from pipeline.messages import Origin
from tests.clips import film, portrait, swaying, write_clip
from tests.gateway import RunningGateway, WarmGateway

PORTRAIT = Path(__file__).parent / "data" / "portraits" / "astronaut.png"
DAY = 86_400


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway without a daemon; its avatars are one video, one broken picture and the built-in ones."""
    spool = tmp_path_factory.mktemp("avatars") / "spool"
    for name in ("anna", "broken"):
        (spool / "avatars" / name).mkdir(parents=True)
    write_clip(spool / "avatars" / "anna" / "video.mp4", film(swaying(3)))
    (spool / "avatars" / "broken" / "a.png").write_bytes(b"not a picture")
    with WarmGateway(spool) as running:
        yield running


@pytest.fixture
def web(gateway: RunningGateway) -> httpx.Client:
    return gateway.client


def send(web: httpx.Client, name: str | None, file: str, content: bytes) -> httpx.Response:
    """Upload an avatar."""
    files = {"file": (file, content)}
    if name is None:
        return web.post("/api/avatars", files=files)
    return web.put(f"/api/avatars/{name}", files=files)


def flat() -> bytes:
    """A picture without a face."""
    return cv2.imencode(".png", np.full((300, 300, 3), 127, np.uint8))[1].tobytes()


def test_avatars_are_listed_with_their_sizes_and_problems(web: httpx.Client) -> None:
    listed = web.get("/api/avatars").json()
    found = {avatar.pop("name"): avatar for avatar in listed["avatars"]}
    assert listed["default"] == "presenter"
    thumbnail = "/api/avatars/anna/thumbnail.jpg"
    size = {"width": 256, "height": 256}
    assert found["anna"] == {"kind": "video", **size, "thumbnail": thumbnail, "usable": True, "problem": None}
    assert (found["presenter"]["kind"], found["presenter"]["usable"]) == ("picture", True)
    broken = found["broken"]
    assert (broken["usable"], broken["width"], broken["thumbnail"]) == (False, None, None)
    assert "is not a picture" in broken["problem"]
    assert web.get("/api/avatars/broken").json()["problem"] == broken["problem"]


@pytest.mark.parametrize("name", ["anna", "presenter"])
def test_a_thumbnail_is_a_small_picture_that_clients_may_cache(web: httpx.Client, name: str) -> None:
    answer = web.get(f"/api/avatars/{name}/thumbnail.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (256, 256, 3)
    assert picture.std() > 20
    again = web.get(f"/api/avatars/{name}/thumbnail.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["broken", "nobody", "..%2F..%2Fetc", "%2e%2e"])
def test_what_has_no_thumbnail_is_not_found(web: httpx.Client, name: str) -> None:
    assert web.get(f"/api/avatars/{name}/thumbnail.jpg").status_code == 404


def test_a_portrait_is_added_once(web: httpx.Client, gateway: RunningGateway) -> None:
    content = PORTRAIT.read_bytes()
    added = send(web, None, "eileen.PNG", content)
    assert (added.status_code, added.headers["location"]) == (201, "/api/avatars/eileen")
    assert added.json()["usable"]
    assert send(web, "eileen", "other.png", content).status_code == 200
    assert [path.name for path in (gateway.spool / "avatars" / "eileen").iterdir()] == ["eileen.png"]
    taken = send(web, "eileen", "eileen.png", flat())
    assert (taken.status_code, taken.json()["code"], taken.json()["field"]) == (409, "avatar", "name")
    assert send(web, "presenter", "eileen.png", content).status_code == 409
    job = web.post("/api/jobs", json={"text": "hello", "avatar": "eileen"})
    assert job.status_code == 202


@pytest.mark.slow
def test_a_replaced_file_is_looked_at_again(web: httpx.Client, gateway: RunningGateway) -> None:
    folder = gateway.spool / "avatars" / "changing"
    folder.mkdir()
    (folder / "a.png").write_bytes(flat())
    before = web.get("/api/avatars/changing").json()
    assert (before["usable"], before["width"]) == (False, 300)
    tag = web.get("/api/avatars/changing/thumbnail.jpg").headers["etag"]
    (folder / "a.png").write_bytes(PORTRAIT.read_bytes())
    assert web.get("/api/avatars/changing").json()["usable"]
    assert web.get("/api/avatars/changing/thumbnail.jpg", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("name", "file", "refusal"),
    [
        ("empty", ("a.png", b""), (400, "media")),
        ("fake", ("a.png", b"\x89PNG\r\n\x1a\nno"), (400, "media")),
        ("fake", ("a.mp4", b"not a video"), (400, "media")),
        ("faceless", ("a.png", flat()), (400, "no_face")),
        ("text", ("notes.txt", b"hello"), (400, "media")),
        ("text", ("", b"hello"), (400, "missing")),
        ("a b", ("a.png", PORTRAIT.read_bytes()), (400, "avatar")),
        (".hidden", ("a.png", PORTRAIT.read_bytes()), (400, "avatar")),
    ],
)
def test_an_unusable_file_is_refused(
    web: httpx.Client, gateway: RunningGateway, name: str, file: tuple[str, bytes], refusal: tuple[int, str]
) -> None:
    answer = send(web, name, *file)
    assert (answer.status_code, answer.json()["code"]) == refusal, answer.text
    assert not (gateway.spool / "avatars" / name).exists()


@pytest.mark.slow
def test_a_picture_on_its_side_is_turned(web: httpx.Client, gateway: RunningGateway) -> None:
    lying = cv2.imencode(".png", np.rot90(portrait())[..., ::-1])[1].tobytes()
    files = {"file": ("lying.png", lying)}
    refused = web.put("/api/avatars/lying", files=files)
    assert (refused.status_code, refused.json()["code"]) == (400, "no_face")
    assert web.put("/api/avatars/lying", files=files, data={"rotate": "45"}).json()["field"] == "rotate"
    assert web.put("/api/avatars/lying", files=files, data={"crop": "1,2"}).json()["field"] == "crop"
    assert web.put("/api/avatars/lying", files=files, data={"consent": "a\tb"}).json()["field"] == "consent"
    options = {"rotate": "90", "face_box": "160,40,290,190", "consent": "Eileen agreed"}
    added = web.put("/api/avatars/lying", files=files, data=options)
    assert (added.status_code, added.json()["usable"]) == (201, True)
    assert web.put("/api/avatars/lying", files=files, data=options).status_code == 200
    assert web.put("/api/avatars/lying", files=files).status_code == 409
    library = Avatars(load_config(gateway.spool / "gateway.yaml"))
    assert library.origin("lying") == Origin("picture", "Eileen agreed")


def test_uploads_can_be_forbidden(tmp_path: Path) -> None:
    with WarmGateway(tmp_path / "spool", avatar_uploads=False) as gateway:
        refused = send(gateway.client, "eileen", "eileen.png", PORTRAIT.read_bytes())
        assert (refused.status_code, refused.json()["code"]) == (403, "avatar_uploads")
        files = {"portrait": ("a.png", PORTRAIT.read_bytes()), "job": (None, b'{"text": "hello"}')}
        assert gateway.client.post("/api/jobs", files=files).json()["code"] == "avatar_uploads"
        assert not (tmp_path / "spool" / "avatars").exists()
        assert list((tmp_path / "spool" / "inbox").iterdir()) == []


# Portraits of jobs


def test_a_job_may_come_with_its_portrait(web: httpx.Client, gateway: RunningGateway) -> None:
    content = PORTRAIT.read_bytes()
    files: dict[str, Any] = {"portrait": ("me.png", content), "job": (None, b'{"text": "hello"}')}
    answer = web.put("/api/jobs/with-portrait", files=files)
    assert answer.status_code == 202, answer.text
    avatar = json.loads((gateway.spool / "inbox" / "with-portrait.json").read_bytes())["avatar"]
    assert avatar == f"upload-{hashlib.sha256(content).hexdigest()[:32]}"
    assert Avatars(load_config(gateway.spool / "gateway.yaml")).load(avatar).sides == (512, 512)
    assert avatar not in [found["name"] for found in web.get("/api/avatars").json()["avatars"]]
    folder = gateway.spool / "avatars" / avatar
    kept = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert web.put("/api/jobs/with-same-portrait", files=files).status_code == 202
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == kept, "it is not added again"


@pytest.mark.parametrize(
    ("job", "content", "code"),
    [
        ({"text": "hello"}, flat(), "no_face"),
        ({"text": "hello", "avatar": "host"}, PORTRAIT.read_bytes(), "conflict"),
        ({"text": "hello", "size": "1x1"}, PORTRAIT.read_bytes() + b"unused", "range"),
    ],
)
def test_a_bad_portrait_or_job_stores_nothing(
    web: httpx.Client, gateway: RunningGateway, job: dict[str, Any], content: bytes, code: str
) -> None:
    before = sorted((gateway.spool / "avatars").iterdir())
    answer = web.post("/api/jobs", files={"portrait": ("a.png", content), "job": (None, json.dumps(job).encode())})
    assert answer.json()["code"] == code
    assert sorted((gateway.spool / "avatars").iterdir()) == before


# Unused uploads


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def upload(spool: Spool, content: bytes, days: float, *, avatar: bool = False) -> Path:
    """A stored upload of some age."""
    name = f"upload-{hashlib.sha256(content).hexdigest()[:32]}"
    path = spool.root / "avatars" / name if avatar else spool.inbox / f"{name}.wav"
    if avatar:
        path.mkdir(parents=True)
        (path / f"{name}.png").write_bytes(content)
    else:
        path.write_bytes(content)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def clean(spool: Spool, *, days: int = 30, megabytes: int = 500) -> None:
    remove_unused(spool, spool.root / "avatars", RetentionSettings(days=days, megabytes=megabytes))


@pytest.mark.parametrize("avatar", [False, True])
def test_old_uploads_are_removed_unless_a_job_names_them(spool: Spool, avatar: bool) -> None:
    old = upload(spool, b"old", 31, avatar=avatar)
    recent = upload(spool, b"recent", 29, avatar=avatar)
    waiting, running = (upload(spool, name, 31, avatar=avatar) for name in (b"waiting", b"running"))
    (spool.inbox / "a.json").write_text(json.dumps({"audio": waiting.name}))
    (spool.work / "b").mkdir()
    (spool.work / "b" / "job.json").write_text(json.dumps({"audio": running.name}))
    clean(spool)
    assert [path.exists() for path in (old, recent, waiting, running)] == [False, True, True, True]


def test_the_oldest_uploads_are_removed_when_they_take_too_much_space(spool: Spool) -> None:
    kinds = [upload(spool, bytes([number]) * 600_000, days) for number, days in enumerate((3, 2, 1, 0.001))]
    clean(spool, megabytes=1)
    assert [path.exists() for path in kinds] == [False, False, False, True]


def test_only_what_the_gateway_wrote_is_removed(spool: Spool) -> None:
    """Not even a user's file with the name of an upload."""
    name = f"upload-{'0' * 32}"
    theirs = [spool.inbox / f"{name}.wav", spool.inbox / "job.wav", spool.root / "avatars" / name / "a.png"]
    folder = upload(spool, b"portrait", 99, avatar=True)
    (folder / "avatar.yaml").write_text("size: 64x64")
    link = spool.inbox / f"upload-{hashlib.sha256(b'target').hexdigest()[:32]}.wav"
    (spool.root / "target").write_bytes(b"target")
    link.symlink_to(spool.root / "target")
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"theirs")
    for path in (*theirs, theirs[2].parent, folder):
        os.utime(path, (0, 0))
    os.utime(link, (0, 0), follow_symlinks=False)
    clean(spool)
    assert all(path.exists() for path in (*theirs, folder / "avatar.yaml", link))
