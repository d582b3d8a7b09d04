"""Follows one face through the frames of a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.avatars.faces.checks import PRESENCE_MIN, pose_problem, sharpness
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.covers import Covers
from pipeline.avatars.faces.finder import Detection, FaceFinder, Floats, Mesh, Picture
from pipeline.avatars.faces.lip_edges import on_lip_edges
from pipeline.avatars.faces.lips import with_exact_lips
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.faces.small_faces import detect
from pipeline.avatars.faces.smoothing import jumps
from pipeline.avatars.landmarks import CONTOURS

CUT_CHANGE = 24.0
"""Mean change of the picture from one frame to the next, in grey levels, that may be a cut."""
CUT_RATIO = 3.0
"""A cut changes the picture this much more than the frame before changed: a moving camera does not."""
COARSE = 32
"""The longer side of the pictures that are compared, in pixels."""
SHARPNESS_EVERY = 8
"""The sharpness of a face is measured in every so many-th frame."""
LIT_POINTS = (50, 280, 205, 425, 4, 151)
"""Mesh points of cheeks, nose and forehead, where the light on the skin is measured."""
LIT_RADIUS = 0.015
"""Half the side of the squares around them, in heights of the face."""


@dataclass(frozen=True)
class Look:
    """What one frame shows."""

    face: Mesh | NoFace
    """The face with its lips on the edges that the picture shows, or why it cannot speak."""
    is_cut: bool
    """Whether the frame begins a new shot, or the face is not where it was before."""
    light: float = 0.0
    """Brightness of the skin, 0..255."""
    sharpness: float = 0.0
    """How much detail the face shows: `checks.sharpness`."""
    cover: float = 0.0
    """How probable it is that something is in front of the mouth, 0..1."""
    others: tuple[Detection, ...] = ()
    """The other faces; known only if the detector ran."""


def followed(frames: Iterable[Picture], choice: Choice) -> Iterator[Look]:
    """Look at each frame, RGB [height, width, 3]."""
    follower = _Follower(choice)
    return map(follower.look, frames)


class _Follower:
    """Where the face was, and what the picture looked like, in the previous frame.

    The detector runs only if the face was not in the previous frame, or seems to have jumped since.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._finder = FaceFinder()
        self._covers = Covers()
        self._before: Mesh | None = None
        self._last: Mesh | None = None
        self._coarse: Floats | None = None
        self._change = 0.0
        self._looks = 0
        self._sharpness = 0.0

    def look(self, picture: Picture) -> Look:
        """Find the face in the next frame."""
        is_cut = self._has_cut(picture)
        if is_cut:
            self._before = self._last = None
        mesh = None if self._before is None else self._found_again(picture, self._before)
        others: tuple[Detection, ...] = ()
        if mesh is None or mesh.presence < PRESENCE_MIN:
            detections = detect(picture, self._finder)
            chosen = self._choice.among(detections, self._last)
            if isinstance(chosen, NoFace):
                self._before = None
                return Look(chosen, is_cut)
            others = tuple(face for face in detections if face is not chosen)
            mesh = self._finder.mesh(picture, chosen)
        problem = pose_problem(mesh)
        self._before = mesh if mesh.presence >= PRESENCE_MIN else None
        if problem is not None:
            return Look(problem, is_cut, others=others)
        self._last = mesh
        if self._looks % SHARPNESS_EVERY == 0:
            self._sharpness = sharpness(picture, mesh)
        self._looks += 1
        light, cover = light_on(picture, mesh), self._covers.probability(picture, mesh)
        return Look(lips_on_edges(mesh, picture), is_cut, light, self._sharpness, cover, others)

    def _found_again(self, picture: Picture, before: Mesh) -> Mesh:
        """The face near where it was in the previous frame."""
        mesh = self._finder.follow(picture, before)
        if not jumps(np.stack([before.points, mesh.points])).any():
            return mesh
        # The crop around the old position is off, and may show another part of the face, or a face of another size.
        near = self._choice.among(detect(picture, self._finder), before)
        return self._finder.follow(picture, mesh) if isinstance(near, NoFace) else self._finder.mesh(picture, near)

    def _has_cut(self, picture: Picture) -> bool:
        """Whether the picture differs from the previous frame's as that of another shot."""
        step = max(max(picture.shape[:2]) // COARSE, 1)
        coarse = picture[step // 2 :: step, step // 2 :: step].astype(np.float32).mean(-1)
        before, self._coarse = self._coarse, coarse
        if before is None:
            return False
        earlier, self._change = self._change, float(np.abs(coarse - before).mean())
        return self._change > max(CUT_CHANGE, CUT_RATIO * earlier)


def lips_on_edges(mesh: Mesh, picture: Picture) -> Mesh:
    """The mesh with the inner edges of its lips moved to where the picture shows them."""
    points, inner = with_exact_lips(mesh.points, picture), list(CONTOURS["lips_inner"])
    points[inner, :2] = on_lip_edges(points[inner, :2], picture)
    return replace(mesh, points=points)


def light_on(picture: Picture, mesh: Mesh) -> float:
    """Brightness of the skin, 0..255: its brightest colour channel, the median over some places."""
    reach = max(round(LIT_RADIUS * float(np.ptp(mesh.points[:, 1]))), 1)
    last = np.array(picture.shape[1::-1]) - 1
    spots = []
    for point in mesh.points[list(LIT_POINTS), :2]:
        x, y = np.clip(np.rint(point), 0, last).astype(int)
        spot = picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        spots.append(spot.reshape(-1, 3).mean(0).max())
    return float(np.median(spots))
