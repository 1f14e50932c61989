"""Text to vectors, by the embedding that a collection declares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from vectorplane.errors import InvalidInput, Unsupported
from vectorplane.ports.embeddings import Embedder
from vectorplane_service.catalog import Entry

EmbedderFactory = Callable[[int], Embedder]
"""Makes the embedder for vectors of a size; one that has another size says so by `dimensions`."""


class Embedding:
    """The embedders at hand, by (provider, model). For each size of vectors one is made, once, at
    its first use."""

    def __init__(self, factories: Mapping[tuple[str, str], EmbedderFactory]) -> None:
        self._factories = dict(factories)
        self._made: dict[tuple[str, str, int], asyncio.Task[Embedder]] = {}

    async def embed(
        self, entry: Entry, using: str | None, texts: Sequence[str], *, place: str
    ) -> tuple[str, list[list[float]]]:
        """The name of the vector that texts stand for, and one vector per text.

        `using` None is the vector that the embedding is declared for, else the unnamed one, or the
        only one.
        """
        declared = entry.embedding
        if declared is None:
            raise InvalidInput(
                f"collection {entry.name!r} has no embedding, so it takes vectors, not text",
                place=place,
            )
        if using is None:
            declared_for = declared.get("vector")
            using = declared_for if declared_for in entry.sizes else entry.only_vector()
        if using is None:
            raise InvalidInput(
                f"collection {entry.name!r} has several vectors; name the one with using, or send "
                "vectors",
                place=place,
            )
        size = entry.sizes.get(using)
        which = (declared.get("provider", ""), declared.get("model", ""))
        # The size of a vector that is not there is any: the store will say that it is not there.
        embedder = await self._embedder(*which, size or next(iter(entry.sizes.values()), 0))
        if size is not None and embedder.dimensions != size:
            raise Unsupported(
                f"the embedding gives {embedder.dimensions} numbers, the vector has {size}",
                place=place,
            )
        return using, await embedder.embed(texts)

    async def _embedder(self, provider: str, model: str, size: int) -> Embedder:
        which = (provider, model, size)
        factory = self._factories.get((provider, model))
        if factory is None:
            raise Unsupported(f"this service has no embedding {model!r} of provider {provider!r}")
        made = self._made.get(which)
        if made is None or (made.done() and made.exception() is not None):
            # A model takes a moment to read: in a thread, so that other requests go on.
            made = self._made[which] = asyncio.create_task(asyncio.to_thread(factory, size))
        return await asyncio.shield(made)
