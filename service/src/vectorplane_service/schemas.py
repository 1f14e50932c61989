"""Types that bodies share. What only a store can judge (numbers of vectors, ids, filters) is `Any`
here, with its schema beside it: the store looks at each anyway, and says the place."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 1}
_SPARSE = {
    "type": "object",
    "properties": {
        "indices": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "values": {"type": "array", "items": {"type": "number"}},
    },
    "required": ["indices", "values"],
}
_VECTOR = {"anyOf": [_NUMBERS, {"type": "array", "items": _NUMBERS, "minItems": 1}, _SPARSE]}
_ID = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
        {"type": "string", "format": "uuid"},
    ]
}
_FILTER = {
    "type": "object",
    "description": "A filter in Qdrant's language: must, should, must_not, min_should.",
    "properties": {
        "must": {"type": "array", "items": {"type": "object"}},
        "should": {"type": "array", "items": {"type": "object"}},
        "must_not": {"type": "array", "items": {"type": "object"}},
        "min_should": {"type": "object"},
    },
}
_PARAMS = {
    "type": "object",
    "description": "Search parameters in Qdrant's words: hnsw_ef, exact, indexed_only, ...",
}
_SELECTION = {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}


def _selection(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise PydanticCustomError("selection", "true, false, or a list of names")


PointIdIn = Annotated[Any, WithJsonSchema(_ID)]
QueryVector = Annotated[Any, WithJsonSchema(_VECTOR)]
PointVectors = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [*_VECTOR["anyOf"][:2], {"type": "object", "additionalProperties": _VECTOR}]}
    ),
]
Filter = Annotated[Any, WithJsonSchema(_FILTER)]
Params = Annotated[Any, WithJsonSchema(_PARAMS)]
Selection = Annotated[Any, AfterValidator(_selection), WithJsonSchema(_SELECTION)]


class Input(BaseModel):
    """A body. An unknown field is a mistake; a number in quotes is no number."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


class FoundPoint(BaseModel):
    """A point as it is given back."""

    id: PointIdIn
    score: float | None = Field(None, description="Only in search results.")
    payload: dict[str, Any] | None = None
    vector: PointVectors = None
