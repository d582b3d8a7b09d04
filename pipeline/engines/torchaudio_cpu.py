"""torchaudio, importable with a CPU-only torch too: `from pipeline.torchaudio_cpu import torchaudio`.

Every torchaudio wheel on the index links CUDA, and `import torchaudio` loads its extension libraries when it finds
them: where torch has no CUDA that ends in an OSError. What lipdrop needs of torchaudio is Python only, and torchaudio
does without its extension when `torchaudio/lib` holds none. So, after a failed import and only when torch has no CUDA,
the import is repeated with that one folder looking empty. Where the plain import works nothing is touched.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch


@contextmanager
def looking_empty(folder: Path) -> Iterator[None]:
    """Let `Path.glob` find nothing directly in `folder` while the block runs; elsewhere it works as ever."""
    original = Path.glob

    def glob(self: Path, *arguments: Any, **options: Any) -> Iterator[Path]:
        return iter(()) if self == folder else iter(original(self, *arguments, **options))

    Path.glob = glob  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Path.glob = original  # type: ignore[method-assign]


def import_torchaudio() -> ModuleType:
    """Import torchaudio, without its extension where that cannot be loaded for want of CUDA.

    Raises OSError when the extension cannot be loaded although torch has CUDA: that installation is broken.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        if torch.version.cuda is not None:
            raise
    with looking_empty(_extension_folder()):
        return importlib.import_module("torchaudio")


def _extension_folder() -> Path:
    spec = importlib.util.find_spec("torchaudio")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "lib"


torchaudio = import_torchaudio()
"""The module. Python's lock on this module's own import keeps other threads out while `Path.glob` is replaced."""
