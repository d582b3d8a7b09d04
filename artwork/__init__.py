"""Draws the avatars that come with lipdrop: `draw.py` is the program, `people/` has a package per avatar."""
