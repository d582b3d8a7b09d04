"""What is wrong with the levels of a recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.media import background, pcm
from pipeline.messages import PCM_RATE_HZ, Notice

BLOCK_SAMPLES = PCM_RATE_HZ // 10
"""Levels are measured over 100 ms."""
LOUD_PERCENTILE = 95
"""Of the levels of all blocks: that of the speech."""

SILENT_DBFS, QUIET_DBFS = -50.0, -38.0
CLIPPED_SHARE = 0.001
FULL_SCALE = 32_700


def notices(samples: NDArray[np.int16]) -> Iterator[Notice]:
    """What is wrong with the level of a recording."""
    if len(samples) < BLOCK_SAMPLES:
        return
    blocks = pcm.as_float(samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES]).reshape(-1, BLOCK_SAMPLES)
    loud = float(np.percentile(10 * np.log10(np.square(blocks).mean(1) + 1e-10), LOUD_PERCENTILE))
    if loud < SILENT_DBFS:
        hint = "is the speech in another track of the file? only the default one is used"
        yield Notice("silent_audio", f"the recording is nearly silent ({loud:.0f} dBFS)", hint)
        return
    if loud < QUIET_DBFS:
        yield Notice("quiet_audio", f"the recording is very quiet ({loud:.0f} dBFS)", "record it louder")
    yield from background.notices(samples)
    clipped = float(np.mean(np.abs(samples.astype(np.int32)) >= FULL_SCALE))
    if clipped > CLIPPED_SHARE:
        yield Notice("clipped_audio", f"the recording is clipped ({clipped:.1%} of it)", "record it less loudly")
