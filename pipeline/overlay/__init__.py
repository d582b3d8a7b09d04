"""Text in the picture: the label that says that a video was made by AI, and captions.

Reading order: `settings.py` what may be asked for, `fonts.py` the letters, `document.py` what is shown when, in the
format of libass, which draws it while ffmpeg encodes the frames.
"""
