"""Permission as a parameter type. An endpoint that asks for a `CollectionWriter` cannot be reached
without one.

    async def upsert(at: CollectionWriter, ...): ...

The order is: who calls, do they call too often, may they, is there such a collection. So nobody
learns what exists from an answer that was not meant for them, and no body is read of a caller who
may not send one. Each type says the permission that it asks for, and the group of operations whose
rate limit it counts against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase
from starlette.types import Scope

from vectorplane.errors import Forbidden, InvalidInput, Unauthenticated, Waiting
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.access.authority import Authority
from vectorplane_service.access.identity import ANYONE, Identity, Permission
from vectorplane_service.access.keys import secret_of
from vectorplane_service.access.refusals import missing
from vectorplane_service.bodies import JSON, NDJSON, NPZ, media_type, read_json
from vectorplane_service.catalog import Entry
from vectorplane_service.context import Services
from vectorplane_service.edge.cache import asked_name

CollectionName = Annotated[
    str,
    Path(max_length=255, description="A collection's name: `namespace.name`."),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a known key, and what the endpoints work with."""

    key: Identity
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
        asked_name.set(collection)
        entry = await self.services.catalog.entry(collection)
        if not self.key.may_reach(entry.tenant):
            self.services.metrics.auth_failed("collection")
            raise Forbidden(f"this key is not for collection {collection!r}")
        return CollectionAccess(self.key, self.services, entry)


@dataclass(frozen=True, slots=True)
class CollectionAccess:
    """A collection and somebody who may do with it what the parameter's type says."""

    key: Identity
    services: Services
    entry: Entry

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def points(self) -> VectorPoints:
        """The points that this caller reaches under that name: a tenant's own, of a pool."""
        if self.key.tenant is None:
            return self.entry.points
        return self.entry.points.for_one(self.key.may_reach)


async def identify(request: Request, group: str) -> Caller:
    """Who calls, if not too often. Nothing is waited for where the key is known.

    Raises `Unauthenticated`, and what the limits raise.
    """
    services: Services = request.app.state.services
    scope = request.scope
    authority, limits = services.authority, services.limits
    if authority is None:
        identity = ANYONE
    else:
        if limits is not None:
            limits.listen(scope)
        secret = secret_of(scope["headers"])
        known = None if secret is None else authority.known(secret)
        identity = known or await _looked_up(services, authority, secret, scope)
        scope["vectorplane.key"] = identity.id
    if limits is not None:
        await limits.spend(group, identity, scope)
    return Caller(identity, services)


async def _looked_up(
    services: Services, authority: Authority, secret: str | None, scope: Scope
) -> Identity:
    """The long way, and the count of those who did not come in."""
    try:
        if secret is None:
            raise missing()
        return await authority.identify(secret)
    except Unauthenticated as error:
        services.metrics.auth_failed(error.why)
        if secret is not None and services.limits is not None:
            await services.limits.failed(scope)
        raise
    except Waiting:
        services.metrics.auth_failed("unavailable")
        raise


class _Known(SecurityBase):
    """Shows in the OpenAPI document that an operation asks for a key."""

    def __init__(self, permission: Permission, group: str) -> None:
        self.permission = permission
        self.group = group
        self.model = APIKey(**{"in": APIKeyIn.header}, name="X-API-Key")
        self.scheme_name = "key"


class _KnownCaller(_Known):
    async def __call__(self, request: Request) -> Caller:
        caller = await identify(request, self.group)
        caller.check(self.permission)
        return caller


class _KnownAtCollection(_Known):
    async def __call__(self, request: Request, collection: CollectionName) -> CollectionAccess:
        return await (await identify(request, self.group)).at(self.permission, collection)


@dataclass(frozen=True, slots=True)
class BodyAccess:
    """A collection that the body names, and the rest of the body."""

    at: CollectionAccess
    content: Any


class _KnownInBody(_Known):
    async def __call__(self, request: Request) -> BodyAccess:
        caller = await identify(request, self.group)
        caller.check(self.permission)
        return await self._named(caller, await read_json(request))

    async def _named(self, caller: Caller, content: Any) -> BodyAccess:
        if not isinstance(content, dict):
            raise InvalidInput("an object is asked for", place="body")
        collection = content.pop("collection", None) or caller.services.settings.default_collection
        if not isinstance(collection, str):
            raise InvalidInput("say which collection", place="collection")
        return BodyAccess(await caller.at(self.permission, collection), content)


class _KnownForStore(_KnownInBody):
    """A body that is no JSON cannot name the collection: then the query does, and the body is left
    to be read (`content` is None)."""

    async def __call__(
        self,
        request: Request,
        collection: Annotated[
            str | None,
            Query(max_length=255, description="Where the body is no JSON: the collection's name."),
        ] = None,
    ) -> BodyAccess:
        caller = await identify(request, self.group)
        caller.check(self.permission)
        if media_type(request, NDJSON, NPZ) == JSON:
            return await self._named(caller, await read_json(request))
        name = collection or caller.services.settings.default_collection
        if name is None:
            raise InvalidInput("say which collection", place="collection")
        return BodyAccess(await caller.at(self.permission, name), None)


class _KnownForKeys(_KnownCaller):
    """Who manages keys could give themselves any, so they must hold all already."""

    async def __call__(self, request: Request) -> Caller:
        caller = await super().__call__(request)
        if not caller.key.unbound:
            caller.services.metrics.auth_failed("collection")
            raise Forbidden("keys are managed with a key for all collections and no one tenant")
        return caller


READ, WRITE, SEARCH, ADMIN = "read", "write", "search", "admin"
"""The groups of operations that rate limits are set for."""

Reader = Annotated[Caller, Depends(_KnownCaller(Permission.READ, READ))]
"""Somebody who may read; which collections is the endpoint's to ask."""
Admin = Annotated[Caller, Depends(_KnownCaller(Permission.ADMIN, ADMIN))]
KeyAdmin = Annotated[Caller, Depends(_KnownForKeys(Permission.ADMIN, ADMIN))]
CollectionReader = Annotated[CollectionAccess, Depends(_KnownAtCollection(Permission.READ, READ))]
CollectionVerifier = Annotated[
    CollectionAccess, Depends(_KnownAtCollection(Permission.VERIFY, READ))
]
CollectionSearcher = Annotated[
    CollectionAccess, Depends(_KnownAtCollection(Permission.READ, SEARCH))
]
CollectionWriter = Annotated[CollectionAccess, Depends(_KnownAtCollection(Permission.WRITE, WRITE))]
BodyReader = Annotated[BodyAccess, Depends(_KnownInBody(Permission.READ, READ))]
BodySearcher = Annotated[BodyAccess, Depends(_KnownInBody(Permission.READ, SEARCH))]
BodyWriter = Annotated[BodyAccess, Depends(_KnownInBody(Permission.WRITE, WRITE))]
StoreWriter = Annotated[BodyAccess, Depends(_KnownForStore(Permission.WRITE, WRITE))]
