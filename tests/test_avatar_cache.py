"""The avatar cache: each file is built once, even if its builder is killed or fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from pipeline.avatars.cache import SECONDS_PER_DAY, Cache
from pipeline.errors import JobError, StageError
from tests.cache_processes import DEADLINE_SECONDS, SPAWN, exit_codes, names
from tests.running import until


def content(data: bytes) -> Callable[[Path], None]:
    """A builder that writes `data`."""

    def build(path: Path) -> None:
        path.write_bytes(data)

    return build


def read(cache: Cache, name: str, build: Callable[[Path], None]) -> bytes:
    with cache.open(name, build) as file:
        return file.read()


# Several processes


def build_noted(folder: Path) -> Callable[[Path], None]:
    """A slow builder that logs a line for each run."""

    def build(path: Path) -> None:
        with (folder / "builds").open("a") as log:
            log.write(f"{os.getpid()}\n")
        with path.open("wb") as file:
            for _ in range(10):
                file.write(bytes(1000))
                time.sleep(0.02)

    return build


def open_slow(folder: Path, barrier: Barrier) -> None:
    barrier.wait(DEADLINE_SECONDS)
    assert len(read(Cache(folder / "cache", 10**6), "a.bin", build_noted(folder))) == 10_000


def test_concurrent_callers_wait_for_one_builder(tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(2)
    processes += [SPAWN.Process(target=open_slow, args=(tmp_path, barrier)) for _ in range(2)]
    assert exit_codes(processes) == [0] * len(processes)
    assert len((tmp_path / "builds").read_text().splitlines()) == 1


def build_until_go(folder: Path, name: str) -> None:
    """Write half a file, and finish only after a file `go` appears."""

    def build(path: Path) -> None:
        path.write_bytes(b"half")
        (folder / "half").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        path.write_bytes(b"whole")

    assert read(Cache(folder / "cache", 10**6), name, build) == b"whole"


@pytest.fixture
def builder(tmp_path: Path, processes: list[BaseProcess]) -> BaseProcess:
    """A process that is building `a.bin`."""
    process = SPAWN.Process(target=build_until_go, args=(tmp_path, "a.bin"))
    processes.append(process)
    process.start()
    until(lambda: (tmp_path / "half").exists() or None, "half a file", DEADLINE_SECONDS)
    return process


def test_after_a_builder_is_killed_the_next_one_builds(tmp_path: Path, builder: BaseProcess) -> None:
    builder.kill()
    builder.join(DEADLINE_SECONDS)
    assert names(tmp_path / "cache") == {"a.bin.part"}
    assert read(Cache(tmp_path / "cache", 10**6), "a.bin", content(bytes(7))) == bytes(7)
    assert names(tmp_path / "cache") == {"a.bin"}


def test_leftovers_of_a_killed_builder_are_removed(tmp_path: Path, builder: BaseProcess) -> None:
    builder.kill()
    builder.join(DEADLINE_SECONDS)
    read(Cache(tmp_path / "cache", 10**6), "b.bin", content(bytes(7)))
    assert names(tmp_path / "cache") == {"b.bin"}


def test_a_file_being_built_is_not_removed(tmp_path: Path, builder: BaseProcess) -> None:
    read(Cache(tmp_path / "cache", 0), "b.bin", content(bytes(7)))
    assert names(tmp_path / "cache") == {"a.bin.part", "b.bin"}
    (tmp_path / "go").touch()
    builder.join(DEADLINE_SECONDS)
    assert builder.exitcode == 0
    assert read(Cache(tmp_path / "cache", 0), "a.bin", content(bytes(7))) == b"whole"


def open_in_a_tight_cache(folder: Path, barrier: Barrier, seed: int) -> None:
    """Open files at random; each evicts the others."""
    cache, order = Cache(folder / "cache", 1500), np.random.default_rng(seed).integers(0, 4, 150)
    barrier.wait(DEADLINE_SECONDS)
    for which in order.tolist():
        data = bytes([which]) * 1000
        assert read(cache, f"{which}.bin", content(data)) == data


@pytest.mark.slow
def test_a_cache_that_is_far_too_small_still_works(tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(2)
    processes += [SPAWN.Process(target=open_in_a_tight_cache, args=(tmp_path, barrier, seed)) for seed in range(2)]
    assert exit_codes(processes) == [0] * len(processes)
    assert all(name.endswith(".bin") for name in names(tmp_path / "cache"))


# Its size


def test_the_least_recently_used_is_evicted_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3000)
    for age, name in enumerate("abc"):
        read(cache, name, content(bytes(1000)))
        os.utime(tmp_path / name, ns=(age, age))
    read(cache, "a", content(bytes(0)))
    read(cache, "d", content(bytes(1000)))
    assert names(tmp_path) == {"a", "c", "d"}
    read(cache, "e", content(bytes(2500)))
    assert names(tmp_path) == {"e"}


def test_files_unused_for_long_are_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 3000)
    cache.remove_unused(30)
    for days, name in ((31, "old"), (29, "new"), (40, "used")):
        read(cache, name, content(b"kept"))
        used_at = time.time() - days * SECONDS_PER_DAY
        os.utime(tmp_path / "cache" / name, (used_at, used_at))
    read(cache, "used", content(b""))
    cache.remove_unused(30)
    assert names(tmp_path / "cache") == {"new", "used"}


def test_the_newest_file_is_kept_even_if_too_large(tmp_path: Path) -> None:
    assert len(read(Cache(tmp_path, 10), "a", content(bytes(1000)))) == 1000
    assert names(tmp_path) == {"a"}


def test_an_open_file_stays_readable_after_eviction(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10)
    with cache.open("a", content(b"a" * 100)) as file:
        read(cache, "b", content(bytes(100)))
        assert names(tmp_path) == {"b"}
        assert file.read() == b"a" * 100


# Failures


def test_a_failed_build_leaves_nothing_and_is_retried(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise JobError("media", "broken", field="avatar")

    for _ in range(2):
        with pytest.raises(JobError):
            Cache(tmp_path, 1000).open("a", fail)
        assert names(tmp_path) == set()
    assert read(Cache(tmp_path, 1000), "a", content(bytes(3))) == bytes(3)


def refused(folder: Path, build: Callable[[Path], None], code: str = "cache") -> None:
    with pytest.raises(StageError) as caught:
        Cache(folder, 1000).open("a", build)
    assert caught.value.code == code
    assert str(folder) in caught.value.message
    assert caught.value.hint


def test_a_cache_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "cache", content(bytes(1)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_folder_that_is_not_writable_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(tmp_path, content(bytes(1)))


def test_a_file_of_another_user_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file can be read, but not marked as used."""

    def utime(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "a").write_bytes(b"kept")
    monkeypatch.setattr(os, "utime", utime)
    assert read(Cache(tmp_path, 1000), "a", content(b"made")) == b"kept"


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    refused(tmp_path, lambda path: content(b"a")(Path("/dev/full")), "disk_full")
    assert names(tmp_path) == set()
