"""Health. Alive needs nothing but the process; ready needs the store."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from vectorplane import __version__
from vectorplane_service.access.dependencies import Reader
from vectorplane_service.context import Services
from vectorplane_service.documentation import Operation
from vectorplane_service.health.schemas import Alive, DependencyStatus, HealthStatus, Ready
from vectorplane_service.http import Json


async def live() -> Response:
    """The process answers."""
    return Json({"status": "alive"})


async def ready(request: Request) -> Response:
    """Requests can be served: every dependency that they need answers."""
    services: Services = request.app.state.services
    reports = await services.health.needed()
    up = all(report.up for report in reports)
    content = {
        "status": "ready" if up else "not ready",
        "dependencies": {report.name: report.as_json() for report in reports},
    }
    return Json(content, 200 if up else 503)


async def health(request: Request) -> Response:
    """Each dependency with its latency and version. The status is 200 even where one is down: the
    body says which."""
    services: Services = request.app.state.services
    reports = await services.health.all()
    return Json(
        {
            "status": "ok" if all(report.up for report in reports) else "degraded",
            "version": __version__,
            "dependencies": {report.name: report.as_json() for report in reports},
        }
    )


async def health_check(request: Request) -> Response:
    """The same as /health."""
    return await health(request)


async def dependency_status(
    caller: Reader,
    dependency: Annotated[
        str,
        Path(max_length=64, description="`vectors`: the vector store; `redis`, where it is used."),
    ],
) -> Response:
    """One dependency with its latency and version; 503 where it is down."""
    report = await caller.services.health.one(dependency)
    return Json(report.as_json(), 200 if report.up else 503)


_UP = {"status": "up", "latency_ms": 0.9, "engine": "qdrant", "version": "1.18.0"}
_ALL = {"status": "ok", "version": __version__, "dependencies": {"vectors": _UP}}

OPERATIONS = (
    Operation(
        "GET",
        "/health/live",
        live,
        summary="Is the process alive",
        tag="health",
        answer=Alive,
        example={"status": "alive"},
    ),
    Operation(
        "GET",
        "/health/ready",
        ready,
        summary="Can requests be served",
        tag="health",
        answer=Ready,
        example={"status": "ready", "dependencies": {"vectors": _UP}},
        also={503: "Not ready; the body says what is missing."},
    ),
    Operation(
        "GET",
        "/health",
        health,
        summary="The service and its dependencies",
        tag="health",
        answer=HealthStatus,
        example=_ALL,
    ),
    Operation(
        "GET",
        "/health/check",
        health_check,
        summary="The service and its dependencies",
        tag="health",
        answer=HealthStatus,
        example=_ALL,
    ),
)

STATUS_OPERATIONS = (
    Operation(
        "GET",
        "/db/status/{dependency}",
        dependency_status,
        summary="One dependency",
        tag="status",
        answer=DependencyStatus,
        example=_UP,
        also={503: "The dependency is down."},
        problems=(404,),
    ),
)
