"""Real parts that a test needs. One that is missing skips the test, unless `$REQUIRE` names it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def require_or_skip(part: str, reason: str) -> NoReturn:
    """Fail where `part` stands in `$REQUIRE` (names with spaces between), else skip."""
    if part in os.environ.get("REQUIRE", "").split():
        pytest.fail(f"{part} is required here: {reason}")
    pytest.skip(f"{part}: {reason}")
