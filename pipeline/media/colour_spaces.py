"""Colour spaces: ffmpeg's names of their primaries and transfer functions, and the numbers that ITU-T H.273 has."""

from __future__ import annotations

from dataclasses import dataclass

D65, DCI_WHITE, C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
SRGB = "bt709"
PRIMARIES: dict[str, tuple[tuple[float, float], ...]] = {
    SRGB: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    "bt470m": ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), C),
    "bt470bg": ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), D65),
    "smpte170m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    "smpte240m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    "film": ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    "smpte431": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI_WHITE),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    "ebu3213": ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
    "adobe": ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), D65),
}
"""Chromaticities x, y of red, green, blue and white."""
PRIMARIES_BY_CODE = {
    **{1: SRGB, 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"},
    **{11: "smpte431", 12: "smpte432", 22: "ebu3213"},
}
"""H.273's numbers."""
PQ, HLG, LINEAR, GAMMA = "smpte2084", "arib-std-b67", "linear", "gamma"
TRANSFERS_BY_CODE = {8: LINEAR, 16: PQ, 18: HLG}
"""H.273's numbers; all others are shown alike."""
PEAK_NITS = 1000.0
"""Of a display for HLG, and of a PQ film that does not say."""


@dataclass(frozen=True)
class ColourSpace:
    """What the RGB values of a picture or video mean."""

    primaries: str = SRGB
    transfer: str = GAMMA
    """PQ, HLG, LINEAR, or GAMMA for what a standard display shows as it is."""
    peak_nits: float = PEAK_NITS
    """The brightest light of a PQ film."""

    @property
    def is_standard(self) -> bool:
        """Whether its values can be shown unchanged."""
        return self.primaries == SRGB and self.transfer == GAMMA
