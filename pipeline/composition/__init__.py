"""What a video shows around an avatar's picture, where the picture does not reach.

Reading order: `layout.py` where the picture goes in the frames of a video, `composition.py` how frames of the picture
become frames of the video, `fill.py` what is around them unless a job says otherwise.
"""
