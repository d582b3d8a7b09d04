"""Retention of ended jobs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from daemon.spool.retention import SECONDS_PER_DAY, prune


def keep(folder: Path, name: str, *, days: float, size: int) -> Path:
    """A failed job's folder with an age and a size."""
    kept = folder / name
    kept.mkdir()
    (kept / "job.json").write_bytes(bytes(size))
    changed_at = time.time() - days * SECONDS_PER_DAY
    os.utime(kept, (changed_at, changed_at))
    return kept


def test_the_oldest_are_removed_until_the_rest_fits(tmp_path: Path) -> None:
    names = [keep(tmp_path, f"job-{days}", days=days, size=100) for days in range(5)]
    assert prune(tmp_path, days=30, max_bytes=250) == names[2:]
    assert sorted(tmp_path.iterdir()) == names[:2]


def test_old_entries_are_removed_even_if_they_fit(tmp_path: Path) -> None:
    new, old = keep(tmp_path, "new", days=9, size=1), keep(tmp_path, "old", days=11, size=1)
    link = tmp_path / "link"
    link.symlink_to(new)
    assert prune(tmp_path, days=10, max_bytes=1000) == [old]
    assert set(tmp_path.iterdir()) == {new, link}


def test_new_entries_that_fit_are_kept(tmp_path: Path) -> None:
    kept = keep(tmp_path, "a", days=1, size=10)
    (tmp_path / "b.json").write_bytes(b"{}")
    assert prune(tmp_path, days=2, max_bytes=100) == []
    assert kept.exists()
