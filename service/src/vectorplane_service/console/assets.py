"""The console's files, read once and served as they are: the page, its scripts, its style.

There is no build step and nothing of somebody else's. A browser keeps the files and asks each time
whether they are current; the tag of a file is the hash of its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

PAGE = "index.html"
_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text becomes markup, not even by a mistake of ours.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The Content-Security-Policy: files of this service alone, nothing inline."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as bytes."""

    body: bytes
    media_type: str
    tag: str
    """Its ETag, quotes included."""


def load(words: Mapping[str, str]) -> dict[str, Asset]:
    """All files by name. `words` are what the page says of this service, by `$name`."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        kind = _KINDS.get(file.name.rpartition(".")[2])
        if kind is None:
            continue
        body = file.read_bytes()
        if file.name == PAGE:
            safe = {name: escape(word) for name, word in words.items()}
            body = Template(body.decode()).substitute(safe).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        found[file.name] = Asset(body, kind, tag)
    return found
