"""The console's routes: the page, its files, and the plan of a manifest. They are not part of the
API, so its document does not have them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import Field
from starlette.responses import Response

from vectorplane import __version__
from vectorplane.errors import Forbidden, NotFound
from vectorplane_service.access.dependencies import Admin
from vectorplane_service.bodies import JsonBody
from vectorplane_service.console.assets import PAGE, POLICY, Asset, load
from vectorplane_service.console.planning import MOST_CHARACTERS, Comparison, Planner
from vectorplane_service.http import Json
from vectorplane_service.schemas import Input
from vectorplane_service.settings import ServiceSettings

_KEPT = (b"cache-control", b"no-cache")
"""Kept by a browser, and asked for each time whether it is current."""


class ManifestIn(Input):
    """A manifest, as text."""

    manifest: str = Field(min_length=1, max_length=MOST_CHARACTERS)


def install(app: FastAPI, settings: ServiceSettings, comparison: Comparison | None) -> None:
    """Add the console's routes, behind all others: nobody else waits for them."""
    assets = load(
        {
            # Relative, so that the page works behind a prefix, too.
            "api": settings.base_path.lstrip("/"),
            "auth": "on" if settings.auth_enabled else "off",
            "version": __version__,
        }
    )
    planner = Planner(comparison)

    async def page(request: Request) -> Response:
        answer = _answer(request, assets[PAGE])
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    async def asset(request: Request, name: str) -> Response:
        found = assets.get(name)
        if found is None or name == PAGE:
            raise NotFound("there is no such file")
        return _answer(request, found)

    async def plan(
        caller: Admin, sent: Annotated[ManifestIn, Depends(JsonBody(ManifestIn))]
    ) -> Response:
        if not caller.key.unbound:
            # A plan tells of whoever has a name already.
            caller.services.metrics.auth_failed("collection")
            raise Forbidden("plans are for a key for all collections and no one tenant")
        return Json(await planner.plan(sent.manifest))

    for path, endpoint, methods in (
        ("/", page, ["GET", "HEAD"]),
        ("/console/plan", plan, ["POST"]),
        ("/console/{name}", asset, ["GET", "HEAD"]),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=methods,
            include_in_schema=False,
            response_model=None,
            response_class=Response,
        )


def _answer(request: Request, asset: Asset) -> Response:
    """The file, or that the one which the browser has is current."""
    request.scope.setdefault("vectorplane.headers", []).append(_KEPT)
    tags = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    current = asset.tag in tags or f"W/{asset.tag}" in tags
    return Response(
        None if current else asset.body,
        304 if current else 200,
        {"ETag": asset.tag},
        None if current else asset.media_type,
    )
