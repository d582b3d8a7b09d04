"""What a video shows around an avatar's picture where that does not reach, and behind a person that is cut out.

Reading order: `layout.py` where the picture goes in the frames of a video, `composition.py` how frames of the picture
become frames of the video, `fill.py` what is around them unless a job says otherwise. `names.py` and `background.py`
what jobs may show instead, `matte.py` how the person is found, `cutout.py` how it is put before a background.
"""
