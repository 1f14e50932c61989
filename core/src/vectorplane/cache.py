"""The resources that a front end has seen, and who claims which name: kept so that one look at a
resource costs a look at its own names, not at every resource.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from vectorplane.desired import claim_of
from vectorplane.domain.model import Key, Rival
from vectorplane.domain.policy import Claim, rivals
from vectorplane.ports.resources import Resource


class ResourceCache:
    """Resources by key and by claimed name. `put` and `remove` give the other keys that this
    concerns: those who claim a name that was taken or set free.
    """

    def __init__(self) -> None:
        self._resources: dict[Key, Resource] = {}
        self._claims: dict[Key, Claim] = {}
        self._claimants: defaultdict[str, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._resources)

    def get(self, key: Key) -> Resource | None:
        return self._resources.get(key)

    def all(self) -> Iterable[Resource]:
        return list(self._resources.values())

    def put(self, resource: Resource) -> set[Key]:
        """Remember a resource as it is now."""
        key = resource.key
        before = self._claims.get(key)
        claim = claim_of(resource)
        self._resources[key] = resource
        if before == claim:
            return set()
        concerned = self._forget(key)
        self._claims[key] = claim
        for name in claim.names:
            concerned |= self._claimants[name]
            self._claimants[name].add(key)
        return concerned - {key}

    def remove(self, key: Key) -> set[Key]:
        """Forget a resource that is gone."""
        self._resources.pop(key, None)
        return self._forget(key)

    def rivals(self, key: Key) -> tuple[Rival, ...]:
        """The older claims to this resource's names."""
        claim = self._claims.get(key)
        if claim is None:
            return ()
        others = {k for name in claim.names for k in self._claimants[name]} - {key}
        return rivals(claim, (self._claims[other] for other in others))

    def _forget(self, key: Key) -> set[Key]:
        claim = self._claims.pop(key, None)
        concerned: set[Key] = set()
        for name in claim.names if claim else ():
            claimants = self._claimants[name]
            claimants.discard(key)
            concerned |= claimants
            if not claimants:
                del self._claimants[name]
        return concerned
