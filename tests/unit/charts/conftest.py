"""The charts, rendered by Helm."""

from __future__ import annotations

import pytest

from support.helm import Charts


@pytest.fixture(scope="session")
def charts() -> Charts:
    return Charts()
