"""What a video or a picture says about its origin, wherever it says so, and whether that can be relied on."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import StageError
from pipeline.media import ffmpeg, samples
from pipeline.media.boxes import top_level
from pipeline.provenance import containers, signing
from pipeline.provenance.embedding import XMP_UUID
from pipeline.provenance.mark import PACKET_BYTES_MAX, Statement, read_comment, read_xmp

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
BOXES_MAX = 100_000
"""Boxes of a file that are looked at."""
TRUSTED, VALID, INVALID, UNCHECKED = "trusted", "valid", "invalid", "unchecked"
"""States of a signature. Valid: the file is as it was signed, but whose certificate it is, is not known."""
UNCHANGED, CHANGED, UNKNOWN = "unchanged", "changed", "unknown"
"""What became of picture and sound since they were marked."""


@dataclass(frozen=True)
class Signature:
    """The content credentials of a file."""

    state: str
    signer: str | None = None
    problems: tuple[str, ...] = ()
    """Codes of C2PA's specification."""
    statement: Statement | None = None


@dataclass(frozen=True)
class Findings:
    """What was found in a video or a picture."""

    statement: Statement | None
    """From the place that says most."""
    places: tuple[str, ...]
    """Where it says so: c2pa, xmp, tags."""
    media: str
    signature: Signature | None
    """None: it is not signed."""

    @property
    def is_synthetic(self) -> bool:
        """Whether it says anywhere that it was made by AI."""
        return self.statement is not None and self.statement.is_synthetic


def read(video: Path, anchors: str | None = None) -> Findings:
    """Look for marks in a video, part of a stream, picture or sound. Raises OSError; StageError if it is none of these.

    `anchors`: PEM of the authorities whose signatures are trusted.
    """
    kind = containers.media_type(video)
    if kind is not None:
        return _of_other(video, kind, anchors)
    boxes = _boxes(video)
    xmp = _xmp(video, boxes)
    tags = _tags(video, is_part=xmp is not None)
    signature = _signature(video, "video/mp4", anchors) if any(uuid == C2PA_UUID for uuid, *_ in boxes) else None
    recorded = next((said.media_sha256 for said in (xmp, tags) if said and said.media_sha256), None)
    return _findings({"xmp": xmp, "tags": tags}, _media(video, recorded), signature)


def _of_other(file: Path, kind: str, anchors: str | None) -> Findings:
    """Of a picture, or of a sound alone."""
    signature = _signature(file, kind, anchors) if containers.is_signed(file) else None
    if kind not in containers.PICTURES:
        return _findings({"tags": _tags(file, is_part=False)}, UNKNOWN, signature)
    packet = containers.xmp_packet(file)
    return _findings({"xmp": None if packet is None else read_xmp(packet)}, UNKNOWN, signature)


def _findings(found: dict[str, Statement | None], media: str, signature: Signature | None) -> Findings:
    """`found`: what each place says, the one that says most first."""
    found = {**found, "c2pa": signature.statement if signature else None}
    stated = next((statement for statement in found.values() if statement is not None), None)
    places = tuple(place for place, statement in found.items() if statement is not None)
    return Findings(stated, places, media, signature)


def _boxes(video: Path) -> list[tuple[bytes, int, int]]:
    """The `uuid` boxes at the top level: UUID, and where the content begins and ends."""
    found = []
    with video.open("rb") as file, suppress(struct.error):  # not an MP4, or cut off
        for kind, start, end in islice(top_level(file), BOXES_MAX):
            if kind == b"uuid":
                file.seek(start + 8)
                found.append((file.read(16), start + 24, end))
    return found


def _xmp(video: Path, boxes: list[tuple[bytes, int, int]]) -> Statement | None:
    with video.open("rb") as file:
        for uuid, start, end in boxes:
            if uuid == XMP_UUID and end - start <= PACKET_BYTES_MAX:
                file.seek(start)
                if (found := read_xmp(file.read(end - start))) is not None:
                    return found
    return None


def _tags(video: Path, *, is_part: bool) -> Statement | None:
    """The statement in the tags of a video of any format. `is_part`: it may be a fragment, which cannot be read."""
    try:
        tags = ffmpeg.probe(video, ffmpeg.INPUT_FORMATS)["format"].get("tags", {})
    except StageError:
        if is_part:
            return None
        raise
    texts = (text for name, text in tags.items() if name.lower() in ("comment", "description"))
    return next((found for found in map(read_comment, texts) if found is not None), None)


def _media(video: Path, recorded: str | None) -> str:
    """Whether the media has the recorded digest."""
    if recorded is None:
        return UNKNOWN
    try:
        return UNCHANGED if samples.digest(video) == recorded else CHANGED
    except ValueError:  # another container
        return UNKNOWN


def _signature(file: Path, kind: str, anchors: str | None) -> Signature:
    try:
        import c2pa
    except ImportError:
        return Signature(UNCHECKED)
    try:
        with file.open("rb") as content, signing.reader(kind, content, anchors) as found:
            return _judged(json.loads(found.json()))
    except c2pa.C2paError as error:
        return Signature(INVALID, problems=(str(error)[:200],))


def _judged(found: dict[str, Any]) -> Signature:
    manifest = found.get("manifests", {}).get(found.get("active_manifest"), {})
    signer = manifest.get("signature_info", {})
    state = {"Trusted": TRUSTED, "Valid": VALID}.get(found.get("validation_state", ""), INVALID)
    problems = tuple(str(status.get("code")) for status in found.get("validation_status", []))
    name = signer.get("issuer") or signer.get("common_name")
    return Signature(state, name, problems, next(_stated(manifest), None))


def _stated(manifest: dict[str, Any]) -> Iterator[Statement]:
    """What the signed actions say."""
    made_by = (manifest.get("claim_generator_info") or [{}])[0]
    software = " ".join(str(made_by[key]) for key in ("name", "version") if key in made_by) or None
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion.get("data", {}).get("actions", []):
                if "digitalSourceType" in action:
                    yield Statement(action["digitalSourceType"], software=software, job=manifest.get("title"))
