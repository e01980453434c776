"""A headless Chromium and a running service. Without a browser the tests are left out, loudly; under CI they fail."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from app.main import create_app
from app.settings import load_settings

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW = "apt-get install chromium (Debian), or set CHROMIUM to the path of a Chromium or Chrome"


def chromium() -> str | None:
    """Return the path of an installed Chromium."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """Serve everything on a real socket; yields its origin."""
    app = create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, name="service")
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # without a browser nothing needs it

    path = chromium()
    if path is None:
        pytest.fail(f"no Chromium: {HOW}")
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*sandbox, "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page, and everything it asked for and complained about."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(20_000)
    found = Visit(page)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("requestfailed", lambda request: found.complaints.append(f"failed: {request.url}"))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: found.complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    yield found
    context.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the browser's tests out where there is none; under CI they stay, and fail."""
    if chromium() is None and not os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=f"no Chromium: {HOW}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the very end, in red, which tests were left out and how to get them."""
    left_out = [r.nodeid for r in terminalreporter.stats.get("skipped", []) if "tests/browser/" in r.nodeid]
    if left_out:
        terminalreporter.section("BROWSER TESTS LEFT OUT", red=True, bold=True)
        for nodeid in left_out:
            terminalreporter.line(f"  {nodeid}", red=True)
        terminalreporter.line(f"No Chromium was found. To run them: {HOW}.", red=True, bold=True)
