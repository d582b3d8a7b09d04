"""Avatars: the picture or video that speaks, its face, and its placement in frames of a job's size.

Reading order: `library.py` loads an avatar by name. `folder.py`, `settings.py` and `landmarks.py` read the user's
files, `video.py` reads a video, `faces/` finds the face (start with `tracking.py`), `cache.py` keeps the results.
`avatar.py` fits it all to a frame size, `scenes.py` holds the resulting frames, and `idle_motion/` makes a still
picture blink and sway. `assets/` has the avatars that come with lipdrop.
"""

from pipeline.avatars.avatar import Avatar, FittedAvatar
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.avatars.library import BUILT_IN_FOLDER, Avatars
from pipeline.avatars.settings import AvatarSettings

__all__ = ["BUILT_IN_FOLDER", "Avatar", "AvatarSettings", "Avatars", "FaceLandmarks", "FittedAvatar"]
