"""Faces in pictures and videos.

`tracking.py` finds a face in a picture or in a whole video; start there. `following.py` looks at a video's frames. Both
use `finder.py` (the face models), `small_faces.py` (looks from near), `choice.py` (which of several faces),
`orientation.py` (whether the picture lies on its side), `lips.py` and `lip_edges.py` (refine the lips), `checks.py`
and `covers.py` (whether the face can speak) and `smoothing.py` (removes jitter). The results are in `results.py`:
`Faces`, or `NoFace` with the reason.
"""
