"""Faces in pictures and videos.

`tracking.py` finds a face in a picture or follows it through a video; start there. It uses `finder.py` (the face
models), `lip_edges.py` (refines the lips), `checks.py` (whether the face can speak) and `smoothing.py` (removes
jitter), and returns the types of `results.py`: `Faces`, or `NoFace` with the reason.
"""
