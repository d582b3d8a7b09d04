"""ICC profiles made from published chromaticities, and the colours that they stand for, computed without them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
SPACES = {
    "Display P3": (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65, 2.2),
    "Adobe RGB": (((0.640, 0.330), (0.210, 0.710), (0.150, 0.060)), D65, 563 / 256),
    "ProPhoto": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50, 1.8),
    "BT.2020": (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65, 2.4),
    "BT.601, 525 lines": (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65, 2.4),
    "BT.601, 625 lines": (((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)), D65, 2.4),
    "BT.709": (((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)), D65, 2.4),
}
"""Red, green and blue; white; gamma."""


def xyz(point: tuple[float, float]) -> Floats:
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def to_xyz(space: str) -> Floats:
    """To the space's own white (SMPTE RP 177)."""
    colours, white, _ = SPACES[space]
    columns = np.stack([xyz(colour) for colour in colours], 1)
    return np.asarray(columns * np.linalg.solve(columns, xyz(white)))


def adapted(white: tuple[float, float], target: tuple[float, float]) -> Floats:
    """Bradford's adaptation, as ICC asks."""
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    return np.asarray(np.linalg.inv(cone) @ np.diag((cone @ xyz(target)) / (cone @ xyz(white))) @ cone)


def bt709_light(light: Any, space: str) -> Floats:
    """Linear light of a space as that of BT.709, clipped."""
    matrix = np.linalg.inv(to_xyz("BT.709")) @ adapted(SPACES[space][1], D65) @ to_xyz(space)
    return np.clip(np.asarray(light, np.float64) @ matrix.T, 0, 1)


def srgb_of(values: Any, space: str) -> Floats:
    """Values 0 to 1 of a space as sRGB, 0 to 255."""
    light = bt709_light(np.asarray(values, np.float64) ** SPACES[space][2], space)
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255)


def rgb_profile(space: str) -> bytes:
    """An ICC profile (version 2) of a space."""
    matrix = adapted(SPACES[space][1], D50) @ to_xyz(space)
    tags = {name: b"XYZ \0\0\0\0" + fixed(*matrix[:, index]) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    return profile(b"RGB ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(SPACES[space][2]))})


def grey_profile(power: float) -> bytes:
    return profile(b"GRAY", {b"kTRC": gamma(power)})


def cmyk_profile() -> bytes:
    """Inks that make everything greyer than their plain conversion: L* falls by 80 with black, a* and b* stay 0."""
    grid = [(ink >> 3 & 1, ink >> 2 & 1, ink >> 1 & 1, ink & 1) for ink in range(16)]
    table = bytes(value for *_, black in grid for value in (round((100 - 80 * black) * 2.55), 128, 128))
    identity = np.eye(3).reshape(-1)
    curve = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(*identity) + curve * 4 + table + curve * 3
    return profile(b"CMYK", {b"A2B0": lut, b"A2B1": lut}, connection=b"Lab ")


def gamma(power: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(power * 256))


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(float(number) * 65536) for number in numbers))


def profile(colours: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(*xyz(D50)), **tags}
    tags |= {b"desc": b"desc\0\0\0\0\0\0\0\x05test\0" + bytes(78), b"cprt": b"text\0\0\0\0\0"}
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    kind = b"prtr" if colours == b"CMYK" else b"mntr"
    header = struct.pack(
        ">I4sI4s4s4s12s4s", at + len(body), b"", 0x02400000, kind, colours, connection, bytes(12), b"acsp"
    )
    header += bytes(28) + fixed(*xyz(D50)) + bytes(48)
    return header[:128].ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
