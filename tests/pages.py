"""The gateway's pages in a real browser: Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser import CHROMIUM, OPTIONS
from tests.running import until

PAGE_SECONDS = 120
REFUSED = "the server responded with a status of 400"
"""The browser notes every request that is refused, such as a text that cannot be spoken."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that plays sound without a click; with one, as users do, it would do so anyway."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


class Visit:
    """One page of the gateway, as a visitor sees it."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.page: Page = browser.new_page(**{"base_url": url, "locale": "en-GB", **options})
        self.page.set_default_timeout(PAGE_SECONDS * 1000)
        self.errors: list[str] = []
        """Errors on the page's console."""
        self.requests: list[str] = []
        """URLs that the page requested, if the test notes them."""
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def value(self, expression: str) -> Any:
        """Evaluate a JavaScript expression on the page."""
        return self.page.evaluate(expression)

    def until(self, expression: str) -> Any:
        """Wait until an expression is true; returns its value.

        Not with Playwright's own function, which evaluates a string in the page: its security policy forbids that.
        """
        try:
            return until(lambda: self.value(expression) or None, expression, PAGE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.page.inner_text('main')}; {self.errors}") from None

    def fits(self, width: int) -> bool:
        """Whether the page is not wider than a screen."""
        self.page.set_viewport_size({"width": width, "height": 844})
        return bool(self.value("document.documentElement.scrollWidth <= innerWidth"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and REFUSED not in message.text:
            self.errors.append(f"{message.text} {message.location}")
