"""Does it work? A real request through the gateway, with a real key, says so.

Each collection that shall have a way through the gateway is asked for under its path: soon and
often until an answer comes from it, then from time to time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from vectorplane.domain.model import Key
from vectorplane.exposure.outcome import Verified
from vectorplane.queue import KeyedQueue, backoff

_AT_ONCE = 8
_MOST = 3.0
"""Seconds between requests while none succeeds, at most: Kong takes up to 5 s to learn a route."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered; `status` is 0 where it did not. `problem` says that the body is
    one of our service's own (RFC 9457), so the request came that far."""

    status: int
    problem: bool = False
    error: str = ""


Call = Callable[[str, str], Awaitable[Answer]]
"""Asks the gateway for a path with a key."""


class Verifying:
    """`key` gives the secret to ask with, None as long as there is none; `told` is called with a
    collection when another answer came than before."""

    def __init__(
        self,
        call: Call,
        *,
        key: Callable[[], str | None],
        told: Callable[[Key], None],
        seconds: float,
    ) -> None:
        self._call = call
        self._key = key
        self._told = told
        self._seconds = seconds
        self._paths: dict[Key, str] = {}
        self._states: dict[Key, Verified] = {}
        self._failures: dict[Key, int] = {}
        self._queue: KeyedQueue[Key] = KeyedQueue(self._look, limit=_AT_ONCE, lane=lambda _: "")

    def state(self, key: Key) -> Verified | None:
        """None as long as nobody asked."""
        return self._states.get(key)

    def wanted(self, paths: Mapping[Key, str]) -> None:
        """The collections to verify, with their paths."""
        for key in self._paths.keys() - paths.keys():
            self._forget(key)
        for key, path in paths.items():
            if self._paths.get(key) != path:
                self._forget(key)
                self._paths[key] = path
                self._queue.add(key)

    def again(self, key: Key) -> None:
        """Something changed on the way: ask now."""
        if key in self._paths:
            self._failures.pop(key, None)
            self._queue.add(key)

    async def close(self) -> None:
        await self._queue.close(0.0)

    async def forget(self) -> None:
        """Stop, and forget: another one led meanwhile."""
        await self._queue.drop()
        for key in list(self._paths):
            self._forget(key)

    def _forget(self, key: Key) -> None:
        for known in (self._paths, self._states, self._failures):
            known.pop(key, None)

    async def _look(self, key: Key) -> float | None:
        path, secret = self._paths.get(key), self._key()
        if path is None:
            return None
        if secret is None:
            return backoff(1)
        answer = await self._call(path, secret)
        if self._paths.get(key) != path:
            # Another path by now: it is in the queue again.
            return None
        known = self._states.get(key)
        # 429: the route is there, and says nothing of what lies behind it.
        verified = known if answer.status == 429 else judged(answer, path)
        if verified and verified != known:
            self._states[key] = verified
            self._told(key)
        if verified and verified.works:
            self._failures.pop(key, None)
            return self._seconds
        self._failures[key] = self._failures.get(key, 0) + 1
        return backoff(self._failures[key], first=0.4, most=_MOST)


def judged(answer: Answer, path: str) -> Verified:
    """What an answer says of the way. Pure."""
    status = answer.status
    if 200 <= status < 300:
        return Verified(True, "Verified", "a request with a key came through the gateway")
    if status == 0:
        return Verified(False, "GatewayUnreachable", f"the gateway does not answer: {answer.error}")
    who = "the service" if answer.problem else "the gateway"
    if status in (401, 403):
        hint = "; does it read the operator's public keys?" if answer.problem else ""
        return Verified(False, "KeyRefused", f"{who} refuses the operator's own key{hint}")
    if status == 404:
        if answer.problem:
            message = "the service does not know the collection"
            return Verified(False, "CollectionMissing", message)
        return Verified(False, "RouteMissing", f"the gateway knows no way for {path}")
    return Verified(False, "ServiceUnavailable", f"{who} answered {status} for {path}")
