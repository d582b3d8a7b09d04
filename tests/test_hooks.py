"""The command `hooks.on_done`: run by a real daemon after real jobs, also if the daemon is killed in between."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.hooks import RETRY_SECONDS, HookRunner
from daemon.spool.spool import Spool
from pipeline.config import Config, HooksSettings
from pipeline.errors import ConfigError
from tests.running import BRIEF_WAITS, ORPHANS_SECONDS, CheapDaemon, until

SCRIPT = """#!/bin/sh
# Writes what it learns, then does what the job's name says.
cd "$(dirname "$0")" || exit 9
printf '%s\\n' "$$ $LIPDROP_ATTEMPT $LIPDROP_STATUS [$LIPDROP_CODE] [$LIPDROP_REPORT] [$LIPDROP_VIDEO] $*" >> "seen-$1"
cat > "stdin-$1"
env > "environment-$1"
touch "running-$$"
case $1 in
    hold*) while [ ! -e go ]; do sleep 0.05; done ;;
    hang*) sleep 600 ;;
    fail*) echo "no room" >&2; rm "running-$$"; exit 3 ;;
    once*) if [ "$LIPDROP_ATTEMPT" = 1 ]; then rm "running-$$"; exit 4; fi ;;
    loud*) head -c 3000000 /dev/zero ;;
esac
rm "running-$$"
echo "$1" >> ended
"""
ARGV = ["./hook", "{job}", "{status}", "a {job} of {attempt}", "{unknown}"]


class HookedDaemon(CheapDaemon):
    """A daemon with the script above."""

    def __init__(self, spool: Path, **hooks: Any) -> None:
        super().__init__(spool, hooks={"on_done": ARGV, **hooks}, on_conflict="refuse", **BRIEF_WAITS)
        (spool / "hook").write_text(SCRIPT)
        (spool / "hook").chmod(0o755)

    def started(self) -> HookedDaemon:
        self.start("--brisk", "tts=tests.talkative:ObedientTts").ready()
        return self

    def seen(self, name: str) -> list[str]:
        """What the runs about a job have learned, one line each."""
        file = self.spool / f"seen-{name}"
        return file.read_text().splitlines() if file.exists() else []

    def until_seen(self, name: str, count: int = 1) -> list[str]:
        return until(lambda: self.seen(name) if len(self.seen(name)) >= count else None, f"{count} runs of {name}", 30)

    def due(self) -> list[dict[str, Any]]:
        found = []
        for file in (self.spool / "hooks").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                found.append(json.loads(file.read_bytes()))
        return found

    def until_none_is_due(self, name: str) -> None:
        until(lambda: all(run["job"] != name for run in self.due()) or None, f"end of the hook of {name}", 30)

    def ended(self) -> list[str]:
        file = self.spool / "ended"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HookedDaemon]:
    with HookedDaemon(tmp_path_factory.mktemp("hooks") / "spool", timeout_seconds=1.0) as running:
        yield running.started()


def test_a_done_job_is_reported_once_it_is_visible(daemon: HookedDaemon) -> None:
    daemon.drop("good", text="1 hello", metadata={"customer": 7})
    report = daemon.ending("good")
    daemon.until_none_is_due("good")
    [line] = daemon.seen("good")
    outbox = daemon.spool / "outbox"
    wanted = f"1 done [] [{outbox}/good.json] [{outbox}/good.mp4] good done a good of 1 {{unknown}}"
    assert line.partition(" ")[2] == wanted
    assert json.loads((daemon.spool / "stdin-good").read_text()) == report
    names = {line.partition("=")[0] for line in (daemon.spool / "environment-good").read_text().splitlines()}
    documented = {f"LIPDROP_{name}" for name in ("JOB", "STATUS", "CODE", "REPORT", "VIDEO", "ATTEMPT")}
    assert {name for name in names if name.startswith("LIPDROP_")} == documented and "PATH" in names


def test_a_failed_job_is_reported(daemon: HookedDaemon) -> None:
    daemon.drop("poor", text="1 bad")
    daemon.ending("poor")
    daemon.until_none_is_due("poor")
    [line] = daemon.seen("poor")
    assert line.partition(" ")[2].startswith(f"1 failed [voice] [{daemon.spool}/outbox/poor.json] [] ")


def test_a_refused_job_does_not_name_the_outputs_of_another(daemon: HookedDaemon) -> None:
    daemon.drop("taken", text="1 hello")
    daemon.ending("taken")
    daemon.until_none_is_due("taken")
    daemon.drop("taken", text="1 other")
    line = daemon.until_seen("taken", 2)[-1]
    assert line.partition(" ")[2].startswith("1 failed [conflict] [] [] ")
    daemon.until_none_is_due("taken")
    assert json.loads((daemon.spool / "stdin-taken").read_text())["error"]["code"] == "conflict"


def test_a_run_that_fails_is_repeated(daemon: HookedDaemon) -> None:
    daemon.drop("once", text="1 hello")
    assert [line.split()[1] for line in daemon.until_seen("once", 2)] == ["1", "2"]
    daemon.until_none_is_due("once")
    assert "job once: hook failed (attempt 1): exit code 4; next in" in daemon.log()
    assert "job once: hook done in" in daemon.log()


def test_a_run_is_given_up_after_the_last_attempt(daemon: HookedDaemon) -> None:
    daemon.drop("fail", text="1 hello")
    attempts = len(RETRY_SECONDS) + 1
    assert len(daemon.until_seen("fail", attempts)) == attempts
    daemon.until_none_is_due("fail")
    assert f"hook failed (attempt {attempts}): exit code 3: 'no room'; given up" in daemon.log()


def test_hanging_runs_are_killed_and_hold_up_no_job(daemon: HookedDaemon) -> None:
    for name in ("hang-1", "hang-2", "hang-3", "plain"):
        daemon.drop(name, text="1 hello")
    assert [ending["status"] for ending in daemon.endings(["hang-1", "hang-2", "hang-3", "plain"])] == ["done"] * 4
    daemon.until_none_is_due("plain")  # behind two that hang
    until(lambda: "killed after 1 s (hooks.timeout_seconds)" in daemon.log() or None, "a killed run", 30)
    assert daemon.status()["state"] == "ok"
    sleeping = [p for p in daemon.family() if p.name() == "sleep"]
    assert len(sleeping) <= 2


def test_too_much_output_is_a_failure(daemon: HookedDaemon) -> None:
    daemon.drop("loud", text="1 hello")
    until(lambda: "job loud: hook failed (attempt 1): killed: too much output" in daemon.log() or None, "message", 30)


def test_runs_are_private(daemon: HookedDaemon) -> None:
    assert stat.S_IMODE((daemon.spool / "hooks").stat().st_mode) & 0o022 == 0


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[HookedDaemon]:
    with HookedDaemon(tmp_path / "spool", at_once=1) as running:
        yield running


def test_a_run_that_a_killed_daemon_leaves_is_repeated(fresh: HookedDaemon) -> None:
    daemon = fresh.started()
    daemon.drop("hold-a", text="1 hello")
    daemon.ending("hold-a")
    interrupted = psutil.Process(int(daemon.until_seen("hold-a")[0].split()[0]))
    daemon.drop("hold-b", text="1 hello")
    daemon.ending("hold-b")  # its run waits: one at a time
    daemon.until_work_is_clear()
    assert daemon.seen("hold-b") == []
    daemon.restarted("--brisk", "tts=tests.talkative:ObedientTts", orphans_seconds=ORPHANS_SECONDS)
    assert not psutil.wait_procs([interrupted], timeout=ORPHANS_SECONDS)[1]
    assert daemon.ended() == []
    daemon.until_seen("hold-a", 2)
    (daemon.spool / "go").touch()
    until(lambda: sorted(daemon.ended()) == ["hold-a", "hold-b"] or None, "both runs", 60)
    until(lambda: daemon.due() == [] or None, "empty queue")
    assert (len(daemon.seen("hold-a")), len(daemon.seen("hold-b"))) == (2, 1)
    assert daemon.ran().count("hold-a merge") == 1


def test_once_waits_for_the_first_run_of_each_hook(fresh: HookedDaemon) -> None:
    daemon = fresh
    daemon.drop("good", text="1 hello")
    daemon.drop("fail", text="1 hello")
    daemon.start("--once")
    assert daemon.process is not None
    assert daemon.process.wait(60) == 0
    assert daemon.ended() == ["good"]
    [left] = daemon.due()
    assert (left["job"], left["attempts"]) == ("fail", 1)


def test_a_stopping_daemon_lets_a_run_end(fresh: HookedDaemon) -> None:
    daemon = fresh.started()
    daemon.drop("hold", text="1 hello")
    daemon.until_seen("hold")
    assert daemon.process is not None
    daemon.process.terminate()
    until(lambda: daemon.status()["state"] == "draining" or None, "draining daemon")
    (daemon.spool / "go").touch()
    assert daemon.process.wait(30) == 0
    assert (daemon.ended(), daemon.due()) == (["hold"], [])


@pytest.mark.parametrize("program", ["lipdrop-no-such-program", "./missing", "/etc/passwd"])
def test_a_program_that_does_not_exist_is_a_bad_configuration(program: str, tmp_path: Path) -> None:
    config = Config(hooks=HooksSettings(on_done=(program,)), base=tmp_path)
    with pytest.raises(ConfigError) as caught:
        HookRunner(config, Spool(tmp_path), lambda _: None, lambda: None)
    assert (caught.value.code, caught.value.field) == ("hook_missing", "hooks.on_done")


@pytest.mark.parametrize("argv", [[], [""], ["a\0b"], "a b"])
def test_a_command_is_a_list_that_begins_with_a_program(argv: Any) -> None:
    with pytest.raises(ValueError, match=r"program|tuple"):
        Config.model_validate({"hooks": {"on_done": argv}})


def test_an_unreadable_run_is_left_alone(tmp_path: Path) -> None:
    with HookedDaemon(tmp_path / "spool") as daemon:
        spool = Spool(daemon.spool)
        spool.create()
        (spool.hooks / "run_x.json").write_text("{")
        daemon.drop("good", text="1 hello")
        daemon.start("--once")
        assert daemon.process is not None
        assert daemon.process.wait(60) == 0
        assert daemon.ended() == ["good"]
        assert os.listdir(spool.hooks) == ["run_x.json"]  # noqa: PTH208
