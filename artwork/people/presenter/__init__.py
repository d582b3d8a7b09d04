"""The avatar `presenter`: a woman with long brown hair in a teal blazer, in a bright studio."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped
from artwork.clothes import draw_jacket, draw_microphone
from artwork.face import draw_face
from artwork.neck import draw_neck, neck_outline
from artwork.people.presenter.clothes import BLAZER, draw_blouse, draw_necklace
from artwork.people.presenter.face import FACE, FEATURES, HALF_NECK, NECK_MODELLING, SKIN
from artwork.people.presenter.hair import draw_hair_back, draw_hair_front
from artwork.people.presenter.studio import STUDIO
from artwork.person import Person
from artwork.scene import draw_light, draw_studio


def _draw_background(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_studio(canvas, STUDIO, dice)


def _draw_body(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_neck(canvas, FACE, HALF_NECK, SKIN, NECK_MODELLING)
    with clipped(canvas, neck_outline(HALF_NECK)):
        draw_necklace(canvas)
    draw_blouse(canvas)
    draw_jacket(canvas, BLAZER)
    draw_microphone(canvas, BLAZER, 402, 984)


def _draw_face(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    draw_face(canvas, FACE, FEATURES, dice)


PERSON = Person(
    face=FACE,
    layers=(_draw_background, draw_hair_back, _draw_body, _draw_face, draw_hair_front, draw_light),
    seed=7,
)
