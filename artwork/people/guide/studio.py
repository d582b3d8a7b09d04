"""The room behind the guide: a light wall on the left, a green one with shelves and a plant on the right."""

from __future__ import annotations

from artwork.scene import Studio

STUDIO = Studio(
    wall=("#F6F1E8", "#DDE0D2", "#A9B7A4", "#6C8172"),
    panels=[
        (-60, 110, "#FFFBF0", 0.60), (150, 290, "#FFFBF0", 0.44), (320, 372, "#D6D2BE", 0.20),
        (716, 752, "#566F5E", 0.20), (790, 950, "#4C6656", 0.26), (1000, 1120, "#3E5748", 0.34),
    ],
    shelves=[(710, 1120, 270), (710, 1120, 490), (710, 1120, 710)],
    board="#E9DCC4",
    things=[
        (830, 412, 34, 70, "#C98A5E"), (872, 420, 26, 62, "#EAD9B4"), (916, 414, 36, 68, "#7E4A55"),
        (1006, 420, 40, 62, "#D9B48C"), (870, 640, 44, 62, "#B8A06E"), (946, 632, 30, 68, "#8E5561"),
        (850, 206, 36, 56, "#D8C8A8"), (975, 200, 42, 58, "#B9826A"),
    ],
    plant=(112, 852, "#6E8F62"),
    lamps=((820, 1080), (20, 720), 11),
    edge="#22332A",
)  # fmt: skip
