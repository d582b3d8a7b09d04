"""What makes videos recognizable: a logo in their corner, an intro and an outro.

Reading order: `settings.py` what may be asked for, `folder.py` where the files are, `logo.py` the logo in the
picture, `clips.py` the clips before and after it.
"""
