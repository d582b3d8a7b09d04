"""The mark in videos: every place that has it, what ffmpeg keeps of it, signatures, and what `inspect` says."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from daemon.admission import Admission
from daemon.cli.main import cli
from daemon.hooks import HookRunner
from daemon.outputs.report import json_bytes
from daemon.publisher import Publisher
from daemon.scheduling.scheduler import Scheduler
from daemon.spool.spool import Spool
from pipeline.config import load_config
from pipeline.errors import ConfigError, LipdropError, StageError
from pipeline.media import excerpt, fragments, samples
from pipeline.media.boxes import box
from pipeline.media.fragments import AUDIO_TRACK, VIDEO_TRACK, Run, Sample
from pipeline.messages import Mark, Origin
from pipeline.provenance import certificates, embedding, reading, signing
from pipeline.provenance.mark import (
    SOURCE_TYPES,
    Statement,
    comment,
    read_comment,
    read_xmp,
    source_type,
    statement,
    xmp,
)
from tests.media import frames, top_level_boxes
from tests.reports import done, failed
from tests.running import lipdrop

MARK = Mark(
    "compositeSynthetic", "lipdrop 9.8.7", "my-job", "2026-11-29T10:00:00.000Z", "Анна <Ivanova> & Co. agreed; ok"
)
PNG = signing.SMALLEST_PNG


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video without a mark, as the merge stage muxes it."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=25", "-f", "lavfi", "-i", "sine=d=1:r=48000"]
    video = ["-c:v", "libx264", "-bf", "0", "-g", "10", "-preset", "ultrafast", "-video_track_timescale", "90000"]
    ffmpeg(*sources, *video, "-c:a", "aac", "-map_metadata", "-1", "-movflags", "+faststart", path)
    return path


@pytest.fixture(scope="module")
def marked(plain: Path) -> Path:
    path = plain.with_name("marked.mp4")
    path.write_bytes(plain.read_bytes())
    embedding.embed(path, MARK)
    return path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a local certificate, made by the command."""
    folder = tmp_path_factory.mktemp("certificate") / "new"
    made = CliRunner().invoke(cli, ["certificate", str(folder), "--name", "Студия"])
    assert made.exit_code == 0
    assert json.dumps(str(folder / "key.pem")) in made.stdout
    assert "unknown signer" in " ".join(made.stderr.split())
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    return folder


@pytest.fixture(scope="module")
def signed(marked: Path, local: Path) -> Path:
    path = marked.with_name("signed.mp4")
    path.write_bytes(marked.read_bytes())
    credentials = certificates.load(local / "certificate.pem", local / "key.pem", certificates.utc_now())
    signing.sign(path, MARK, credentials)
    return path


def inspected(file: Path, *options: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, ["inspect", str(file), "--json", *options], catch_exceptions=False)
    found: dict[str, object] = json.loads(result.stdout)
    return found


def said(file: Path, *options: str) -> str:
    """What the command says to people, in one line."""
    return " ".join(CliRunner().invoke(cli, ["inspect", str(file), *options], catch_exceptions=False).stdout.split())


# The mark


@pytest.mark.parametrize(
    ("kind", "is_recording", "term"),
    [
        ("drawn", False, "trainedAlgorithmicMedia"),
        ("drawn", True, "compositeSynthetic"),
        ("picture", False, "compositeSynthetic"),
        ("picture", True, "compositeSynthetic"),
        ("video", False, "compositeWithTrainedAlgorithmicMedia"),
        ("video", True, "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_each_kind_of_video_has_its_term(kind: str, is_recording: bool, term: str) -> None:
    assert source_type(Origin(kind), is_recording=is_recording) == term
    assert statement(replace(MARK, source_type=term), None).is_synthetic


def test_a_statement_survives_xmp_and_the_comment() -> None:
    stated = statement(MARK, "ab" * 32)
    assert read_xmp(xmp(stated)) == stated
    assert read_comment(comment(stated)) == replace(
        stated, consent=None, created=None, ai_system=None, ai_system_version=None
    )


def test_xmp_of_other_programs_is_read() -> None:
    """The property as an attribute, and as a resource."""
    iptc, rdf = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    uri = f"{SOURCE_TYPES}digitalCapture"
    head = f'<rdf:RDF xmlns:rdf="{rdf}" xmlns:I="{iptc}"><rdf:Description rdf:about=""'
    for packet in (
        f'{head} I:DigitalSourceType="{uri}"/></rdf:RDF>',
        f'{head}><I:DigitalSourceType rdf:resource="{uri}"/></rdf:Description></rdf:RDF>',
    ):
        found = read_xmp(packet.encode())
        assert found == Statement(uri)
        assert not found.is_synthetic


@pytest.mark.parametrize(
    "packet",
    [b"", b"<", b"\xff\xfe", b"<a/>", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"<a>" * 100_000, b" " * (2 << 20)],
)
def test_damaged_and_hostile_xmp_says_nothing(packet: bytes) -> None:
    assert read_xmp(packet) is None


# In an MP4


def test_a_mark_changes_neither_pictures_nor_sound(plain: Path, marked: Path) -> None:
    assert samples.digest(plain) == samples.digest(marked)
    assert (frames(plain, (64, 48)) == frames(marked, (64, 48))).all()
    boxes = top_level_boxes(marked)
    assert boxes.index("moov") < boxes.index("uuid") < boxes.index("mdat")


def test_equal_marks_give_equal_bytes(plain: Path, marked: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    again.write_bytes(plain.read_bytes())
    embedding.embed(again, MARK)
    assert again.read_bytes() == marked.read_bytes()


def test_ffprobe_shows_the_tags(marked: Path) -> None:
    argv = ["ffprobe", "-v", "error", "-show_format", "-of", "json", str(marked)]
    tags = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["format"]["tags"]
    assert (tags["encoder"], tags["date"]) == (MARK.software, MARK.created)
    assert f"DigitalSourceType={SOURCE_TYPES}compositeSynthetic" in tags["comment"]


@pytest.mark.parametrize(
    ("options", "ending", "media"),
    [
        (["-c", "copy"], "mp4", "unchanged"),
        (["-c", "copy"], "mov", "unchanged"),
        (["-c", "copy", "-movflags", "frag_keyframe+empty_moov"], "mp4", "unknown"),
        (["-c", "copy"], "mkv", "unknown"),
        (["-c:v", "libx264", "-crf", "40"], "mp4", "changed"),
        (["-c", "copy", "-t", "0.5"], "mp4", "changed"),
    ],
)
def test_copies_keep_the_comment(options: list[str], ending: str, media: str, marked: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"copy.{ending}"
    ffmpeg("-i", marked, *options, copy)
    found = reading.read(copy)
    assert (found.places, found.media, found.is_synthetic) == (("tags",), media, True)
    assert found.statement is not None
    assert found.statement.job == "my-job"


def test_a_video_without_a_mark_says_so(plain: Path) -> None:
    found = inspected(plain)
    assert (found["synthetic"], found["provenance"], found["signature"]) == (None, None, None)
    assert "says nothing about its origin. That does not mean that it is genuine" in said(plain)


def test_a_damaged_picture_is_noticed(marked: Path, tmp_path: Path) -> None:
    damaged = bytearray(marked.read_bytes())
    damaged[-100] ^= 1
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    assert inspected(tmp_path / "damaged.mp4")["media"] == "changed"


def test_people_are_told_everything(marked: Path) -> None:
    told = said(marked)
    for part in ("says that it was made by AI", "my-job", MARK.created, "Анна <Ivanova> & Co.", "XMP, tags", "anybody"):
        assert part in told


def test_terminals_are_safe_from_what_a_file_says(plain: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.mp4"
    hostile.write_bytes(plain.read_bytes())
    stated = replace(statement(MARK, None), consent="a\u202eb", software="x\u009b2J")
    hostile.write_bytes(plain.read_bytes() + embedding.xmp_box(stated))
    assert "a?b" in said(hostile)
    assert "x?2J" in said(hostile)


def test_a_stream_says_what_its_init_segment_says(marked: Path, tmp_path: Path) -> None:
    (tmp_path / "init.mp4").write_bytes(marked.read_bytes())
    (tmp_path / "index.m3u8").write_text('#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:3,\n0.m4s\n', "utf-8")
    (tmp_path / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n", "utf-8")
    for name in ("index.m3u8", "master.m3u8"):
        assert said(tmp_path / name).startswith(f"{name}: says that it was made by AI")


@pytest.mark.parametrize(
    "content", ["#EXTM3U\n", "#EXTM3U\n../a.ts\n", "#EXTM3U\ngone.ts\n", "#EXTM3U\na.m3u8\n", "a.mp4"]
)
def test_a_playlist_without_its_stream_is_refused(content: str, marked: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(marked.read_bytes())
    (tmp_path / "a.m3u8").write_text(content, "utf-8")
    with pytest.raises(LipdropError, match="names no part of a stream") as caught:
        CliRunner().invoke(cli, ["inspect", str(tmp_path / "a.m3u8")], catch_exceptions=False, standalone_mode=False)
    assert caught.value.code == "media"


@pytest.mark.parametrize("content", [b"", b"text", PNG[:20], box("uuid", bytes(16)), bytes(100)])
def test_what_is_not_a_video_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(LipdropError) as caught:
        CliRunner().invoke(cli, ["inspect", str(tmp_path / "a.mp4")], catch_exceptions=False, standalone_mode=False)
    assert caught.value.code == "media"


@pytest.mark.parametrize("kind", ["stsz", "stsc", "stco"])
def test_a_hostile_index_does_no_harm(kind: str, marked: Path, tmp_path: Path) -> None:
    """Every number of a table as large as it can be."""
    data = marked.read_bytes()
    at = data.index(kind.encode()) + 8
    hostile = tmp_path / "hostile.mp4"
    hostile.write_bytes(data[:at] + b"\x7f\xff\xff\xff" * 3 + data[at + 12 :])
    assert inspected(hostile)["media"] in ("changed", "unknown")


# Streams


def test_a_stream_is_marked_in_its_beginning_and_in_each_fragment(plain: Path, tmp_path: Path) -> None:
    only_video = tmp_path / "video.mp4"
    ffmpeg("-i", plain, "-an", "-c", "copy", "-video_track_timescale", "90000", only_video)
    video = fragments.read_video(only_video, 3600)
    sound = Run(AUDIO_TRACK, 0, [Sample(b"\x21\x00", 48_000)])
    media = fragments.fragment(1, Run(VIDEO_TRACK, 0, video.samples), sound)
    init, part = embedding.marked_init(fragments.init(video), MARK), embedding.marked_fragment(media, MARK)
    assert part.endswith(media)
    for name, content in (("init.mp4", init), ("0.m4s", part), ("whole.mp4", init + part)):
        (tmp_path / name).write_bytes(content)
        found = reading.read(tmp_path / name)
        assert found.is_synthetic, name
        assert found.media == "unknown"
    assert (frames(tmp_path / "whole.mp4", (64, 48)) == frames(plain, (64, 48))).all()
    (tmp_path / "piece.mp4").write_bytes(excerpt.excerpt(init, [part]))
    assert reading.read(tmp_path / "piece.mp4").places == ("xmp", "tags")


# Signatures


def test_a_signed_video_is_valid_to_c2pas_own_reader(signed: Path, plain: Path) -> None:
    import c2pa

    with c2pa.Reader(signed) as found:
        assert found.get_validation_state() == "Valid"
        manifest = json.loads(found.json())
    active = manifest["manifests"][manifest["active_manifest"]]
    assert active["claim_generator_info"][0]["name"] == "lipdrop"
    [action] = next(one for one in active["assertions"] if one["label"].startswith("c2pa.actions"))["data"]["actions"]
    assert action["digitalSourceType"] == f"{SOURCE_TYPES}compositeSynthetic"
    assert (frames(signed, (64, 48)) == frames(plain, (64, 48))).all()


def test_a_signature_is_judged_by_whom_one_trusts(signed: Path, local: Path) -> None:
    own, foreign = local / "authority.pem", local.with_name("foreign.pem")
    foreign.write_bytes(certificates.make_local("Other", 9, certificates.utc_now()).authority)
    assert "valid: the file is as it was signed. Nobody you trust" in said(signed)
    assert "signer: Студия" in said(signed)
    assert "by a signer that you trust" in said(signed, "--trust", str(own))
    assert "Nobody you trust" in said(signed, "--trust", str(foreign))
    assert reading.read(signed).places == ("xmp", "tags", "c2pa")


def test_a_changed_video_has_no_valid_signature(signed: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-100] ^= 1
    (tmp_path / "a.mp4").write_bytes(data)
    found = reading.read(tmp_path / "a.mp4")
    assert found.signature is not None
    assert found.signature.state == "invalid"
    assert "changed after it was signed" in said(tmp_path / "a.mp4")


def test_a_signature_without_the_library_is_named(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    assert "install lipdrop with the extra `sign`" in said(signed)


def pem(key: object) -> bytes:
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    return data


def config(folder: Path, **files: bytes) -> Path:
    """A configuration that signs with the given files."""
    for name, content in files.items():
        (folder / f"{name}.pem").write_bytes(content)
    file = folder / "config.yaml"
    file.write_text("provenance: {sign: {certificate: certificate.pem, key: key.pem}}")
    return file


def test_a_usable_certificate_is_accepted_at_the_start(local: Path, tmp_path: Path) -> None:
    files = {name: (local / f"{name}.pem").read_bytes() for name in ("certificate", "key")}
    loaded = load_config(config(tmp_path, **files))
    loaded.check_signing()
    found = loaded.credentials()
    assert found is not None
    assert found.algorithm == "es256"


def problem(folder: Path, **files: bytes) -> ConfigError:
    found = load_config(config(folder, **files))  # other users need not be able to read the key
    with pytest.raises(ConfigError) as caught:
        found.check_signing()
    return caught.value


def test_a_certificate_that_cannot_be_used_is_found_at_the_start(local: Path, tmp_path: Path) -> None:
    good = {name: (local / f"{name}.pem").read_bytes() for name in ("certificate", "key")}
    other = certificates.make_local("Other", 365, certificates.utc_now())
    expired = certificates.make_local("Old", 1, certificates.utc_now() - timedelta(days=2))
    early = certificates.make_local("New", 1, certificates.utc_now() + timedelta(days=2))
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    cases = {
        "certificate_unreadable": [
            {"certificate": b"", "key": good["key"]},
            {"certificate": b"\xff" * 100, "key": good["key"]},
            {"certificate": good["certificate"], "key": b"-----BEGIN PRIVATE KEY-----\nx\n"},
            {"certificate": good["certificate"], "key": locked},
            {"certificate": good["certificate"], "key": b" " * (2 << 20)},
        ],
        "certificate_mismatch": [
            {"certificate": good["certificate"], "key": other.key},
            {"certificate": good["certificate"], "key": pem(rsa.generate_private_key(65537, 2048))},
            {"certificate": good["certificate"], "key": pem(ed25519.Ed25519PrivateKey.generate())},
        ],
        "certificate_expired": [
            {"certificate": expired.chain, "key": expired.key},
            {"certificate": early.chain, "key": early.key},
        ],
    }
    for code, files in cases.items():
        for one in files:
            found = problem(tmp_path, **one)
            assert (found.code, found.field is not None, found.hint is not None) == (code, True, True)
    (tmp_path / "key.pem").unlink()
    assert problem(tmp_path, certificate=good["certificate"]).code == "certificate_unreadable"


def test_a_certificate_for_other_purposes_is_found_at_the_start(tmp_path: Path) -> None:
    """An authority's own certificate, and a key of a kind that C2PA does not have."""
    key, now = ec.generate_private_key(ec.SECP256R1()), certificates.utc_now()
    name, span = certificates._named("Me", "me"), (now, now + timedelta(days=9))
    authority = certificates._certificate(name, name, key, key, span, is_authority=True).public_bytes(Encoding.PEM)
    assert problem(tmp_path, certificate=authority, key=pem(key)).code == "certificate_unusable"
    with pytest.raises(ConfigError) as caught:
        certificates._algorithm(dsa.generate_private_key(1024))
    assert caught.value.code == "certificate_unusable"


def test_a_daemon_does_not_start_with_a_bad_certificate(local: Path, tmp_path: Path) -> None:
    config(tmp_path, certificate=(local / "certificate.pem").read_bytes(), key=b"")
    refused = lipdrop("run", "--once", "--spool", tmp_path / "spool", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.startswith("lipdrop: certificate_unreadable: ")) == (78, True)


def test_a_job_is_refused_before_it_is_rendered_if_the_certificate_has_expired(local: Path, tmp_path: Path) -> None:
    """Since the start of the daemon."""
    expired = certificates.make_local("Old", 1, certificates.utc_now() - timedelta(days=2))
    found = load_config(config(tmp_path, certificate=expired.chain, key=expired.key), spool=tmp_path / "spool")
    spool = Spool(tmp_path / "spool")
    spool.create()
    (spool.inbox / "a.json").write_text('{"text": "hello"}')
    assert spool.claim("a", "a.json")
    publisher = Publisher(spool, (), cast(HookRunner, None), lambda _: None)
    admission = Admission(found, spool, cast(Scheduler, None), publisher, lambda: None)
    try:
        with pytest.raises(ConfigError) as caught:
            admission._make_flow("a", 0.0)
    finally:
        admission.close()
    assert caught.value.code == "certificate_expired"


def test_a_signature_needs_a_mark(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("provenance: {mark: off, sign: {certificate: a, key: b}}")
    with pytest.raises(ConfigError, match="sign needs mark"):
        load_config(tmp_path / "config.yaml")


def test_a_failed_signature_leaves_the_marked_video(marked: Path, local: Path, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"not a video")
    credentials = certificates.load(local / "certificate.pem", local / "key.pem", certificates.utc_now())
    with pytest.raises(StageError) as caught:
        signing.sign(video, MARK, credentials)
    assert (caught.value.code, video.read_bytes()) == ("sign", b"not a video")


def test_certificates_are_never_replaced(local: Path) -> None:
    before = (local / "key.pem").read_bytes()
    result = CliRunner().invoke(cli, ["certificate", str(local)])
    assert result.exit_code == 2
    assert (local / "key.pem").read_bytes() == before


# Timing JSON


def test_a_timing_json_is_compared_with_the_video_beside_it(marked: Path, tmp_path: Path) -> None:
    video, file = tmp_path / "a.mp4", tmp_path / "a.json"
    video.write_bytes(marked.read_bytes())
    digest = subprocess.run(["sha256sum", video], check=True, capture_output=True, text=True).stdout.split()[0]
    report = done()
    known = {"marked": True, "digital_source_type": f"{SOURCE_TYPES}compositeSynthetic", "software": "lipdrop 9.8.7"}
    fields = {**report.model_dump(exclude_unset=True), "synthetic": True, "provenance": known}
    fields["video"]["sha256"] = digest
    file.write_bytes(json_bytes(type(report).model_validate(fields)))
    assert inspected(file)["media"] == "unchanged"
    assert re.search(r"made by AI .* job a .* the timing JSON", said(file))
    video.write_bytes(b"other")
    assert inspected(file)["media"] == "changed"
    video.unlink()
    assert inspected(file)["media"] == "unknown"


@pytest.mark.parametrize("content", [b"{}", b"[", json_bytes(failed())])
def test_a_json_without_a_video_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(LipdropError) as caught:
        CliRunner().invoke(cli, ["inspect", str(tmp_path / "a.json")], catch_exceptions=False, standalone_mode=False)
    assert caught.value.code == "media"


def test_a_timing_json_of_an_older_version_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(json_bytes(done()))
    assert inspected(tmp_path / "a.json")["provenance"] is None
