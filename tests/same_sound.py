"""What espeak-ng says goes on from what it said before: the phase of its oscillators, its random numbers and libc's.

So that a test hears the same sound whatever ran before it in its process, the library is loaded anew for it. lipdrop
itself does not, since each time a few kilobytes are lost.
"""

from __future__ import annotations

import _ctypes
import ctypes
import sys


def restart_espeak() -> None:
    """Load the library anew, if it has spoken since it was loaded."""
    module = sys.modules.get("pipeline.speech.voices.espeak")
    if module is None or not module._engine.cache_info().currsize:
        return
    engine = module._engine()
    with engine._lock:
        if engine._sound:
            engine._sound, engine._voice = [], ""
            engine._library.espeak_Terminate()
            path, handle = engine._library._name, engine._library._handle
            engine._library = None  # which holds pointers into it
            _ctypes.dlclose(handle)
            engine._library = ctypes.CDLL(path)
            engine._start()
            engine._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            ctypes.CDLL(None).srand(1)
