"""Who calls: what a key stands for, whichever way it is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate


class Permission(StrEnum):
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    VERIFY = "verify"


_IMPLIED = {
    Permission.READ: frozenset({Permission.READ}),
    Permission.WRITE: frozenset({Permission.WRITE}),
    Permission.ADMIN: frozenset(Permission),
    Permission.VERIFY: frozenset({Permission.VERIFY}),
}


def granted(words: Iterable[str]) -> frozenset[Permission]:
    """The permissions that words name; admin is all of them. Raises `ValueError` for another."""
    found: frozenset[Permission] = frozenset()
    for word in words:
        found |= _IMPLIED[Permission(word)]
    return found


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a secret stands for.

    `collections` are globs over the names that clients use. `tenant` is the one tenant of a pool
    that it reaches, as the name of that tenant's collection; None where it is bound to none.
    `expires` is in seconds since 1970.
    """

    id: str
    permissions: frozenset[Permission]
    collections: tuple[str, ...] = ("*",)
    tenant: str | None = None
    expires: float | None = None
    _names: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = "|".join(translate(glob) for glob in self.collections)
        object.__setattr__(self, "_names", re.compile(pattern))

    def may(self, permission: Permission) -> bool:
        if permission is Permission.VERIFY:
            # Who may do anything there sees whether it answers.
            return bool(self.permissions)
        return permission in self.permissions

    def sees(self, collection: str) -> bool:
        return self._names.match(collection) is not None

    def may_reach(self, tenant: str | None) -> bool:
        """Whether a collection is open to it that is this tenant of a pool, or (None) no tenant."""
        return tenant is None or self.tenant is None or tenant == self.tenant

    @property
    def unbound(self) -> bool:
        """It reaches every collection and every tenant."""
        return self.tenant is None and "*" in self.collections


ANYONE = Identity(id="anyone", permissions=frozenset(Permission))
"""Stands for every caller where authentication is off."""
