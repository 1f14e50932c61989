"""Parts of the outside that a machine may lack. `REQUIRE="controlplane embedded qdrant"` says
which it may not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def required(part: str) -> bool:
    """True where the environment says that this part may not be skipped."""
    return part in os.environ.get("REQUIRE", "").replace(",", " ").split()


def require_or_skip(part: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where the part is required."""
    if required(part):
        pytest.fail(f"{reason} (and REQUIRE names {part})", pytrace=False)
    pytest.skip(reason)
