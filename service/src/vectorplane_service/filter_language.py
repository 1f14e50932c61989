"""Qdrant's filter language and search parameters as models, for the OpenAPI document alone.

Nothing is validated with them: every engine checks a filter itself, by the same code, and says the
place of a mistake. They say what that code takes.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Union

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

_PATH_PATTERN = r'^(?:[\w-]+|"[^"\\]*")(?:\.(?:[\w-]+|"[^"\\]*")|\[\d*\])*$'

FieldPath = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _PATH_PATTERN,
            "description": "A payload field: `price`, `shop.name`, `tags[].id`.",
        }
    ),
]
POINT_ID: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
        {"type": "string", "format": "uuid"},
    ]
}
PointIdShape = Annotated[Any, WithJsonSchema(POINT_ID)]
_Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
_Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


def one_of(*names: str) -> dict[str, JsonValue]:
    """The part of a schema that says: just one of these is given, and is not null."""
    return {
        "oneOf": [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names
        ]
    }


def any_of(*names: str) -> dict[str, JsonValue]:
    """The part of a schema that says: at least one of these is given, and is not null."""
    return {"anyOf": one_of(*names)["oneOf"]}


class _Words(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Match(_Words):
    """One of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    value: bool | _Int64 | str = Field(True, description="The value, or one of the field's values.")
    text: str = Field("", description="All words of this text.")
    text_any: str = Field("", description="Any word of this text.")
    phrase: str = Field("", description="These words in this order.")
    any: list[str] | list[_Int64] = Field([], description="Any of these values.")
    except_: list[str] | list[_Int64] = Field([], alias="except", description="None of these.")


class NumberRange(_Words):
    """Numbers within bounds."""

    model_config = ConfigDict(json_schema_extra=any_of("gte", "gt", "lte", "lt"))

    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


class TimeRange(_Words):
    """Times within bounds."""

    model_config = ConfigDict(json_schema_extra=any_of("gte", "gt", "lte", "lt"))

    gte: _Time | None = None
    gt: _Time | None = None
    lte: _Time | None = None
    lt: _Time | None = None


class ValuesCount(_Words):
    """How many values a field has."""

    model_config = ConfigDict(json_schema_extra=any_of("gte", "gt", "lte", "lt"))

    gte: _Count | None = None
    gt: _Count | None = None
    lte: _Count | None = None
    lt: _Count | None = None


class GeoPoint(_Words):
    lon: float = Field(ge=-180, le=180)
    lat: float = Field(ge=-90, le=90)


class GeoRadius(_Words):
    """Within a circle."""

    center: GeoPoint
    radius: float = Field(ge=0, description="In metres.")


class GeoBoundingBox(_Words):
    """Within a box."""

    top_left: GeoPoint
    bottom_right: GeoPoint


class GeoRing(_Words):
    """A closed line: the last point is the first one again."""

    points: list[GeoPoint] = Field(min_length=4)


class GeoPolygon(_Words):
    """Within the exterior, and in none of the interiors."""

    exterior: GeoRing
    interiors: list[GeoRing] | None = None


class FieldCondition(_Words):
    """What a payload field is asked for: one of the words beside `key`."""

    model_config = ConfigDict(
        json_schema_extra=one_of(
            "match",
            "range",
            "geo_radius",
            "geo_bounding_box",
            "geo_polygon",
            "values_count",
            "is_empty",
            "is_null",
        )
    )

    key: FieldPath
    match: Match | None = None
    range: NumberRange | TimeRange | None = None
    geo_radius: GeoRadius | None = None
    geo_bounding_box: GeoBoundingBox | None = None
    geo_polygon: GeoPolygon | None = None
    values_count: ValuesCount | None = None
    is_empty: bool | None = None
    is_null: bool | None = None


class PayloadField(_Words):
    key: FieldPath


class IsEmpty(_Words):
    """The field is not there, null, or an empty list."""

    is_empty: PayloadField


class IsNull(_Words):
    """The field is null."""

    is_null: PayloadField


class HasId(_Words):
    """The point is one of these."""

    has_id: list[PointIdShape]


class HasVector(_Words):
    """The point has a vector of that name."""

    has_vector: str


class Nested(_Words):
    """One object of a list fits the whole filter."""

    nested: NestedIn


class NestedIn(_Words):
    key: FieldPath
    filter: NestedFilter


NestedCondition = Union[FieldCondition, IsEmpty, IsNull, Nested, "NestedFilterCondition"]
Condition = Union[FieldCondition, IsEmpty, IsNull, HasId, HasVector, Nested, "FilterCondition"]


class NestedMinShould(_Words):
    """At least so many of the conditions."""

    conditions: list[NestedCondition] = Field(min_length=1)
    min_count: int = Field(ge=1, le=2**63 - 1)


class NestedFilter(_Words):
    """A filter on the objects of a list: it knows no ids and no vectors."""

    must: list[NestedCondition] | NestedCondition | None = None
    should: list[NestedCondition] | NestedCondition | None = None
    must_not: list[NestedCondition] | NestedCondition | None = None
    min_should: NestedMinShould | None = None


class NestedFilterCondition(NestedFilter):
    """A filter as a condition of another."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})


class MinShould(_Words):
    """At least so many of the conditions."""

    conditions: list[Condition] = Field(min_length=1)
    min_count: int = Field(ge=1, le=2**63 - 1)


class Filter(_Words):
    """A filter in Qdrant's language. It nests at most 24 deep."""

    must: list[Condition] | Condition | None = Field(None, description="All of these.")
    should: list[Condition] | Condition | None = Field(None, description="Any of these.")
    must_not: list[Condition] | Condition | None = Field(None, description="None of these.")
    min_should: MinShould | None = None


class FilterCondition(Filter):
    """A filter as a condition of another."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})


def says_something(*names: str) -> dict[str, JsonValue]:
    """The part of a schema that says: at least one of these is given, and is not empty."""
    empty: list[JsonValue] = [None, [], {}]
    return {
        "anyOf": [
            {"required": [name], "properties": {name: {"not": {"enum": empty}}}} for name in names
        ]
    }


class SomeFilter(Filter):
    """A filter that does not fit every point by mistake."""

    model_config = ConfigDict(
        json_schema_extra=says_something("must", "should", "must_not", "min_should")
    )


class QuantizationParams(_Words):
    ignore: bool | None = Field(None, description="Search the original vectors.")
    rescore: bool | None = Field(None, description="Score the best again with original vectors.")
    oversampling: float | None = Field(None, ge=1, description="So many times more to rescore.")


class AcornParams(_Words):
    enable: bool | None = None
    max_selectivity: float | None = Field(None, ge=0, le=1)


class SearchParams(_Words):
    """Search parameters in Qdrant's words."""

    hnsw_ef: int | None = Field(None, ge=1, le=2**32 - 1, description="Size of the beam.")
    exact: bool | None = Field(None, description="Look at every point.")
    indexed_only: bool | None = Field(None, description="Leave out what has no index yet.")
    quantization: QuantizationParams | None = None
    acorn: AcornParams | None = None
