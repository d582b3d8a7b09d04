"""Files of workers on nodes that do not share the spool.

Workers that speak and render have a mirror of the part of the spool that an item needs. The bridge sends what a node
lacks before it sends an item (`carrier.py`, `routes.py`), and fetches the files of a result before it reports it. It
alone writes into the spool. Stages see paths within the mirror (`cargo.py`, `mirror.py`).

Workers that split and merge run on the daemon's own machine and use the spool itself: they read and write nearly all
of its bytes, but compute little.
"""

CARRIED_ROLES = ("tts", "lipsync")
"""Workers with a mirror, on any node. The others run on the daemon's machine."""
