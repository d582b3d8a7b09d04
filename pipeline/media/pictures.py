"""Reading untrusted pictures: upright, in sRGB, 8 bits, laid over one colour where they are transparent.

numpy is imported only for the few pictures that need it: it takes longer than reading most of them.
"""

from __future__ import annotations

import io
import re
import resource
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import AvifImagePlugin, Image, ImageCms, ImageOps

from pipeline.errors import JobError
from pipeline.media import boxes
from pipeline.media.colour_spaces import PRIMARIES_BY_CODE, SRGB, TRANSFERS_BY_CODE, ColourSpace
from pipeline.media.kinds import Kind, png_chunks
from pipeline.media.refusals import too_many_pixels, too_much_memory, unreadable

SIDE_MAX = 32_766
"""OpenCV cannot rotate larger pictures."""

USUAL_GAMMA, SAME_GAMMA, GAMMA_MIN = 1 / 2.2, 0.05, 0.1
"""That of sRGB, nearly; how far from it another one is called the same; and below which it is nonsense."""
OUT_OF_MEMORY = re.compile(r"out of memory|decoder error -9\b")
TOO_MUCH_TEXT = "Decompressed data too large"
"""What Pillow's decoders say."""
NEAR = 0.75
"""Share of the limit of memory beyond which a failure is likely to be due to it. The largest pictures take as much only
when they are turned, at the end."""

TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
"""Clockwise turns in degrees, and Pillow's names for them, which are anticlockwise."""

MODE_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""The mode of pictures that ICC profiles of these colour spaces describe."""
RENDERING = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
TRANSFERS, IN_RGB = {1, *range(4, 19)}, 0
"""H.273's numbers of transfer functions, and of no matrix: in a PNG, others mean that the chunk is to be ignored."""
EXIF_INTEROPERABILITY, ADOBE_RGB_FILE = 0xA005, "R03"
"""Cameras mark Adobe RGB like this (DCF 2.0), without an ICC profile."""


WHITE = "#ffffff"


@dataclass(frozen=True)
class Look:
    """How an avatar's settings change what its file shows."""

    background: str = WHITE
    """The colour under transparent parts, #rrggbb."""
    turn: int = 0
    """Degrees by which it is turned clockwise: 0, 90, 180 or 270."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The background's red, green and blue."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    def turned(self, sides: tuple[int, int]) -> tuple[int, int]:
        """Width and height after turning."""
        return sides[::-1] if self.turn % 180 else sides


def read(file: Path, kind: Kind, pixels_max: int, look: Look) -> Image.Image:
    """Decode a picture, the first one of several: mode RGB. Its size is checked before its pixels. Raises JobError."""
    with opened(file, kind, pixels_max) as picture, decoding(file):
        return finished(picture, look, coded_space(file, kind, picture))


def finished(picture: Image.Image, look: Look, space: ColourSpace | None) -> Image.Image:
    """An opened picture as it is shown: mode RGB. Pillow's parsers raise anything on broken ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upright = ImageOps.exif_transpose(picture)
    flat = _flat(_in_srgb(upright, space), _opacity(upright), look)
    return flat.transpose(TURNS[look.turn]) if look.turn else flat


@contextmanager
def opened(file: Path, kind: Kind, pixels_max: int) -> Iterator[Image.Image]:
    """Parse a picture's header with the one parser of its kind, and check its size. Raises JobError."""
    if kind.parser == "HEIF":
        _register_heif()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with _header(file, kind) as picture:
        columns, rows = picture.size
        if columns * rows > pixels_max:
            raise too_many_pixels(file, f"{columns}x{rows} pixels, the limit is {pixels_max} in total")
        if max(columns, rows) > SIDE_MAX:
            raise too_many_pixels(file, f"{columns}x{rows} pixels, the limit for one side is {SIDE_MAX}")
        yield picture


@contextmanager
def decoding(file: Path) -> Iterator[None]:
    """Turn whatever Pillow's decoders raise into a JobError."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        raise _refused(file, error) from error


def _refused(file: Path, error: Exception) -> JobError:
    """The error for a picture whose decoder raised `error`."""
    if TOO_MUCH_TEXT in str(error):
        return unreadable("avatar", f"{file.name} has text or a colour profile of an unreasonable size")
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)) or _came_near_the_limit():
        return too_much_memory(file, resource.getrlimit(resource.RLIMIT_DATA)[0])
    return unreadable("avatar", f"{file.name} is broken")


def _came_near_the_limit() -> bool:
    """Whether this process has nearly used up its memory: OpenJPEG calls a picture broken when an allocation fails."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    with suppress(OSError, KeyError):
        lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        size = {words[0]: int(words[1]) << 10 for words in lines if words[-1] == "kB"}
        return size["VmPeak:"] - size["VmSize:"] + size["VmData:"] > NEAR * limit
    return False


def _header(file: Path, kind: Kind) -> Image.Image:
    """Open a picture without decoding its pixels. Raises JobError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes that our own limit, checked next, allows.
            warnings.simplefilter("ignore")
            return Image.open(file, formats=(kind.parser,))
    except Image.DecompressionBombError:
        # Pillow's own limit: 179 million pixels, more than any avatar needs.
        raise too_many_pixels(file, "far too many pixels") from None
    except Exception as error:  # on random bytes Pillow's parsers raise anything
        raise _refused(file, error) from error


def _register_heif() -> None:
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, aux_images=False, depth_images=False, decode_threads=1)


# Colours


def coded_space(file: Path, kind: Kind, picture: Image.Image) -> ColourSpace | None:
    """The colour space that a picture names by number; None if an ICC profile or its gamma decides.

    A PNG's numbers override its profile (PNG, 3rd edition); in HEIC and AVIF the profile comes first.
    """
    if kind.parser == "PNG":
        return _space_in_chunks(file)
    if "icc_profile" in picture.info:
        return None
    if kind.parser in ("AVIF", "HEIF"):
        return _space_in_boxes(file)
    interoperability = picture.getexif().get_ifd(EXIF_INTEROPERABILITY)
    return ColourSpace("adobe") if interoperability.get(1) == ADOBE_RGB_FILE else None


def _in_srgb(picture: Image.Image, space: ColourSpace | None) -> Image.Image:
    """The opaque picture in sRGB."""
    opaque = _opaque(picture)
    if space is not None:
        rgb = opaque.convert("RGB")
        return rgb if space.is_standard else _converted(rgb, space)
    profiled = _by_profile(opaque, picture.info.get("icc_profile"))
    return _by_gamma(opaque.convert("RGB"), picture) if profiled is None else profiled


def _by_gamma(rgb: Image.Image, picture: Image.Image) -> Image.Image:
    """A PNG with the exponent that it names, unless it says that it is in sRGB: as browsers show it."""
    gamma = USUAL_GAMMA if "srgb" in picture.info else picture.info.get("gamma", USUAL_GAMMA)
    exponent = USUAL_GAMMA / gamma if gamma >= GAMMA_MIN else 1.0
    if abs(exponent - 1) < SAME_GAMMA:
        return rgb
    return rgb.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)


def _by_profile(opaque: Image.Image, icc: bytes | None) -> Image.Image | None:
    """The picture converted by its ICC profile; None if it has none that describes its pixels."""
    if not icc:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        mode = MODE_OF_PROFILE.get(profile.profile.xcolor_space.strip())
        if opaque.mode == "L" and mode == "RGB":
            opaque = opaque.convert("RGB")
        if opaque.mode != mode:
            return None
        return _by_transform(opaque, profile)
    except (ImageCms.PyCMSError, OSError):  # like a browser, show the picture without a profile that is broken
        return None


def _by_transform(opaque: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    intent, flags = RENDERING
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), opaque.mode, "RGB", intent, flags)
    return ImageCms.applyTransform(opaque, transform)


def _opaque(picture: Image.Image) -> Image.Image:
    """The picture without transparency: mode L, RGB, CMYK or LAB."""
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        return picture
    if picture.mode in ("1", "LA"):
        return picture.convert("L")
    if picture.mode.startswith("I;16"):
        return _in_8_bits(picture)
    if picture.mode in ("I", "F"):
        raise JobError(
            "media",
            "the picture has 32 bits for each value, and nothing says which value is white",
            field="avatar",
            hint="save it with 8 or 16 bits",
        )
    return picture.convert("RGBA").convert("RGB")


def _in_8_bits(picture: Image.Image) -> Image.Image:
    import numpy as np

    return Image.fromarray(np.asarray((np.asarray(picture, np.uint32) + 128) // 257, np.uint8))


def _converted(rgb: Image.Image, space: ColourSpace) -> Image.Image:
    import numpy as np

    from pipeline.media.colours import picture_to_srgb

    return Image.fromarray(picture_to_srgb(np.asarray(rgb), space))


def _opacity(picture: Image.Image) -> Image.Image | None:
    """Its alpha channel; None if it is opaque."""
    return picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None


def _flat(rgb: Image.Image, opacity: Image.Image | None, look: Look) -> Image.Image:
    if opacity is None:
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, look.rgb), opacity)


META, COLOUR = b"meta", b"colr"
META_BYTES_MAX = 1 << 20


def _space_in_boxes(file: Path) -> ColourSpace | None:
    """The colour space in the `nclx` property of a HEIC or AVIF (ISO/IEC 23008-12)."""
    with file.open("rb") as content:
        head = content.read(META_BYTES_MAX)
    for start, stop in boxes.find(head, META):
        for begin, end in boxes.find(head, b"iprp", b"ipco", COLOUR, start=start + 4, stop=stop):
            if head[begin : begin + 4] == b"nclx" and end - begin >= 8:
                return _numbered(*struct.unpack_from(">HH", head, begin + 4))
    return None


def _space_in_chunks(file: Path) -> ColourSpace | None:
    """The colour space of a PNG's `cICP` chunk; None if there is none that a picture of RGB can have."""
    with file.open("rb") as content:
        codes = next((data for name, data in png_chunks(content) if name == b"cICP"), None)
    if codes is None or codes[0] not in PRIMARIES_BY_CODE or codes[1] not in TRANSFERS or codes[2] != IN_RGB:
        return None
    return _numbered(codes[0], codes[1])


def _numbered(primaries: int, transfer: int) -> ColourSpace:
    """A colour space by the numbers of H.273; unknown ones are sRGB's."""
    plain = ColourSpace()
    return ColourSpace(PRIMARIES_BY_CODE.get(primaries, SRGB), TRANSFERS_BY_CODE.get(transfer, plain.transfer))
