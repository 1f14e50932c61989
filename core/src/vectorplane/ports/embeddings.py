"""Text to vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Embedder(Protocol):
    """One embedding model. Adapters: `adapters/embeddings/`."""

    @property
    def dimensions(self) -> int:
        """The size of every vector that it gives."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, in order; finite numbers, not all zero for a text with a known
        word."""


Embedders = Callable[[str, int], Embedder]
"""The embedder of a model, for vectors of a size. Raises `Stalled` where there is none."""
