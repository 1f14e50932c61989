"""Names. The collection that clients see is an alias `<namespace>.<name>`; behind it stands
`<namespace>.<name>_<n>`.

A Kubernetes name has no underscore and a namespace no dot, so no two resources can meet in one
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PHYSICAL = re.compile(r"(?P<base>.+)_(?P<n>[1-9][0-9]*)")


def physical(base: str, n: int) -> str:
    """The n-th physical collection of a name: `physical("shop.products", 1) ==
    "shop.products_1"`."""
    return f"{base}_{n}"


def number(base: str, collection: str) -> int | None:
    """The n of a physical collection of `base`, or None where `collection` is none of its."""
    match = _PHYSICAL.fullmatch(collection)
    return int(match["n"]) if match and match["base"] == base else None


def numbered(base: str, collections: Iterable[str]) -> list[str]:
    """The physical collections of `base` among `collections`, newest first."""
    start = f"{base}_"
    found = [
        (n, c) for c in collections if c.startswith(start) and (n := number(base, c)) is not None
    ]
    return [c for _, c in sorted(found, reverse=True)]


def next_physical(base: str, collections: Iterable[str]) -> str:
    """The first name that no collection of `base` has had yet, as far as the store remembers."""
    newest = numbered(base, collections)
    return physical(base, (number(base, newest[0]) or 0) + 1 if newest else 1)
