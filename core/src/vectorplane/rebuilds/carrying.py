"""What of a point goes over into the new collection, and whether it is there already.

An engine keeps a vector in its own way: of unit length under Cosine, in fewer bits, as whole
numbers. What it will make of a vector is worked out here, so that a copy that is right is not taken
for a different one.
"""

from __future__ import annotations

import json
import math
import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.model import Embed, Settings
from vectorplane.domain.tenancy import ID_FIELD, TENANT_FIELD, point_id
from vectorplane.errors import Unsupported
from vectorplane.ports.embeddings import Embedder
from vectorplane.ports.vectors import Found, Json, Point, PointId

CLOSE = 2e-6
"""Of numbers of 32 bits that were made in two ways, relative to the largest of the vector."""
CLOSE_HALF = 1e-3
_MAX_ID = 2**64 - 1
_encode = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Dense:
    """One dense vector of a collection."""

    size: int
    distance: str
    datatype: str
    multi: bool


def dense_of(settings: Settings) -> dict[str, Dense]:
    """The dense vectors of a collection by name."""
    names = dict.fromkeys(p[1] for p in settings if p[0] == "vectors" and len(p) > 2)
    return {
        name: Dense(
            int(settings["vectors", name, "size"]),
            str(settings["vectors", name, "distance"]),
            str(settings.get(("vectors", name, "datatype"), "Float32")),
            any(p[:3] == ("vectors", name, "multivector") for p in settings),
        )
        for name in names
    }


def sparse_of(settings: Settings) -> set[str]:
    """The names of a collection's sparse vectors."""
    return {p[1] for p in settings if p[0] == "sparseVectors" and len(p) > 2}


class Carrier:
    """Makes points of the target out of points of the source. With `tenant` the source is a pool,
    and the points get back the ids that the tenant gave them.
    """

    def __init__(
        self,
        source: Settings,
        target: Settings,
        *,
        tenant: str | None = None,
        embed: Embed | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        if embed and embedder is None:
            raise Unsupported(f"nothing here embeds with {embed.model}")
        self._tenant = tenant
        self._embed = embed
        self._embedder = embedder
        self._dense = dense_of(target)
        self._unnamed_sparse = "" in sparse_of(source)
        kept = {*dense_of(source), *sparse_of(source)} & {*self._dense, *sparse_of(target)}
        self._kept = kept - {embed.vector} if embed else kept

    @property
    def vectors(self) -> list[str]:
        """The vectors that are taken over as they are."""
        return sorted(self._kept)

    def points(self, found: Sequence[Found]) -> list[Point]:
        """Points as they shall be, but for what is embedded."""
        return [self._point(one) for one in found]

    def origins(self, target: PointId) -> list[PointId]:
        """The ids that a point of the target can have in the source."""
        return [point_id(self._tenant, target), target] if self._tenant else [target]

    def text(self, payload: Mapping[str, Any]) -> str | None:
        """The text that a point's vector is made from; None where it has none."""
        text = payload.get(self._embed.field) if self._embed else None
        return text if isinstance(text, str) and text.strip() else None

    async def embedded(self, points: Sequence[Point]) -> list[Point]:
        """The same points with the vectors that are made anew. One without a text has none."""
        if self._embed is None or self._embedder is None:
            return list(points)
        texts = {i: t for i, p in enumerate(points) if (t := self.text(p.payload)) is not None}
        made = dict(zip(texts, await self._embedder.embed(list(texts.values())), strict=True))
        name = self._embed.vector
        return [
            Point(p.id, {**p.vector, name: made[i]}, p.payload)  # type: ignore[dict-item]
            if i in made
            else p
            for i, p in enumerate(points)
        ]

    def same(self, wanted: Point, have: Found | None) -> bool:
        """Whether a point (not embedded yet) is in the target as it shall be. Of what is embedded
        only the text is compared: the same text gives the same vector.
        """
        if have is None or not _same_json(wanted.payload, have.payload or {}):
            return False
        vectors = self._by_name(have.vector)
        if self._embed:
            made = vectors.pop(self._embed.vector, None)
            if (made is None) != (self.text(wanted.payload) is None):
                return False
        assert isinstance(wanted.vector, Mapping)
        if wanted.vector.keys() != vectors.keys():
            return False
        return all(self._same(n, v, vectors[n]) for n, v in wanted.vector.items())

    def _point(self, found: Found) -> Point:
        payload: Json = dict(found.payload or {})
        own: PointId = found.id
        if self._tenant is not None:
            payload.pop(TENANT_FIELD, None)
            own = _own_id(payload.pop(ID_FIELD, None), found.id)
        vectors = {n: v for n, v in self._by_name(found.vector).items() if n in self._kept}
        return Point(own, vectors, payload)

    def _by_name(self, vector: Any) -> dict[str, Any]:
        """Vectors by name, where an unnamed one alone stands for itself."""
        if isinstance(vector, list):
            return {"": vector}
        vectors = dict(vector or {})
        if self._unnamed_sparse and vectors.keys() == {"indices", "values"}:
            return {"": vectors}
        return vectors

    def _same(self, name: str, wanted: Any, have: Any) -> bool:
        if wanted == have:
            return True
        spec = self._dense.get(name)
        if spec is None:
            return False
        if not spec.multi:
            return _close(spec, wanted, have)
        return len(wanted) == len(have) and all(map(_close, [spec] * len(have), wanted, have))


def _own_id(given: object, stored: PointId) -> PointId:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= _MAX_ID:
        return given
    try:
        return str(uuid.UUID(given)) if isinstance(given, str) else stored
    except ValueError:
        return stored


def _same_json(one: Json, other: Json) -> bool:
    """Equal as JSON: to Python 1, 1.0 and true are one."""
    if one != other:
        return False
    return _encode(one) == _encode(other)


def _close(spec: Dense, wanted: list[float], have: list[float]) -> bool:
    """Whether `have` is what the engine makes of `wanted`."""
    if len(wanted) != len(have):
        return False
    numbers: Sequence[float] = wanted
    most = 0.0
    if spec.distance == "Cosine" and spec.datatype != "Uint8":
        length = math.hypot(*wanted)
        numbers = [x / length for x in wanted] if length else wanted
        most = CLOSE
    if spec.datatype == "Uint8":
        numbers = [float(int(min(max(x, 0.0), 255.0))) for x in wanted]
    elif spec.datatype == "Float16":
        numbers, most = _halves(numbers), CLOSE_HALF if most else CLOSE
    most *= max(map(abs, numbers), default=0.0)
    return all(abs(x - y) <= most for x, y in zip(numbers, have, strict=True))


def _halves(numbers: Sequence[float]) -> Sequence[float]:
    """As numbers of 16 bits."""
    form = f"<{len(numbers)}e"
    try:
        return struct.unpack(form, struct.pack(form, *numbers))
    except OverflowError:  # too large for 16 bits: the engine's own infinity
        return numbers
