"""Samples for training: portraits with and without things in front of their mouths, as the face search sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.checks import PRESENCE_MIN
from pipeline.avatars.faces.covers import mouth_part
from pipeline.avatars.faces.finder import FaceFinder, Mesh
from pipeline.avatars.landmarks import CONTOURS
from training.mouth_covers.drawings import (
    COVERS,
    Grey,
    Site,
    beard,
    laid_over,
    lipstick,
    mask,
    microphone,
    opened,
    scarf,
)


@dataclass(frozen=True)
class Mix:
    """What samples of a portrait show."""

    seed: int
    count: int
    """Samples of each portrait."""
    open_share: float
    """Share of mouths that are opened."""
    covered_share: float


MIXES = (Mix(0, 13, 0.0, 0.55), Mix(1000, 10, 0.75, 0.1))


class Samples(NamedTuple):
    """Parts of faces and what they show."""

    parts: NDArray[np.uint8]
    """[n, side, side]"""
    covered: NDArray[np.float32]
    """[n]: share of the lips that is covered."""
    portraits: NDArray[np.intp]
    """[n]: number of the portrait."""


def samples_of(files: list[Path], mix: Mix, part: int, parts: int) -> Samples:
    """The samples of every `parts`-th portrait, from number `part` on."""
    finder, found = FaceFinder(), []
    for number in range(part, len(files), parts):
        rng = np.random.default_rng(number + mix.seed)
        portrait = _read(files[number])
        if rng.random() < 0.5:
            portrait = np.ascontiguousarray(portrait[:, ::-1])
        faces = finder.detect(_colours(portrait))
        if faces:
            mesh = finder.mesh(_colours(portrait), faces[0])
            for _ in range(mix.count):
                scrap = _read(files[int(rng.integers(len(files)))])
                picture, share = _drawn(Site(portrait, mesh.points[:, :2], scrap), mix, rng)
                sample = _seen(_taken(picture, mesh, rng), mesh, finder)
                if sample is not None:
                    found.append((sample, share, number))
    cut, shares, numbers = zip(*found, strict=True)
    return Samples(np.array(cut), np.array(shares, np.float32), np.array(numbers))


def _read(file: Path) -> Grey:
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, file
    return picture.astype(np.float32)


def _colours(picture: Grey) -> NDArray[np.uint8]:
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, -1)


def _drawn(site: Site, mix: Mix, rng: np.random.Generator) -> tuple[Grey, float]:
    """The portrait, perhaps with its mouth open, a beard, and something before or beside the mouth.

    Also the share of the lips that is covered.
    """
    if rng.random() < 0.4:
        site = replace(site, picture=laid_over(site.picture, lipstick(site, rng), 0.3)[0])
    picture = opened(site, rng) if rng.random() < mix.open_share else site.picture
    if rng.random() < 0.25:
        picture, _ = laid_over(picture, beard(site, rng), 0.3)
    is_covered = rng.random() < mix.covered_share
    if not is_covered and rng.random() < 0.55:
        return picture, 0.0
    draw = COVERS[int(rng.integers(len(COVERS)))]
    place = site
    if not is_covered:
        place, draw = site.beside(rng), microphone if draw in (mask, scarf) else draw
    picture, opacity = laid_over(picture, draw(place, rng), rng.uniform(0.2, 1.0))
    return picture, float((opacity * site.lips).sum() / max(float(site.lips.sum()), 1))


def _taken(picture: Grey, mesh: Mesh, rng: np.random.Generator) -> Grey:
    """The picture turned, cut off near the mouth, in another light, blurred, painted, grainy or badly compressed."""
    if rng.random() < 0.7:
        rows, columns = picture.shape
        turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.normal(0, 9), rng.uniform(0.85, 1.3))
        picture = np.asarray(
            cv2.warpAffine(picture, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE), np.float32
        )
    if rng.random() < 0.2:
        picture = _cut_off(picture, mesh, rng)
    if rng.random() < 0.5:
        picture = 255 * np.clip(picture / 255, 0, 1) ** rng.uniform(0.6, 1.7)
    if rng.random() < 0.5:
        picture = picture * rng.uniform(0.08, 1.2)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), rng.uniform(0.3, 1.6))
    if rng.random() < 0.1:
        picture = cv2.bilateralFilter(picture.astype(np.float32), 7, 40, 5)
    if rng.random() < 0.4:
        picture = picture + rng.normal(0, rng.uniform(1, 12), picture.shape)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))]
        coded = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), quality)[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        picture = decoded.astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.float32)


def _cut_off(picture: Grey, mesh: Mesh, rng: np.random.Generator) -> Grey:
    """The picture without what is below or beside the mouth."""
    x, y = mesh.points[list(CONTOURS["lips_outer"]), :2].mean(0)
    room = rng.uniform(0.25, 0.6) * float(np.linalg.norm(mesh.points[454, :2] - mesh.points[234, :2]))
    rows, columns = picture.shape
    side = rng.integers(3)
    if side == 0:
        kept: Any = picture[: int(np.clip(y + room, 5, rows))]
    elif side == 1:
        kept = picture[:, : int(np.clip(x + 1.1 * room, 5, columns))]
    else:
        kept = picture[:, int(np.clip(x - 1.1 * room, 0, columns - 9)) :]
    return np.ascontiguousarray(kept)


def _seen(picture: Grey, before: Mesh, finder: FaceFinder) -> NDArray[np.uint8] | None:
    """The part around the mouth, where the face search expects it; None if it sees no face."""
    colours = _colours(picture)
    faces = finder.detect(colours)
    mesh = finder.mesh(colours, faces[0]) if faces else finder.follow(colours, before)
    return mouth_part(colours, mesh.points).astype(np.uint8) if mesh.presence >= PRESENCE_MIN else None
