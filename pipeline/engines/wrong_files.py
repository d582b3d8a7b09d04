"""What a file is that somebody took for a checkpoint: a web page, an archive, an incomplete download.

Judged by its first bytes, never by its name. Does not import torch.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 512

ZIP = b"PK\x03\x04"
WEIGHTS_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")


class WrongFile(NamedTuple):
    """Why a file is not a checkpoint."""

    what: str
    """Completes "FILE is ..."."""
    advice: str


_AGAIN = "download it again, and compare its size with that on the page"
_UNPACK = "unpack it, and name the checkpoint inside"
_ORIGINAL = "use the PyTorch checkpoint (.pth) that it was made from"

_WEB_PAGE = WrongFile(
    "a web page, not a checkpoint: its link leads to a page on which the download has to be confirmed",
    "open the link in a browser, and download the file from there",
)
_LFS_POINTER = WrongFile(
    "a Git LFS pointer, not the file itself", "run `git lfs pull` in its repository, or download the file from its page"
)
_INCOMPLETE = WrongFile("an incomplete download", _AGAIN)

_MAGIC = {
    (0, b"version https://git-lfs.github.com/"): _LFS_POINTER,
    (0, b"Rar!\x1a\x07"): WrongFile("a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c"): WrongFile("a 7z archive", _UNPACK),
    (0, b"\x1f\x8b"): WrongFile("a gzip archive", _UNPACK),
    (0, b"BZh"): WrongFile("a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0"): WrongFile("an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd"): WrongFile("a Zstandard archive", _UNPACK),
    (0, b"\x89HDF"): WrongFile("an HDF5 file, as of Keras", _ORIGINAL),
    (0, b"\x93NUMPY"): WrongFile("a NumPy array", _ORIGINAL),
    (0, b"GGUF"): WrongFile("a GGUF model", _ORIGINAL),
    (0, b"ftrt"): WrongFile("a TensorRT engine", _ORIGINAL),
    (0, b"d8:announce"): WrongFile("a torrent, not the file itself", "open it with a BitTorrent client"),
    (0, b"\x89PNG"): WrongFile("a picture", "name the checkpoint"),
    (0, b"\xff\xd8\xff"): WrongFile("a picture", "name the checkpoint"),
    (4, b"TFL3"): WrongFile("a TensorFlow Lite model", _ORIGINAL),
    (4, b"ftyp"): WrongFile("a video", "name the checkpoint"),
}
"""By the bytes at a place near the start."""


def wrong_file(path: Path) -> WrongFile | None:
    """What a file is; None if it may be a checkpoint. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(ZIP):
        return _wrong_zip(path)
    known = (found for (start, magic), found in _MAGIC.items() if head[start:].startswith(magic))
    return next(known, None) or _wrong_bytes(head) or _wrong_text(head)


def _wrong_bytes(head: bytes) -> WrongFile | None:
    if not any(head):
        return WrongFile("filled with zeros, as a download that was interrupted" if head else "empty", _AGAIN)
    if head[:1] == b"\x08" and (b"pytorch" in head or b"onnx" in head.lower()):
        return WrongFile("an ONNX model", _ORIGINAL)
    return None


def _wrong_zip(path: Path) -> WrongFile | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return _INCOMPLETE
    if any(name.endswith(("/data.pkl", "/constants.pkl")) for name in names):
        return None
    inside = next((name for name in names if name.lower().endswith(WEIGHTS_SUFFIXES)), None)
    if inside is not None:
        return WrongFile(f"a zip archive that contains {inside[:100]!r}", _UNPACK)
    if any(name.endswith(".npy") for name in names):
        return WrongFile("an archive of NumPy arrays", _ORIGINAL)
    return WrongFile("a zip archive of other files", "name the checkpoint")


def _wrong_text(head: bytes) -> WrongFile | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        return _WEB_PAGE
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character.isspace() for character in shown):
        return None
    line = shown.partition("\n")[0].strip()[:60]
    return WrongFile(f"a text file that begins with {line!r}, not a checkpoint", _AGAIN)
