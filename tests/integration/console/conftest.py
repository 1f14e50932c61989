"""The console in a real browser, over a real `vectorplane dev`: one of each for all tests here."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.chromium import chromium
from support.console import KEYS, PRODUCTS, SKETCHES, TEXTS, Console
from support.local import Dev, Local, manifest


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """It asks for a key, and has two collections with points."""
    local = Local(tmp_path_factory.mktemp("console"))
    local.write("products.yaml", PRODUCTS)
    local.write("sketches.yaml", manifest("sketches"))
    try:
        found = local.dev(API_KEYS=KEYS)
        found.client.headers["X-API-Key"] = "all-secret"
        for name, points in (("products", TEXTS), ("sketches", SKETCHES)):
            local.until_ready(name)
            found.put(f"shop.{name}", points)
        yield found
    finally:
        for one in local.devs:
            one.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def console(dev: Dev, browser: Browser) -> Iterator[Console]:
    context = browser.new_context(viewport={"width": 1100, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    try:
        found = Console(context.new_page(), dev.url)
        yield found
    finally:
        context.close()
    assert found.complaints == []
