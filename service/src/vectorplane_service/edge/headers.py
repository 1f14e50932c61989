"""Headers that every answer has, and the policy of the one page that runs scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

Pair = tuple[bytes, bytes]

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def always(hsts_seconds: int) -> tuple[Pair, ...]:
    """Answers are nobody's to guess at, to keep or to tell of. `hsts_seconds` 0 is none."""
    found: list[Pair] = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    ]
    if hsts_seconds:
        value = b"max-age=%d; includeSubDomains" % hsts_seconds
        found.append((b"strict-transport-security", value))
    return tuple(found)


def overruled(always: Sequence[Pair], more: Sequence[Pair]) -> list[Pair]:
    """What is on every answer, without the names that one answer says itself."""
    said = {name for name, _ in more}
    return [pair for pair in always if pair[0] not in said]


def page_policy(page: bytes) -> str:
    """The Content-Security-Policy of the documentation's page: its own inline script by its hash,
    Swagger UI from where the page takes it, and calls to this service alone."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(page)
    ]
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src https://cdn.jsdelivr.net {' '.join(hashes)}",
            "style-src https://cdn.jsdelivr.net 'unsafe-inline'",
            "img-src 'self' data: https://fastapi.tiangolo.com",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
