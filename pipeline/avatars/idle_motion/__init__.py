"""Idle motion: a still avatar blinks, sways and breathes, so that it does not look like a photograph; while it speaks,
head, brows, eyes and breath follow what is said, and while it does not, it looks like someone who listens.

Reading order: `canvas.py` composes the frames. `blinks.py` and `gaze.py` plan when eyes blink and where they look;
`eyelids.py` draws both, in the coordinates of `eye_shape.py`. `sway.py` plans how the head moves by itself,
`gestures.py` how it follows speech, of which `prosody.py` has what matters; `warp.py` and `fine_plane.py` move the
picture, `skin.py` at the same time the skin around a mouth that speaks.
"""

from pipeline.avatars.idle_motion.canvas import LivingCanvas, LivingPicture

__all__ = ["LivingCanvas", "LivingPicture"]
