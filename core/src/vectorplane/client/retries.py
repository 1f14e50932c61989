"""When a call is made again, and after how long. The decision table:

| what happened                        | call that may be repeated | any other call     |
| ------------------------------------ | ------------------------- | ------------------ |
| the request cannot have arrived      | again                     | again              |
| no answer, or none in time           | again                     | error              |
| 429                                  | again, after Retry-After  | again, likewise    |
| 502, 503, 504                        | again, after Retry-After  | error              |
| every other answer                   | error                     | error              |

Reads and searches may be repeated, and so may writes of points: they name their ids, so saying one
twice is saying it once. A 429 means that nothing was done.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from vectorplane.client.errors import ClientError, ConnectionFailed, Problem, RateLimited

_AGAIN = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and how patiently. Seconds everywhere."""

    attempts: int = 5
    """Of one call, the first one included; 1 is no second attempt."""
    first: float = 0.1
    """The first pause is up to so long; each one after it may be twice as long."""
    most: float = 10.0
    """No pause of ours is longer. A `Retry-After` may be up to six times as long."""
    chance: Callable[[], float] = random.random

    def pause(self, attempt: int, error: ClientError, *, repeatable: bool) -> float | None:
        """How long to wait after the `attempt`th attempt failed; None where it was the last.

        The pause is a random part of the longest one (full jitter), so that clients which failed
        together do not come back together.
        """
        if attempt >= self.attempts or not _worth_it(error, repeatable):
            return None
        ours = min(self.most, self.first * 2.0 ** (attempt - 1)) * self.chance()
        asked = error.retry_after if isinstance(error, Problem) else None
        if asked is None:
            return ours
        if asked > 6 * self.most:
            return None
        return asked + ours


NONE = Retries(attempts=1)


def _worth_it(error: ClientError, repeatable: bool) -> bool:
    if isinstance(error, ConnectionFailed):
        return repeatable or not error.sent
    if isinstance(error, RateLimited):
        return True
    return repeatable and isinstance(error, Problem) and error.status in _AGAIN
