"""Signing videos as C2PA content credentials. Only those who sign, or look at signatures, load the library."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from pipeline.errors import StageError
from pipeline.messages import Mark
from pipeline.provenance import certificates
from pipeline.provenance.certificates import Credentials
from pipeline.provenance.mark import GENERATED, SOURCE_TYPES, software

SMALLEST_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A picture of one pixel, which is signed to try out a certificate."""
LOCAL = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
"""Settings of C2PA's library: reading a file must not make it connect to where the file says."""


def check(certificate: Path, key: Path) -> None:
    """Sign a picture of one pixel, and verify that. Raises ConfigError if it cannot be done."""
    credentials = certificates.load(certificate, key, certificates.utc_now())
    try:
        import c2pa
    except ImportError as error:
        raise certificates.not_installed() from error
    signed = io.BytesIO()
    try:
        with c2pa.Builder(_manifest(software(), GENERATED, "picture")) as builder, _signer(credentials) as signer:
            builder.sign(signer, "image/png", io.BytesIO(SMALLEST_PNG), signed)
        signed.seek(0)
        with reader("image/png", signed) as found:
            state = found.get_validation_state()
    except c2pa.C2paError as error:
        raise certificates.unusable(str(error)[:200]) from error
    if state not in ("Valid", "Trusted"):
        raise certificates.unusable("signatures that it makes are not valid")


def sign(video: Path, mark: Mark, credentials: Credentials) -> None:
    """Sign a finished, marked MP4. Raises StageError."""
    import c2pa

    unfinished = video.with_name(f"signed-{video.name}")
    unfinished.unlink(missing_ok=True)
    try:
        with (
            c2pa.Builder(_manifest(mark.software, mark.source_type, mark.job)) as builder,
            _signer(credentials) as signer,
        ):
            builder.sign_file(video, unfinished, signer)
    except c2pa.C2paError as error:
        hint = "is the certificate still valid? is there enough disk space?"
        raise StageError("sign", f"the video cannot be signed: {str(error)[:200]}", hint=hint) from error
    unfinished.replace(video)


def _signer(credentials: Credentials) -> Any:
    import c2pa

    info = c2pa.C2paSignerInfo(credentials.algorithm, credentials.chain, credentials.key, None)
    return c2pa.Signer.from_info(info)


def _manifest(program: str, source_type: str, title: str) -> dict[str, Any]:
    """What is signed: that this program made the file, and from what."""
    name, _, number = program.partition(" ")
    made = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPES + source_type,
        "softwareAgent": {"name": name, "version": number},
    }
    return {
        "title": title,
        "claim_generator_info": [{"name": name, "version": number}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }


def reader(kind: str, content: Any, anchors: str | None = None) -> Any:
    """C2PA's own reader of a file's content. Raises C2paError if there are no content credentials.

    `anchors`: PEM of the authorities to trust; None: none is trusted.
    """
    import c2pa

    trust: dict[str, Any] = {"trust": {"trust_anchors": anchors}} if anchors else {}
    with c2pa.Settings.from_dict(LOCAL | trust) as settings:
        return c2pa.Reader(kind, content, context=c2pa.Context(settings))
