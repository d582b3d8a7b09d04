"""Files that travel between the daemon's machine and nodes, without a cluster: both ends are in this process."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from pydantic import ValidationError

from pipeline.avatars import Avatars
from pipeline.config import BucketSettings, Config, RaySettings
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster import executor as executor_module
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.cluster.protocol import MirrorTerms, Patience, Terms, Transfer
from pipeline.executors.cluster.transfer import bucket, mirror
from pipeline.executors.cluster.transfer.actor import CarryingActor
from pipeline.executors.cluster.transfer.bucket import PART_BYTES, Bucket, Place
from pipeline.executors.cluster.transfer.cargo import Cargo, localized, of_item, of_worker, paths, relocated
from pipeline.executors.cluster.transfer.carrier import Carrier
from pipeline.executors.cluster.transfer.mirror import Mirror
from pipeline.executors.cluster.transfer.routes import S3
from pipeline.messages import AlignItem, Chunk, Span, Timeline, TtsItem
from tests.bucket_server import CREDENTIALS, KEY, MISSING, SECRET, BucketServer, bucket_server
from tests.running import ROOT

SPAN = Span(0.0, 1.0)
LARGE = 2 * PART_BYTES + 12345
"""Bytes of a file that travels in three parts."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    if MISSING:
        pytest.skip(MISSING)
    with bucket_server(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool with a job in flight, and what it shows."""
    files = {
        "work/job/piece-000": ("mel.npy", "pcm.wav", "phonemes.json", "overlay.ass", "logo.npz", "track.wav"),
        "work/job": ("recording",),
        "avatars/anna": ("picture.png", "avatar.yaml", "matte.png", "._picture.png"),
        "backgrounds": ("field.png",),
        "models": ("weights.pt",),
        "run": (),
    }
    for folder, names in files.items():
        (tmp_path / "spool" / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / "spool" / folder / name).write_text(f"{folder}/{name}")
    return tmp_path / "spool"


def config(spool: Path) -> Config:
    models = {"gan": {"engine": "wav2lip", "checkpoint": "models/weights.pt"}}
    return Config.model_validate({"base": spool, "models": models})


def chunk(spool: Path, **changes: Any) -> Chunk:
    folder = spool / "work" / "job" / "piece-000"
    pcm, track, mel = (folder / name for name in ("pcm.wav", "track.wav", "mel.npy"))
    timeline = Timeline(16_000, 25, 25, (), "parallel", pcm, track, mel, SPAN, SPAN)
    made = Chunk("job", folder, 0, 1, 0, 25, "gan", False, None, "anna", (128, 128), folder / "phonemes.json", timeline)
    drawn: dict[str, Any] = {"overlay": folder / "overlay.ass", "logo": folder / "logo.npz", "background": "field.png"}
    return replace(made, **(drawn | changes))


# What travels


def test_a_chunk_takes_along_all_that_is_read_to_render_it(spool: Path) -> None:
    found = of_item(chunk(spool), config(spool), spool)
    assert sorted(parcel.place for parcel in found.parcels) == [
        "avatars/anna/avatar.yaml",
        "avatars/anna/matte.png",
        "avatars/anna/picture.png",
        "backgrounds/field.png",
        "models/gan/checkpoint/weights.pt",
        *(f"work/job/piece-000/{name}" for name in ("logo.npz", "mel.npy", "overlay.ass", "pcm.wav", "phonemes.json")),
    ]
    assert {parcel.job for parcel in found.parcels if parcel.place.startswith("work")} == {"job"}
    assert {parcel.job for parcel in found.parcels if not parcel.place.startswith("work")} == {None}
    assert (found.folders, found.absent) == (("work/job/piece-000", "avatars/anna"), ())


def test_every_path_of_an_item_travels_but_for_those_that_are_known_not_to_be_read(spool: Path) -> None:
    """A new field with a path must be decided upon."""
    for item in (
        chunk(spool),
        AlignItem("job", spool / "work" / "job", spool / "work" / "job" / "recording", "", "en"),
    ):
        travelling = {parcel.source for parcel in of_item(item, config(spool), spool).parcels}
        assert {path.name for path in set(paths(item)) - travelling} <= {"job", "piece-000", "track.wav"}


def test_speaking_takes_along_how_the_avatar_speaks(spool: Path) -> None:
    item = TtsItem("job", spool / "work" / "job" / "piece-000", "hello", "en", None, 1.0, avatar="anna")
    assert [parcel.place for parcel in of_item(item, config(spool), spool).parcels] == ["avatars/anna/avatar.yaml"]
    assert of_item(replace(item, avatar=None), config(spool), spool).parcels == ()


def test_an_avatar_that_comes_with_lipdrop_does_not_travel(spool: Path) -> None:
    found = of_item(chunk(spool, avatar="presenter", background="#ffffff"), config(spool), spool)
    assert found.absent == ("avatars/presenter",)
    assert not [parcel for parcel in found.parcels if parcel.place.startswith(("avatars", "backgrounds"))]


def test_a_worker_starts_with_the_default_avatar_and_its_model(spool: Path) -> None:
    ours = config(spool).model_copy(update={"avatars": Config().avatars.model_copy(update={"default": "anna"})})
    spec = WorkerSpec("gan-0", "lipsync", "", ours, model="gan")
    assert {parcel.place.partition("/")[0] for parcel in of_worker(spec).parcels} == {"avatars", "models"}
    assert [parcel.place for parcel in of_worker(replace(spec, model=None)).parcels] == ["avatars/anna/avatar.yaml"]


def test_a_missing_file_fails_the_attempt(spool: Path) -> None:
    (spool / "work" / "job" / "piece-000" / "mel.npy").unlink()
    with pytest.raises(StageError, match=r"cannot send mel\.npy to a node: No such file") as caught:
        of_item(chunk(spool), config(spool), spool)
    assert caught.value.code == "transfer"


def test_paths_are_moved_and_nothing_else_is(spool: Path) -> None:
    item = chunk(spool, logo=Path("/elsewhere/logo"))
    there = relocated(item, spool, Path("/node"))
    assert there.timeline.mel == Path("/node/work/job/piece-000/mel.npy")
    assert there.logo == Path("/elsewhere/logo")
    assert relocated(there, Path("/node"), spool) == item


# Nodes


def terms(folder: Path, session: str = "one", bytes_max: int = 1 << 30) -> MirrorTerms:
    return MirrorTerms(str(folder), "spool", session, bytes_max)


def made(tmp_path: Path, worker: str = "gan-0", **changes: Any) -> Mirror:
    return Mirror(terms(tmp_path / "node", **changes), worker)


def received(target: Mirror, goods: Cargo) -> None:
    for parcel in target.lacking(goods):
        arriving = target.arriving(parcel)
        arriving.write(parcel.source.read_bytes())
        arriving.check()
        arriving.keep()
    target.arrange(goods)


def seen(target: Mirror) -> list[str]:
    """The files in a mirror."""
    return sorted(str(file.relative_to(target.folder)) for file in target.folder.rglob("*") if file.is_file())


def test_a_mirror_has_what_an_item_needs_and_nothing_of_the_item_before(spool: Path, tmp_path: Path) -> None:
    there, goods = made(tmp_path), of_item(chunk(spool), config(spool), spool)
    received(there, goods)
    assert seen(there) == sorted(parcel.place for parcel in goods.parcels)
    assert (there.folder / "avatars" / "anna" / "picture.png").read_text() == "avatars/anna/picture.png"
    (there.folder / "work" / "job" / "piece-000" / "chunk-000.mp4").touch()
    (spool / "avatars" / "anna" / "matte.png").unlink()
    (spool / "avatars" / "anna" / "picture.png").write_text("another")
    received(there, of_item(TtsItem("next", spool / "work" / "next", "", "en", None, 1.0), config(spool), spool))
    assert not list((there.folder / "work").rglob("chunk*"))
    assert (there.folder / "work" / "next").is_dir(), "stages write into it"
    received(there, of_item(chunk(spool), config(spool), spool))
    assert (there.folder / "avatars" / "anna" / "picture.png").read_text() == "another"
    assert "avatars/anna/matte.png" not in seen(there)


def test_an_avatar_that_is_gone_does_not_hide_one_that_comes_with_lipdrop(spool: Path, tmp_path: Path) -> None:
    there, own = made(tmp_path), spool / "avatars" / "anna"
    own.rename(own.with_name("presenter"))
    asked = chunk(spool, avatar="presenter")
    received(there, of_item(asked, config(spool), spool))
    (own.with_name("presenter")).rename(own)
    received(there, of_item(asked, config(spool), spool))
    avatars = Avatars(localized(config(spool), there.folder))
    assert avatars.load("presenter").settings.face_box is not None or avatars.origin("presenter").kind == "drawn"
    assert avatars.origin("presenter").kind == "drawn"


def test_a_worker_finds_its_files_in_its_mirror(spool: Path, tmp_path: Path) -> None:
    there = made(tmp_path)
    received(there, of_item(chunk(spool), config(spool), spool))
    local = localized(config(spool), there.folder)
    assert local.path(local.model_settings("gan").files["checkpoint"]).read_text() == "models/weights.pt"
    assert (local.path(local.backgrounds.folder) / "field.png").read_text() == "backgrounds/field.png"
    assert [name for name, _ in Avatars(local).stamp("anna")] == ["avatar.yaml", "matte.png", "picture.png"]
    assert local.path(local.spool) == there.folder
    with pytest.raises(JobError, match="no avatar 'other'"):
        Avatars(local).stamp("other")


def test_workers_of_a_node_share_what_has_arrived(spool: Path, tmp_path: Path) -> None:
    goods = of_item(chunk(spool), config(spool), spool)
    one, other = made(tmp_path), made(tmp_path, "gan-1")
    received(one, goods)
    assert other.lacking(goods) == []
    other.arrange(goods)
    assert seen(one) == seen(other)
    assert (one.folder / "cache").resolve() == (other.folder / "cache").resolve()


def test_a_job_that_has_ended_leaves_nothing(spool: Path, tmp_path: Path) -> None:
    there, goods = made(tmp_path), of_item(chunk(spool), config(spool), spool)
    received(there, goods)
    (there.folder / "work" / "job" / "piece-000" / "chunk-000.mp4").touch()
    there.forget("job")
    assert {parcel.job for parcel in there.lacking(goods)} == {"job"}
    assert not list(tmp_path.joinpath("node").rglob("chunk*"))
    assert not list(tmp_path.joinpath("node").glob("spool/jobs-*/*"))


def test_a_mirror_is_removed_with_its_worker(spool: Path, tmp_path: Path) -> None:
    one, other = made(tmp_path), made(tmp_path, "gan-1")
    received(one, of_item(chunk(spool), config(spool), spool))
    one.remove()
    assert not one.folder.exists()
    assert other.folder.exists()
    other.remove()
    assert not list((tmp_path / "node" / "spool" / "workers").iterdir())
    assert not list((tmp_path / "node" / "spool").glob("jobs-*"))


def test_the_next_worker_removes_what_killed_ones_left(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pipeline.executors.cluster.protocol import MirrorTerms\n"
        "from pipeline.executors.cluster.transfer.mirror import Mirror\n"
        "mirror = Mirror(MirrorTerms(sys.argv[1], 'spool', 'one', 1), 'gan-0')\n"
        "print('made', flush=True)\n"
        "sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "node")]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        second = made(tmp_path, "gan-1")
        workers = second.folder.parent
        assert len(list(workers.glob("*.lock"))) == 2, "it lives"
        os.kill(process.pid, signal.SIGKILL)
    last = made(tmp_path, "gan-2")
    assert {file for file in workers.iterdir() if file.is_dir()} == {second.folder, last.folder}


def test_a_worker_that_the_next_daemon_takes_over_keeps_its_mirror_and_no_jobs(spool: Path, tmp_path: Path) -> None:
    there, goods = made(tmp_path), of_item(chunk(spool), config(spool), spool)
    received(there, goods)
    there.join("two")
    assert {parcel.job for parcel in there.lacking(goods)} == {"job"}
    assert (there.folder / "avatars" / "anna" / "picture.png").read_text() == "avatars/anna/picture.png"
    received(there, goods)
    assert seen(there) == sorted(parcel.place for parcel in goods.parcels)


def test_what_was_not_used_for_longest_is_evicted(tmp_path: Path) -> None:
    there = made(tmp_path, bytes_max=100)
    content = tmp_path / "node" / "spool" / "content"
    for name, hours in (("oldest", 5), ("older", 4), ("old", 3), (".torn.part", 2), ("new", 0)):
        (content / name).write_bytes(bytes(60))
        used = (content / name).stat().st_mtime - hours * mirror.KEPT_SECONDS
        os.utime(content / name, (used, used))
    there.arrange(Cargo())
    assert {file.name for file in content.iterdir()} == {"new"}


# Both ways


class Near:
    """An actor in this process: `actor.method.remote(...)` as with Ray."""

    def __init__(self, there: Mirror) -> None:
        self.actor = CarryingActor.__new__(CarryingActor)
        self.actor._mirror, self.actor._arriving = there, {}
        self.damage: Callable[[bytes], bytes] = lambda part: part
        """What happens to parts on the way."""

    def __getattr__(self, name: str) -> Any:
        return Call(self, name)


class Call:
    def __init__(self, near: Near, name: str) -> None:
        self._near, self._name = near, name

    async def remote(self, *arguments: Any) -> Any:
        sent = [self._near.damage(value) if isinstance(value, bytes) else value for value in arguments]
        answer = getattr(self._near.actor, self._name)(*sent)
        return self._near.damage(answer) if isinstance(answer, bytes) else answer


@pytest.fixture(params=["object_store", "s3"])
def transfer(request: pytest.FixtureRequest, tmp_path: Path) -> Transfer:
    if request.param == "s3":
        through_s3: Transfer = request.getfixturevalue("in_bucket")
        return through_s3
    return Transfer(str(tmp_path / "node"), 1 << 30, None)


def new_carrier(spool: Path, transfer: Transfer) -> Carrier:
    """That of a new bridge."""
    return Carrier(Terms("version", spool / "run", "spool" * 4, secrets.token_hex(), Patience()), transfer)


def run(spool: Path, transfer: Transfer, action: Callable[[Carrier, Near], Coroutine[Any, Any, None]]) -> None:
    """Do something with a carrier and an actor."""

    async def session() -> None:
        carrier = new_carrier(spool, transfer)
        assert carrier.terms.mirror is not None
        await action(carrier, Near(Mirror(carrier.terms.mirror, "gan-0")))
        await carrier.close()

    asyncio.run(session())


def test_files_reach_a_node_and_results_come_back(spool: Path, transfer: Transfer) -> None:
    content, goods = os.urandom(LARGE), spool / "work" / "job" / "piece-000"
    (goods / "mel.npy").write_bytes(content)
    (goods / "phonemes.json").write_bytes(b"")

    async def action(carrier: Carrier, near: Near) -> None:
        await carrier.bring(near, of_item(chunk(spool), config(spool), spool), "job")
        there = near.actor.mirror.folder / "work" / "job" / "piece-000"
        assert (there / "mel.npy").read_bytes() == content
        assert (there / "phonemes.json").read_bytes() == b""
        (there / "chunk-000.mp4").write_bytes(content[::-1])
        await carrier.fetch(near, ["work/job/piece-000/chunk-000.mp4"], "job")
        near.actor.forget("job")
        carrier.forget("job")
        await carrier._ending["job"]

    run(spool, transfer, action)
    assert (goods / "chunk-000.mp4").read_bytes() == content[::-1]
    assert not list(spool.rglob("*.part"))


@contextmanager
def damage(near: Near) -> Iterator[None]:
    """Within it, a bit of all that travels is flipped on the way."""

    def flipped(part: bytes) -> bytes:
        return bytes([part[0] ^ 1]) + part[1:]

    def spoilt(self: Bucket, key: str, file: Path) -> None:
        altered = file.with_name("altered")
        altered.write_bytes(flipped(file.read_bytes()))
        whole(self, key, altered)
        altered.unlink()

    whole, near.damage = Bucket.upload, flipped
    with patch.object(Bucket, "upload", spoilt):
        yield
    near.damage = lambda part: part


def test_a_damaged_file_is_refused_and_the_next_attempt_succeeds(spool: Path, transfer: Transfer) -> None:
    goods = of_item(chunk(spool), config(spool), spool)

    async def action(carrier: Carrier, near: Near) -> None:
        with damage(near), pytest.raises(StageError, match="did not arrive as it was sent") as caught:
            await carrier.bring(near, goods, "job")
        assert caught.value.code == "transfer"
        assert seen(near.actor.mirror) == []
        assert len(near.actor.mirror.lacking(goods)) == len(goods.parcels)
        await carrier.bring(near, goods, "job")
        assert seen(near.actor.mirror) == sorted(parcel.place for parcel in goods.parcels)

    run(spool, transfer, action)


RESULT = "work/job/piece-000/chunk-000.mp4"


def test_a_damaged_result_does_not_reach_the_spool(spool: Path, transfer: Transfer) -> None:
    async def action(carrier: Carrier, near: Near) -> None:
        await carrier.bring(near, of_item(chunk(spool), config(spool), spool), "job")
        (near.actor.mirror.folder / RESULT).write_bytes(b"video")
        with damage(near), pytest.raises(StageError, match=r"chunk-000.mp4 did not arrive as it was sent"):
            await carrier.fetch(near, [RESULT], "job")
        assert not list(spool.rglob("*chunk-000*"))
        (near.actor.mirror.folder / RESULT).unlink()
        with pytest.raises(StageError, match="the node has lost a file of its result: No such file"):
            await carrier.fetch(near, [RESULT], "job")

    run(spool, transfer, action)


def test_a_file_that_changes_on_the_way_is_refused(spool: Path, transfer: Transfer) -> None:
    """An avatar that is replaced, for example: the digest was taken before."""
    goods = of_item(chunk(spool), config(spool), spool)
    (spool / "avatars" / "anna" / "picture.png").write_text("x")

    async def action(carrier: Carrier, near: Near) -> None:
        with pytest.raises(StageError, match=r"picture.png did not arrive as it was sent"):
            await carrier.bring(near, goods, "job")

    run(spool, transfer, action)


def test_a_torn_result_is_refused(spool: Path, tmp_path: Path) -> None:
    """The node loses the file while it is read."""

    async def action(carrier: Carrier, near: Near) -> None:
        await carrier.bring(near, of_item(chunk(spool), config(spool), spool), "job")
        (near.actor.mirror.folder / RESULT).write_bytes(os.urandom(LARGE))
        near.damage = lambda part: part if len(part) == PART_BYTES else b""
        with pytest.raises(StageError, match="did not arrive as it was sent"):
            await carrier.fetch(near, [RESULT], "job")

    run(spool, Transfer(str(tmp_path / "node"), 1 << 30, None), action)
    assert not list(spool.rglob("*chunk-000*"))


# The bucket


@pytest.fixture
def in_bucket(server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Transfer:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket, "RETRIES", 0)
    bucket._store.cache_clear()
    return Transfer(str(tmp_path / "node"), 1 << 30, server.settings)


def test_the_bucket_is_empty_after_a_job(spool: Path, in_bucket: Transfer, server: BucketServer) -> None:
    async def action(carrier: Carrier, near: Near) -> None:
        await carrier.bring(near, of_item(chunk(spool), config(spool), spool), "job")
        (near.actor.mirror.folder / RESULT).write_bytes(b"video")
        await carrier.fetch(near, [RESULT], "job")
        names = [file.parent.name for file in server.objects()]
        assert sorted(set(names)) == ["content", "job"], "no results"
        carrier.forget("job")
        await carrier._ending["job"]
        assert {file.parent.name for file in server.objects()} == {"content"}

    run(spool, in_bucket, action)
    assert server.objects() == []


def test_a_file_for_several_nodes_is_uploaded_once(spool: Path, in_bucket: Transfer) -> None:
    goods = of_item(chunk(spool), config(spool), spool)

    async def action(carrier: Carrier, near: Near) -> None:
        far = Near(made(Path(in_bucket.node_folder)))
        with patch.object(Bucket, "upload", autospec=True, side_effect=Bucket.upload) as uploads:
            await asyncio.gather(carrier.bring(near, goods, "job"), carrier.bring(far, goods, "job"))
        assert uploads.call_count == len(goods.parcels)
        assert seen(near.actor.mirror) == seen(far.actor.mirror)

    run(spool, in_bucket, action)


def test_what_a_killed_bridge_left_in_the_bucket_is_removed_by_the_next(
    spool: Path, in_bucket: Transfer, server: BucketServer, tmp_path: Path
) -> None:
    stranger = server.bucket / "lip" / "drop" / "another-spool" / "session" / "content" / "file"
    stranger.parent.mkdir(parents=True)
    stranger.touch()

    async def killed() -> None:
        carrier = new_carrier(spool, in_bucket)
        there = Near(made(tmp_path))
        await carrier.bring(there, of_item(chunk(spool), config(spool), spool), "job")

    async def action(carrier: Carrier, near: Near) -> None:
        route = carrier._route
        assert isinstance(route, S3)
        route._clear_others()

    asyncio.run(killed())
    assert len(server.objects()) > 1
    run(spool, in_bucket, action)
    assert server.objects() == [stranger]
    stranger.unlink()


def test_a_lost_object_is_uploaded_again(spool: Path, in_bucket: Transfer, server: BucketServer) -> None:
    item = AlignItem("job", spool / "work" / "job", spool / "work" / "job" / "recording", "", "en")
    goods = of_item(item, config(spool), spool)

    async def action(carrier: Carrier, near: Near) -> None:
        await carrier.bring(near, goods, "job")
        near.actor.forget("job")
        route = carrier._route
        assert isinstance(route, S3)
        route._clear("")
        assert server.objects() == []
        with pytest.raises(StageError, match="NoSuchKey"):
            await carrier.bring(near, goods, "job")
        await carrier.bring(near, goods, "job")

    run(spool, in_bucket, action)


@pytest.mark.parametrize(
    ("changes", "secret", "why"),
    [
        ({}, "wrong-secret", "SignatureDoesNotMatch"),
        ({"url": "s3://nobodys-bucket"}, SECRET, "NoSuchBucket"),
        ({"endpoint": "http://127.0.0.1:9"}, SECRET, "GenericError"),
    ],
)
def test_what_s3_refuses_is_said_without_credentials(
    in_bucket: Transfer, tmp_path: Path, *, changes: dict[str, str], secret: str, why: str
) -> None:
    os.environ["AWS_SECRET_ACCESS_KEY"] = secret  # `in_bucket` restores it
    assert in_bucket.bucket is not None
    settings = in_bucket.bucket.model_copy(update=changes)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StageError) as caught:
        Bucket(Place(settings, "here")).upload("key", tmp_path / "file")
    assert caught.value.message == f"S3 ({settings.endpoint}) failed: {why}"
    assert not [word for word in (KEY, SECRET, "wrong-secret") if word in str(caught.value.__dict__)]


# Settings


def test_a_bucket_is_needed_only_for_s3() -> None:
    with pytest.raises(ValidationError, match="transfer: s3 needs a bucket"):
        RaySettings(transfer="s3")
    assert RaySettings(transfer="object_store").s3 is None


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "https://bucket"},
        {"url": "s3://"},
        {"url": "s3://bucket/../other"},
        {"url": "s3://bucket", "endpoint": "http://user:secret@host"},
        {"url": "s3://bucket", "endpoint": "host:9000"},
        {"url": "s3://bucket", "secret": "x"},
    ],
)
def test_a_bucket_has_an_address_and_no_secrets(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        BucketSettings.model_validate(settings)


def test_without_obstore_s3_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(executor_module, "find_spec", lambda name: None if name == "obstore" else object())
    there = Transfer("~", 0, BucketSettings(url="s3://bucket"))
    with pytest.raises(ConfigError) as caught:
        RayExecutor("auto", tmp_path, transfer=there)
    assert (caught.value.code, caught.value.field) == ("s3_missing", "ray.transfer")
    assert caught.value.hint == "pip install 'lipdrop[s3]'"


@pytest.mark.parametrize(
    ("ray", "expected"),
    [
        ({}, None),
        ({"transfer": "object_store", "node_folder": "/n"}, Transfer("/n", 10_000_000_000, None)),
        (
            {"transfer": "s3", "s3": {"url": "s3://bucket"}},
            Transfer("~/.cache/lipdrop", 10_000_000_000, BucketSettings(url="s3://bucket")),
        ),
    ],
)
def test_the_configuration_says_how_files_travel(ray: dict[str, Any], expected: Transfer | None) -> None:
    assert executor_module._transfer(Config.model_validate({"ray": ray})) == expected
