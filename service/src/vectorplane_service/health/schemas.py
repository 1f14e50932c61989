"""What health answers look like."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class DependencyStatus(BaseModel):
    """One dependency: whether it answers, how fast, and what it says of itself."""

    status: Literal["up", "down"]
    latency_ms: float
    engine: str | None = None
    version: str | None = None
    reason: str | None = None


class HealthStatus(BaseModel):
    """The service and all that it depends on."""

    status: Literal["ok", "degraded"]
    version: str
    dependencies: dict[str, DependencyStatus]


class Alive(BaseModel):
    status: Literal["alive"]


class Ready(BaseModel):
    status: Literal["ready", "not ready"]
    dependencies: dict[str, DependencyStatus]
