"""Files that engines derive from an avatar. They are in the avatar cache, which limits and prunes them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.avatars.cache import Cache
from pipeline.media.clips import Cut


@dataclass(frozen=True)
class DerivedFiles:
    """The derived files of the current version of an avatar: a changed picture or setting gives another key."""

    cache: Cache
    key: str
    """Changes with everything about the avatar that an engine can see."""

    def for_frames(self, size: tuple[int, int], cut: Cut) -> DerivedFiles:
        """The derived files of the avatar in frames of one size (width, height) that show one part of it."""
        return replace(self, key=f"{self.key}-{size[0]}x{size[1]}-{cut}")

    def open(self, engine: str, name: str, build: Callable[[Path], None]) -> BinaryIO:
        """Open an engine's file for reading; `build` writes it first if it does not exist. See `Cache.open`."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return self.cache.open(f"{digest}-{engine}-{name}", build)


def build_unkept(build: Callable[[Path], None]) -> BinaryIO:
    """Build a file that disappears when it is closed, for an avatar without a cache."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-derived-") as folder:
        path = Path(folder) / "derived"
        build(path)
        return path.open("rb")
