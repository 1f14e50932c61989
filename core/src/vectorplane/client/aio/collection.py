"""One collection: everything that can be asked of it."""

from __future__ import annotations

from vectorplane.client.aio.reading import AsyncReading
from vectorplane.client.aio.searching import AsyncSearching
from vectorplane.client.aio.writing import AsyncWriting


class AsyncCollection(AsyncReading, AsyncSearching, AsyncWriting):
    """One collection, named `namespace.name`. To hold one costs no call."""
