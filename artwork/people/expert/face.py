"""The expert's face and neck: geometry and colours."""

from __future__ import annotations

from artwork.brushes import MULTIPLY
from artwork.eyes import Brows, Eyes
from artwork.face import Features, Lips
from artwork.geometry import Geometry
from artwork.skin import Skin
from artwork.touches import Patch, Spot, Stroke, Touches

FACE = Geometry.mirrored(
    jaw=[
        (171, 455), (171.5, 490), (171, 525), (169.5, 560), (166.5, 594), (160, 627),
        (147, 657), (123, 685), (91, 711), (52, 731), (0, 739),
    ],
    skull=[(173, 400), (172, 330), (150, 262), (100, 206), (0, 180)],
    eye=[
        (120, 450), (105, 438.6), (81.5, 433.6), (58.5, 440.6),
        (41, 456.8), (59, 462), (81.5, 463.6), (104.5, 459.4),
    ],
    nose=[(42, 571), (0, 583)],
    upper_lip=[
        (-67, 626.4), (-54.5, 624.9), (-41, 622.5), (-27.5, 620.0), (-14, 618.2), (0, 620.4),
        (14, 618.0), (27.5, 619.6), (41, 621.9), (54.5, 624.1), (67, 625.4),
    ],
    lip_line=[
        (-64, 627.4), (-52, 630.6), (-39, 632.8), (-26, 634.4), (-12.5, 635.3), (0, 636.4),
        (12.5, 635.2), (26, 634.1), (39, 632.3), (52, 629.9), (64, 626.4),
    ],
    lower_lip=[
        (55, 638.5), (42, 647.9), (28, 655.6), (14, 659.9), (0, 661.2),
        (-14, 660.1), (-28, 655.8), (-42, 648.3), (-55, 639.1),
    ],
)  # fmt: skip
EAR = (169, 412)
"""Where the top of an ear meets the head."""

SKIN = Skin(
    glow="#FFE8D8", light="#F4D0B6", warm="#EDC1A4", base="#E0AC8E", turned="#CC9478",
    shade="#96604C", deep="#6E4036", bounce="#F2D0BC",
)  # fmt: skip
BEARD = "#A89C96"
"""Colour of the shaven grey beard."""


def _wrinkle(
    knots: list[tuple[float, float]], alpha: tuple[float, float], width: float = 2.6, below: float = 4.0
) -> Touches:
    """A fold of the skin: a soft shade, a fine line in it, and light on the rim below."""
    rim = [(x, y + below) for x, y in knots]
    ends = (0.4, width, width, 0.4)
    soft = tuple(width * 3.2 for _ in range(2))
    return [
        Stroke(knots, (1.0, *soft, 1.0), SKIN.shade, (alpha[0] * 0.42, alpha[1] * 0.42), 4.5),
        Stroke(rim, (0.4, width * 1.5, width * 1.5, 0.4), SKIN.glow, (alpha[0] * 0.55, alpha[1] * 0.45), 2.6),
        Stroke(knots, ends, SKIN.shade, alpha, 1.3),
    ]


FOREHEAD: Touches = [
    Spot((-26, 312), (92, 46), SKIN.glow, (0, 0.50), 30),
    Stroke([(160, 270), (158, 340), (166, 420)], (30, 42, 30), SKIN.shade, (0.26, 0.36), 18),
    Spot((68, 386), (46, 9), SKIN.glow, (0.34, 0.22), 9, 3),
    Spot((0, 404), (13, 22), SKIN.shade, (0, 0.20), 9),
    *_wrinkle([(-92, 306), (-48, 299), (0, 303), (46, 298), (88, 305)], (0, 0.30)),
    *_wrinkle([(-104, 332), (-52, 324), (-4, 329), (50, 323), (104, 331)], (0, 0.36)),
    *_wrinkle([(-88, 357), (-50, 350), (-12, 355), (44, 350), (92, 357)], (0, 0.28)),
    *_wrinkle([(8.5, 384), (10.5, 398), (13, 414)], (0.34, 0.40), width=2.4, below=0),
]
CHEEKS: Touches = [
    Spot((106, 556), (46, 30), "#CE6450", (0.13, 0.12), 24, -22),
    Stroke([(168, 540), (142, 592), (114, 646)], (14, 44, 14), SKIN.shade, (0.25, 0.31), 17),
    Stroke([(150, 566), (134, 610), (124, 648)], (4, 14, 6), SKIN.shade, (0.14, 0.17), 8),
    Spot((110, 516), (40, 15), SKIN.glow, (0.44, 0), 13, -22),
    Spot((106, 516), (33, 12), SKIN.glow, (0, 0.32), 12, -22),
    Spot((94, 604), (16, 20), SKIN.glow, (0.20, 0.14), 12, -24),
]
FOLDS: Touches = [
    Stroke([(46, 566), (66, 588), (80, 614), (86, 640)], (4, 13, 12, 3), SKIN.shade, (0.30, 0.36), 5.5),
    Stroke([(46, 566), (65, 588), (78, 613), (84, 636)], (0.6, 3.4, 3.2, 0.4), SKIN.shade, (0.44, 0.50), 1.8),
    Stroke([(58, 568), (78, 592), (91, 618), (96, 640)], (2, 9, 9, 2), SKIN.glow, (0.34, 0.24), 5),
    Stroke([(78, 636), (86, 654), (88, 672)], (1, 5, 1), SKIN.shade, (0.34, 0.38), 3.2),
    Stroke([(110, 664), (96, 694), (78, 712)], (2, 16, 2), SKIN.shade, (0.18, 0.24), 8),
]
"""From the nose to the corners of the mouth, and below these."""
BEARD_SHADOW: Touches = [
    Patch(
        [
            (168, 566), (142, 592), (104, 646), (64, 668), (0, 672),
            (0, 762), (70, 754), (132, 694), (170, 626),
        ],
        BEARD, (0.24, 0.24), 16, MULTIPLY,
    ),
    Stroke(
        [(-80, 640), (-50, 612), (0, 604), (50, 612), (80, 640)],
        (10, 18, 16, 18, 10), BEARD, (0, 0.32), 8, MULTIPLY,
    ),
]  # fmt: skip
CHIN: Touches = [
    Spot((0, 669), (34, 6), SKIN.shade, (0, 0.50), 7),
    Stroke([(-34, 672), (0, 667), (34, 672)], (0.5, 2.6, 0.5), SKIN.shade, (0, 0.30), 2.2),
    Spot((-8, 700), (44, 18), SKIN.light, (0, 0.36), 15),
    Stroke([(0, 700), (0, 718)], (4, 7), SKIN.shade, (0, 0.10), 4.5),
    Stroke([(-112, 702), (-54, 736), (0, 744), (54, 736), (112, 702)], (6, 18, 20, 18, 6), SKIN.shade, (0, 0.40), 9),
]
NOSE: Touches = [
    Patch([(14, 420), (18, 480), (26, 540), (47, 570), (45, 534), (31, 466)], SKIN.shade, (0, 0.54), 8),
    Patch([(18, 420), (22, 480), (30, 540), (45, 566), (39, 529), (29, 462)], SKIN.shade, (0.30, 0), 8),
    Stroke([(45, 414), (28, 430), (20, 458), (19, 492)], (8, 22, 16, 3), SKIN.shade, (0.38, 0.48), 8),
    Stroke([(-1, 424), (-3, 474), (-4, 540)], (4, 11, 12), SKIN.glow, (0, 0.66), 6),
    Spot((-4, 552), (15, 12), "#FFF0E4", (0, 0.62), 7),
    Spot((0, 556), (30, 20), "#C8604E", (0, 0.12), 12),
]
SOCKETS: Touches = [
    Spot((82, 431), (50, 13), "#8C4E3A", (0.40, 0.46), 9, -2),
    Spot((34, 434), (12, 15), SKIN.shade, (0.44, 0.52), 8),
    Spot((112, 440), (24, 12), "#7A4434", (0.26, 0.26), 9, 24),
    Spot((90, 418), (34, 7), SKIN.glow, (0.24, 0.16), 7, 8),
    *_wrinkle([(42, 468), (60, 481), (86, 484), (112, 472)], (0.36, 0.40), width=3.0, below=5),
    Stroke([(52, 470), (78, 474), (104, 468)], (2, 7, 2), SKIN.glow, (0.30, 0.20), 4),
    Stroke([(58, 490), (88, 494), (116, 484)], (1, 4, 1), SKIN.shade, (0.16, 0.18), 3),
    *_wrinkle([(131, 441), (141, 435), (151, 432)], (0.30, 0.34), width=2.0, below=3),
    *_wrinkle([(133, 449), (144, 448), (156, 449)], (0.32, 0.36), width=2.0, below=3),
    *_wrinkle([(131, 457), (141, 461), (151, 468)], (0.30, 0.34), width=2.0, below=3),
    *_wrinkle([(124, 466), (134, 474), (142, 484)], (0.20, 0.24), width=1.8, below=3),
]
HAIR_SHADOW: Touches = [
    Stroke(
        [(-140, 330), (-120, 284), (-90, 254), (-40, 244), (20, 242), (84, 250), (118, 276), (140, 330)],
        (4, 10, 13, 13, 13, 12, 4), "#8A5A4A", (0, 0.26), 8, MULTIPLY,
    ),
]  # fmt: skip

FEATURES = Features(
    skin=SKIN,
    eyes=Eyes(
        pupil=(80.0, 448.0),
        iris_radius=17.2,
        iris=("#30383C", "#586870", "#7F9096", "#2D383D"),
        fibres=("#CDD6D8", "#303C42"),
        lash="#3A302C",
        lashes=0,
        lash_length=2.4,
        lid_line=(0.3, 2.4, 3.2, 3.0, 2.6, 2.0, 1.2, 0.4),
        crease=(0.5, 4.5, 8.0, 9.0, 8.0, 3),
        crease_alpha=0.55,
    ),
    brows=Brows(
        knots=[(33, 413), (60, 408), (92, 402.5), (120, 405.5), (145, 418)],
        widths=(8, 14.5, 15.5, 13.5, 10, 3),
        lift=(0.0, 1.5),
        colours=("#8C8078", "#66605C", "#D2CEC9"),
        hairs=360,
        lean=(-74, -42, -22, -6, 14, 32),
    ),
    lips=Lips(
        upper=("#BA746C", "#A86058", "#8E4A46"),
        lower=("#A65F58", "#BA766E", "#B06E66"),
        line="#5A2A24",
        gloss=0.35,
        blur=1.9,
    ),
    modelling=[*FOREHEAD, *CHEEKS, *BEARD_SHADOW, *CHIN, *FOLDS, *NOSE, *SOCKETS],
    hair_shadow=HAIR_SHADOW,
)

HALF_NECK = [(118, 600), (116, 690), (112, 739), (120, 784), (146, 820), (210, 850), (300, 884), (300, 1090)]
NECK_MODELLING: Touches = [
    Stroke([(100, 734), (80, 800), (46, 860)], (2, 14, 8), SKIN.shade, (0.30, 0.38), 7),
    Stroke([(89, 734), (69, 798), (34, 856)], (2, 10, 4), SKIN.glow, (0.22, 0.18), 6),
    Stroke([(17, 748), (22, 790), (16, 850)], (2, 10, 4), SKIN.shade, (0.20, 0.26), 6),
    Stroke([(-84, 786), (-30, 800), (30, 800), (84, 786)], (1, 4, 4, 1), SKIN.shade, (0, 0.26), 3.0),
    Stroke([(-78, 812), (-30, 824), (30, 824), (78, 812)], (1, 3.4, 3.4, 1), SKIN.shade, (0, 0.18), 3.0),
]
