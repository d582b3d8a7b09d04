"""Hostile input: job files, names, recordings and avatars, each with the expected error.

Unit tests use them one by one; `test_hostile_daemon.py` drops all of them at once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import stat
import struct
import subprocess
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.job import METADATA_MAX_BYTES
from tests.clips import FILE, film, interrupted, write_clip
from tests.media import speech_like, write_recording

CANARY = "CANARY"
"""A file that exists only if a shell ran."""


def _with(**keys: object) -> bytes:
    return json.dumps({"text": "a", **keys}).encode()


COSTLY_JOB = b'{"metadata": [' + b",".join([b'{"":1}'] * 9000) + b"]}"
"""The most expensive file for a parser within the size limit."""

UNFINISHED_JOBS: list[tuple[bytes, str]] = [
    (b"", "not_json"),
    (b" \n\t ", "not_json"),
    (b'{"text": "a"', "not_json"),
]
"""Job files that may be incomplete: refused after a wait."""

BAD_JOBS: list[tuple[bytes, str]] = [
    *UNFINISHED_JOBS,
    (b'{"text": "a",}', "not_json"),
    (b'{"text": "a"} // why', "not_json"),
    (b"[" * 100_000, "too_deep"),
    (b"[" * 60_000, "too_deep"),
    (b'{"a":' * 20_000, "too_deep"),
    (b'{"a":' * 10_000, "too_deep"),
    (b'{"text": "a", "metadata": {"n": ' + b"9" * 4000 + b"}}", "number"),
    (b'{"text": "a", "metadata": {"n": ' + b"9" * 5000 + b"}}", "number"),
    (b'{"text": "a", "speed": 1e400}', "number"),
    (b'{"text": "a", "speed": NaN}', "number"),
    (b'{"text": "a", "speed": -Infinity}', "number"),
    (b'{"text": "a", "text": "b"}', "duplicate_key"),
    (b'{"text": "a", "metadata": {"k": 1, "k": 2}}', "duplicate_key"),
    (b'["a"]', "not_object"),
    (b'"a"', "not_object"),
    (b"25", "not_object"),
    (b"null", "not_object"),
    (rb'{"text": "\ud800"}', "encoding"),
    (rb'{"text": "\ude00\ud83d"}', "encoding"),
    (rb'{"text": "a", "metadata": {"\udfff": 1}}', "encoding"),
    ('{"text": "é"}'.encode("latin-1"), "encoding"),
    ('{"text": "a"}'.encode("utf-16"), "encoding"),
    ('{"text": "a"}'.encode("utf-16-le"), "encoding"),
    (rb'{"text": "a\u0000b"}', "control_char"),
    (rb'{"text": "a\u001b[2J"}', "control_char"),
    ('{"text": "a\x9b2J"}'.encode(), "control_char"),
    (rb'{"text": "a", "metadata": {"k": ["\u0007"]}}', "control_char"),
    (rb'{"text": "a", "\u001b[31m": 1}', "control_char"),
    (_with(fps="25"), "type"),
    (_with(fps=True), "type"),
    (_with(text=5), "type"),
    (_with(captions=1), "type"),
    (_with(speed=True), "type"),
    (_with(metadata=[]), "type"),
    (_with(langauge="ru"), "unknown_field"),
    (_with(checkpoint="/tmp/evil.pt"), "unknown_field"),
    (b"{}", "missing"),
    (_with(text=""), "no_speech"),
    (_with(text="  \n "), "no_speech"),
    (_with(text="👍🎉"), "no_speech"),
    (_with(text="... — !?"), "no_speech"),
    (_with(text="a" * 20_001), "too_long"),
    (_with(text="a" * 70_000), "too_large"),
    (_with(fps=0), "range"),
    (_with(fps=-1), "range"),
    (_with(fps=10**9), "range"),
    (_with(size="721x720"), "range"),
    (_with(size="0x0"), "range"),
    (_with(size="100000x100000"), "range"),
    (_with(size="99998x99998"), "range"),
    (_with(size="big"), "range"),
    (_with(size="720x720\n"), "range"),
    (_with(speed=9), "range"),
    (_with(num_workers=0), "range"),
    (_with(mode="quickly"), "range"),
    (_with(priority=11), "range"),
    (_with(language="../ru"), "range"),
    (_with(avatar="../x"), "avatar"),
    (_with(avatar="/etc/passwd"), "avatar"),
    (_with(avatar="http://127.0.0.1/a.png"), "avatar"),
    (_with(avatar="concat:a|b"), "avatar"),
    (_with(avatar=""), "avatar"),
    (_with(avatar=f"$(touch {CANARY})"), "avatar"),
    (_with(metadata={"k": "x" * METADATA_MAX_BYTES}), "too_large"),
]
"""Job files that the parser must refuse, and their error codes."""

BAD_REQUESTS: list[tuple[bytes, str]] = [
    (_with(voice="x' xml:lang='en"), "voice"),
    (_with(voice="espeak:ru\n--help"), "voice"),
    (_with(language="zzz"), "language"),
    *(
        (json.dumps({"audio": audio}).encode(), "audio")
        for audio in (
            f"$(touch {CANARY}).wav",
            "../x.wav",
            "/etc/passwd",
            "missing.wav",
            "link.wav",
            "fifo.wav",
            ".",
            "",
            "concat:a.wav|b.wav",
        )
    ),
]
"""Valid jobs that request something missing or forbidden, which is only detected at run time."""

GOOD_TEXTS = [
    "Hello",
    "שלום עולם",
    "Z̴͖̺a̷̢l̵̟g̴o",
    "Привет, hello, сәлем, 你好",
    "3.14 https://example.org/?a=b",
    "<break time='9999999s'/>hi",
    "<speak><audio src='file:///etc/passwd'/>hi</speak>",
    '"; rm -rf / $(id) `id`',
    f"$(touch {CANARY}) `touch {CANARY}`; touch {CANARY}\n| touch {CANARY}",
    "%s %n {} {0.__class__} ${HOME} one",
    "a\ttab\nand a line\r\n2026-01-01T00:00:00.000Z ERROR daemon forged",
    "\u202ereversed\u2028line",
]
"""Texts that must be treated as plain text."""

SCRATCH_NAMES = [
    *(".x.json", "x.json~", ".x.json.swp", ".goutputstream-A1", "._x.json", ".nfs0001", "x.json.part", "x.json.tmp"),
]
FOREIGN_NAMES = ["x.txt", "json", "~$x.json"]
ENDLESS_DEVICE = os.makedev(1, 5)
"""/dev/zero."""
RAW_NAME = b"\xff\x1b[2J.json"
OTHER_NAMES = {
    "x.JSON": "x",
    "a b.json": "a-b-c8687a",
    "a\nb.json": "a-b",
    "-y.json": "y",
    "é.json": "e",
    "a" * 101 + ".json": "a" * 100,
    "_z.json": "z",
    "Мой ролик (1).json": "Moy-rolik-1",
    "\u202ejob.json.txt": "job",
    os.fsdecode(RAW_NAME): "2J",
}
"""Files whose jobs get other names."""


def put_names(inbox: Path) -> set[str]:
    """Fill an inbox with entries that are not jobs, whatever their names; returns the names."""
    for name in (*SCRATCH_NAMES, *FOREIGN_NAMES):
        (inbox / name).write_bytes(b'{"text": "hello"}')
    os.mkfifo(inbox / "fifo.json")
    (inbox / "folder.json").mkdir()
    (inbox / "link.json").symlink_to(inbox / "x.txt")
    (inbox / "dangling.json").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(inbox):
        listener.bind("socket.json")  # the path of a socket must be short
    with contextlib.suppress(PermissionError):  # only root may do this, and not on every system
        os.mknod(inbox / "device.json", stat.S_IFCHR | 0o600, ENDLESS_DEVICE)
    return {entry.name for entry in inbox.iterdir()}


# Recordings


def put_recordings(inbox: Path, address: str) -> dict[str, str | None]:
    """Fill an inbox with recordings of all kinds; returns the error code of each, None for valid ones.

    Some refer to `OTHER_FILE` in their folder and to `address`, an http URL: neither may ever be opened.
    """
    write_recording(inbox / "canary.wav", speech_like(1))
    (inbox / "link.wav").symlink_to("canary.wav")
    os.mkfifo(inbox / "fifo.wav")
    write_recording(inbox / "good.wav", speech_like(1))
    sound = (inbox / "good.wav").read_bytes()
    film = made(inbox, "-f lavfi -i sine=d=2 -f lavfi -i testsrc=s=64x64:d=2 -c:a aac -c:v mjpeg", ".mp4")
    avi = made(inbox, "-f lavfi -i sine=d=2 -f lavfi -i testsrc=s=64x64:d=2 -c:a pcm_s16le -c:v mjpeg", ".avi")
    mp3 = made(inbox, "-f lavfi -i sine=d=2", ".mp3")
    bad = {
        "empty.wav": b"",
        "random.mp4": np.random.default_rng(0).bytes(100_000),
        "text.wav": b"I am no sound.\n" * 50,
        "picture.wav": black_png(64, 64),
        "huge-picture.mp3": black_png(16_384, 16_384),
        "zip.wav": _zipped(sound),
        "truncated.mp4": film[: len(film) // 2],
        "mute.mp4": made(inbox, "-f lavfi -i testsrc=s=64x64:d=1 -c:v mjpeg", ".mp4"),
        **playlists(address),
    }
    good = {
        "liar.wav": sound[:4]
        + struct.pack("<I", 0xFFFFFFF0)
        + sound[8:40]
        + struct.pack("<I", 0xFFFFFFC0)
        + sound[44:],
        "long-claim.mp4": _with_duration(film, 0xFFFFFFF0),
        "huge-film.avi": _with_size(avi, 16_384),
        "fat-cover.mp3": _id3(b"\x89PNG\r\n\x1a\n" + bytes(50_000_000)) + mp3,
        "huge-cover.mp3": _id3(black_png(16_384, 16_384)) + mp3,
        "silence.wav": sound[:44] + bytes(len(sound) - 44),
        "clipping.wav": sound[:44] + b"\xff\x7f\x00\x80" * ((len(sound) - 44) // 4),
        "constant.wav": sound[:44] + b"\x00\x40" * ((len(sound) - 44) // 2),
    }
    for name, data in (bad | good).items():
        (inbox / name).write_bytes(data)
    return {**dict.fromkeys(bad, "media"), **dict.fromkeys(["good.wav", *good], None)}


def playlists(address: str, other: str = "canary.wav") -> dict[str, bytes]:
    """Playlists named like recordings, which some demuxer would follow to the file `other`, or to an address."""
    segments = f"#EXTINF:1,\n{other}\n#EXTINF:1,\n{address}a.ts\n"
    part = f'<Representation id="1" bandwidth="1"><BaseURL>{address}b.mp4</BaseURL></Representation>'
    return {
        "hls.wav": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{segments}#EXT-X-ENDLIST\n".encode(),
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{segments}#EXT-X-ENDLIST\n".encode(),
        "concat.wav": f"ffconcat version 1.0\nfile {other}\n".encode(),
        "concat.mp4": f"ffconcat version 1.0\nfile '{address}c.mp4'\n".encode(),
        "dash.mp4": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
            f'<AdaptationSet mimeType="audio/mp4">{part}</AdaptationSet></Period></MPD>'
        ).encode(),
        "sdp.wav": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    }


# Avatars

OTHER_FILE = "part/canary.wav"
"""Not beside the picture: of all files there, lipdrop reads the first bytes."""


def put_avatars(folder: Path, address: str) -> dict[str, str | None]:
    """Create avatars of all kinds; returns the error code of a job with each, None for the valid one.

    Some refer to `OTHER_FILE` in their folder and to `address`, an http URL: neither may ever be opened.
    """
    face = FILE.read_bytes()
    bad = {
        "empty": (".png", b"", "media"),
        "text": (".jpg", b"I am no picture.\n" * 50, "media"),
        "cut-off": (".png", face[: len(face) // 2], "media"),
        "huge": (".png", black_png(16_384, 16_384), "too_many_pixels"),
        "wall": (".png", black_png(256, 256), "no_face"),
        "random": (".mp4", np.random.default_rng(0).bytes(100_000), "media"),
        **{f"list-{name}": (".mp4", data, "media") for name, data in playlists(address, OTHER_FILE).items()},
    }
    for name, (ending, data, _) in bad.items():
        (folder / name / OTHER_FILE).parent.mkdir(parents=True)
        (folder / name / f"face{ending}").write_bytes(data)
        write_recording(folder / name / OTHER_FILE, speech_like(1))
    (folder / "fifo").mkdir()
    os.mkfifo(folder / "fifo" / "face.png")
    (folder / "interrupted").mkdir()
    write_clip(folder / "interrupted" / "face.mp4", film(interrupted()))
    return {**{name: code for name, (_, _, code) in bad.items()}, "fifo": "media", "interrupted": None}


@cache
def black_png(columns: int, rows: int) -> bytes:
    """A PNG of black pixels: the largest one here has 0.8 MB, and 800 MB when decoded.

    A compressed block of 64 rows is repeated, since compressing 800 MB takes seconds.
    """
    assert rows % 64 == 0
    packer = zlib.compressobj(9, wbits=-15)
    some_rows = packer.compress(bytes(64 * (1 + 3 * columns))) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = ((1 + 3 * columns) * rows % 65521 << 16) + 1  # Adler-32 of zeros
    packed = b"\x78\xda" + rows // 64 * some_rows + packer.flush() + struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def made(folder: Path, arguments: str, ending: str) -> bytes:
    """The bytes of a file made by ffmpeg."""
    file = folder / f".made{ending}"
    subprocess.run(["ffmpeg", "-v", "error", *arguments.split(), str(file)], check=True)
    data = file.read_bytes()
    file.unlink()
    return data


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.wav", data)
    return packed.getvalue()


def _with_duration(film: bytes, duration: int) -> bytes:
    """The MP4 with another duration in the headers of the film and of each track."""
    return _overwritten(film, {b"mvhd": 20, b"tkhd": 24, b"mdhd": 20}, struct.pack(">I", duration))


def _with_size(avi: bytes, side: int) -> bytes:
    """The AVI with another width and height in the headers of the film and of its picture."""
    sides = struct.pack("<II", side, side)
    film = _overwritten(avi, {b"avih": 40}, sides)
    at = film.index(b"strf", film.index(b"vids"))
    return film[: at + 12] + sides + film[at + 20 :]


def _overwritten(data: bytes, places: dict[bytes, int], new: bytes) -> bytes:
    changed = bytearray(data)
    for tag, offset in places.items():
        at = data.find(tag)
        while at >= 0:
            changed[at + offset : at + offset + len(new)] = new
            at = data.find(tag, at + 1)
    return bytes(changed)


def _id3(picture: bytes) -> bytes:
    """An ID3 tag with a cover."""
    cover = b"\x00image/png\x00\x03\x00" + picture
    frame = b"APIC" + _seven_bits(len(cover)) + b"\0\0" + cover
    return b"ID3\x04\0\0" + _seven_bits(len(frame)) + frame


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))
