"""The avatar `host`: a man with short dark hair in a navy jacket, in a warm office."""

from __future__ import annotations

import numpy as np
import skia

from artwork.clothes import draw_jacket, draw_microphone
from artwork.ears import draw_ears
from artwork.face import draw_face
from artwork.neck import draw_neck
from artwork.people.host.clothes import JACKET, draw_shirt
from artwork.people.host.face import EAR, FACE, FEATURES, HALF_NECK, NECK_MODELLING, SKIN
from artwork.people.host.hair import draw_sides, draw_top
from artwork.people.host.studio import STUDIO
from artwork.person import Person
from artwork.scene import draw_light, draw_studio


def _draw_background(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_studio(canvas, STUDIO, dice)


def _draw_body(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_neck(canvas, FACE, HALF_NECK, SKIN, NECK_MODELLING)
    draw_shirt(canvas)
    draw_jacket(canvas, JACKET)
    draw_microphone(canvas, JACKET, 389, 972)


def _draw_head(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_ears(canvas, EAR, SKIN)
    draw_face(canvas, FACE, FEATURES, dice)


PERSON = Person(
    face=FACE,
    layers=(_draw_background, _draw_body, _draw_head, draw_sides, draw_top, draw_light),
    seed=11,
)
