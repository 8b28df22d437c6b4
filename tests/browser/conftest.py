"""A headless Chromium, and pages in it. Playwright's own download of browsers is not needed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
SILENT_SECONDS = 3.0  # that a page may take to end what it has begun
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's event loop lives in this thread; the tests still use the ORM as from any other code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield browser
            browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that has been nowhere yet; it fails the test where a script of a page fails."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    under_way: set[Request] = set()
    context.on("request", lambda request: under_way.add(request))
    for end in ("requestfinished", "requestfailed"):
        context.on(end, lambda request: under_way.discard(request))
    yield opened
    _fall_silent(context, under_way)
    context.close()
    assert errors == []


def _fall_silent(context: BrowserContext, under_way: set[Request]) -> None:
    """What a page sends when it is closed would arrive in the next test."""
    until = time.monotonic() + SILENT_SECONDS
    for each in context.pages:
        each.evaluate("navigator.sendBeacon = () => true")
        while under_way and time.monotonic() < until:
            each.wait_for_timeout(10)
