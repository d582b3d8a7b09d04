"""What people see of a job that has ended: `lipdrop report`, its trace, `lipdrop status`, the gateway's pages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from playwright.sync_api import Browser

from daemon.cli.timeline import timeline
from daemon.outputs import report_page
from daemon.outputs.report import JobReport, Submission, json_bytes, repeated_report
from daemon.outputs.self_contained import bundle
from daemon.outputs.trace import trace
from daemon.outputs.waveform import sound_of
from tests import reports
from tests.browser import CHROMIUM
from tests.gateway import RunningGateway, WarmGateway
from tests.pages import Visit
from tests.running import ROOT, in_process

WITH_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
KILLED = "worker nogan-1 exited with code -9"
HOSTILE = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
LOST = "[...document.querySelectorAll('.kind-lost')].map(bar => bar.title)"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of picture; the sound is silent from 0.5 to 1 s."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    sound = "sine=440:d=2,volume=enable='between(t,0.5,1)':volume=0"
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:d=2", "-f", "lavfi", "-i", sound]
    subprocess.run([*argv, "-pix_fmt", "yuv420p", path], check=True)
    return path


@pytest.fixture
def spool(tmp_path: Path, video: Path) -> Path:
    """A spool whose job `a` is done."""
    (tmp_path / "outbox").mkdir()
    shutil.copy(video, tmp_path / "outbox" / "a.mp4")
    keep(tmp_path, reports.retried())
    return tmp_path


def keep(spool: Path, report: JobReport) -> None:
    (spool / "outbox" / "a.json").write_bytes(json_bytes(report))


def opened(browser: Browser, file: Path, **options: Any) -> Visit:
    """A page of a file, with the addresses that it requests."""
    visit = Visit(browser, "file:///", **options)
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.goto(file.as_uri())
    return visit


# The page


@WITH_BROWSER
def test_the_page_shows_video_sound_and_the_killed_worker_and_needs_no_other_file(
    spool: Path, browser: Browser, tmp_path: Path
) -> None:
    ended = in_process("report", "a", cwd=spool)
    assert (ended.returncode, ended.stdout) == (0, "a.html\n")
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    visit = opened(browser, (spool / "a.html").rename(alone / "a.html"))
    assert visit.until("document.querySelector('video').readyState >= 1")
    assert visit.value("document.querySelector('video').duration") == pytest.approx(2, abs=0.05)
    assert visit.value(LOST) == [f"Chunk 2, {KILLED}: 0.60 s – 0.80 s (0.20 s)"]
    assert KILLED in visit.page.inner_text(".gantt-lost")
    assert visit.value("document.querySelectorAll('.wave-track .wave-cut').length") == 1
    assert visit.value("document.querySelectorAll('.wave-track .wave-pause').length") == 1
    assert "work was repeated once" in visit.page.inner_text(".warnings")
    visit.page.click(".wave-sentence")
    visit.until("!document.querySelector('video').paused")
    assert [url for url in visit.requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert visit.errors == []
    assert all(visit.fits(width) for width in (390, 1280))
    visit.page.close()


@WITH_BROWSER
def test_a_job_cannot_run_scripts_in_the_page(spool: Path, browser: Browser) -> None:
    """Not even if it could leave its text: the policy allows only the page's own script."""
    keep(spool, reports.retried(HOSTILE))
    assert in_process("report", "a", cwd=spool).returncode == 0
    visit = opened(browser, spool / "a.html")
    assert visit.value("document.title") == "a – lipdrop"
    assert visit.page.inner_text("h1") == HOSTILE
    assert visit.errors == []
    visit.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title = 1\">')")
    visit.until("document.querySelector('img')")
    assert visit.value("document.title") == "a – lipdrop"
    visit.page.close()


@WITH_BROWSER
def test_a_large_video_is_linked_relative_to_the_page(
    spool: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "EMBEDDED_MAX_BYTES", 1000)
    (spool / "my pages").mkdir()
    assert in_process("report", "a", "--output", "my pages/of a.html", cwd=spool).returncode == 0
    visit = opened(browser, spool / "my pages" / "of a.html")
    assert visit.until("document.querySelector('video').readyState >= 1")
    assert visit.page.get_attribute("video", "src") == "../outbox/a.mp4"
    assert visit.errors == []
    visit.page.close()


@WITH_BROWSER
def test_a_failed_job_shows_its_error_and_what_ran(spool: Path, browser: Browser) -> None:
    keep(spool, reports.killed())
    (spool / "outbox" / "a.mp4").unlink()
    assert in_process("report", "a", cwd=spool).returncode == 0
    visit = opened(browser, spool / "a.html", color_scheme="dark")
    assert "broken" in visit.page.inner_text(".problem")
    assert len(visit.value(LOST)) == 1
    assert visit.errors == []
    visit.page.close()


def test_a_video_that_others_replaced_has_no_waveform(spool: Path) -> None:
    (spool / "outbox" / "a.mp4").write_text("no video")
    assert in_process("report", "a", cwd=spool).returncode == 0
    assert '"sound": null' in (spool / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "said"), [("b", "there is no job b"), ("../a", "invalid job name"), ("c", "has not ended yet")]
)
def test_only_jobs_that_have_ended_have_a_report(name: str, said: str, spool: Path) -> None:
    (spool / "inbox").mkdir()
    (spool / "inbox" / "c.json").write_text("{}")
    ended = in_process("report", name, cwd=spool)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert list(spool.glob("*.html")) == []


def test_the_pauses_are_those_of_the_sound(video: Path) -> None:
    sound = sound_of(video, 2.0)
    [pause] = sound.pauses
    assert pause == pytest.approx((0.5, 1), abs=0.05)
    assert max(sound.peaks) == 1
    assert sound.peaks[len(sound.peaks) * 3 // 8] < 0.01


def test_a_bundle_has_each_module_once_and_no_imports() -> None:
    script = bundle("report")
    assert script.count("const module_page =") == 1
    assert [line for line in script.splitlines() if line.startswith(("import ", "export "))] == []


def test_pages_need_no_package_of_the_gateway() -> None:
    """It is an extra; reports are not."""
    blocked = "import sys; sys.modules |= dict.fromkeys(('fastapi', 'jinja2', 'uvicorn', 'torch'))"
    code = f"{blocked}; import daemon.outputs.report_page, daemon.bench.compare_page, daemon.cli.report"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# The trace


def test_the_trace_has_a_thread_for_each_worker_and_marks_the_kill(spool: Path) -> None:
    ended = in_process("report", "a", "--trace", "a.trace.json", cwd=spool)
    assert (ended.returncode, ended.stdout) == (0, "a.trace.json\n")
    assert not (spool / "a.html").exists()
    events = json.loads((spool / "a.trace.json").read_bytes())["traceEvents"]
    threads = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    spans = [
        (threads[event["tid"]], event["name"], event["ts"], event["dur"]) for event in events if event["ph"] == "X"
    ]
    assert ("nogan-1", "lipsync 2", 600_000, 200_000) in spans
    assert ("gan-0", "lipsync 2", 1_000_000, 600_000) in spans
    assert ("queue", "queued", 0, 100_000) in spans
    assert [threads[event["tid"]] for event in events if KILLED in event["name"]] == ["nogan-1"]


def test_a_job_that_never_ran_has_an_empty_trace() -> None:
    assert [event["ph"] for event in trace(reports.failed())["traceEvents"]].count("X") == 0


# The terminal

SHOWN = """\
 2.0 s of video, parallel · 2.00 s in total, 0.10 s of them queued
 voice      █████▌
 split            █▌
 gan-0              ███1██▌████2████▌
 nogan-1            ░2░✕
 merge                               ██████▌
 seconds  0                1
 ✕ nogan-1 · chunk 2 · 0.60 – 0.80 s · worker nogan-1 exited with code -9"""


def test_status_shows_the_timeline(spool: Path) -> None:
    assert click.unstyle(timeline(reports.retried(), 44, "utf-8")) == SHOWN
    assert in_process("status", "a", cwd=spool).stdout.splitlines()[0] == "a: done"
    assert KILLED in in_process("status", "a", cwd=spool).stdout


@pytest.mark.parametrize("width", [1, 40, 80, 300])
@pytest.mark.parametrize("report", [reports.retried(), reports.killed()], ids=["done", "failed"])
def test_bars_fit_into_the_terminal_and_into_ascii(report: JobReport, width: int) -> None:
    lines = click.unstyle(timeline(report, width, "ascii")).encode("ascii").decode().splitlines()
    bars = [line for line in lines if line.startswith((" voice", " gan-0", " seconds"))]
    assert max(map(len, bars)) <= max(40, min(width, 120))


def test_status_of_a_repeated_job_shows_how_its_video_was_made() -> None:
    repeated = repeated_report(reports.retried(), Submission(0, time.monotonic()))
    lines = click.unstyle(timeline(repeated, 80, "utf-8")).splitlines()
    assert "made earlier" in lines[0]
    assert any(KILLED in line for line in lines)


def test_status_of_a_failed_job_says_why(spool: Path) -> None:
    keep(spool, reports.failed())
    assert in_process("status", "a", cwd=spool).stdout.splitlines()[0] == "a: failed: voice: broken"


# The gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, video: Path) -> Iterator[RunningGateway]:
    """A gateway without a daemon, whose spool has a job `a` that is done and a job `dead` that failed."""
    folder = tmp_path_factory.mktemp("gateway") / "spool"
    (folder / "outbox").mkdir(parents=True)
    shutil.copy(video, folder / "outbox" / "a.mp4")
    keep(folder, reports.retried(HOSTILE))
    (folder / "outbox" / "dead.json").write_bytes(json_bytes(reports.killed().model_copy(update={"job": "dead"})))
    with WarmGateway(folder) as running:
        yield running


@WITH_BROWSER
def test_the_gateway_serves_the_report_under_its_own_policy(gateway: RunningGateway, browser: Browser) -> None:
    visit = Visit(browser, gateway.url)
    visit.page.goto("/api/jobs/a/report")
    assert visit.until("document.querySelector('video').readyState >= 1")
    assert visit.page.inner_text("h1") == HOSTILE
    assert len(visit.value(LOST)) == 1
    assert visit.errors == []
    visit.page.close()
    policy = gateway.client.get("/api/jobs/a/report").headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy
    russian = gateway.client.get("/api/jobs/dead/report", headers={"Accept-Language": "ru"})
    assert '<html lang="ru">' in russian.text
    assert gateway.client.get("/api/jobs/b/report").status_code == 404


@WITH_BROWSER
@pytest.mark.parametrize("name", ["a", "dead"])
def test_a_jobs_page_has_the_same_timeline_and_leads_to_the_report(
    name: str, gateway: RunningGateway, browser: Browser
) -> None:
    visit = Visit(browser, gateway.url)
    visit.page.goto(f"/jobs/{name}")
    assert visit.until(LOST) == [f"Chunk 2, {KILLED}: 0.60 s – 0.80 s (0.20 s)"]
    visit.page.click("#report")
    visit.page.wait_for_url(f"**/api/jobs/{name}/report")
    assert visit.errors == []
    visit.page.close()
