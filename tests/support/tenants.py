"""Pools with tenants in any store, a catalog over it as the service has it, and a store whose names
move at a moment that a test chooses."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from support.stores import COSINE, Stores
from vectorplane.domain.model import PARTITION, Index, Owner, Record, Settings
from vectorplane.domain.tenancy import TENANT_INDEX, pool_owner
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.catalog import Catalog
from vectorplane_service.tenancy.guard import GuardedPoints

INDEXES = (Index("kind", "Keyword"), Index("n", "Integer"))


@dataclass
class Pool:
    """One pool, and a namespace that no other test has. `points` is what the service works on."""

    stores: Stores
    points: VectorPoints
    physical: str
    namespace: str
    catalog: Catalog

    def name(self, base: str) -> str:
        return f"{self.namespace}.{base}"

    async def tenant(self, base: str) -> GuardedPoints:
        """A tenant of the pool, made as the operator makes it."""
        name = self.name(base)
        await self.stores.admin.change_aliases({name: self.physical}, frozenset())
        return await self.at(base)

    async def dedicated(self, base: str, n: int = 1, *, serves: bool = True) -> str:
        """A collection of its own, as the operator makes it; gives its physical name."""
        name = self.name(base)
        physical = f"{name}_{n}"
        self.stores.made.append(physical)
        record = Record(Owner(f"uid-{name}", self.namespace, base, "test"), generation=n)
        await self.stores.admin.create(physical, COSINE, record)
        for index in INDEXES:
            await self.stores.admin.create_index(physical, index)
        if serves:
            await self.move(base, physical)
        return physical

    async def move(self, base: str, physical: str) -> None:
        await self.stores.admin.change_aliases({self.name(base): physical}, frozenset())

    async def at(self, base: str) -> GuardedPoints:
        """What the service reaches under a name, from what it remembers."""
        return (await self.catalog.entry(self.name(base))).points


async def pool(
    stores: Stores,
    settings: Settings = COSINE,
    *,
    points: VectorPoints | None = None,
    kept_seconds: float = 3600,
) -> Pool:
    base = f"_pool.{secrets.token_hex(8)}"
    physical = f"{base}_1"
    stores.made.append(physical)
    record = Record(pool_owner(base, "test"), tenancy=PARTITION)
    await stores.admin.create(physical, settings, record)
    for index in (TENANT_INDEX, *INDEXES):
        await stores.admin.create_index(physical, index)
    points = points or stores.points
    namespace = f"t{secrets.token_hex(4)}"
    return Pool(stores, points, physical, namespace, Catalog(points, kept_seconds=kept_seconds))


class Moving:
    """A store that does something of a test's own right before or right after its next call of a
    kind. To those who use it, it is the store."""

    def __init__(self, points: VectorPoints) -> None:
        self._points = points
        self._before: dict[str, Callable[[], Awaitable[None]]] = {}
        self._after: dict[str, Callable[[], Awaitable[None]]] = {}
        self.calls: list[tuple[str, str]] = []
        """Method and collection, in order."""

    def before(self, method: str, act: Callable[[], Awaitable[None]]) -> None:
        self._before[method] = act

    def after(self, method: str, act: Callable[[], Awaitable[None]]) -> None:
        self._after[method] = act

    def of(self, *methods: str) -> Sequence[str]:
        """The collections that these methods were asked for."""
        return [collection for method, collection in self.calls if method in methods]

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._points, method)

        async def called(*arguments: Any, **named: Any) -> Any:
            if act := self._before.pop(method, None):
                await act()
            self.calls.append((method, str(arguments[0]) if arguments else ""))
            answer = await call(*arguments, **named)
            if act := self._after.pop(method, None):
                await act()
            return answer

        return called
