"""The pages in a real browser, and what their server part promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from daemon.explanations import FILES, explanations
from daemon.web.pages import FOLDER
from daemon.web.pages.languages import LANGUAGES
from daemon.web.pages.problems import file_text, page_of
from daemon.web.tokens import COOKIE, Tokens
from tests.browser import CHROMIUM
from tests.gateway import RunningGateway, Studio, WarmGateway
from tests.media import speech_like, write_recording
from tests.running import ROOT, until

TEXTS = FOLDER / "texts"
PLACEHOLDER = re.compile(r"\{\w+\}")
JOB_MS = 60_000
WITH_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
NAMELESS = """
[...document.querySelectorAll("main :is(button, input, select, textarea, a, video)")].filter(element =>
  element.type !== "hidden" && !element.labels?.length && !element.ariaLabel && !element.textContent.trim())
  .map(element => element.outerHTML)
"""
"""Controls that a screen reader cannot name."""


# Texts and files


def texts(language: str) -> dict[str, str]:
    files = sorted((TEXTS / language).glob("*.json"))
    return {f"{file.stem}.{key}": text for file in files for key, text in json.loads(file.read_text("utf-8")).items()}


def test_every_language_has_the_same_texts_with_the_same_placeholders() -> None:
    assert sorted(folder.name for folder in TEXTS.iterdir()) == sorted(LANGUAGES)
    shapes = [{key: set(PLACEHOLDER.findall(text)) for key, text in texts(language).items()} for language in LANGUAGES]
    assert len(shapes[0]) > 50
    assert all(shape == shapes[0] for shape in shapes)


def sources() -> list[Path]:
    return [*FOLDER.glob("templates/*.html"), *FOLDER.glob("static/*.js")]


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_every_text_that_a_page_names_exists(source: Path) -> None:
    known = texts("en")
    named = re.findall(r"""\bt\(["']([a-z]+\.[a-z_]+)["'][,)]""", source.read_text("utf-8"))
    assert [key for key in named if key not in known] == []


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_pages_have_no_inline_scripts_or_styles_and_load_nothing_from_elsewhere(source: Path) -> None:
    text = source.read_text("utf-8")
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*(?:src=|application/json))", text) == []
    assert [link for link in re.findall(r"https?://[\w./-]+", text) if "www.w3.org" not in link] == []


def test_what_the_pages_say_about_errors_is_current() -> None:
    """If not, run `make schemas`."""
    reference = ROOT / "docs" / "reference" / "errors.md"
    for language, name in FILES.items():
        page = page_of(reference, language)
        assert (FOLDER / name).read_text("utf-8") == file_text(page.read_text("utf-8")), page.name


SHIFTS = """
new PerformanceObserver(list => {
  window.shifts = [...(window.shifts ?? []), ...list.getEntries().filter(({hadRecentInput}) => !hadRecentInput).map(
    ({value, sources}) => ({value, moved: sources.map(({node}) => node?.id || node?.className || node?.nodeName)}))];
}).observe({type: "layout-shift", buffered: true});
"""
"""Notes what moves on a page while it loads, and how far: the browser's layout shifts."""
LOADED = {"/": "#avatars img", "/parallel_test": "#avatar option", "/realtime": "#avatar option"}
"""What a page shows when its lists have come."""
SHIFT_MAX = 0.01
"""A tenth of what is considered good; single pixels may move when fonts are measured."""
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


# Servers and a browser


@pytest.fixture
def gateway(studio: Studio) -> RunningGateway:
    return studio.gateway


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that asks for a token, without a daemon."""
    with WarmGateway(tmp_path_factory.mktemp("guarded") / "spool", tokens="tokens") as running:
        yield running


class Visitor:
    """A browser of its own for one test, which notices errors on the console."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.context = context
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, entry: ConsoleMessage) -> None:
        url = entry.location["url"]
        if entry.type == "error":
            self.errors.append(f"{entry.text} {url}")


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    found = Visitor(context)
    yield found
    context.close()


def plays(page: Page) -> None:
    """Check that the page's video advances."""
    until(lambda: page.evaluate("document.querySelector('video')?.currentTime > 0.2") or None, "playback")


@WITH_BROWSER
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("path", "loaded"), LOADED.items())
def test_nothing_moves_while_a_page_loads_and_says_that_the_daemon_is_down(
    path: str, loaded: str, width: int, gateway: RunningGateway, visitor: Visitor
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 900})

    def answer_late(route: Route) -> None:
        """Answer only when the page has been painted without it, as on a slow network."""
        page.evaluate(PAINTED)
        route.continue_()

    page.add_init_script(SHIFTS)
    page.route(re.compile(r"/api/(avatars|jobs|voices)"), answer_late)
    page.route("**/api/health", lambda route: (page.evaluate(PAINTED), route.fulfill(json={"daemon": "down"})))
    page.goto(gateway.url + path)
    page.locator(loaded).first.wait_for(state="attached")
    page.locator(".lead > .notice:not([hidden])").wait_for()
    page.evaluate(PAINTED)
    shifts = page.evaluate("window.shifts ?? []")
    assert sum(shift["value"] for shift in shifts) < SHIFT_MAX, shifts


# The studio


@WITH_BROWSER
def test_a_text_becomes_a_video_with_captions_by_keyboard_alone(gateway: RunningGateway, visitor: Visitor) -> None:
    page = visitor.page
    page.goto(gateway.url)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("Hello! Here I am.")
    expect(page.locator("#language")).to_have_value("en")
    page.keyboard.press("Control+Enter")
    result = page.locator(".result").first
    expect(result.locator(".badge").first).to_be_visible()
    expect(result.locator(".result-title")).to_have_text("Hello! Here I am.")
    expect(result.locator("video")).to_be_visible(timeout=JOB_MS)
    expect(page.locator("#announcer")).to_contain_text("is done")
    result.locator("video").focus()
    page.keyboard.press("Space")
    plays(page)
    captions = page.evaluate("[...document.querySelector('video').textTracks[0].cues].map((cue) => cue.text)")
    assert captions == ["Hello! Here I am."]
    assert page.evaluate(NAMELESS) == []
    page.keyboard.press("Tab")
    result.get_by_role("link", name="Details").click()
    expect(page.locator("h1")).to_have_text("Hello! Here I am.")
    assert visitor.errors == []


@WITH_BROWSER
def test_a_recording_can_have_its_text(gateway: RunningGateway, visitor: Visitor, tmp_path: Path) -> None:
    write_recording(tmp_path / "speech.wav", speech_like(0.6))
    page = visitor.page
    page.goto(gateway.url)
    page.set_input_files("#audio", tmp_path / "speech.wav")
    expect(page.locator("#text-label")).to_have_text("What does the recording say? (optional)")
    page.fill("#text", "It says something else.")
    page.click("#generate")
    title = page.locator(".result-title", has_text="It says something else.")
    result = page.locator(".result", has=title)
    expect(result.locator("video")).to_be_visible(timeout=JOB_MS)
    expect(result).to_contain_text("the recording does not say the text")
    page.get_by_role("button", name="Remove speech.wav").click()
    expect(page.locator("#text-label")).to_have_text("What should be said?")
    assert visitor.errors == []


@WITH_BROWSER
def test_files_can_be_dropped_anywhere_on_the_page(gateway: RunningGateway, visitor: Visitor, tmp_path: Path) -> None:
    """With the browser's own drag and drop, as from a file manager."""
    write_recording(tmp_path / "speech.wav", speech_like(0.6))
    (tmp_path / "face.heic").write_bytes(b"not looked at before it is sent")
    (tmp_path / "notes.pdf").touch()
    page = visitor.page
    page.goto(gateway.url)
    devtools = page.context.new_cdp_session(page)

    def drag(event: str, *names: str) -> None:
        data = {"items": [], "files": [str(tmp_path / name) for name in names], "dragOperationsMask": 1}
        devtools.send("Input.dispatchDragEvent", {"type": event, "x": 300, "y": 60, "data": data})

    for event in ("dragEnter", "dragOver"):
        drag(event, "speech.wav", "face.heic")
    expect(page.locator("#dropzone")).to_have_class(re.compile("dropping"))
    drag("drop", "speech.wav", "face.heic")
    expect(page.locator("#dropzone")).not_to_have_class(re.compile("dropping"))
    expect(page.get_by_label("What does the recording say?")).to_be_visible()
    for name in ("speech.wav", "face.heic"):
        expect(page.get_by_role("button", name=f"Remove {name}")).to_be_visible()
    assert {"image/*", "video/*", ".heic", ".avif", ".mkv"} <= set(
        (page.get_attribute("#portrait", "accept") or "").split(",")
    )
    for event in ("dragEnter", "dragOver", "drop"):
        drag(event, "notes.pdf")
    expect(page.get_by_role("alert")).to_contain_text("notes.pdf")
    expect(page.get_by_role("button", name="Remove speech.wav")).to_be_visible()
    assert visitor.errors == []


@WITH_BROWSER
def test_a_refused_text_says_why_and_leads_to_the_page_of_the_error(gateway: RunningGateway, visitor: Visitor) -> None:
    page = visitor.page
    page.goto(gateway.url)
    page.click("#generate")
    expect(page.get_by_role("alert")).to_contain_text("Write a text")
    page.fill("#text", "...")
    page.click("#generate")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is nothing to speak in this text.")
    expect(page.locator("#text")).to_be_focused()
    alert.get_by_role("link", name="no_speech").click()
    expect(page.locator("h1")).to_have_text("no_speech")
    assert [error for error in visitor.errors if "400" not in error] == []


@WITH_BROWSER
def test_the_language_is_the_browsers_until_another_is_chosen(gateway: RunningGateway, browser: Browser) -> None:
    with browser.new_context(locale="ru-RU") as context:
        page = context.new_page()
        page.goto(gateway.url)
        expect(page.locator("#generate")).to_have_text("Создать")
        expect(page.locator("#daemon")).to_have_text("Готов")
        page.get_by_role("link", name="English").click()
        expect(page.locator("#generate")).to_have_text("Generate")
        page.goto(f"{gateway.url}/docs")
        expect(page.locator("html")).to_have_attribute("lang", "en")


@WITH_BROWSER
def test_an_answer_that_is_cut_is_asked_for_again(gateway: RunningGateway, visitor: Visitor) -> None:
    """As by a gateway that is killed while it answers."""
    page = visitor.page
    cut = '{"jobs": ['
    page.route("**/api/jobs?*", lambda route: route.fulfill(content_type="application/json", body=cut), times=1)
    page.goto(gateway.url)
    expect(page.locator("#results-problem")).to_contain_text("does not answer")
    expect(page.locator("#results-problem")).to_be_empty(timeout=JOB_MS)
    assert visitor.errors == []


# A job's page


@WITH_BROWSER
def test_a_stream_plays_on_its_page_and_its_times_follow(gateway: RunningGateway, visitor: Visitor) -> None:
    job = {"text": "One, two, three, four, five. " * 3, "language": "en", "mode": "stream", "captions": True}
    assert gateway.client.put("/api/jobs/live", json=job).status_code == 202
    page = visitor.page
    page.goto(f"{gateway.url}/jobs/live")
    plays(page)
    expect(page.locator("#status")).to_have_text("Done", timeout=JOB_MS)
    expect(page.locator("#pieces i.there")).not_to_have_count(0)
    expect(page.locator(".gantt-bar")).not_to_have_count(0)
    assert page.locator(".sentence").count() == 3
    assert page.evaluate(NAMELESS) == []
    assert visitor.errors == []


@WITH_BROWSER
def test_a_cancelled_job_says_so_once(gateway: RunningGateway, visitor: Visitor) -> None:
    job = {"text": "One, two, three, four, five. " * 20, "language": "en"}
    assert gateway.client.put("/api/jobs/stopped", json=job).status_code == 202
    assert gateway.client.delete("/api/jobs/stopped").is_success
    visitor.page.goto(f"{gateway.url}/jobs/stopped")
    expect(visitor.page.locator("#failure .problem-what")).to_have_text("The job was cancelled.", timeout=JOB_MS)
    assert visitor.page.locator("#failure .problem-detail").count() == 0


@WITH_BROWSER
def test_everything_that_is_wrong_is_shown_at_its_field(gateway: RunningGateway, visitor: Visitor) -> None:
    page = visitor.page
    page.goto(gateway.url)
    page.wait_for_selector("#avatars input")
    page.evaluate("document.querySelector('#avatars input').value = 'annna'")  # it was removed meanwhile
    page.fill("#text", "???")
    page.click("#generate")
    refusal = page.locator("#refusal")
    expect(refusal).to_contain_text("nothing to speak")
    expect(refusal).to_contain_text("did you mean 'anna'?")
    text = page.locator("#text")
    expect(text).to_be_focused()
    expect(text).to_have_accessible_description(re.compile("nothing to speak"))
    expect(page.locator("#avatar-field .field-error")).to_have_text("there is no avatar 'annna'")
    text.press_sequentially(" Yes")
    expect(page.locator(".field-error")).to_have_count(1)
    expect(text).to_have_attribute("aria-describedby", "count")


@WITH_BROWSER
def test_a_failed_job_shows_code_field_and_hint(gateway: RunningGateway, visitor: Visitor) -> None:
    (gateway.spool / "inbox" / "bad.json").write_text('{"text": "hello", "avatar": "nobody"}')
    page = visitor.page
    page.goto(f"{gateway.url}/jobs/bad")
    failure = page.locator("#failure")
    expect(failure).to_contain_text("nobody", timeout=JOB_MS)
    expect(failure.get_by_role("link", name="avatar")).to_have_attribute("href", "/problems/avatar")
    expect(failure).to_contain_text("Field: avatar")
    expect(page.locator("#status")).to_have_text("Failed")
    assert visitor.errors == []


@WITH_BROWSER
@pytest.mark.parametrize("path", ["/", "/jobs/live", "/jobs/bad", "/docs", "/problems/no_face", "/login"])
def test_no_page_is_wider_than_a_phone(path: str, gateway: RunningGateway, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 340, "height": 700}, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(gateway.url + path)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 340


# Tokens


@WITH_BROWSER
def test_a_page_asks_for_a_token_first_and_goes_on_to_where_it_was(guarded: RunningGateway, visitor: Visitor) -> None:
    token = Tokens(guarded.spool / "tokens").add("anna")
    page = visitor.page
    page.goto(f"{guarded.url}/docs?lang=en")
    expect(page.locator("#token")).to_be_focused()
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs?lang=en")
    cookie = next(cookie for cookie in visitor.context.cookies() if cookie["name"] == COOKIE)
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    page.goto(guarded.url)
    expect(page.locator(".lead > .notice:not([hidden])")).to_contain_text("The daemon is not running")
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#token")).to_be_visible()
    assert COOKIE not in {cookie["name"] for cookie in visitor.context.cookies()}
    assert [error for error in visitor.errors if "403" not in error] == []


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_leads_to_no_other_site(target: str, gateway: RunningGateway) -> None:
    answer = gateway.client.post("/login", data={"token": "", "next": target})
    assert answer.headers["location"] == "/"


def test_programs_without_a_token_get_a_problem_document(guarded: RunningGateway) -> None:
    assert guarded.client.get("/api/jobs").status_code == 401
    assert guarded.client.get("/", headers={"Accept": "application/json"}).status_code == 401
    page = guarded.client.get("/jobs/a?b=c", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fjobs%2Fa%3Fb%3Dc")


def test_a_link_on_another_site_reaches_those_who_have_a_token(guarded: RunningGateway) -> None:
    """Browsers send the cookie only once the page has opened itself again, from its own site."""
    foreign = guarded.client.get("/login?next=/jobs/a", headers={"Sec-Fetch-Site": "cross-site"})
    assert "/static/login.js" in foreign.text
    assert "/static/login.js" not in guarded.client.get("/login?next=/jobs/a").text
    cookie = {"Cookie": f"{COOKIE}={Tokens(guarded.spool / 'tokens').add('follower')}"}
    again = guarded.client.get("/login?next=/jobs/a", headers=cookie)
    assert (again.status_code, again.headers["location"]) == (303, "/jobs/a")


# What the server answers


def test_every_error_code_has_a_page_and_no_other_word_has(guarded: RunningGateway) -> None:
    codes = explanations("en")
    assert len(codes) > 80
    pages = {code: guarded.client.get(f"/problems/{code}") for code in codes}
    assert {page.status_code for page in pages.values()} == {200}
    assert "Several faces of similar size" in pages["several_faces"].text
    assert guarded.client.get("/problems/nonsense").status_code == 404
    russian = guarded.client.get("/problems/several_faces", headers={"Accept-Language": "ru"}).text
    assert "Несколько лиц близкого размера" in russian
    assert "Лицо аватара" in russian
    assert "Several faces" not in russian


def test_files_of_the_pages_are_served_and_no_others(gateway: RunningGateway) -> None:
    web: httpx.Client = gateway.client
    style = web.get("/static/lipdrop.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert web.get("/static/lipdrop.css", headers={"If-None-Match": style.headers["etag"]}).status_code == 304
    assert web.get("/static/hls.light.min.js").status_code == 200
    for path in ("/static/", "/static/player.html", "/static/%2e%2e/__init__.py", "/static/..%2f__init__.py"):
        assert web.get(path).status_code == 404


def test_the_reference_shows_every_operation(gateway: RunningGateway) -> None:
    page = gateway.client.get("/docs").text
    document = gateway.client.get("/openapi.json").json()
    named = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert "create_job" in named
    assert [name for name in named if f'id="{name}"' not in page] == []


def test_an_unknown_path_is_a_page_for_people_and_a_problem_for_programs(gateway: RunningGateway) -> None:
    page = gateway.client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert gateway.client.get("/nowhere").headers["content-type"] == "application/problem+json"


# Status


CLUSTER = {
    "status": "healthy",
    "daemon": "degraded",
    "why": "the Ray cluster has no room for gan-3 (CPU 4)",
    "queue": {"waiting": 12, "in_flight": 3},
    "done": 1234,
    "failed": 1,
    "workers": {
        "tts-0": {"state": "idle", "pid": 4, "node": "render-1", "device": "cpu"},
        "gan-0": {
            "state": "busy",
            "pid": 5,
            "node": "render-1",
            "device": "cuda:0",
            "job": "lecture",
            "step": "lipsync",
            "index": 2,
        },
        "gan-1": {
            "state": "busy",
            "pid": 6,
            "node": "render-2",
            "device": "cuda:0",
            "job": "a <b>",
            "step": "lipsync",
            "index": 0,
        },
        "merge-0": {
            "state": "busy",
            "pid": 7,
            "node": "render-2",
            "device": "cpu",
            "job": "intro",
            "step": "pack",
            "index": 1,
        },
        "gan-3": {"state": "waiting to restart", "pid": None, "node": None, "device": None},
    },
}


@WITH_BROWSER
def test_the_status_page_shows_nodes_and_what_their_workers_do(gateway: RunningGateway, visitor: Visitor) -> None:
    page = visitor.page
    page.goto(gateway.url)
    page.route("**/api/health", lambda route: route.fulfill(json=CLUSTER))
    page.click("#daemon")
    expect(page.locator("h1")).to_have_text("Status")
    expect(page.locator("#nodes h2")).to_have_text(["render-1", "render-2", "No machine yet"])
    expect(page.locator("#why")).to_have_text(str(CLUSTER["why"]))
    expect(page.locator("#done")).to_have_text("1,234")
    rows = [row.inner_text().split("\t") for row in page.locator("#nodes tbody tr").all()]
    assert rows == [
        ["tts-0", "cpu", "idle"],
        ["gan-0", "cuda:0", "lecture · Lip sync · Chunk 3"],
        ["gan-1", "cuda:0", "a <b> · Lip sync · Chunk 1"],
        ["merge-0", "cpu", "intro · Merge"],
        ["gan-3", "–", "waits to restart"],
    ]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.errors == []
