"""Retention of ended jobs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from daemon.spool import retention
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


def test_what_fits_exactly_is_kept(tmp_path: Path) -> None:
    newer, older = keep(tmp_path, "newer", days=1, size=60), keep(tmp_path, "older", days=2, size=40)
    assert prune(tmp_path, days=3, max_bytes=100) == []
    assert prune(tmp_path, days=3, max_bytes=99) == [older]
    assert prune(tmp_path, days=3, max_bytes=0) == [newer]


def test_a_link_and_a_file_count_by_themselves(tmp_path: Path) -> None:
    """What a link points to is neither counted nor removed."""
    folder, outside = tmp_path / "kept", tmp_path / "outside"
    folder.mkdir()
    big = keep(tmp_path, "outside", days=0, size=1000)
    (folder / "link").symlink_to(big)
    (folder / "file").write_bytes(bytes(50))
    size = (folder / "link").lstat().st_size + 50
    assert prune(folder, days=1, max_bytes=size) == []
    assert set(prune(folder, days=1, max_bytes=0)) == {folder / "link", folder / "file"}
    assert list(folder.iterdir()) == []
    assert (outside / "job.json").exists()


def test_a_file_that_is_gone_by_then_is_no_error(tmp_path: Path) -> None:
    retention._remove(tmp_path / "gone")
