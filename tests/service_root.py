"""A root folder in which the services' users exist."""

from __future__ import annotations

import os
from pathlib import Path


def service_root(root: Path) -> Path:
    """Create `root` with the few files that systemd-tmpfiles reads; the test's user acts as the services' users."""
    for path, entry in (("etc/passwd", f"{os.geteuid()}:{os.getegid()}::/:/bin/sh"), ("etc/group", f"{os.getegid()}:")):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(f"{name}:x:{entry}\n" for name in ("lipdrop", "lipdrop-web")))
    return root
