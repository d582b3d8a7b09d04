"""How texts will be read, over HTTP and on the studio page: the same as the daemon speaks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import CHROMIUM
from tests.gateway import RunningGateway
from tests.running import in_process

MIXED = (
    "Утром дети собирали в лесу грибы и ягоды, всего 5 кг. "
    "This is my old friend from London. [pause 0.5] Вот [spell США]."
)
VOICE = "espeak:ru+f2"
WITH_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    spool = tmp_path_factory.mktemp("reading") / "spool"
    spool.mkdir()
    (spool / "config.yaml").write_text("tts: {backend: espeak, lexicon: {ru: {вот: там}}}")
    with RunningGateway(spool, requests_per_minute=10_000) as running:
        yield running


def reading(gateway: RunningGateway, **job: Any) -> dict[str, Any]:
    answer = gateway.client.post("/api/reading", json=job)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_reading_has_numbers_stress_pauses_and_voices(gateway: RunningGateway) -> None:
    found = reading(gateway, text=MIXED, lexicon={"old": "ancient"})
    assert (found["voice"], found["language"], found["further"]) == (VOICE, "ru", 0)
    first, second, third = found["sentences"]
    assert first["spoken"].startswith("У\u0301тром де\u0301ти собира\u0301ли")
    assert first["spoken"].endswith("всего\u0301 пять килогра\u0301ммов.")
    assert second["spoken"] == "This is my ancient friend from London."
    assert (second["language"], second["voice"], second["pause_after"]) == ("en", "espeak:en-us+f2", 0.5)
    assert (third["text"], third["spoken"], third["voice"]) == ("Вот США.", "там эс ша а.", None)


def test_it_is_what_a_dry_run_shows(gateway: RunningGateway) -> None:
    job = {"text": f"{MIXED} " * 8, "mode": "stream"}
    (gateway.spool / "a.json").write_text(json.dumps(job))
    shown = in_process("submit", "a.json", "--dry-run", "--json", "--spool", gateway.spool, cwd=gateway.spool)
    rehearsed = json.loads(shown.stdout)
    found = reading(gateway, **job)
    assert found["sentences"] == rehearsed["sentences"]
    pieces = [sentence["piece"] for sentence in found["sentences"]]
    assert pieces == sorted(pieces) and set(pieces) == set(range(pieces[-1] + 1))
    assert pieces[-1] > 5


def test_of_a_long_text_the_first_sentences_are_listed(gateway: RunningGateway) -> None:
    found = reading(gateway, text="One two three. " * 250, language="en")
    assert len(found["sentences"]) == 100
    assert found["further"] == 150


@pytest.mark.parametrize(
    ("job", "status", "code"),
    [
        ({"text": "..."}, 400, "no_speech"),
        ({"text": "a", "voice": "nobody"}, 400, "voice"),
        ({"text": "a", "language": "xx"}, 400, "language"),
        ({"text": "[pause 99] a"}, 400, "range"),
        ({"txt": "a"}, 400, "unknown_field"),
    ],
)
def test_what_no_job_may_have_is_refused(gateway: RunningGateway, job: dict[str, str], status: int, code: str) -> None:
    answer = gateway.client.post("/api/reading", json=job)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_recording_has_nothing_to_read(gateway: RunningGateway) -> None:
    (gateway.spool / "inbox").mkdir(exist_ok=True)
    (gateway.spool / "inbox" / "a.wav").write_bytes(b"")
    answer = gateway.client.post("/api/reading", json={"audio": "a.wav"})
    assert (answer.status_code, answer.json()["code"]) == (400, "no_speech")


def test_other_sites_forms_are_refused(gateway: RunningGateway) -> None:
    answer = gateway.client.post("/api/reading", content=b'{"text": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_no_job_is_made_and_the_gateway_loads_nothing(gateway: RunningGateway) -> None:
    reading(gateway, text="Замок")
    assert not list((gateway.spool / "inbox").glob("*.json"))
    own = psutil.Process(gateway.process.pid)
    loaded = {Path(part.path).name for part in own.memory_maps()}
    assert not [name for name in loaded if name.startswith(("libespeak", "libtorch"))]


def test_a_rate_limit_applies(tmp_path: Path) -> None:
    with RunningGateway(tmp_path / "spool", requests_per_minute=1) as limited:
        limited.client.post("/api/reading", json={"text": "..."})
        answer = limited.client.post("/api/reading", json={"text": "..."})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate")


# The studio page


@pytest.fixture
def page(gateway: RunningGateway, browser: Browser) -> Iterator[Page]:
    with browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(gateway.url)
        yield page
        assert errors == []


@WITH_BROWSER
def test_the_page_shows_the_reading_by_keyboard_and_follows_the_text(page: Page) -> None:
    page.fill("#text", MIXED)
    page.keyboard.press("Tab")
    expect(page.locator("#reading summary")).to_be_focused()
    expect(page.locator("#reading-sentences")).to_be_hidden()
    page.keyboard.press("Enter")
    sentences = page.get_by_role("list", name="How it will be read").get_by_role("listitem")
    expect(sentences).to_have_count(3)
    expect(sentences.nth(0)).to_contain_text("пять килогра\u0301ммов")
    expect(sentences.nth(1)).to_contain_text("English, espeak:en-us+f2")
    expect(sentences.nth(1)).to_contain_text("0.5 s of silence")
    expect(sentences.nth(2)).to_have_text(re.compile("Вот США.там эс ша а."))
    expect(page.get_by_role("status").filter(has_text=VOICE)).to_contain_text("Russian. Sentences: 3.")
    page.keyboard.press("Tab")
    expect(page.locator("#reading-sentences")).to_be_focused()
    page.fill("#text", "It costs $5.")
    expect(sentences).to_have_text(["It costs $5.It costs five dollars."])
    page.fill("#text", "")
    expect(page.locator("#reading-summary")).to_have_text("Write a text first.")
    expect(sentences).to_have_count(0)


@WITH_BROWSER
def test_the_page_follows_the_mode_and_the_language(page: Page) -> None:
    page.fill("#text", "One, two and three are here today, as they were yesterday. " * 3)
    page.click("#reading summary")
    sentences = page.locator("#reading li")
    expect(sentences).to_have_count(3)
    page.select_option("#mode", "stream")
    expect(page.locator("#reading li", has_text="Text 2")).to_have_count(1)
    page.select_option("#language", "kk")
    expect(page.locator("#reading-summary")).to_contain_text("Kazakh")


@WITH_BROWSER
def test_the_page_says_why_a_text_cannot_be_read(page: Page) -> None:
    page.fill("#text", "[pause 99] a")
    page.click("#reading summary")
    expect(page.locator("#reading-problem")).to_contain_text("[pause 99]")
    page.fill("#text", "[pause 2] a")
    expect(page.locator("#reading li")).to_contain_text("2.0 s of silence")
    expect(page.locator("#reading-problem")).to_be_empty()


@WITH_BROWSER
def test_a_recording_hides_the_reading(page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    page.set_input_files("#audio", tmp_path / "a.wav")
    expect(page.locator("#reading")).to_be_hidden()
    page.get_by_role("button", name="Remove a.wav").click()
    expect(page.locator("#reading")).to_be_visible()


@WITH_BROWSER
def test_it_fits_a_phone(gateway: RunningGateway, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 340, "height": 700}, locale="ru-RU") as context:
        page = context.new_page()
        page.goto(gateway.url)
        page.fill("#text", f"{MIXED} {'щ' * 60}")
        page.click("#reading summary")
        expect(page.locator("#reading-summary")).to_contain_text("Предложений: 3")
        assert page.evaluate("document.documentElement.scrollWidth") <= 340
