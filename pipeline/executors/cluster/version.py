"""Whether two machines have the same lipdrop, and whether workers on them compute the same bits."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pipeline
from pipeline.executors.base import WorkerSpec

PROCESSOR = Path("/proc/cpuinfo")
GPUS = Path("/proc/driver/nvidia/gpus")
LIBRARIES = ("torch", "numpy", "onnxruntime", "opencv-python-headless")
"""Those that compute."""


@cache
def own_version() -> str:
    """A digest of the source of everything that workers run: equal only for this very version."""
    root, digest = Path(pipeline.__path__[0]), hashlib.sha256()
    for module in sorted(root.rglob("*.py")):
        source = module.read_bytes()
        digest.update(f"{module.relative_to(root)} {len(source)}\n".encode() + source)
    return digest.hexdigest()[:16]


def worker_kind(spec: WorkerSpec) -> str:
    """A digest of everything that rounding depends on: processor, GPUs, libraries, threads."""
    parts = [platform.machine(), str(spec.threads), str(spec.encoder_threads), spec.device, *_instructions()]
    parts += [f"{name} {version(name)}" for name in LIBRARIES]
    if spec.device != "cpu":
        parts += [file.read_text().split("IRQ")[0] for file in sorted(GPUS.glob("*/information"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _instructions() -> list[str]:
    """Model and instruction sets of the first core: libraries choose their code by these."""
    lines = PROCESSOR.read_text().partition("\n\n")[0].splitlines()
    return [line for line in lines if line.startswith(("model name", "flags", "Features"))]
