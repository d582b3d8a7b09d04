"""The room behind the presenter: a wall of light on the left, shelves and lamps on the right."""

from __future__ import annotations

from artwork.scene import Studio

STUDIO = Studio(
    wall=("#F3EEE7", "#D3D9DA", "#93A8B3", "#5B7788"),
    panels=[
        (-60, 130, "#FFFAF0", 0.60), (165, 300, "#FFFAF0", 0.42), (335, 400, "#FFFAF0", 0.18),
        (720, 760, "#3E5E70", 0.20), (800, 960, "#3A5869", 0.28), (1000, 1120, "#2F4C5D", 0.34),
    ],
    shelves=[(700, 1120, 250), (700, 1120, 470), (700, 1120, 690)],
    board="#E3D5C2",
    things=[
        (820, 400, 34, 64, "#C9886A"), (862, 394, 26, 70, "#E0C9A6"), (905, 404, 36, 60, "#557F8C"),
        (1000, 400, 40, 58, "#D9B48C"), (880, 622, 44, 58, "#8FB0AE"), (950, 616, 30, 64, "#CB9A7E"),
        (850, 190, 36, 52, "#A9C2C6"), (975, 186, 42, 54, "#D6BFA4"),
    ],
    plant=(108, 840, "#5E8A72"),
    lamps=((830, 1080), (20, 720), 13),
    edge="#17303F",
)  # fmt: skip
