"""The page that compares the modes, in a real browser with a real gateway and daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import CHROMIUM
from tests.gateway import RunningGateway, Studio, WarmGateway
from tests.pages import Visit
from tests.running import RunningDaemon

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

PATH = "/parallel_test"
TEXT = "One, two, three, four, five, six. Seven, eight, nine, ten."
FRAME_SECONDS = 1 / 25
ATTEMPTS = 3
"""A busy machine may keep two videos from playing in step, but not each time."""
DONE = "document.querySelector('#{mode}').dataset.state === 'done'"
TIMES = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
SEEK = "position.value = {time}; position.dispatchEvent(new Event('input'))"


@pytest.fixture(scope="module")
def daemon(studio: Studio) -> RunningDaemon:
    return studio.daemon


@pytest.fixture(scope="module")
def gateway(studio: Studio) -> RunningGateway:
    return studio.gateway


@pytest.fixture(scope="module")
def begun(browser: Browser, gateway: RunningGateway) -> Visit:
    """The page on which both videos are being made."""
    visit = Visit(browser, gateway.url)
    visit.page.goto(PATH)
    visit.page.fill("#text", TEXT)
    visit.page.click("#both")
    return visit


@pytest.fixture(scope="module")
def visit(begun: Visit) -> Visit:
    """The page on which both videos were made."""
    for mode in ("sequential", "parallel"):
        begun.until(DONE.format(mode=mode))
    return begun


def jobs(visit: Visit) -> dict[str, str]:
    """The pair of jobs in the page's address."""
    return dict(parse_qsl(urlsplit(visit.page.url).query))


def reports(visit: Visit, daemon: RunningDaemon) -> list[dict[str, Any]]:
    """The timing JSONs of the pair: sequential, parallel."""
    named = jobs(visit)
    return [
        json.loads((daemon.spool / "outbox" / f"{named[mode]}.json").read_bytes())
        for mode in ("sequential", "parallel")
    ]


def test_both_videos_wait_for_one_another(begun: Visit) -> None:
    assert begun.page.get_attribute("#parallel", "data-state") == "postponed"
    begun.until("parseFloat(document.querySelector('#sequential .clock').textContent) > 0.1")


def test_both_videos_are_made_one_after_the_other(visit: Visit, daemon: RunningDaemon) -> None:
    sequential, parallel = reports(visit, daemon)
    assert (sequential["mode"], parallel["mode"]) == ("sequential", "parallel")
    assert sequential["finished_at"] <= parallel["submitted_at"]
    assert [said["text"] for said in sequential["sentences"]] == [said["text"] for said in parallel["sentences"]]


def test_a_voice_that_was_loaded_for_one_of_them_is_mentioned(visit: Visit, daemon: RunningDaemon) -> None:
    spoken = [report["timing"]["tts_seconds"] for report in reports(visit, daemon)]
    loading = abs(spoken[0] - spoken[1])
    said = [line for line in visit.page.locator("#warnings li").all_inner_texts() if line.startswith("The voice took")]
    assert [f"{loading:.2f} s longer in one of them" in line for line in said] == [True] * (loading > 1)


def test_the_speed_up_is_that_of_the_timing_jsons(visit: Visit, daemon: RunningDaemon) -> None:
    sequential, parallel = (report["timing"]["total_seconds"] for report in reports(visit, daemon))
    assert visit.page.inner_text("#speed-up") == f"{sequential / parallel:.2f}×"
    assert visit.page.inner_text("#sequential .clock") == f"{sequential:.2f} s"
    assert f"{parallel:.2f} s in parallel" in visit.page.inner_text("#totals")
    assert "Measured on this machine" in visit.page.inner_text("#verdict")


def test_timelines_have_a_bar_for_every_chunk_of_every_worker(visit: Visit, daemon: RunningDaemon) -> None:
    for report in reports(visit, daemon):
        chart = visit.page.locator(f"#{report['mode']}-timeline .gantt")
        rows = chart.locator(".gantt-row").all()
        found = {row.locator(".gantt-label").inner_text(): row.locator(".gantt-bar").all_inner_texts() for row in rows}
        for worker in {chunk["worker"] for chunk in report["chunks"]}:
            mine = [str(chunk["index"] + 1) for chunk in report["chunks"] if chunk["worker"] == worker]
            assert found[worker] == mine
    assert len(reports(visit, daemon)[1]["chunks"]) > 1
    assert "Lip sync" in visit.page.inner_text("#times")


def test_both_videos_play_in_step(visit: Visit) -> None:
    assert any(drift_seconds(visit) <= FRAME_SECONDS for _ in range(ATTEMPTS))
    assert visit.value("[...document.querySelectorAll('video')].filter(video => !video.muted).length") == 1
    assert visit.value("[...document.querySelectorAll('video')].every(video => video.paused)")
    one, other = visit.value(TIMES)
    assert one == other


def drift_seconds(visit: Visit) -> float:
    """Play the beginning; returns the median of how far apart the videos are."""
    visit.value(SEEK.format(time=0))
    visit.page.click("#play")
    visit.until(f"Math.min(...{TIMES}) > 0.5")
    drifts: list[float] = sorted(abs(one - other) for one, other in (visit.value(TIMES) for _ in range(20)))
    visit.page.click("#play")
    return drifts[len(drifts) // 2]


def test_both_videos_seek_together_and_go_on_in_step(visit: Visit) -> None:
    visit.value(SEEK.format(time=2))
    assert visit.value(TIMES) == [2, 2]
    visit.page.click("#play")
    visit.until(f"Math.min(...{TIMES}) > 2.3")
    visit.until("[...document.querySelectorAll('video')].every(video => video.paused)")  # at the end
    assert visit.page.get_attribute("#play", "aria-label") == "Play"


def test_the_address_shows_the_same_pair_to_others(visit: Visit, browser: Browser, gateway: RunningGateway) -> None:
    before = gateway.client.get("/api/jobs").json()
    other = Visit(browser, gateway.url, locale="ru-RU")
    other.page.goto(visit.page.url.removeprefix(gateway.url))
    shown = other.until("document.querySelector('#speed-up').textContent")
    assert shown.replace(",", ".") == visit.page.inner_text("#speed-up")
    assert jobs(other) == jobs(visit)
    assert gateway.client.get("/api/jobs").json() == before
    assert other.fits(390)
    assert visit.errors == other.errors == []
    other.page.close()


def test_a_failure_is_shown_and_the_other_video_is_still_made(browser: Browser, gateway: RunningGateway) -> None:
    visit = Visit(browser, gateway.url)
    visit.page.goto(PATH)
    visit.page.fill("#text", "???")
    visit.page.click("#both")
    visit.page.wait_for_selector("#parallel[data-state=failed]")
    for mode in ("sequential", "parallel"):
        assert "no_speech" in visit.page.inner_text(f"#{mode} .problem")
    assert visit.page.is_hidden("#verdict")
    assert visit.page.is_enabled("#both")
    assert visit.errors == []
    visit.page.close()


def test_without_a_daemon_jobs_wait_and_can_be_cancelled(browser: Browser, tmp_path: Path) -> None:
    with WarmGateway(tmp_path / "spool") as gateway:
        visit = Visit(browser, gateway.url)
        visit.page.goto(PATH)
        visit.page.wait_for_selector("[data-state=down].notice:not([hidden])")
        visit.page.fill("#text", TEXT)
        visit.page.click("#sequential [data-part=generate]")
        visit.page.wait_for_selector("#sequential[data-state=running]")
        expect(visit.page.locator("#sequential [data-part=state]")).to_contain_text("Queue")
        assert visit.errors == []
        visit.page.close()
