"""The statement that a video was made by AI, as XMP and as a comment that copies of the video keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from pipeline.messages import Mark, Origin

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary (NewsCodes, Digital Source Type); a term's URI is this and its name."""
GENERATED, COMPOSITE, EDITED = "trainedAlgorithmicMedia", "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia"
SYNTHETIC_TERMS = (GENERATED, COMPOSITE, EDITED, "algorithmicMedia", "virtualRecording")
"""Terms that mean that a video, or a part of it, was generated."""

PROPERTIES = {
    "digital_source_type": ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType"),
    "ai_system": ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "AISystemUsed"),
    "ai_system_version": ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "AISystemVersionUsed"),
    "software": ("http://ns.adobe.com/xap/1.0/", "CreatorTool"),
    "created": ("http://ns.adobe.com/xap/1.0/", "CreateDate"),
    "job": ("urn:lipdrop:provenance/1.0/", "job"),
    "consent": ("urn:lipdrop:provenance/1.0/", "consent"),
    "media_sha256": ("urn:lipdrop:provenance/1.0/", "mediaSha256"),
}
"""XMP's name of each part of the statement: namespace and local name."""
PREFIXES = {
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "urn:lipdrop:provenance/1.0/": "lipdrop",
}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}"><rdf:Description rdf:about=""{namespaces}>
{properties}
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
PACKET_BYTES_MAX = 1 << 20
"""Size of a packet that is read."""

COMMENT = re.compile(
    r"AI-generated\. DigitalSourceType=(?P<digital_source_type>\S+); software=(?P<software>[^;]+); job=(?P<job>[^;]+)"
    r"(?:; media-sha256=(?P<media_sha256>[0-9a-f]{64}))?"
)


def source_type(origin: Origin, *, is_recording: bool) -> str:
    """IPTC's term for a video: by what is seen, and by whether a recording is heard or synthetic speech."""
    if origin.kind == "video":
        return EDITED  # people's own pictures, with a generated mouth
    return GENERATED if origin.kind == "drawn" and not is_recording else COMPOSITE


@cache
def software() -> str:
    """The name and version of this program."""
    return f"lipdrop {version('lipdrop')}"


@dataclass(frozen=True)
class Statement:
    """A mark as read from a video. Each part is None if the video does not have it."""

    digital_source_type: str | None = None
    """URI of IPTC's term."""
    ai_system: str | None = None
    ai_system_version: str | None = None
    software: str | None = None
    created: str | None = None
    job: str | None = None
    consent: str | None = None
    media_sha256: str | None = None
    """Digest of the encoded picture and sound: see `pipeline.provenance.embedding`."""

    @property
    def is_synthetic(self) -> bool:
        """Whether it says that the video, or a part of it, was generated."""
        return (self.digital_source_type or "").rpartition("/")[2] in SYNTHETIC_TERMS


def statement(mark: Mark, media_sha256: str | None) -> Statement:
    """What a mark says, in full."""
    system, _, number = mark.software.partition(" ")
    return Statement(
        digital_source_type=SOURCE_TYPES + mark.source_type,
        ai_system=system,
        ai_system_version=number,
        software=mark.software,
        created=mark.created,
        job=mark.job,
        consent=mark.consent,
        media_sha256=media_sha256,
    )


def xmp(stated: Statement) -> bytes:
    """A statement as an XMP packet (ISO 16684-1)."""
    namespaces = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in PREFIXES.items())
    lines = []
    for key, (namespace, name) in PROPERTIES.items():
        value, tag = getattr(stated, key), f"{PREFIXES[namespace]}:{name}"
        lines += [f"<{tag}>{escape(value)}</{tag}>"] if value is not None else []
    return PACKET.format(rdf=RDF, namespaces=namespaces, properties="\n".join(lines)).encode()


def read_xmp(packet: bytes) -> Statement | None:
    """The statement in an XMP packet that anybody may have written; None if there is none."""
    if len(packet) > PACKET_BYTES_MAX or b"<!" in packet:  # XMP has no document type; entities could fill the memory
        return None
    try:
        root = ElementTree.fromstring(packet.rstrip(b"\0").decode("utf-8").strip("\ufeff \n\r\t"))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError):
        return None
    found = {key: _property(root, *names) for key, names in PROPERTIES.items()}
    return Statement(**found) if any(found.values()) else None


def _property(root: ElementTree.Element, namespace: str, name: str) -> str | None:
    """A simple property, which may be an element or an attribute, and the value of an element its `rdf:resource`."""
    tag = f"{{{namespace}}}{name}"
    for description in root.iter(f"{{{RDF}}}Description"):
        if (value := description.get(tag)) is not None:
            return value
        element = description.find(tag)
        if element is not None:
            return element.text or element.get(f"{{{RDF}}}resource")
    return None


def comment(stated: Statement) -> str:
    """A statement as a comment: programs that copy a video keep that, but drop XMP."""
    parts = [f"DigitalSourceType={stated.digital_source_type}", f"software={stated.software}", f"job={stated.job}"]
    parts += [f"media-sha256={stated.media_sha256}"] if stated.media_sha256 else []
    return f"AI-generated. {'; '.join(parts)}"


def read_comment(text: str) -> Statement | None:
    """The statement in a comment as `comment` writes it; None if it is another comment."""
    found = COMMENT.fullmatch(text.strip())
    return Statement(**found.groupdict()) if found else None
