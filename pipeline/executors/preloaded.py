"""What several workers import, imported once for all of them: the fork server imports this module before it forks.

Nothing here may use CUDA, or start threads that a worker needs.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import pipeline

MODULES = (
    *("torch.multiprocessing", "pipeline.executors.worker", "pipeline.config", "pipeline.media.ffmpeg"),
    *("pipeline.avatars", "pipeline.avatars.idle_motion", "pipeline.engines.builtin", "pipeline.engines.mel"),
)

if os.environ.get("LIPDROP_PACKAGE") != pipeline.__path__[0]:
    # The daemon runs from a checkout, this server found an installed lipdrop: workers must import the daemon's.
    del sys.modules["pipeline.executors"], sys.modules["pipeline"]
    raise ImportError("another copy of lipdrop")

gc.disable()  # imports make many objects and no garbage
for name in MODULES:
    import_module(name)
gc.freeze()  # the workers' collectors neither look at these objects nor copy their pages
gc.enable()
