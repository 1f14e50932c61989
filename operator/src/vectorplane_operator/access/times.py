"""Times as claims have them (seconds since 1970) and as Kubernetes does (RFC 3339 in UTC)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Seconds since 1970."""


def text_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """Raises `ValueError`."""
    return datetime.fromisoformat(text).timestamp()
