"""The room behind the host: a window on the left, a warm wall with shelves and a plant on the right."""

from __future__ import annotations

from artwork.scene import Studio

STUDIO = Studio(
    wall=("#F5F0E9", "#E7DED3", "#C4B4A1", "#85776B"),
    panels=[
        (-60, 90, "#FFFBF2", 0.62), (120, 270, "#FFFBF2", 0.50), (300, 330, "#CDBFAE", 0.20),
        (690, 720, "#8A7460", 0.20), (760, 930, "#86705B", 0.26), (980, 1120, "#6E5A49", 0.34),
    ],
    shelves=[(720, 1120, 300), (720, 1120, 520)],
    board="#F0E0C6",
    things=[
        (800, 232, 30, 66, "#4F7480"), (840, 226, 26, 70, "#D8C6A6"), (884, 236, 34, 62, "#8FA9A4"),
        (990, 226, 44, 70, "#B9785A"), (830, 456, 46, 60, "#E3CDA8"), (925, 448, 30, 66, "#5B7F88"),
        (966, 452, 28, 64, "#C98E6C"), (1030, 456, 40, 60, "#93AAA6"),
    ],
    plant=(968, 850, "#A9BE98"),
    lamps=((770, 1080), (20, 640), 9),
    edge="#3A2A20",
)  # fmt: skip
