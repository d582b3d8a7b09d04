"""Commands as a user runs them: exit codes, output, and what they do to a spool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import unstyle

from daemon.cli.overview import Overview
from daemon.spool.health import WorkerHealth
from daemon.spool.spool import Spool
from tests.running import BRIEF_WAITS, ONE_PROCESS, ROOT, CheapDaemon, RunningDaemon, in_process, lipdrop, until

SMALL = "64x64"
GAN_FROM_FILE = {"models": {"gan": {"engine": "wav2lip", "checkpoint": "models/gan.pt"}}, **ONE_PROCESS}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    """A running daemon with cheap stages for all tests that need one."""
    with CheapDaemon(tmp_path_factory.mktemp("spool"), **BRIEF_WAITS) as running:
        yield running.start().ready()


# run


def run_once(daemon: RunningDaemon) -> tuple[int, str]:
    """Its exit code, and what it wrote to standard error."""
    process = daemon.start("--once").process
    assert process is not None
    return process.wait(90), daemon.log()


def test_once_empties_the_inbox_and_reports_failures(tmp_path: Path) -> None:
    """Also with all workers in one process, for debugging."""
    with RunningDaemon(tmp_path / "spool", **ONE_PROCESS) as daemon:
        daemon.drop("good", text="Привет", size=SMALL)
        daemon.drop("bad", text="")
        daemon.start("--once", "--log-json")
        assert daemon.process is not None
        assert daemon.process.wait(90) == 1
        assert daemon.ending("good")["status"] == "done"
        assert daemon.ending("bad")["status"] == "failed"
        assert in_process("status", cwd=daemon.spool).returncode == 0
        with (daemon.spool / "config.yaml").open("a") as file:
            file.write("limts: {}\n")
        changed = in_process("status", cwd=daemon.spool)
        assert (changed.returncode, "limits" in changed.stderr) == (78, True), "the daemon has not accepted this one"
        records = [json.loads(line) for line in daemon.log().splitlines()]
    assert {"time", "level", "worker", "stage", "job", "logger", "message"} == set(records[0])
    assert any("job good: done" in record["message"] for record in records)


def test_a_second_daemon_exits_with_75(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, **ONE_PROCESS) as daemon:
        spool = Spool(daemon.spool)
        spool.create()
        with spool.owned():
            code, said = run_once(daemon)
    assert code == 75
    assert "another daemon" in said


def test_a_missing_checkpoint_exits_with_78(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, **GAN_FROM_FILE) as daemon:
        code, said = run_once(daemon)
    assert code == 78
    assert "models.gan.checkpoint" in said
    assert str(tmp_path / "models" / "gan.pt") in said


def test_a_file_that_is_not_a_checkpoint_exits_with_78(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "gan.pt").write_bytes(b"no weights")
    with RunningDaemon(tmp_path, **GAN_FROM_FILE) as daemon:
        code, said = run_once(daemon)
    assert code == 78
    assert "models.gan.checkpoint" in said


def test_an_unknown_default_avatar_exits_with_78(tmp_path: Path) -> None:
    """A command as users run it."""
    spool = RunningDaemon(tmp_path, avatars={"default": "nobody"}, **ONE_PROCESS).spool
    ended = lipdrop("run", "--once", cwd=spool)
    assert ended.returncode == 78
    assert "nobody" in ended.stderr


# submit


def test_submit_and_wait(daemon: CheapDaemon, tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in ("Один.", "Два.")))
    ended = lipdrop("submit", "--wait", tmp_path / "batch.jsonl", cwd=daemon.spool)
    assert ended.returncode == 0, ended.stderr
    assert sorted(ended.stdout.split()) == [str(daemon.video(f"batch-000{number}")) for number in (1, 2)]
    assert all(Path(line).exists() for line in ended.stdout.split())


def test_submit_reports_its_progress_as_json(daemon: CheapDaemon, tmp_path: Path) -> None:
    (tmp_path / "told.json").write_text('{"text": "Один."}')
    ended = in_process("submit", "--wait", "--json", tmp_path / "told.json", cwd=daemon.spool)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[-1] == {
        "job": "told",
        "event": "done",
        "progress": 100,
        "video": str(daemon.video("told")),
        "warnings": [],
    }
    shares = [event["progress"] for event in events]
    assert shares == sorted(shares)
    until(lambda: (daemon.spool / "run" / "pace.json").exists() or None, "what was learnt from the job")


def test_jobs_go_on_when_the_user_stops_waiting(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.create()
    (tmp_path / "a.json").write_text('{"text": "Один."}')
    argv = [sys.executable, "-m", "daemon", "submit", "--wait", "a.json", "--spool", str(spool.root)]
    with spool.owned():  # a daemon that never takes the job
        waiting = subprocess.Popen(
            argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
        )
        until(lambda: spool.dropped_file("a").exists() or None, "dropped job")
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert said.splitlines()[1:] == [
        f"The job goes on. Watch it: {sys.executable} -m daemon status a --watch --spool {spool.root}",
        f"Cancel it: {sys.executable} -m daemon cancel a --spool {spool.root}",
    ]
    assert spool.dropped_file("a").exists()


def test_submit_refuses_a_bad_job_and_drops_nothing(tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_bytes(b'{"text": "good"}\n{"text": "bad", "speed": 99}\n')
    ended = in_process("submit", "mixed.jsonl", cwd=tmp_path)
    assert ended.returncode == 65
    assert "speed" in ended.stderr
    assert not list(tmp_path.glob("*/mixed*"))


def test_submit_works_while_the_daemon_is_down_but_cannot_wait(tmp_path: Path) -> None:
    dropped = in_process("submit", "-", "--spool", tmp_path, cwd=tmp_path, stdin='{"text": "Привет"}'.encode())
    assert dropped.returncode == 0, dropped.stderr
    assert (tmp_path / "inbox" / f"{dropped.stdout.strip()}.json").exists()
    waited = in_process("submit", "-", "--wait", "--spool", tmp_path, cwd=tmp_path, stdin=b'{"text": "a"}')
    assert waited.returncode == 69


# Other commands


def test_status_shows_the_daemon_and_its_jobs(daemon: CheapDaemon, tmp_path: Path) -> None:
    shown = json.loads(in_process("status", "--json", cwd=daemon.spool).stdout)
    assert shown["daemon"] == "ok"
    assert set(shown["workers"]) == {"tts-0", "split-0", "gan-0", "nogan-1", "merge-0"}
    daemon.drop("asked", text="1 hello")
    daemon.ending("asked")
    daemon.until_work_is_clear()
    assert json.loads(in_process("status", "asked", "--json", cwd=daemon.spool).stdout)["state"] == "done"
    assert in_process("status", "unheard-of", cwd=daemon.spool).returncode == 2
    (tmp_path / "empty").mkdir()
    assert "down" in in_process("status", "--spool", tmp_path / "empty", cwd=tmp_path).stdout


def test_status_says_where_workers_are_and_what_they_do() -> None:
    workers = {
        "gan-0": WorkerHealth("busy", 5, "render-1", "cuda:0", "lecture", "lipsync", 2),
        "gan-1": WorkerHealth("idle", 6, device="cpu"),
    }
    text = unstyle(Overview("ok", "", 0, {}, {}, workers, 0, 0).text())
    lines = [line.split() for line in text.splitlines() if "worker" in line]
    assert [" ".join(line) for line in lines] == [
        "worker gan-0 busy pid 5 on render-1: lecture, lipsync 3",
        "worker gan-1 idle pid 6",
    ]


def test_voices_are_listed(tmp_path: Path) -> None:
    assert "espeak:kk" in in_process("voices", "--language", "kk", cwd=tmp_path).stdout


def test_the_program_can_be_started_as_a_module(tmp_path: Path) -> None:
    """Other tests of commands run it in the test process."""
    shown = lipdrop("--help", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Usage:" in shown.stdout
