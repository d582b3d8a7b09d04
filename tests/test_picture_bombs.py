"""Pictures that are small on disk and huge in memory or endless in time: none costs a worker more than its limits."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.avatars.folder import require_media
from pipeline.errors import JobError
from pipeline.media import animation_frames, animations, picture_decoder
from pipeline.media.picture_decoder import BASE_BYTES, BYTES_PER_PIXEL
from pipeline.media.pictures import Look
from pipeline.programs import HAS_PRLIMIT
from tests.members import members

PIXELS_MAX = 4_000_000
SIDE = 2000
SHARED_BYTES = 100 << 20
"""Of programs and libraries, which do not count."""

pytestmark = pytest.mark.skipif(not HAS_PRLIMIT, reason="needs prlimit of util-linux")


def saved(form: str, mode: str = "RGB", side: int = SIDE, **options: Any) -> bytes:
    content = io.BytesIO()
    Image.new(mode, (side, side)).save(content, format=form, **options)
    return content.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(name: bytes, head: bytes = b"x\0\0") -> bytes:
    """A PNG with a compressed chunk of 300 MB before its pixels."""
    whole = saved("PNG", side=64)
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(300)) + packer.flush()
    return whole[:33] + chunk(name, head + packed) + whole[33:]


def jpeg_2000(sides: tuple[int, int], tile: int, **options: Any) -> bytes:
    """A JPEG 2000 of 64 x 64 pixels that claims other sizes."""
    data = bytearray(saved("JPEG2000", side=64, no_jp2=True, **options))
    at = data.find(b"\xff\x51")
    struct.pack_into(">II", data, at + 6, *sides)
    struct.pack_into(">II", data, at + 22, tile, tile)
    return bytes(data)


def tiff(**changed: tuple[int, ...]) -> bytes:
    """A TIFF of 64 x 64 pixels with changed tags, such as T322."""
    tags = {256: (64,), 257: (64,), 258: (8, 8, 8), 259: (8,), 262: (2,), 277: (3,), 273: (8,), 278: (64,), 279: (99,)}
    tags |= {int(tag[1:]): values for tag, values in changed.items()}
    entries, more = b"", b""
    end = 8 + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        place = packed if len(values) == 1 else struct.pack("<I", end + len(more))
        entries += struct.pack("<HHI", tag, 4, len(values)) + place
        more += packed if len(values) > 1 else b""
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + more


def jpeg_of_scans() -> bytes:
    """A progressive JPEG that goes over all its pixels thousands of times."""
    data = saved("JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * 20_000 + b"\xff\xd9"


MEMORY = f"more memory than the {BASE_BYTES + BYTES_PER_PIXEL * PIXELS_MAX >> 20} MiB"
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "blocks.j2k": (MEMORY, lambda: jpeg_2000((SIDE, SIDE), SIDE, codeblock_size=(4, 4))),
    "tiles.j2k": ("is broken", lambda: jpeg_2000((SIDE, SIDE), 8)),
    "profile.png": ("colour profile", lambda: png_with(b"iCCP")),
    "text.png": ("text", lambda: png_with(b"zTXt")),
    "international.png": ("text", lambda: png_with(b"iTXt", b"x\0\1\0\0\0")),
    "tile.tif": (MEMORY, lambda: tiff(T322=(60_000,), T323=(60_000,), T324=(8,), T325=(99,))),
    "channels.tif": ("is broken", lambda: tiff(T277=(60_000,), T258=(8,) * 60_000)),
    "strips.tif": ("is broken", lambda: tiff(T278=(1,), T273=(8,) * 1_000_000, T279=(99,) * 1_000_000)),
    "scans.jpg": ("too long", jpeg_of_scans),
}
"""What is said of each, and how it is made."""


REFUSED = """
import resource, sys
from pathlib import Path
from typing import Any
from pipeline.avatars.folder import require_media
from pipeline.errors import JobError
from pipeline.media import picture_decoder
from pipeline.media.pictures import Look
file, pixels_max = Path(sys.argv[1]), int(sys.argv[2])
picture_decoder.PICTURE_SECONDS = 2
try:
    picture_decoder.picture(file, require_media(file), pixels_max, Look())
except JobError as error:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(error.code, error.field, usage.ru_maxrss << 10, usage.ru_utime + usage.ru_stime, error.message)
"""
"""Refuses a picture, and prints the error and what the largest of the processes and all of them took."""


@pytest.mark.parametrize("name", members(BOMBS, "blocks.j2k", "text.png", "tile.tif", "scans.jpg"))
def test_a_bomb_costs_no_more_than_its_limits(name: str, tmp_path: Path) -> None:
    reason, content = BOMBS[name]
    (tmp_path / name).write_bytes(content())
    argv = [sys.executable, "-c", REFUSED, str(tmp_path / name), str(PIXELS_MAX)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    code, field, memory, cpu_seconds, message = answer.split(maxsplit=4)
    assert (code, field) == ("media", "avatar") and reason in message
    assert int(memory) < BASE_BYTES + BYTES_PER_PIXEL * PIXELS_MAX + SHARED_BYTES
    assert float(cpu_seconds) < 3


def look_at(file: Path) -> None:
    picture_decoder.picture(file, require_media(file), PIXELS_MAX, Look())


LARGEST: dict[str, Callable[[], bytes]] = {
    "rgba.png": lambda: saved("PNG", "RGBA"),
    "grey.png": lambda: saved("PNG", "I;16"),
    "cmyk.jpg": lambda: saved("JPEG", "CMYK"),
    "lab.tif": lambda: saved("TIFF", "LAB", compression="tiff_adobe_deflate"),
    "rgba.jp2": lambda: saved("JPEG2000", "RGBA"),
    "rgba.webp": lambda: saved("WEBP", "RGBA", lossless=True),
    "rgba.avif": lambda: saved("AVIF", "RGBA", speed=10),
    "rgba.gif": lambda: saved("GIF", "P"),
    "rgb.bmp": lambda: saved("BMP"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGEST)
def test_the_limits_are_enough_for_the_largest_pictures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without what is meant for the program itself, except what it takes for a tiny picture."""
    monkeypatch.setattr(picture_decoder, "BASE_BYTES", 128 << 20)
    (tmp_path / name).write_bytes(LARGEST[name]())
    file = tmp_path / name
    assert picture_decoder.picture(file, require_media(file), PIXELS_MAX, Look(turn=90)).shape == (SIDE, SIDE, 3)


def gif(frames: int, side: int) -> bytes:
    """A GIF of frames of one pixel on a large canvas, each of which is drawn as a whole."""
    frame = b"\x21\xf9\x04\x08\x02\0\0\0" + b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0"
    return b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + bytes(6) + frame * frames + b";"


@pytest.mark.slow
def test_an_animation_that_takes_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation_frames, "TIMEOUT_SECONDS", 2)
    file = tmp_path / "a.gif"
    file.write_bytes(gif(6000, SIDE))
    with pytest.raises(JobError, match="too long to read"):
        animations.probe(file, require_media(file), PIXELS_MAX, 120)


def test_a_decoder_that_takes_too_much_memory_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    monkeypatch.setattr(picture_decoder, "BASE_BYTES", 40 << 20)
    monkeypatch.setattr(picture_decoder, "BYTES_PER_PIXEL", 1)
    with pytest.raises(JobError, match="more memory than the 43 MiB") as caught:
        look_at(tmp_path / "a.png")
    assert caught.value.code == "media"


def test_a_decoder_that_crashes_costs_only_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a defect of a library would."""
    crash = tmp_path / "crash"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    (tmp_path / "a.png").write_bytes(saved("PNG", side=64))
    monkeypatch.setattr(sys, "executable", str(crash))
    with pytest.raises(JobError, match="is broken"):
        look_at(tmp_path / "a.png")


def test_frames_that_are_no_longer_wanted_are_not_decoded(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), np.uint8)
    first, *others = [Image.fromarray(frame) for frame in noise]
    first.save(file, save_all=True, append_images=others, duration=40)
    frames = picture_decoder.frames(file, require_media(file), (64, 64), 20, Look())
    assert next(frames).shape == (64, 64, 3)
    assert any(b"picture_program" in arguments for arguments in children())
    frames.close()
    assert not any(b"picture_program" in arguments for arguments in children())


def children() -> Iterator[bytes]:
    """The arguments of this process's children."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            yield Path(f"/proc/{pid}/cmdline").read_bytes()
