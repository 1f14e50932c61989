"""A place in memory that takes any wish: for tests of what uses the port, and for previews.

One object for each wish. It passes the suite of the real ones (`tests/contract/gateway`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict

from vectorplane.domain.exposure import Body, Credential, Exposure, Found, Ref, Wish


class MemoryGateway:
    """`Provider` over `objects`, which other ones may share. What is in there and not of
    `cluster` is somebody else's."""

    order = ("exposures", "credentials", "entries")

    def __init__(self, *, cluster: str = "memory", objects: dict[Ref, Body] | None = None) -> None:
        self.objects: dict[Ref, Body] = {} if objects is None else objects
        self._cluster = cluster

    def render(self, wish: Wish) -> Mapping[Ref, Body]:
        match wish:
            case Exposure():
                kind, name = "exposures", wish.owner.uid
            case Credential():
                kind, name = "credentials", wish.username
            case _:
                kind, name = "entries", wish.id
        return {Ref(kind, f"{self._cluster}/{name}"): {"cluster": self._cluster, **asdict(wish)}}

    async def survey(self) -> Mapping[Ref, Found]:
        return {
            ref: _found(body)
            for ref, body in self.objects.items()
            if body.get("cluster") == self._cluster
        }

    async def put(self, ref: Ref, body: Body) -> Found:
        self.objects[ref] = deepcopy(body)
        return _found(body)

    async def delete(self, ref: Ref) -> None:
        self.objects.pop(ref, None)

    def programmed(self, refs: Mapping[Ref, Found]) -> str | None:
        return None

    async def close(self) -> None:
        pass


def _found(body: Body) -> Found:
    return Found(deepcopy(body), body["owner"]["uid"])
