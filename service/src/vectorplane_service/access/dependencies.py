"""Permission as a parameter type. An endpoint that asks for a `CollectionWriter` cannot be reached
without one.

    async def upsert(at: CollectionWriter, ...): ...

The order is: who calls, may they, is there such a collection. So nobody learns what exists from an
answer that was not meant for them, and no body is read of a caller who may not send one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase

from vectorplane.errors import Forbidden, InvalidInput, Unauthenticated
from vectorplane_service.access.keys import ANYONE, ApiKey, Permission, secret_of
from vectorplane_service.bodies import read_json
from vectorplane_service.catalog import Entry
from vectorplane_service.context import Services

CollectionName = Annotated[
    str,
    Path(max_length=255, description="A collection's name: `namespace.name`."),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a known key, and what the endpoints work with."""

    key: ApiKey
    services: Services

    def check(self, permission: Permission, collection: str | None = None) -> None:
        """Raises `Forbidden`."""
        if not self.key.may(permission):
            self.services.metrics.auth_failed("permission")
            raise Forbidden(f"this key has no permission to {permission}")
        if collection is not None and not self.key.sees(collection):
            self.services.metrics.auth_failed("collection")
            raise Forbidden(f"this key is not for collection {collection!r}")

    async def at(self, permission: Permission, collection: str) -> CollectionAccess:
        """The collection, for one who may. Raises `Forbidden`, `NotFound`."""
        self.check(permission, collection)
        entry = await self.services.catalog.entry(collection)
        return CollectionAccess(self.key, self.services, entry)


@dataclass(frozen=True, slots=True)
class CollectionAccess:
    """A collection and somebody who may do with it what the parameter's type says."""

    key: ApiKey
    services: Services
    entry: Entry

    @property
    def name(self) -> str:
        return self.entry.name


def identify(request: Request) -> Caller:
    """Who calls. Raises `Unauthenticated`."""
    services: Services = request.app.state.services
    if services.keyring is None:
        return Caller(ANYONE, services)
    secret = secret_of(dict(request.scope["headers"]))
    if secret is None:
        services.metrics.auth_failed("missing")
        raise Unauthenticated("send a key as X-API-Key, or as Authorization: Bearer")
    try:
        key = services.keyring.identify(secret)
    except Unauthenticated:
        services.metrics.auth_failed("unknown")
        raise
    request.scope["vectorplane.key"] = key.id
    return Caller(key, services)


class _Known(SecurityBase):
    """Shows in the OpenAPI document that an operation asks for a key."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission
        self.model = APIKey(**{"in": APIKeyIn.header}, name="X-API-Key")
        self.scheme_name = "key"


class _KnownCaller(_Known):
    async def __call__(self, request: Request) -> Caller:
        caller = identify(request)
        caller.check(self.permission)
        return caller


class _KnownAtCollection(_Known):
    async def __call__(self, request: Request, collection: CollectionName) -> CollectionAccess:
        return await identify(request).at(self.permission, collection)


@dataclass(frozen=True, slots=True)
class BodyAccess:
    """A collection that the body names, and the rest of the body."""

    at: CollectionAccess
    content: Any


class _KnownInBody(_Known):
    async def __call__(self, request: Request) -> BodyAccess:
        caller = identify(request)
        caller.check(self.permission)
        content = await read_json(request)
        if not isinstance(content, dict):
            raise InvalidInput("an object is asked for", place="body")
        collection = content.pop("collection", None) or caller.services.settings.default_collection
        if not isinstance(collection, str):
            raise InvalidInput("say which collection", place="collection")
        return BodyAccess(await caller.at(self.permission, collection), content)


Reader = Annotated[Caller, Depends(_KnownCaller(Permission.READ))]
"""Somebody who may read; which collections is the endpoint's to ask."""
CollectionReader = Annotated[CollectionAccess, Depends(_KnownAtCollection(Permission.READ))]
CollectionWriter = Annotated[CollectionAccess, Depends(_KnownAtCollection(Permission.WRITE))]
BodyReader = Annotated[BodyAccess, Depends(_KnownInBody(Permission.READ))]
BodyWriter = Annotated[BodyAccess, Depends(_KnownInBody(Permission.WRITE))]
