"""The page on which the avatar says what is being typed, in a real browser with a real gateway and daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import CHROMIUM
from tests.gateway import RunningGateway, Studio, WarmGateway
from tests.pages import Visit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

PATH = "/realtime"
STATES = "[...document.querySelectorAll('#turns > li')].map(turn => turn.dataset.state)"
ALL_SAID = f"{STATES}.length === {{count}} && {STATES}.every(state => state === 'said')"


@pytest.fixture
def gateway(studio: Studio) -> RunningGateway:
    return studio.gateway


@pytest.fixture
def visit(browser: Browser, gateway: RunningGateway) -> Iterator[Visit]:
    found = Visit(browser, gateway.url)
    found.page.goto(PATH)
    yield found
    assert found.errors == []
    found.page.close()


def ended(gateway: RunningGateway, count: int) -> list[dict[str, Any]]:
    """The last jobs, the latest first, once they have ended."""
    for job in gateway.client.get("/api/jobs", params={"limit": count}).json()["jobs"]:
        gateway.client.get(job["links"]["events"])  # until its end
    jobs: list[dict[str, Any]] = gateway.client.get("/api/jobs", params={"limit": count}).json()["jobs"]
    return jobs


def test_it_speaks_with_captions_and_goes_on_with_what_is_typed(visit: Visit, gateway: RunningGateway) -> None:
    page = visit.page
    assert page.is_disabled("#speak")
    page.fill("#text", "One, two, three. Four & five.")
    page.click("#speak")
    assert page.input_value("#text") == ""
    visit.until("video.currentTime > 0.2 && !video.paused")
    assert float(page.inner_text("#first").split()[-2]) > 0
    assert page.inner_text("#state").startswith("Speaking: piece 1 of ")
    assert visit.until("caption.textContent") in ("One, two, three.", "Four & five.")
    page.type("#text", "Six, seven, eight. Nine")
    assert page.input_value("#text") == "Nine"  # not complete; said after a pause
    visit.until(ALL_SAID.format(count=3))
    said = page.locator("#turns > li > p").all_inner_texts()
    assert said == ["One, two, three. Four & five.", "Six, seven, eight.", "Nine"]
    assert page.inner_text("#state") == "All said. Type on to continue."
    jobs = ended(gateway, 3)
    assert [job["report"]["mode"] for job in jobs] == ["stream"] * 3
    bars = [bar.locator("i").count() for bar in page.locator("#turns > li .pieces").all()]
    assert sorted(bars) == sorted(len(job["report"]["chunks"]) for job in jobs)
    length = sum(job["report"]["audio"]["seconds"] for job in jobs)
    assert visit.value("video.currentTime") == pytest.approx(length, abs=0.3)


def test_stop_silences_it_at_once_and_ends_the_job(visit: Visit, gateway: RunningGateway) -> None:
    page = visit.page
    page.fill("#text", "Count with me. " + "One, two, three, four, five, six, seven, eight, nine, ten. " * 8)
    page.keyboard.press("Enter")
    visit.until("video.currentTime > 0.1")
    page.click("#stop")
    assert visit.value("video.paused && !video.currentSrc.startsWith('http') && video.readyState === 0")
    assert page.inner_text("#state") == "Stopped"
    assert visit.value(STATES) == ["silenced"]
    visit.until("!still.hidden")
    assert ended(gateway, 1)[0]["report"]["error"]["code"] == "cancelled"
    page.fill("#text", "Again.")
    page.click("#speak")
    visit.until(ALL_SAID.format(count=1))


def test_what_cannot_be_said_is_shown_and_the_next_text_is_said(visit: Visit) -> None:
    page = visit.page
    page.fill("#text", "???")
    page.click("#speak")
    page.wait_for_selector("#turns > li[data-state=failed]")
    assert "no_speech" in page.inner_text("#turns .problem")
    assert page.inner_text("#state") == "Ready"
    page.fill("#text", "But this can be said.")
    page.click("#speak")
    visit.until(f"{STATES}.join() === 'failed,said'")


def test_it_fits_a_phone_and_speaks_russian(browser: Browser, gateway: RunningGateway) -> None:
    visit = Visit(browser, gateway.url)
    visit.page.goto(f"{PATH}?lang=ru")
    assert visit.page.inner_text("#state") == "Готов"
    assert visit.page.input_value("#language") == "ru"
    assert visit.fits(390)
    visit.page.close()


def test_without_a_daemon_it_says_so(browser: Browser, tmp_path: Path) -> None:
    with WarmGateway(tmp_path / "spool") as gateway:
        visit = Visit(browser, gateway.url)
        visit.page.goto(PATH)
        visit.page.wait_for_selector("[data-state=down].notice:not([hidden])")
        assert "lipdrop run" in visit.page.inner_text(".notice:not([hidden])")
        visit.page.close()
