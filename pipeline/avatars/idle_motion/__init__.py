"""Idle motion: a still avatar blinks, sways and breathes, so that it does not look like a photograph;
a lively one nods and raises its brows on stressed speech.

Reading order: `canvas.py` composes the frames. `blinks.py` plans when eyes blink, `eyelids.py` draws the lids, in the
coordinates of `eye_shape.py`. `sway.py` plans how the head moves; `warp.py` and `fine_plane.py` move the picture.
"""

from pipeline.avatars.idle_motion.canvas import LivingCanvas, LivingPicture

__all__ = ["LivingCanvas", "LivingPicture"]
