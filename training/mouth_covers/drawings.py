"""Draws things in front of mouths: hands, masks, microphones, cups, scarves, food and scraps of other pictures.

Everything is grey: pictures [height, width], 0..255. Lengths are in widths of the face. The numbers are ranges of what
such things look like; nothing depends on any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.landmarks import CONTOURS

Grey = NDArray[Any]
Points = NDArray[np.float32]
Cover = tuple[Grey, Grey]
"""Shades and opacity (0..1), both of the picture's shape."""


@dataclass(frozen=True)
class Site:
    """The face before which something is drawn."""

    picture: Grey
    mesh: Points
    """[468, 2]"""
    scrap: Grey
    """Another picture, for textures."""

    @property
    def mouth(self) -> Points:
        """The middle of the mouth."""
        return np.asarray(self.mesh[[0, 17, 61, 291]].mean(0), np.float32)

    @property
    def width(self) -> float:
        """Of the face, in pixels."""
        return float(np.linalg.norm(self.mesh[454] - self.mesh[234]))

    @property
    def lips(self) -> Grey:
        """1 on the lips and between them, else 0."""
        return _filled(self, self.mesh[list(CONTOURS["lips_outer"])])

    @property
    def skin(self) -> float:
        """Brightness of the skin."""
        last = np.array(self.picture.shape[::-1]) - 1
        x, y = np.clip(np.rint(self.mesh[[50, 280, 205, 425, 4]]), 0, last).astype(int).T
        return float(np.median(self.picture[y, x]))

    def beside(self, rng: np.random.Generator) -> Site:
        """A place that is not before the mouth, rather below it."""
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.7) * self.width
        down = abs(np.sin(angle)) if rng.random() < 0.7 else np.sin(angle)
        return replace(self, mesh=(self.mesh + np.array([np.cos(angle), down]) * far).astype(np.float32))


def _grid(site: Site, centre: Points, degrees: float) -> tuple[Grey, Grey]:
    """Coordinates around a point, turned, in face widths."""
    rows, columns = site.picture.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    x, y = (x - centre[0]) / site.width, (y - centre[1]) / site.width
    cosine, sine = np.float32(np.cos(np.radians(degrees))), np.float32(np.sin(np.radians(degrees)))
    return cosine * x + sine * y, cosine * y - sine * x


def _noise(shape: tuple[int, ...], pixels: float, rng: np.random.Generator) -> Grey:
    """Smooth noise of unit deviation with details of a size."""
    raw = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), max(pixels, 0.3))
    return raw / max(float(raw.std()), 1e-6)


def _soft(distance: Grey, site: Site) -> Grey:
    """Opacity of an outline: distance inwards, in face widths."""
    return np.clip(distance * site.width + 0.5, 0, 1)


def _filled(site: Site, outline: Points) -> Grey:
    mask = np.zeros(site.picture.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / 255


def mask(site: Site, rng: np.random.Generator) -> Cover:
    """Cloth or paper from the nose to the jaw."""
    jaw = site.mesh[[93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323]]
    nose = site.mesh[[2, 4, 195][rng.integers(3)]]
    middle = site.mesh[164]
    jaw = middle + (jaw - middle) * rng.uniform(0.9, 1.12)
    side = rng.integers(0, 4)
    outline = np.concatenate([jaw[side : len(jaw) - side], nose[None]])
    x, y = _grid(site, site.mouth, rng.uniform(-8, 8))
    shade = rng.uniform(5, 250) + rng.uniform(-60, 60) * y + rng.uniform(-40, 40) * x**2 + rng.uniform(-40, 40) * x
    if rng.random() < 0.6:
        shade = shade + rng.uniform(3, 25) * np.sign(rng.random() - 0.5) * np.exp(
            -((((y * rng.uniform(4, 9)) % 1 - 0.5) / 0.1) ** 2)
        )
    if rng.random() < 0.4:
        shade = shade + rng.uniform(10, 60) * np.sign(
            np.sin(x * rng.uniform(10, 50)) * np.sin(y * rng.uniform(0.1, 50))
        )
    shade = shade + rng.uniform(0, 12) * _noise(site.picture.shape, site.width * rng.uniform(0.005, 0.1), rng)
    return shade, _filled(site, outline)


def _cylinder(x: Grey, half: float) -> Grey:
    return 1 - 0.35 * np.clip(np.abs(x) / half, 0, 1) ** 2.5


def hand(site: Site, rng: np.random.Generator) -> Cover:
    """Fingers beside each other, or a fist."""
    turn = rng.uniform(0, 360)
    tone = float(np.clip(site.skin * rng.uniform(0.75, 1.25), 8, 245))
    half = rng.uniform(0.06, 0.1)
    count = int(rng.integers(2, 5))
    at = site.mouth + rng.normal(0, 0.07, 2).astype(np.float32) * site.width
    x, y = _grid(site, at, turn)
    shade, opacity = np.full_like(x, tone), np.zeros_like(x)
    for finger in range(count):
        middle = (finger - (count - 1) / 2) * 2 * half * rng.uniform(0.92, 1.05)
        bend = rng.uniform(-0.15, 0.15)
        tip = -rng.uniform(0.1, 0.35)
        across = x - middle - bend * y
        length = np.where(y < tip, tip - y, 0)
        inside = half - np.hypot(across, length)
        light = tone * _cylinder(across, half) * (1 + 0.08 * np.sin(y * rng.uniform(8, 20)))
        for joint in rng.uniform(tip, 0.5, 3):
            light = light * (1 - 0.12 * np.exp(-(((y - joint) / 0.012) ** 2)))
        if rng.random() < 0.5:
            nail = 1 - ((across / (0.6 * half)) ** 2 + ((y - tip - 0.5 * half) / (0.8 * half)) ** 2)
            light = np.where(nail > 0, light * rng.uniform(1.02, 1.2), light)
        part = _soft(inside, site)
        shade = shade * (1 - part) + light * part
        opacity = np.maximum(opacity, part)
    if rng.random() < 0.7:
        palm = _soft(1 - np.hypot(x / (count * half * rng.uniform(1, 1.3)), (y - 0.45) / rng.uniform(0.3, 0.5)), site)
        fold = tone * (
            1 + 0.06 * _noise(x.shape, site.width * 0.06, rng) - 0.1 * np.exp(-(((y - 0.3 - 0.3 * x) / 0.015) ** 2))
        )
        shade = np.where(palm > opacity, fold, shade)
        opacity = np.maximum(opacity, palm)
    return shade + rng.uniform(0, 4) * _noise(x.shape, 0.6, rng), opacity


def microphone(site: Site, rng: np.random.Generator) -> Cover:
    """A ball of wire or foam with a handle."""
    radius = rng.uniform(0.13, 0.34)
    at = site.mouth + np.array([rng.normal(0, 0.06), rng.uniform(-0.05, 0.6) * radius], np.float32) * site.width
    turn = rng.uniform(-75, 75)
    x, y = _grid(site, at, turn)
    x = x / rng.uniform(0.75, 1.1)
    tone = rng.choice([rng.uniform(5, 60), rng.uniform(5, 240)])
    ball = 1 - np.hypot(x, y) / radius
    light = tone * (
        1 + rng.uniform(0, 0.9) * np.exp(-((x + 0.3 * radius) ** 2 + (y + 0.4 * radius) ** 2) / (0.4 * radius) ** 2)
    )
    if rng.random() < 0.5:
        pitch = 2 * np.pi / rng.uniform(0.02, 0.06)
        light = light + rng.uniform(5, 50) * np.sin(pitch * (x + y)) * np.sin(pitch * (x - y))
        light = np.where(np.abs(y - rng.uniform(-0.3, 0.6) * radius) < 0.025, rng.uniform(0, 230), light)
    else:
        light = light * (1 + rng.uniform(0.02, 0.2) * _noise(x.shape, rng.uniform(0.5, 1.5), rng))
    wide = rng.uniform(0.35, 0.7) * radius
    handle = np.minimum(wide * (1 - 0.15 * y) - np.abs(x), y - 0.5 * radius)
    grip = rng.uniform(5, 220) * _cylinder(x, wide)
    opacity = np.maximum(_soft(ball * radius, site), _soft(handle, site) if rng.random() < 0.85 else 0)
    return np.where(ball > 0, light, grip), opacity


def thing(site: Site, rng: np.random.Generator) -> Cover:
    """A cup, a telephone, a paper."""
    wide, high = rng.uniform(0.16, 0.5), rng.uniform(0.16, 0.6)
    at = site.mouth + np.array([rng.normal(0, 0.08), rng.uniform(-0.05, 0.25)], np.float32) * site.width
    x, y = _grid(site, at, rng.normal(0, 25))
    narrowing = 1 - rng.uniform(0, 0.35) * y / high
    inside = np.minimum(wide * narrowing - np.abs(x), high - np.abs(y))
    if rng.random() < 0.3:
        inside = np.minimum(inside, 1.15 * wide - np.hypot(x, y * wide / high))
    shade = rng.uniform(5, 250) * (_cylinder(x, wide) if rng.random() < 0.5 else 1) + rng.uniform(-50, 50) * x
    for _ in range(int(rng.integers(0, 7))):
        left, top = rng.uniform(-wide, wide), rng.uniform(-high, high)
        part = (np.abs(x - left) < rng.uniform(0.005, 0.2)) & (np.abs(y - top) < rng.uniform(0.005, 0.1))
        shade = np.where(part, rng.uniform(0, 255), shade)
    return shade + rng.uniform(0, 3) * _noise(x.shape, 0.5, rng), _soft(inside, site)


def scarf(site: Site, rng: np.random.Generator) -> Cover:
    """Cloth with folds, from above the mouth down."""
    x, y = _grid(site, site.mouth, rng.normal(0, 8))
    line = (
        -rng.uniform(0.09, 0.22)
        + rng.uniform(-0.1, 0.25) * x**2
        + 0.02 * np.sin(x * rng.uniform(4, 12) + rng.uniform(0, 6))
    )
    bent = y + 0.1 * _noise(x.shape, site.width * 0.2, rng) + rng.uniform(-0.5, 0.5) * x
    folds = sum(rng.uniform(0, 0.25) * np.sin(bent * rng.uniform(10, 70) + rng.uniform(0, 6)) for _ in range(3))
    shade = rng.uniform(15, 230) * (1 + folds) + rng.uniform(0, 12) * _noise(x.shape, rng.uniform(0.5, 2), rng)
    if rng.random() < 0.4:
        shade = shade + rng.uniform(10, 60) * np.sign(
            np.sin(x * rng.uniform(10, 50)) * np.sin(bent * rng.uniform(10, 50))
        )
    return shade, _soft(y - line, site) * _soft(rng.uniform(0.4, 1.2) - np.abs(x), site)


def _blob(site: Site, rng: np.random.Generator) -> Grey:
    """Distance inwards from an irregular outline over the mouth."""
    at = site.mouth + rng.normal(0, 0.07, 2).astype(np.float32) * site.width
    x, y = _grid(site, at, rng.uniform(0, 360))
    radius = rng.uniform(0.16, 0.4)
    angle = np.arctan2(y, x)
    ragged = sum(rng.uniform(-0.12, 0.12) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 6))
    return radius * (1 + ragged) - np.hypot(x, y * rng.uniform(0.8, 1.5))


def food(site: Site, rng: np.random.Generator) -> Cover:
    """Something round with spots."""
    inside = _blob(site, rng)
    shade = rng.uniform(30, 230) * (0.7 + 0.3 * np.clip(inside / 0.15, 0, 1))
    for _ in range(2):
        spots = _noise(inside.shape, site.width * rng.uniform(0.008, 0.06), rng)
        shade = np.where(spots > rng.uniform(0.3, 1.5), rng.uniform(10, 250), shade + rng.uniform(0, 10) * spots)
    return shade, _soft(inside, site)


def layers(site: Site, rng: np.random.Generator) -> Cover:
    """Bread with something in it."""
    at = site.mouth + rng.normal(0, 0.05, 2).astype(np.float32) * site.width
    x, y = _grid(site, at, rng.normal(0, 15))
    edges = np.cumsum(rng.uniform(0.04, 0.15, int(rng.integers(2, 6))))
    edges = edges - edges.mean()
    shade, wave = np.full_like(x, rng.uniform(30, 230)), 0.02 * np.sin(x * rng.uniform(5, 40) + rng.uniform(0, 6))
    for edge in edges[:-1]:
        shade = np.where(y + wave > edge, rng.uniform(20, 240), shade)
    reach = max(-float(edges[0]), 0.08) + rng.uniform(0.02, 0.1)
    inside = np.minimum(rng.uniform(0.22, 0.5) - np.abs(x), reach - np.abs(y))
    shade = shade * _cylinder(y, reach) + rng.uniform(0, 10) * _noise(x.shape, rng.uniform(0.5, 2), rng)
    return shade, _soft(inside, site)


def bar(site: Site, rng: np.random.Generator) -> Cover:
    """The arm of a microphone, a flute, a strip of tape, a lone finger."""
    half, length = rng.uniform(0.05, 0.16), rng.uniform(0.2, 0.9)
    at = site.mouth + rng.normal(0, 0.04, 2).astype(np.float32) * site.width
    x, y = _grid(site, at, rng.normal(0, 15) if rng.random() < 0.7 else rng.uniform(0, 360))
    x = x - rng.uniform(-0.8, 0.8) * max(length - 0.25, 0)
    ends = length - np.abs(x)
    if rng.random() < 0.5:
        inside = half * np.sqrt(np.clip(1 - (x / length) ** 2, 0, 1)) ** rng.uniform(0.3, 1.2) - np.abs(y)
    else:
        inside = half * (1 + rng.uniform(-0.3, 0.3) * x) - np.abs(y)
    tone = rng.choice([rng.uniform(5, 60), rng.uniform(5, 240), site.skin * rng.uniform(0.7, 1.2)])
    shade = tone * (_cylinder(y, half) if rng.random() < 0.6 else 1) + rng.uniform(-25, 25) * x
    shade = shade + rng.uniform(0, 12) * _noise(x.shape, rng.uniform(0.5, 1.5), rng)
    return shade, _soft(np.minimum(inside, ends), site)


def scrap(site: Site, rng: np.random.Generator) -> Cover:
    """A part of another picture: cloth, hair, skin, walls."""
    rows, columns = site.scrap.shape
    side = int(rng.uniform(0.15, 0.6) * columns)
    top, left = rng.integers(0, rows - side), rng.integers(0, columns - side)
    inside = _blob(site, rng)
    shades = np.zeros_like(inside)
    ys, xs = np.nonzero(inside > 0)
    if len(ys):
        size = int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1
        part = cv2.resize(site.scrap[top : top + side, left : left + side], size, interpolation=cv2.INTER_AREA)
        if rng.random() < 0.4:
            part = part + site.skin - float(np.median(part))
        shades[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = part
    return shades, _soft(inside, site)


def beard(site: Site, rng: np.random.Generator) -> Cover:
    """Not a cover: hair around the lips, which stay visible."""
    lips = site.mesh[[61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]]
    middle = site.mouth
    jaw = site.mesh[[132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 2]]
    outline = _filled(site, middle + (jaw - middle) * rng.uniform(0.6, 1.1))
    bare = _filled(
        site, middle + (lips - middle) * np.array([rng.uniform(0.9, 1.1), rng.uniform(0.75, 1.3)], np.float32)
    )
    blur = site.width * 0.012
    density = cv2.GaussianBlur(np.clip(outline - bare, 0, 1), (0, 0), max(blur, 0.4)) * rng.uniform(0.25, 0.95)
    x, _ = _grid(site, middle, 0)
    hair = _noise(x.shape, rng.uniform(0.4, 1.2), rng)
    hair = cv2.GaussianBlur(hair, (1, 3), 0)
    tone = rng.choice([site.skin * rng.uniform(0.2, 0.8), rng.uniform(120, 230)])
    return tone + rng.uniform(4, 30) * hair, density


def lipstick(site: Site, rng: np.random.Generator) -> Cover:
    """Not a cover: darker or paler lips."""
    soft = cv2.GaussianBlur(site.lips.astype(np.float32), (0, 0), max(site.width * 0.01, 0.4))
    return site.picture * rng.uniform(0.4, 1.2), soft


COVERS: tuple[Callable[[Site, np.random.Generator], Cover], ...] = (
    *(mask, hand, hand, microphone, microphone, thing),
    *(scarf, food, layers, bar, bar, scrap, scrap),
)
"""Drawn equally often."""


def laid_over(picture: Grey, cover: Cover, soft_pixels: float) -> tuple[Grey, Grey]:
    """The picture with a cover, and the cover's opacity."""
    shades, opacity = cover
    opacity = cv2.GaussianBlur(opacity.astype(np.float32), (0, 0), max(soft_pixels, 0.3))
    return np.asarray(picture * (1 - opacity) + np.clip(shades, 0, 255) * opacity, np.float32), opacity


def opened(site: Site, rng: np.random.Generator) -> Grey:
    """Not a cover: the face with its mouth open, wide or round, with or without teeth and tongue."""
    left, right = site.mesh[61], site.mesh[291]
    width = float(np.linalg.norm(right - left))
    degrees = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    seam = site.mesh[[13, 14]].mean(0)
    x, y = _grid(site, seam, degrees)
    x, y = x * site.width / width, y * site.width / width
    drop, narrow = rng.uniform(0.05, 0.75), rng.uniform(0.55, 1.1)
    half = 0.46 * narrow
    arch = np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1)) ** rng.uniform(0.6, 1.3)
    rise = rng.uniform(0, 0.25) * drop
    bulge = np.exp(-((x / (half + 0.15)) ** 2) * 1.2)
    below = np.clip((1.3 + drop - y) / (1.1 + drop), 0, 1)
    shift = np.where(y > 0, drop * bulge * below, -rise * bulge * np.clip(1 + y / 0.45, 0, 1))
    squeeze = 1 + (1 / narrow - 1) * np.exp(-((x / 0.8) ** 2) - ((y - drop / 2) / (0.5 + drop)) ** 2)
    source_x, source_y = x * squeeze, y - shift
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    map_x = (seam[0] + width * (cosine * source_x - sine * source_y)).astype(np.float32)
    map_y = (seam[1] + width * (sine * source_x + cosine * source_y)).astype(np.float32)
    warped = cv2.remap(site.picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = np.minimum(y + rise * arch, drop * arch - y)
    deep = site.skin * rng.uniform(0.05, 0.45) * np.ones_like(x)
    if rng.random() < 0.6:
        deep = np.where(
            y < -rise + rng.uniform(0.05, 0.2), site.skin * rng.uniform(0.7, 1.25) * (1 - 0.5 * np.abs(x)), deep
        )
    if rng.random() < 0.5:
        tongue = np.clip((y - drop * rng.uniform(0.4, 0.8)) / 0.1, 0, 1) * (np.abs(x) < half * 0.8)
        deep = deep + (site.skin * rng.uniform(0.4, 0.8) - deep) * tongue
    if rng.random() < 0.3:
        deep = np.where(y > drop - rng.uniform(0.03, 0.12), site.skin * rng.uniform(0.6, 1.0), deep)
    part = np.clip(inside * width / rng.uniform(1, 3) + 0.5, 0, 1) * (arch > 0)
    return (warped * (1 - part) + deep * part).astype(np.float32)
