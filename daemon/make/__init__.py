"""`lipdrop make`: one video from one command, by the same daemon in a temporary spool.

Reading order: `request.py` what is asked for, `scratch.py` the temporary folder, `rendering.py` the daemon in it
(`program.py`) and the wait for its job, `playing.py` the player of `--play`.
"""
