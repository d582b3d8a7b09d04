"""`lipdrop logs`, and the files that it reads: written by a real daemon, moved with the jobs."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import logs as logs_command
from daemon.logs import JOB_LOG_BYTES_MAX, JOB_LOG_FULL, DaemonLog, JobLogs
from daemon.spool.spool import Spool
from pipeline.config import Config
from pipeline.log_context import ContextFilter, logging_about
from tests.running import BRIEF_WAITS, ROOT, CheapDaemon, in_process, until

SECRET = "xyzzy"
"""A word that only job texts have."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    spool = tmp_path_factory.mktemp("logs") / "spool"
    with CheapDaemon(spool, log={"level": "debug"}, **BRIEF_WAITS) as running:
        yield running.start("--brisk", "tts=tests.talkative:ObedientTts").ready()


def lines(daemon: CheapDaemon, *arguments: str) -> list[dict[str, Any]]:
    shown = in_process("logs", "--json", *arguments, cwd=daemon.spool)
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def end(daemon: CheapDaemon, name: str, text: str) -> dict[str, Any]:
    daemon.drop(name, text=text)
    ending = daemon.ending(name)
    daemon.until_work_is_clear()
    return ending


def test_the_log_of_a_done_job_is_beside_its_job_file(daemon: CheapDaemon) -> None:
    end(daemon, "good", f"1 {SECRET}")
    found = lines(daemon, "good")
    assert {line["job"] for line in found} == {"good"}
    [spoken] = [line for line in found if "speaking" in line["message"]]
    assert (spoken["worker"], spoken["stage"], spoken["level"]) == ("tts-0", "tts", "WARNING")
    assert (found[0]["worker"], found[0]["stage"]) == ("daemon", "admission")
    begun = [line["stage"] for line in found if "begins" in line["message"]]
    assert (begun[:2], sorted(begun[2:])) == (["tts", "split"], ["lipsync", "merge", "merge"])
    assert "done in" in found[-1]["message"]
    assert (daemon.spool / "done" / "good.log.jsonl").exists()


def test_the_log_of_a_failed_job_is_in_its_folder(daemon: CheapDaemon) -> None:
    end(daemon, "poor", f"1 {SECRET} bad")
    assert "failed: voice" in lines(daemon, "poor")[-1]["message"]
    assert (daemon.spool / "failed" / "poor" / "log.jsonl").exists()


def test_a_repeated_drop_keeps_the_log_of_the_first(daemon: CheapDaemon) -> None:
    end(daemon, "twice", "1 hello")
    before = lines(daemon, "twice")
    daemon.drop("twice", text="1 hello")
    until(lambda: daemon.ending("twice")["cached"] or None, "repeated ending")
    daemon.until_work_is_clear()
    assert lines(daemon, "twice") == before


def test_the_exit_of_a_worker_is_in_the_log_of_the_job_that_it_held(daemon: CheapDaemon) -> None:
    end(daemon, "unlucky", "1 kill")
    [exited] = [line for line in lines(daemon, "unlucky") if line["level"] == "ERROR"]
    assert exited["message"] == "worker tts-0 exited with code -9"
    assert (exited["worker"], exited["stage"]) == ("tts-0", "tts")


def test_a_cancelled_job_is_not_an_error(daemon: CheapDaemon) -> None:
    daemon.drop("unwanted", text="1 wait")
    until(lambda: daemon.status()["jobs"].get("unwanted") == "tts" or None, "running job")
    assert in_process("cancel", "unwanted", cwd=daemon.spool).returncode == 0
    daemon.ending("unwanted")
    daemon.until_work_is_clear()
    found = lines(daemon, "unwanted")
    assert [line["message"] for line in found if line["level"] == "ERROR"] == []
    stopped = [line for line in lines(daemon) if "was stopped with its job" in line["message"]]
    assert [(line["level"], line["job"]) for line in stopped] == [("INFO", "unwanted")]


def test_a_job_is_followed_until_it_has_ended(daemon: CheapDaemon) -> None:
    daemon.drop("long", text="1 wait")
    argv = [sys.executable, "-P", "-m", "daemon", "logs", "-f", "long", "--config", str(daemon.spool / "config.yaml")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()
        assert "job long: started" in first
        (daemon.spool / "go").touch()
        rest = follower.stdout.read()
        assert follower.wait(30) == 0
    (daemon.spool / "go").unlink()
    assert "tts-0    tts         job long: speaking 6 characters" in rest
    assert "job long: done in" in rest.splitlines()[-1]


def test_no_log_contains_the_text_of_a_job(daemon: CheapDaemon) -> None:
    files = [*daemon.spool.rglob("log.jsonl*"), *daemon.spool.rglob("*.log.jsonl"), daemon.spool / "log"]
    assert len(files) >= 4
    assert [file for file in files if SECRET in file.read_text("utf-8")] == []


def test_the_daemons_log_has_the_latest_lines(daemon: CheapDaemon) -> None:
    everything = lines(daemon, "--lines", "100000")
    assert any(line["message"].startswith("ready: ") for line in everything)
    assert lines(daemon, "-n", "3") == everything[-3:]
    assert lines(daemon, "good", "-n", "1")[0]["message"].startswith("job good: done")


def test_the_daemon_log_is_followed_across_its_replacement(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    spool.log_file.write_text("one\ntwo\n")
    following = logs_command._of_daemon(spool, 1, follow=True)
    assert next(following) == "two"
    spool.log_file.rename(tmp_path / "run" / "log.jsonl.1")
    spool.log_file.write_text("three\n")
    assert next(following) == "three"
    with spool.log_file.open("a") as file:
        file.write("four\nfi")
    assert next(following) == "four"


@pytest.mark.parametrize("name", ["unknown", "../run", "a/b", ""])
def test_a_job_without_a_log_is_one_line(name: str, tmp_path: Path) -> None:
    shown = in_process("logs", name, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "no log" in shown.stderr and "Usage" not in shown.stderr


def test_a_job_that_waits_has_no_log_yet(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    (spool.inbox / "a.json").write_text("{}")
    (spool.done / "a.log.jsonl").write_text("earlier\n")
    shown = in_process("logs", "a", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, "")
    assert "waits in the inbox" in shown.stderr


def test_a_line_that_lipdrop_did_not_write_is_shown_as_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    spool.log_file.write_text('no json\n[1]\n{"level": 1}\n')
    shown = in_process("logs", cwd=tmp_path)
    assert shown.stdout.splitlines() == ["no json", "[1]", '{"level": 1}']


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    spool.log_file.write_text("line\n" * 20_000)
    command = f"{sys.executable} -P -m daemon logs -n 20000 --spool {tmp_path} | head -n 1"
    shown = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "line\n", "")


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("daemon.x", logging.INFO, "file", 1, message, arguments, None)


def test_the_log_of_a_job_has_a_limited_size(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    spool.folder("a").mkdir()
    (spool.folder("a") / "job.json").touch()
    handler = JobLogs(spool)
    for _ in range(40):
        handler.handle(record("job %s: %s", "a", "x" * 100_000))
    kept = (spool.folder("a") / "log.jsonl").read_text().splitlines()
    assert JOB_LOG_BYTES_MAX < sum(map(len, kept)) < JOB_LOG_BYTES_MAX + 50_000
    assert json.loads(kept[-1])["message"] == JOB_LOG_FULL


def test_a_job_without_a_folder_gets_no_log(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    for name in ("gone", "../gone", "a b"):
        JobLogs(spool).handle(record("job %s: ended", name))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_files_that_cannot_be_written_are_ignored(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spool = Spool(tmp_path / "missing")
    DaemonLog(spool.log_file).handle(record("hello"))
    JobLogs(spool).handle(record("job %s: hello", "a"))
    assert capfd.readouterr().err == ""


def test_a_record_takes_its_fields_from_where_it_was_written() -> None:
    made = record("hello")
    with logging_about(worker="gan-0", stage="lipsync"), logging_about(job="a"):
        ContextFilter().filter(made)
    ContextFilter().filter(made)  # once more, as in the daemon: the fields stay
    assert vars(made)["context"].job == "a"
    assert vars(made)["context"].stage == "lipsync"


@pytest.mark.parametrize(("level", "shown"), [("debug", "debug info warning"), ("warning", "warning")])
def test_the_level_is_configured(level: str, shown: str) -> None:
    assert Config.model_validate({"log": {"level": level}}).log.level == level
    code = (
        f"import logging; from daemon import logs; logs.set_up(as_json=False, level='{level}')\n"
        "log = logging.getLogger('pipeline.x')\n"
        "log.debug('debug'); log.info('info'); log.warning('warning')\n"
        "logging.getLogger('other').debug('noise')"
    )
    log = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert " ".join(line.split()[-1] for line in log.splitlines()) == shown


def test_the_last_test_stops_the_daemon_without_an_error(daemon: CheapDaemon) -> None:
    assert daemon.stop(signal.SIGTERM) == 0
    assert "Traceback" not in daemon.log()
