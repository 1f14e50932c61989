"""How many requests a client may send: for each group of endpoints, by the id of its key, or by its
address where it has none.

Answers carry `RateLimit` and `RateLimit-Policy` as draft-ietf-httpapi-ratelimit-headers-11 says
(structured fields), and a refusal `Retry-After`. A wrong key counts for the address that sent it,
so that keys cannot be guessed; an address that sent too many is not listened to for a while.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from limits import RateLimitItem
from starlette.types import Scope

from vectorplane_service.access.identity import ANYONE, Identity
from vectorplane_service.edge.addresses import Network, client_of
from vectorplane_service.edge.counting import Counts, Taken
from vectorplane_service.edge.refusals import CountsAway, RateLimited
from vectorplane_service.metrics import Metrics

FAILURES = "failures"
"""The group of requests whose key is none."""
MOST_SHUT_OUT = 100_000

_Policy = tuple[RateLimitItem, str]
"""A limit, and its name in the headers."""


class RateLimits:
    """The limits of this service. `fail_open` says what happens while nobody can count: requests
    pass, or are refused with 503."""

    def __init__(
        self,
        counts: Counts,
        limits: Mapping[str, Sequence[RateLimitItem]],
        *,
        metrics: Metrics,
        trusted: Sequence[Network] = (),
        fail_open: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._metrics = metrics
        self._trusted = tuple(trusted)
        self._fail_open = fail_open
        self._clock = clock
        self._policies = {group: _named(group, items) for group, items in limits.items()}
        self._policy_headers = {
            group: (b"ratelimit-policy", _policy(policies))
            for group, policies in self._policies.items()
        }
        self._shut_out: dict[str, float] = {}

    async def spend(self, group: str, identity: Identity | None, scope: Scope) -> None:
        """Count one request: `group` is search, read, write or admin, `identity` who sent it; None,
        and anyone, are known by the address. Raises `RateLimited`, and `CountsAway` where a failure
        shuts."""
        policies = self._policies.get(group)
        if not policies:
            return
        if identity is None or identity is ANYONE:
            who = self._address(scope)
        else:
            who = f"key:{identity.id}"
        headers: list[tuple[bytes, bytes]] = scope.setdefault("vectorplane.headers", [])
        shown = None
        try:
            for item, name in policies:
                taken = await self._counts.take(item, group, who)
                if shown is None or not taken.allowed or taken.remaining < shown[0].remaining:
                    shown = taken, name
                if not taken.allowed:
                    break
        except CountsAway:
            self._metrics.rate_limit_failed()
            if self._fail_open:
                return
            raise
        assert shown is not None
        taken, name = shown
        headers.append(self._policy_headers[group])
        headers.append((b"ratelimit", _state(name, taken)))
        if not taken.allowed:
            self._metrics.rate_limited(group)
            raise RateLimited(
                f"too many requests of group {group}", retry_after=max(1.0, taken.reset)
            )

    async def failed(self, scope: Scope) -> None:
        """Count a wrong key. Raises `RateLimited` where that was one too many."""
        try:
            await self.spend(FAILURES, None, scope)
        except RateLimited as error:
            if len(self._shut_out) >= MOST_SHUT_OUT:
                self._shut_out.clear()
            self._shut_out[self._address(scope)] = self._clock() + error.retry_after
            raise

    def listen(self, scope: Scope) -> None:
        """Before a key is looked at. Raises `RateLimited` for an address that sent too many wrong
        ones: with the right one it would learn that it is right."""
        if not self._shut_out:
            return
        address = self._address(scope)
        until = self._shut_out.get(address)
        if until is None:
            return
        left = until - self._clock()
        if left <= 0:
            del self._shut_out[address]
            return
        self._metrics.rate_limited(FAILURES)
        raise RateLimited("too many wrong keys from this address", retry_after=left)

    def _address(self, scope: Scope) -> str:
        return f"address:{client_of(scope, self._trusted)}"

    async def close(self) -> None:
        await self._counts.close()


def _named(group: str, items: Sequence[RateLimitItem]) -> tuple[_Policy, ...]:
    """Each limit of a group has a name of its own in the headers."""
    if len(items) == 1:
        return ((items[0], group),)
    return tuple((item, f"{group}-{item.get_expiry()}s") for item in items)


def _policy(policies: Sequence[_Policy]) -> bytes:
    parts = (f'"{name}";q={item.amount};w={item.get_expiry()}' for item, name in policies)
    return ", ".join(parts).encode()


def _state(name: str, taken: Taken) -> bytes:
    return b'"%b";r=%d;t=%d' % (name.encode(), taken.remaining, math.ceil(taken.reset))
