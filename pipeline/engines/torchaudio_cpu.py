"""torchaudio, importable with a CPU-only torch too: `from pipeline.engines.torchaudio_cpu import torchaudio`.

Every torchaudio wheel on PyPI links CUDA, and `import torchaudio` loads its extension libraries if it finds them:
if torch has no CUDA, that raises an OSError. lipdrop only needs the Python part of torchaudio, which works without the
extension if `torchaudio/lib` contains no libraries. So after a failed import, and only if torch has no CUDA, the import
is retried with that folder appearing empty. If the plain import works, nothing is changed.
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
def appearing_empty(folder: Path) -> Iterator[None]:
    """Make `Path.glob` find nothing directly in `folder` while the block runs; other folders are unaffected."""
    original = Path.glob

    def glob(self: Path, *arguments: Any, **options: Any) -> Iterator[Path]:
        return iter(()) if self == folder else iter(original(self, *arguments, **options))

    Path.glob = glob  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Path.glob = original  # type: ignore[method-assign]


def import_torchaudio() -> ModuleType:
    """Import torchaudio, without its extension if that cannot be loaded because torch has no CUDA.

    Raises OSError if the extension cannot be loaded although torch has CUDA: the installation is broken.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        if torch.version.cuda is not None:
            raise
    with appearing_empty(_extension_folder()):
        return importlib.import_module("torchaudio")


def _extension_folder() -> Path:
    spec = importlib.util.find_spec("torchaudio")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "lib"


torchaudio = import_torchaudio()
"""The module. Python's lock on this module's own import keeps other threads out while `Path.glob` is replaced."""
