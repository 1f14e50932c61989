"""A real, headless Chromium, driven by Playwright: the one that `CHROMIUM` names, or on PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from support.parts import require_or_skip

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium: set CHROMIUM or put chromium on PATH"


def program() -> str | None:
    """The browser's program, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own. It ends with the block, and needs no network.

    Playwright's own loop runs in this thread meanwhile, so no asynchronous test may run inside.
    """
    found = program()
    if found is None:
        require_or_skip("chromium", MISSING)
    # As root Chromium's own sandbox cannot be made. Containers have little shared memory.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=[*flags, "--disable-dev-shm-usage"], timeout=60_000
        )
        try:
            yield browser
        finally:
            browser.close()
