"""What adapters that speak HTTP share: how a place is named, and why it was not reached."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit


def place_of(url: str) -> str:
    """An address without user, password, path and query."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def broken_by(error: BaseException) -> ssl.SSLError | ConnectionRefusedError | None:
    """What lies below a library's error and is worth telling: TLS, certificates among it
    (`ssl.SSLCertVerificationError`), or that nobody listens there."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError | ConnectionRefusedError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
