"""Avatars: the picture or clip that speaks, where its face is, and how it is fitted to a job's frame size.

Begin with library.py, which finds an avatar by its name. folder.py, settings.py and landmarks.py read what a user has
put there, video.py a video, faces.py finds the face in it, cache.py keeps what was found, scenes.py gives the pixels,
avatar.py puts them together.
"""

from pipeline.avatars.avatar import Avatar, FittedAvatar
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.avatars.library import BUILT_IN_FOLDER, Avatars
from pipeline.avatars.settings import AvatarSettings

__all__ = ["BUILT_IN_FOLDER", "Avatar", "AvatarSettings", "Avatars", "FaceLandmarks", "FittedAvatar"]
