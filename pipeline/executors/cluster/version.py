"""Whether two machines have the same lipdrop."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pipeline


@cache
def own_version() -> str:
    """A digest of the source of everything that workers run: equal only for this very version."""
    root, digest = Path(pipeline.__path__[0]), hashlib.sha256()
    for module in sorted(root.rglob("*.py")):
        source = module.read_bytes()
        digest.update(f"{module.relative_to(root)} {len(source)}\n".encode() + source)
    return digest.hexdigest()[:16]
