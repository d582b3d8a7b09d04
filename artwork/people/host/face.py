"""The host's face and neck: geometry and colours."""

from __future__ import annotations

from artwork.brushes import MULTIPLY
from artwork.eyes import Brows, Eyes
from artwork.face import Features, Lips
from artwork.geometry import Geometry
from artwork.skin import Skin
from artwork.touches import Patch, Spot, Stroke, Touches

FACE = Geometry.mirrored(
    jaw=[
        (170, 455), (170, 490), (168.5, 525), (166, 559), (162, 592), (154.5, 624),
        (141, 654), (118, 682), (88, 708), (51, 729), (0, 737),
    ],
    skull=[(172, 400), (172, 330), (150, 262), (100, 205), (0, 176)],
    eye=[
        (121, 446.5), (106, 436), (81.5, 430.8), (58, 438.5),
        (40, 456), (58, 460.4), (81, 461.8), (105, 457.2),
    ],
    nose=[(39, 566), (0, 577)],
    upper_lip=[
        (-69, 621.4), (-56, 619.7), (-42, 616.5), (-28.5, 613.2), (-14.5, 610.8), (0, 613.4),
        (14.5, 610.6), (28.5, 612.8), (42, 615.9), (56, 618.9), (69, 620.4),
    ],
    lip_line=[
        (-66, 622.4), (-53.5, 626.6), (-40, 629.4), (-26.5, 631.2), (-12.5, 632.3), (0, 633.4),
        (12.5, 632.2), (26.5, 630.9), (40, 628.9), (53.5, 625.9), (66, 621.4),
    ],
    lower_lip=[
        (56.5, 635.8), (43, 646.9), (28.5, 655.6), (14, 660.4), (0, 661.9),
        (-14, 660.6), (-28.5, 655.8), (-43, 647.3), (-56.5, 636.4),
    ],
)  # fmt: skip
EAR = (168, 418)
"""Where the top of an ear meets the head."""

SKIN = Skin(
    glow="#FFEAD6", light="#F5D3B6", warm="#EFC6A5", base="#E3B18F", turned="#D0987A",
    shade="#A0614A", deep="#724236", bounce="#F2D2BC",
)  # fmt: skip
BEARD = "#A58A7B"
"""Colour of the shaven beard, a little cooler than the skin."""

FOREHEAD: Touches = [
    Spot((-26, 312), (90, 44), SKIN.glow, (0, 0.50), 30),
    Stroke([(158, 270), (156, 340), (164, 420)], (30, 40, 30), SKIN.shade, (0.24, 0.34), 18),
    Spot((66, 384), (46, 9), SKIN.glow, (0.34, 0.22), 9, 3),
    Spot((0, 404), (12, 22), SKIN.shade, (0, 0.16), 9),
]
CHEEKS: Touches = [
    Spot((108, 552), (46, 30), "#CF6A55", (0.12, 0.12), 24, -22),
    Stroke([(166, 540), (138, 590), (108, 640)], (14, 44, 14), SKIN.shade, (0.30, 0.38), 17),
    Stroke([(48, 574), (66, 596), (84, 626)], (3, 9, 4), SKIN.shade, (0.22, 0.28), 5.5),
    Spot((110, 512), (42, 16), SKIN.glow, (0.46, 0), 14, -22),
    Spot((106, 512), (34, 13), SKIN.glow, (0, 0.34), 12, -22),
]
BEARD_SHADOW: Touches = [
    Patch(
        [
            (168, 560), (140, 586), (100, 640), (60, 664), (0, 668),
            (0, 760), (70, 752), (130, 690), (170, 620),
        ],
        BEARD, (0.24, 0.24), 16, MULTIPLY,
    ),
    Stroke(
        [(-82, 634), (-50, 606), (0, 599), (50, 606), (82, 634)],
        (10, 20, 18, 20, 10), BEARD, (0, 0.34), 8, MULTIPLY,
    ),
]  # fmt: skip
CHIN: Touches = [
    Spot((0, 667), (34, 6), SKIN.shade, (0, 0.48), 7),
    Spot((-8, 697), (44, 18), SKIN.light, (0, 0.34), 15),
    Stroke([(0, 698), (0, 716)], (4, 7), SKIN.shade, (0, 0.11), 4.5),
    Stroke([(-108, 700), (-52, 734), (0, 742), (52, 734), (108, 700)], (6, 18, 20, 18, 6), SKIN.shade, (0, 0.40), 9),
    Spot((78, 630), (9, 13), SKIN.shade, (0.26, 0.26), 7),
]
NOSE: Touches = [
    Patch([(13, 420), (17, 480), (24, 536), (44, 566), (42, 530), (30, 466)], SKIN.shade, (0, 0.52), 8),
    Patch([(17, 420), (21, 480), (28, 536), (42, 562), (36, 525), (28, 462)], SKIN.shade, (0.28, 0), 8),
    Stroke([(44, 412), (27, 428), (19, 456), (18, 490)], (8, 22, 16, 3), SKIN.shade, (0.36, 0.46), 8),
    Stroke([(-1, 420), (-3, 470), (-4, 536)], (4, 10, 11), SKIN.glow, (0, 0.70), 6),
    Spot((-4, 547), (14, 11), "#FFF3E6", (0, 0.66), 7),
]
SOCKETS: Touches = [
    Spot((82, 428), (50, 13), "#93523A", (0.40, 0.46), 9, -4),
    Spot((34, 432), (12, 14), SKIN.shade, (0.40, 0.48), 8),
    Spot((112, 436), (24, 12), "#7E4632", (0.24, 0.24), 9, 20),
    Stroke([(44, 468), (70, 478), (100, 472)], (2, 6, 3), SKIN.shade, (0.30, 0.32), 5),
    Spot((78, 492), (34, 7), SKIN.glow, (0.24, 0.16), 9, 6),
]
HAIR_SHADOW: Touches = [
    Stroke(
        [(-116, 300), (-98, 264), (-40, 252), (20, 250), (80, 262), (114, 298), (136, 350)],
        (6, 14, 18, 18, 14, 4), "#8E5440", (0, 0.34), 8, MULTIPLY,
    ),
]  # fmt: skip

FEATURES = Features(
    skin=SKIN,
    eyes=Eyes(
        pupil=(80.0, 446.0),
        iris_radius=17.6,
        iris=("#2C1A10", "#4A3020", "#6A4930", "#2A1A12"),
        fibres=("#B08A5C", "#24160E"),
        lash="#2A1A14",
        lashes=0,
        lash_length=3.0,
        lid_line=(0.3, 2.6, 3.6, 3.4, 3.0, 2.2, 1.4, 0.5),
        crease=(4, 9.5, 11.5, 10.5, 8, 3),
        crease_alpha=0.55,
    ),
    brows=Brows(
        knots=[(34, 411.5), (60, 407), (92, 401.5), (120, 403.5), (143, 414)],
        widths=(6, 12.5, 14.5, 13, 9, 2),
        lift=(0.0, 1.5),
        colours=("#3A241A", "#1E120C", "#4A3124"),
        hairs=330,
        lean=(-70, -38, -20, -6, 12, 28),
    ),
    lips=Lips(
        upper=("#BC7C69", "#AA6656", "#925044"),
        lower=("#A86858", "#BF7F6C", "#B67562"),
        line="#5E2C22",
        gloss=0.35,
        blur=2.2,
    ),
    modelling=[*FOREHEAD, *CHEEKS, *BEARD_SHADOW, *CHIN, *NOSE, *SOCKETS],
    hair_shadow=HAIR_SHADOW,
)

HALF_NECK = [(114, 600), (112, 690), (109, 739), (116, 784), (142, 820), (210, 850), (300, 884), (300, 1090)]
NECK_MODELLING: Touches = [
    Stroke([(100, 734), (80, 814), (46, 880), (16, 922)], (2, 14, 14, 6), SKIN.shade, (0.26, 0.34), 7),
    Stroke([(89, 734), (69, 812), (34, 876), (6, 914)], (2, 10, 9, 3), SKIN.glow, (0.20, 0.16), 6),
    Spot((-3, 830), (15, 22), SKIN.glow, (0, 0.16), 10),
    Stroke([(14, 806), (20, 832), (12, 860)], (3, 11, 4), SKIN.shade, (0.22, 0.36), 6),
    Spot((0, 916), (20, 20), SKIN.shade, (0, 0.40), 9),
]
