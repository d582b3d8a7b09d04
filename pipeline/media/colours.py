"""Colours of other spaces, brought to BT.709 and sRGB: wide gamuts, and the high dynamic range of PQ and HLG.

Primaries and transfer functions are those of ITU-T H.273; ffmpeg's names for them are used. High dynamic range is
compressed by the EETF of ITU-R BT.2390, with diffuse white at 203 cd/m² (BT.2408) shown as white.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.media.colour_spaces import HLG, LINEAR, PEAK_NITS, PQ, PRIMARIES, SRGB, ColourSpace

Floats = NDArray[np.float64]
"""[..., 3]: red, green, blue."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

WHITE_NITS = 203.0
"""Luminance of diffuse white in high dynamic range."""
HLG_GAMMA = 1.2
"""System gamma of HLG at `PEAK_NITS`."""
HLG_LUMA = np.array([0.2627, 0.6780, 0.0593])
HLG_A, HLG_B, HLG_C = 0.17883277, 0.28466892, 0.55991073
PQ_NITS = 10_000.0
PQ_M1, PQ_M2, PQ_C1, PQ_C2, PQ_C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128

VIDEO_GAMMA = 2.4
"""Of a display for standard video (BT.1886)."""
GRID = 65
"""Points of a lookup table along each axis. Interpolating between them changes colours by 0.1 on average (CIELAB)."""


def to_video(values: Floats, space: ColourSpace) -> Floats:
    """Convert values 0 to 1 to BT.709 for a standard display; what it cannot show is clipped."""
    light = _light(values, space, lambda signal: signal**VIDEO_GAMMA)
    return np.asarray(light ** (1 / VIDEO_GAMMA), np.float64)


def to_srgb(values: Floats, space: ColourSpace) -> Floats:
    """Convert values 0 to 1 to sRGB; what it cannot show is clipped."""
    light = _light(values, space, _srgb_light)
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055), np.float64)


def picture_to_srgb(picture: NDArray[np.uint8], space: ColourSpace) -> NDArray[np.uint8]:
    """Convert a picture, RGB [h, w, 3], row by row: that bounds the memory."""
    converted = np.empty_like(picture)
    for row, out in zip(picture, converted, strict=True):
        out[:] = np.rint(to_srgb(row / 255, space) * 255)
    return converted


@lru_cache(maxsize=4)
def cube(space: ColourSpace) -> str:
    """`to_video` as a lookup table in the format of .cube files, red changing fastest."""
    steps = np.linspace(0, 1, GRID)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    rows = to_video(np.stack([red, green, blue], -1).reshape(-1, 3), space)
    return f"LUT_3D_SIZE {GRID}\n" + "%.5f %.5f %.5f\n" * len(rows) % tuple(rows.ravel().tolist())


def _light(values: Floats, space: ColourSpace, standard: Any) -> Floats:
    """Linear light of BT.709's primaries, 0 to 1."""
    if space.transfer == PQ:
        light = _compressed(_pq_nits(values), space.peak_nits)
    elif space.transfer == HLG:
        light = _compressed(_hlg_nits(values), PEAK_NITS)
    else:
        light = values if space.transfer == LINEAR else standard(values)
    return np.asarray(np.clip(light @ _to_bt709(space.primaries).T, 0, 1), np.float64)


def _srgb_light(signal: Floats) -> Floats:
    return np.asarray(np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4), np.float64)


def _pq_nits(signal: Floats) -> Floats:
    """SMPTE ST 2084."""
    power = signal ** (1 / PQ_M2)
    return np.asarray(PQ_NITS * ((power - PQ_C1).clip(0) / (PQ_C2 - PQ_C3 * power)) ** (1 / PQ_M1), np.float64)


def _pq_signal(nits: Floats | float) -> Floats:
    power = (np.asarray(nits, np.float64) / PQ_NITS) ** PQ_M1
    return np.asarray(((PQ_C1 + PQ_C2 * power) / (1 + PQ_C3 * power)) ** PQ_M2, np.float64)


def _hlg_nits(signal: Floats) -> Floats:
    """BT.2100: the inverse of HLG's OETF, then its OOTF."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - HLG_C) / HLG_A) + HLG_B) / 12)
    return np.asarray(PEAK_NITS * scene * (scene @ HLG_LUMA)[..., None] ** (HLG_GAMMA - 1), np.float64)


def _compressed(nits: Floats, peak_nits: float) -> Floats:
    """Compress light up to `peak_nits` to 0 to 1. A colour's strongest component decides, so that its hue stays."""
    strongest = np.minimum(nits.max(-1, keepdims=True), peak_nits)
    if peak_nits <= WHITE_NITS:
        return nits / WHITE_NITS
    top = float(_pq_signal(peak_nits))
    white = float(_pq_signal(WHITE_NITS)) / top
    knee = 1.5 * white - 0.5
    level = _pq_signal(strongest) / top
    t = ((level - knee) / (1 - knee)).clip(0)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    shown = _pq_nits(np.where(level < knee, level, bent) * top)
    return np.asarray(nits * (shown / np.maximum(nits.max(-1, keepdims=True), 1e-9)) / WHITE_NITS, np.float64)


@lru_cache(maxsize=16)
def _to_bt709(primaries: str) -> Floats:
    """The matrix from linear light of some primaries to that of BT.709, adapted to its white."""
    white, target = (_xyz(PRIMARIES[name][3]) for name in (primaries, SRGB))
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ target) / (BRADFORD @ white)) @ BRADFORD
    return np.asarray(np.linalg.inv(_to_xyz(SRGB)) @ adapted @ _to_xyz(primaries), np.float64)


def _to_xyz(primaries: str) -> Floats:
    *colours, white = PRIMARIES[primaries]
    columns = np.stack([_xyz(colour) for colour in colours], 1)
    return np.asarray(columns * np.linalg.solve(columns, _xyz(white)), np.float64)


def _xyz(chromaticity: tuple[float, float]) -> Floats:
    x, y = chromaticity
    return np.array([x / y, 1, (1 - x - y) / y])
