"""Types that bodies share. What only a store can judge (numbers of vectors, ids, filters) is `Any`
here, and shown in the document as what it is: the store looks at each anyway, and says the
place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from vectorplane_service.filter_language import Filter as FilterShape
from vectorplane_service.filter_language import PointIdShape, SearchParams
from vectorplane_service.filter_language import SomeFilter as SomeFilterShape

_FLOAT32 = 3.4028234e38
_NUMBER = {"type": "number", "minimum": -_FLOAT32, "maximum": _FLOAT32}
_NUMBERS = {"type": "array", "items": _NUMBER, "minItems": 1}
_SPARSE = {
    "type": "object",
    "description": "A sparse vector: as many values as indices.",
    "properties": {
        "indices": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
            "uniqueItems": True,
        },
        "values": {"type": "array", "items": _NUMBER},
    },
    "required": ["indices", "values"],
    "additionalProperties": False,
}
_MULTI = {"type": "array", "items": _NUMBERS, "minItems": 1}
VECTOR = {"anyOf": [_NUMBERS, _MULTI, _SPARSE]}
_NAMED = {"type": "object", "additionalProperties": VECTOR}
_SELECTION = {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class ShownAs:
    """Anything is taken; the document says this type. For what is checked later, or by a store."""

    type: Any

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(TypeAdapter(self.type).core_schema)


def _selection(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise PydanticCustomError("selection", "true, false, or a list of names")


PointIdIn = PointIdShape
OptionalId = Annotated[Any, ShownAs(PointIdShape | None)]
QueryVector = Annotated[Any, WithJsonSchema(nullable(VECTOR))]
PointVectors = Annotated[Any, WithJsonSchema(nullable({"anyOf": [_NUMBERS, _MULTI, _NAMED]}))]
Filter = Annotated[Any, ShownAs(FilterShape | None)]
SomeFilter = Annotated[Any, ShownAs(SomeFilterShape | None)]
Params = Annotated[Any, ShownAs(SearchParams | None)]
Selection = Annotated[Any, AfterValidator(_selection), WithJsonSchema(_SELECTION)]


class Input(BaseModel):
    """A body. An unknown field is a mistake; a number in quotes is no number."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """What is answered."""


class FoundPoint(Answer):
    """A point as it is given back."""

    id: PointIdIn
    score: float | None = Field(None, description="Only in search results.")
    payload: dict[str, Any] | None = None
    vector: PointVectors = None
