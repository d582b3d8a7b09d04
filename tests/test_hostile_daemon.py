"""Hostile input of every kind, dropped at once on a real daemon together with valid jobs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from pipeline.job_file import JOB_MAX_BYTES
from tests.clips import GAP
from tests.hostile import (
    BAD_JOBS,
    BAD_REQUESTS,
    CANARY,
    GOOD_TEXTS,
    OTHER_FILE,
    UNFINISHED_JOBS,
    put_avatars,
    put_names,
    put_recordings,
)
from tests.running import ONE_PROCESS, ONE_WORKER, RunningDaemon, in_process, lipdrop, until
from tests.witness import Witness

SMALL = "64x64"
GOOD_JOBS = 4
"""The good texts are spoken in so many jobs."""
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING) +\S+ +\S")
MEMORY_GROWTH_MAX_BYTES = 120 << 20

Expected = dict[str, str | None]
"""The error code of each job; None if it succeeds."""


def drop_jobs(daemon: RunningDaemon) -> Expected:
    """Drop bad jobs of all kinds with valid ones between them."""
    inbox, expected = daemon.spool / "inbox", Expected()
    for number, (data, code) in enumerate([*BAD_JOBS, *BAD_REQUESTS]):
        (inbox / f"bad-{number:03d}.json").write_bytes(data)
        expected[f"bad-{number:03d}"] = code
    for number in range(GOOD_JOBS):
        text = "\n".join(GOOD_TEXTS[number::GOOD_JOBS])
        daemon.drop(f"good-{number:03d}", text=text, size=SMALL, captions=True, speed=2)
        expected[f"good-{number:03d}"] = None
    with (inbox / "sparse.json").open("wb") as file:
        file.truncate(1 << 40)
    return {**expected, "sparse": "too_large"}


def drop_recordings(daemon: RunningDaemon, address: str) -> Expected:
    expected = {}
    for audio, code in put_recordings(daemon.spool / "inbox", address).items():
        daemon.drop(f"audio-{audio}", audio=audio, size=SMALL)
        expected[f"audio-{audio}"] = code
    return expected


def drop_avatars(daemon: RunningDaemon, address: str) -> Expected:
    expected = {}
    for avatar, code in put_avatars(daemon.spool / "avatars", address).items():
        daemon.drop(f"avatar-{avatar}", text="Раз.", avatar=avatar, size=SMALL)
        expected[f"avatar-{avatar}"] = code
    return expected


@pytest.mark.slow
def test_all_hostile_jobs_at_once(tmp_path: Path) -> None:
    """With espeak, which speaks every letter, even if better voices are installed."""
    with RunningDaemon(tmp_path / "spool", tts={"backend": "espeak"}, **ONE_WORKER).start() as daemon:
        inbox = daemon.ready().spool / "inbox"
        daemon.drop("before", text="Раз, два.", size=SMALL)
        daemon.ending("before")
        memory_bytes = daemon.memory_bytes()
        with Witness(inbox) as witness:
            foreign_files = put_names(inbox)
            expected = {**drop_jobs(daemon), **drop_recordings(daemon, witness.address)}
            endings = {name: daemon.ending(name) for name in expected}
            never = {"fifo.json", "device.json"}
            assert not any(name.startswith("network:") or name in never for name in witness.seen())
        assert not list(tmp_path.rglob(CANARY))
        daemon.drop("after", text="Три, четыре.", size=SMALL)
        assert daemon.ending("after")["status"] == "done"
        assert daemon.memory_bytes() - memory_bytes < MEMORY_GROWTH_MAX_BYTES

        assert {name: ending.get("error", {}).get("code") for name, ending in endings.items()} == expected
        assert_each_failure_is_kept(daemon, endings)
        assert_the_log_is_whole(daemon, foreign_files, expected)
        assert {name for name in foreign_files if os.path.lexists(inbox / name)} == foreign_files
        assert daemon.stop() == 0


@pytest.mark.soak
def test_all_hostile_avatars_at_once(tmp_path: Path) -> None:
    """Jobs use each of them. The files and addresses in playlists are never opened."""
    with RunningDaemon(tmp_path / "spool").start() as daemon, Witness(daemon.ready().spool / "inbox") as caller:
        expected = drop_avatars(daemon, caller.address)
        with contextlib.ExitStack() as stack:
            lists = sorted((daemon.spool / "avatars").glob("list-*"))
            witnesses = [stack.enter_context(Witness((folder / OTHER_FILE).parent)) for folder in lists]
            endings = {name: daemon.ending(name) for name in expected}
            seen = [witness.seen() for witness in witnesses]
        assert not any(name.startswith("network:") for name in caller.seen())
        assert {name: ending.get("error", {}).get("code") for name, ending in endings.items()} == expected
        assert seen == [set()] * len(lists)
        assert endings["avatar-interrupted"]["avatar"]["frames_without_face"] == [list(GAP)]
        daemon.drop("after", text="Раз, два.", size=SMALL)
        assert daemon.ending("after")["status"] == "done"
        assert daemon.stop() == 0


def assert_each_failure_is_kept(daemon: RunningDaemon, endings: dict[str, dict[str, Any]]) -> None:
    """A failed job was tried once; its file, up to the part that was read, and its error are in `failed`."""
    dropped = {f"bad-{number:03d}": data for number, (data, _) in enumerate([*BAD_JOBS, *BAD_REQUESTS])}
    for name, ending in endings.items():
        kept = daemon.spool / "failed" / name
        assert ending["attempts"] == 1, name
        assert kept.exists() == (ending["status"] == "failed"), name
        if kept.exists():
            assert set(ending["error"]) == {"code", "message", "field", "stage", "attempt", "hint"}
            error = json.loads((kept / "error.json").read_bytes())
            assert error == {**ending["error"], "traceback": ""}
            job = (kept / "job.json").read_bytes()
            assert job == dropped.get(name, job)[: JOB_MAX_BYTES + 1]


def assert_the_log_is_whole(daemon: RunningDaemon, foreign_files: set[str], expected: Expected) -> None:
    """One line per record, none forged, no traceback, and each foreign file reported once."""
    log = until(
        lambda: ((log := daemon.log()).count("inbox: ignoring") >= len(foreign_files) and log) or None, "warnings"
    )
    assert [line for line in log.splitlines() if not LOG_LINE.match(line)] == []
    assert log.count("inbox: ignoring") == len(foreign_files)
    assert all(log.count(f"inbox: ignoring {name!a}:") == 1 for name in foreign_files)
    for name, code in expected.items():
        assert log.count(f"job {name}: " + (f"failed: {code}:" if code else "done in")) == 1


def test_unfinished_jobs_are_bad_jobs() -> None:
    assert set(UNFINISHED_JOBS) <= set(BAD_JOBS)


@pytest.mark.slow
def test_files_belong_to_owner_and_group_whatever_the_umask(tmp_path: Path) -> None:
    """The group reads everything, others nothing, although this umask removes too much and too little."""
    umask = 0o770
    spool = RunningDaemon(tmp_path / "spool", **ONE_PROCESS).spool
    (tmp_path / "hello.json").write_text(json.dumps({"text": "Раз, два.", "size": SMALL}))
    before = os.umask(umask)
    try:
        dropped = in_process("submit", tmp_path / "hello.json", "--spool", spool, cwd=spool)
        assert dropped.returncode == 0, dropped.stderr
        os.umask(before)
        dropped_mode = stat.S_IMODE((spool / "inbox" / "hello.json").stat().st_mode)
        (spool / "inbox" / "bad.json").write_text("{}")
        os.umask(umask)
        assert lipdrop("run", "--once", "--spool", spool, cwd=spool).returncode == 1
    finally:
        os.umask(before)
    assert dropped_mode == 0o640
    made = [path for name in ("inbox", "outbox", "work", "done", "failed", "run") for path in (spool / name).rglob("*")]
    assert {"hello.mp4", "hello.json", "error.json", "lock"} <= {path.name for path in made}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o750}
    assert all(stat.S_IMODE((spool / name).stat().st_mode) == 0o750 for name in ("inbox", "outbox", "failed", "done"))
