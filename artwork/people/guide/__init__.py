"""The avatar `guide`: a young Kazakh woman with straight black hair in a burgundy blazer, in a green studio."""

from __future__ import annotations

import numpy as np
import skia

from artwork.clothes import draw_jacket, draw_microphone
from artwork.face import draw_face
from artwork.neck import draw_neck
from artwork.people.guide.clothes import BLAZER, draw_top
from artwork.people.guide.face import FACE, FEATURES, HALF_NECK, NECK_MODELLING, SKIN
from artwork.people.guide.hair import draw_hair_back, draw_hair_front
from artwork.people.guide.studio import STUDIO
from artwork.person import Person
from artwork.scene import draw_light, draw_studio


def _draw_background(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_studio(canvas, STUDIO, dice)


def _draw_body(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_neck(canvas, FACE, HALF_NECK, SKIN, NECK_MODELLING)
    draw_top(canvas)
    draw_jacket(canvas, BLAZER)
    draw_microphone(canvas, BLAZER, 396, 1010)


def _draw_face(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_face(canvas, FACE, FEATURES, dice)


PERSON = Person(
    face=FACE,
    layers=(_draw_background, draw_hair_back, _draw_body, _draw_face, draw_hair_front, draw_light),
    seed=5,
)
