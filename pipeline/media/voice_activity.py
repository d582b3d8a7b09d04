"""Where somebody speaks: Silero's voice activity detector, which is little misled by noise, music and breaths."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.media import pcm

if TYPE_CHECKING:
    import onnxruntime

FRAME = 512
"""The detector gives a probability of speech for each 32 ms of sound at 16 kHz."""
CONTEXT = 64
"""It also sees this many samples before them."""
BLOCK_FRAMES = 512
"""Frames that are looked at together, which bounds the memory."""
STATE_SHAPE = (1, 1, 128)
SPEECH, PAUSE = 0.5, 0.15
"""Probabilities from which on a frame is speech, and below which it may belong to a pause."""

Floats = NDArray[np.float32]


def speech_probabilities_in(wav: Path) -> Floats:
    """`speech_probabilities` of a 16 kHz mono WAV file, remembered for the many chunks of a job."""
    return _remembered(wav, wav.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _remembered(wav: Path, changed_ns: int) -> Floats:
    return speech_probabilities(pcm.map_wav(wav))


def speech_probabilities(samples: NDArray[np.int16]) -> Floats:
    """The probability of speech in each frame, at any level of sound; a rest shorter than a frame is left out."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    peak = max(1, int(frames.max(initial=0)), -int(frames.min(initial=0)))
    probabilities = [np.zeros(0, np.float32)]
    hidden, cell = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)
    last = np.zeros((1, CONTEXT), np.float32)
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = np.asarray(frames[start : start + BLOCK_FRAMES] / np.float32(2 * peak), np.float32)
        inputs = np.concatenate([np.concatenate([last, block[:-1, -CONTEXT:]]), block], axis=1)
        found, hidden, cell = _detector().run(None, {"input": inputs, "h": hidden, "c": cell})
        last = block[-1:, -CONTEXT:]
        probabilities.append(found.reshape(-1))
    return np.concatenate(probabilities)


@cache
def _detector() -> onnxruntime.InferenceSession:
    """The network of the package silero-vad, which is not imported: it would change torch's number of threads."""
    import onnxruntime

    package = find_spec("silero_vad")
    assert package is not None and package.origin is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = Path(package.origin).with_name("data") / "silero_vad_16k_sequence.onnx"
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
